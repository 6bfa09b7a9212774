#!/usr/bin/env python3
"""What a video costs, and what it is worth, by preset. Plain Python, nothing to install.

  bench/sampling.py [--program PATH] [--model DIR] [--judges DIR] [--real DIR] [--out DIR]
                    [--videos 64] [--threads 2] [--minutes M] [--only cost|quality] [--reference-steps 256]

Cost: one video of 4 blocks at w = 5 of each arm, with its frame-evaluations (frames that went through the
LVDM, both guidance branches counted), seconds and peak memory of the whole command:
  reference  the published recipe: DDPM of 256 steps, overlapping windows that cover the same length, both
             guidance branches always (--preset reference)
  blocks     the same steps and guidance, block after block
  default    the default preset
  fast       --preset fast
Quality: the Fréchet distance of single blocks to real frames in in-domain features, the same seeds and
classes in each arm, and its paired difference from the reference's (`echopath eval compare`).

The reference takes hours on two cores. --minutes M stops a leg after about M minutes; the same command goes
on from there. Results are kept in --out; a bar that is missed makes the exit code 1.
"""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCKS = 4
PUBLISHED = ["--preset", "reference"]
ARMS = {
    "reference": PUBLISHED,
    "blocks": PUBLISHED + ["--sampler", "blocks"],
    "default": [],
    "fast": ["--preset", "fast"],
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/echopath"))
    parser.add_argument("--model", default=str(ROOT / "models/phantom"))
    parser.add_argument("--judges", help="model directory with the classifiers (default: --model)")
    parser.add_argument("--real", help="held-out real videos (default: phantoms, 32 a class)")
    parser.add_argument("--out", default=str(ROOT / "runs/bench_sampling"))
    parser.add_argument("--videos", type=int, default=64, help="single blocks of each arm")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=500000)
    parser.add_argument("--minutes", type=float, default=0, help="length of a leg (0: to the end)")
    parser.add_argument("--only", choices=["cost", "quality"])
    parser.add_argument("--reference-steps", type=int, default=256, help="fewer for a quick trial")
    return parser.parse_args()


