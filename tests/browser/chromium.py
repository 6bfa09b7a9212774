"""Headless Chromium, told what to do by the DevTools protocol on a pair of pipes, which needs no package and no port.
Time is real time, so that a page on a busy machine gets as much as it needs."""
import json
import os
import select
import subprocess
import sys
import time

SECONDS = 120  # for one answer


class Browser:
    """Chromium with one tab. `events` holds what the tab told since it was last emptied."""

    def __init__(self, chromium, profile, options=()):
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        # Chromium reads commands from descriptor 3 and answers on 4.
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "chromium", chromium, "--headless=new",
             "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND",
             f"--user-data-dir={profile}", "--remote-debugging-pipe", *options, "about:blank"],
            pass_fds=(commands, answers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        self._unread, self._number, self.events, self._tab = b"", 0, [], None
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._tab = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def __call__(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._tab:
            message["sessionId"] = self._tab
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data):]
        while True:
            answer = self._read(method)
            if answer.get("id") != self._number:
                continue
            if "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']['message']}")
            return answer["result"]

    def wait_for(self, event):
        while not any(name == event for name, _ in self.events):
            self._read(event)

    def evaluate(self, script):
        found = self("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"]["description"])
        return found["result"].get("value")

    def close(self):
        self._tab = None
        try:
            self("Browser.close")
            self._process.wait(SECONDS)
        finally:
            self._process.kill()

    def _read(self, what):
        """The next message; one that is an event is kept."""
        end = time.monotonic() + SECONDS
        while b"\0" not in self._unread:
            if not select.select([self._answers], [], [], max(0, end - time.monotonic()))[0]:
                raise RuntimeError(f"Chromium did not answer within {SECONDS} s: {what}")
            part = os.read(self._answers, 1 << 20)
            if not part:
                raise RuntimeError(f"Chromium has ended: {what}")
            self._unread += part
        text, self._unread = self._unread.split(b"\0", 1)
        message = json.loads(text)
        if "method" in message and message.get("sessionId") == self._tab:
            self.events.append((message["method"], message["params"]))
        return message


def end_with_faults(browser, faults):
    """Ends the program: takes the faults from `browser`, closes it and prints them; the exit code is 1 where there
    is one."""
    try:
        found = list(faults)
    finally:
        browser.close()
    for fault in found:
        print(fault, file=sys.stderr)
    sys.exit(1 if found else 0)
