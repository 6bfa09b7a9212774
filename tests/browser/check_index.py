#!/usr/bin/env python3
"""check_index.py CHROMIUM PROFILE [--screenshot FILE] SAMPLE_DIR…: opens the index.html of sample directories in
headless Chromium. Every video must load, play and have frames, and each button must leave the videos of its class,
as many as the manifest has. What is wrong stands on standard error."""
import argparse
import base64
import collections
import json
import pathlib

from chromium import Browser, end_with_faults

# Presses every button: [class, figures, of its class, videos that play].
LOOK = """(async () => {
  const wait = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));
  const plays = async player => {
    player.preload = "auto";
    player.load();
    for (let i = 0; i < 300 && player.readyState < 2 && !player.error; ++i) await wait(50);
    if (player.readyState < 2 || !player.videoWidth || !player.duration) return false;
    await player.play().catch(() => {});
    for (let i = 0; i < 100 && !player.played.length; ++i) await wait(50);
    return player.played.length > 0;
  };
  const seen = [];
  for (const button of document.querySelectorAll("#filters button")) {
    button.click();
    const figures = [...document.querySelectorAll("figure")], wanted = button.dataset.class;
    const right = figures.filter(figure => !wanted || figure.querySelector("b").textContent === wanted);
    let playing = 0;
    for (const figure of figures) {
      const player = figure.querySelector("video");
      if (player && await plays(player)) ++playing;
    }
    seen.push([wanted || "", figures.length, right.length, playing]);
  }
  document.querySelector("#filters button").click();
  return seen;
})()"""

# What a picture of the page needs: every video at rest on a frame of its own.
REST = """(async () => {
  for (const player of document.querySelectorAll("video")) {
    player.pause();
    const sought = new Promise(resolve => player.addEventListener("seeked", resolve));
    player.currentTime = 0.5;
    await Promise.race([sought, new Promise(resolve => setTimeout(resolve, 10000))]);
  }
  await new Promise(resolve => setTimeout(resolve, 500));
})()"""


def check(browser, folder):
    """Faults of the page, as sentences."""
    manifest = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    wanted = collections.Counter(entry["class"] for entry in manifest)
    wanted[""] = len(manifest)
    browser.events.clear()
    browser("Page.navigate", url=(folder / "index.html").resolve().as_uri())
    browser.wait_for("Page.loadEventFired")
    seen = browser.evaluate(LOOK)
    if sorted(name for name, *_ in seen) != sorted(wanted):
        yield f"{folder}: the buttons are {[name for name, *_ in seen]}, the classes {sorted(wanted)}"
    for name, figures, right, playing in seen:
        where = f"{folder}: {name or 'all'}"
        if figures != wanted[name]:
            yield f"{where}: {figures} videos on the page, {wanted[name]} in the manifest"
        if right != figures:
            yield f"{where}: {figures - right} videos are of another class"
        if playing != figures:
            yield f"{where}: {playing} of {figures} videos play"
    print(f"{folder}: {len(manifest)} videos of {len(wanted) - 1} classes, {len(seen)} buttons")


def faults_of(browser, options):
    """Of all pages; the picture is made at the end."""
    for folder in options.folders:
        yield from check(browser, folder)
    if options.screenshot:
        browser.evaluate(REST)
        shot = browser("Page.captureScreenshot", format="png")["data"]
        options.screenshot.write_bytes(base64.b64decode(shot))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chromium")
    parser.add_argument("profile")
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--screenshot", type=pathlib.Path, help="of the last page")
    options = parser.parse_args()
    browser = Browser(options.chromium, options.profile, ["--autoplay-policy=no-user-gesture-required"])
    end_with_faults(browser, faults_of(browser, options))


if __name__ == "__main__":
    main()