class Bench:
    def __init__(self, options):
        self.options = options
        self.out = pathlib.Path(options.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.info = json.loads((pathlib.Path(options.model) / "echopath.json").read_text())
        self.deadline = time.monotonic() + 60 * options.minutes if options.minutes else None
        self.remember()

    def remember(self):
        """Results of other options must not be taken for these."""
        kept = {k: v for k, v in vars(self.options).items() if k not in ("minutes", "only", "out")}
        path = self.out / "options.json"
        if path.exists() and json.loads(path.read_text()) != kept:
            sys.exit(f"{self.out} holds the results of other options; name another folder with --out")
        path.write_text(json.dumps(kept))

    def arm(self, name):
        extra = ARMS[name]
        steps = self.options.reference_steps
        if "reference" in extra and steps != 256:
            extra = extra + ["--steps", str(steps)]
        return extra

    def windows(self):
        """Windows, half of each shared, that cover the frames of the blocks."""
        n, c = self.info["block_length"], self.info["context_frames"]
        length = n + (n - c) * (BLOCKS - 1)
        return 1 + -(-(length - n) // (n - n // 2))

    def sample(self, name, out, count, blocks, classes):
        o = self.options
        return [o.program, "sample", "--model", o.model, "--out", str(out), "--w", "5", "--count",
                str(count), "--blocks", str(blocks), "--seed", str(o.seed), "--threads",
                str(o.threads), "--quiet", "--json", *classes, *self.arm(name)]

    def cost(self, name):
        path = self.out / f"cost_{name}.json"
        if path.exists():
            return json.loads(path.read_text())
        folder = self.out / f"cost_{name}"
        subprocess.run(["rm", "-rf", str(folder)], check=True)
        blocks = self.windows() if name == "reference" else BLOCKS
        command = self.sample(name, folder, 1, blocks, ["--class", "ASD"])
        print("+", " ".join(command), flush=True)
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"{name} failed")
        entry = json.loads((folder / "manifest.jsonl").read_text().splitlines()[0])
        figures = {"seconds": time.monotonic() - start, "peak_mb": usage.ru_maxrss / 1000,
                   "frames": entry["frames"], "command": " ".join(command),
                   "frame_evaluations": frame_evaluations(folder, entry)}
        path.write_text(json.dumps(figures))
        return figures

    def make_singles(self, name):
        """Single blocks of an arm; False where the leg ended before the last."""
        folder = self.out / f"single_{name}"
        if (self.out / f"single_{name}.done").exists():
            return True
        command = self.sample(name, folder, -(-self.options.videos // 4), 1, [])
        if (folder / "manifest.jsonl").exists():
            command.append("--resume")
        print("+", " ".join(command), flush=True)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None:
            time.sleep(1)
            if self.deadline and time.monotonic() > self.deadline:
                process.send_signal(signal.SIGTERM)
                process.wait()
                return False
        if process.returncode != 0:
            sys.exit(f"{name} failed")
        (self.out / f"single_{name}.done").touch()
        return True

    def real(self):
        if self.options.real:
            return self.options.real
        folder = self.out / "held_out"
        if not folder.exists():
            subprocess.run([self.options.program, "phantom", "--out", str(folder), "--patients",
                            "128", "--seed", "1007", "--split", "0,0,100", "--quiet"], check=True)
        return str(folder)

    def quality(self):
        path = self.out / "quality.json"
        if path.exists():
            return json.loads(path.read_text())
        for name in ("default", "fast", "blocks", "reference"):
            if not self.make_singles(name):
                return None
        command = [self.options.program, "eval", "compare", "--json", "--real", self.real(),
                   "--model", self.options.judges or self.options.model, "--threads",
                   str(self.options.threads)]
        for name in ARMS:
            command += ["--arm", f"{name}={self.out / f'single_{name}'}"]
        print("+", " ".join(command), flush=True)
        text = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        path.write_bytes(text)
        return json.loads(text)


def frame_evaluations(folder, entry):
    """Frames that went through the LVDM: blocks or windows, steps, guidance branches, frames of each."""
    config = json.loads((folder / "config.json").read_text())
    config = config.get("options", config)
    guidance = config.get("guidance", {})
    scale = config.get("guidance_scale", 1.0)
    if scale > 1:
        scale = 1 + guidance.get("video_share", 1.0) * (scale - 1)
    if scale not in (0.0, 1.0) and (guidance.get("interval_start", 0), guidance.get("interval_end", 1)) != (0, 1):
        sys.exit("the preset has a guidance interval: count the steps inside it here too")
    if guidance.get("frame_scale", 1) != 1:
        sys.exit("the preset has a guidance scale of the frame: count its branch here too")
    branches = 1 if scale in (0.0, 1.0) else 2
    steps = entry["steps"] * 2 - 1 if entry["solver"] == "heun" else entry["steps"]
    return entry["blocks"] * steps * branches * entry["block_length"]


def interval(value, digits=4):
    if value["estimate"] is None:
        return "-"
    if value["low"] is None:
        return f"{value['estimate']:.{digits}f}"
    return f"{value['estimate']:.{digits}f} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"


def print_table(costs, quality):
    print("\n| arm | frames | frame-evaluations | seconds | peak memory | Fréchet distance | less the "
          "reference's |\n|---|---|---|---|---|---|---|")
    arms = {a["name"]: a for a in quality["arms"]} if quality else {}
    for name in ARMS:
        cost, arm = costs.get(name), arms.get(name)
        cells = [name]
        cells += [str(cost["frames"]), f"{cost['frame_evaluations']:,}", f"{cost['seconds']:.1f}",
                  f"{cost['peak_mb']:.0f} MB"] if cost else ["-"] * 4
        cells += [interval(arm["frechet"]), interval(arm["difference"])] if arm else ["-"] * 2
        print("| " + " | ".join(cells) + " |")
    if quality:
        print(f"\nDetector {quality['detector']['name']}, {quality['detector']['sha256'][:12]}; "
              f"{quality['arms'][0]['videos']} single blocks an arm "
              f"({quality['arms'][0]['frames']} frames), {quality['real']['videos']} real videos "
              f"({quality['real']['frames']} frames).")


def bars(costs, quality):
    """Prints the bars; whether all that could be judged are met."""
    met = True

    def bar(what, value, limit, above):
        nonlocal met
        good = value >= limit if above else value <= limit
        met = met and good
        sign = "at least" if above else "at most"
        print(f"{'met   ' if good else 'MISSED'}  {what}: {value:.3g}, bar {sign} {limit:.3g}")

    if costs:
        a, b, c = costs["reference"], costs["blocks"], costs["default"]
        bar("frame-evaluations of the reference over those of blocks",
            a["frame_evaluations"] / b["frame_evaluations"], 1.6, True)
        bar("seconds of the reference over those of the default preset",
            a["seconds"] / c["seconds"], 25, True)
    if quality:
        arms = {x["name"]: x for x in quality["arms"]}
        high = arms["default"]["difference"]["high"]
        if high is not None:
            bar("upper end of the default preset's difference in Fréchet distance over the "
                "reference's distance", high / arms["reference"]["frechet"]["estimate"], 0.10, False)
    return met


def main():
    options = parse()
    bench = Bench(options)
    costs, quality = {}, None
    if options.only != "quality":
        # The short ones first, so that a mistake shows early.
        for name in ("default", "fast", "blocks", "reference"):
            costs[name] = bench.cost(name)
    if options.only != "cost":
        quality = bench.quality()
        if quality is None:
            print(f"the leg of {options.minutes:g} minutes is over; the same command goes on")
    print_table(costs, quality)
    sys.exit(0 if bars(costs, quality) else 1)


if __name__ == "__main__":
    main()
