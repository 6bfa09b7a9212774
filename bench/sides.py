"""What the benchmarks that run beside PyTorch have in common: two sides that take turns."""
import statistics
import subprocess
import sys
import time


class Side:
    """A program that does one piece of work for each line of its standard input and answers with
    the seconds (take_turns of bench/measure.hpp, answer_lines)."""

    def __init__(self, *command):
        start = time.perf_counter()
        self.process = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline().split()
        if not ready or ready[0] != "ready":
            sys.exit(f"{command[0]} did not start; of ours: cmake --build BUILD --target NAME makes it")
        self.figures = [float(figure) for figure in ready[1:]]
        self.first = time.perf_counter() - start  # from its start until it was ready

    def __call__(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        """Ends it; its peak memory in megabytes."""
        self.process.stdin.close()
        peak = float(self.process.stdout.readline().split()[1])
        self.process.wait()
        return peak


def peak_megabytes():
    """Largest resident memory of this process so far."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(float(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024 / 1e6


def seconds_of(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def answer_lines(work):
    """The part of Side in another Python process: warm already."""
    print("ready", flush=True)
    for _ in sys.stdin:
        print(seconds_of(work), flush=True)
    print("peak", peak_megabytes(), flush=True)


class Pairs:
    """Seconds of both sides in turn, each first in every second pair."""

    def __init__(self, ours, theirs, count):
        self.pairs = []
        for i in range(count):
            self.pairs.append((ours(), theirs()) if i % 2 == 0 else (theirs(), ours())[::-1])

    @property
    def ours(self):
        return statistics.median(a for a, _ in self.pairs)

    @property
    def theirs(self):
        return statistics.median(b for _, b in self.pairs)

    @property
    def ratio(self):
        """Median of the pairs' ratios: below 1, ours is faster."""
        return statistics.median(a / b for a, b in self.pairs)
