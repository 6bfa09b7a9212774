#!/usr/bin/env python3
"""What a video costs, and what it is worth, by preset. Plain Python, nothing to install.

  bench/sampling.py [--program PATH] [--model DIR] [--judges DIR] [--real DIR] [--out DIR]
                    [--videos 64] [--threads 2] [--nproc 1] [--minutes M] [--only cost|quality] [--reference-steps 256]

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
on from there. A video in progress is lost then; the one video of a cost is timed in one piece, and an arm
starts only where the leg seems long enough. Results are kept in --out.

Exit codes: 0 every bar of the parts asked for is met; 1 a bar is missed or there is no number to judge it
by, or an error; 75 not finished, run again.
"""
import argparse
import hashlib
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCKS = 4
SCALE = 5
LEAST_VIDEOS = 64  # that the bar of the quality asks for
NOT_FINISHED = 75  # EX_TEMPFAIL
PUBLISHED = ["--preset", "reference"]
ARMS = {
    "reference": PUBLISHED,
    "blocks": PUBLISHED + ["--sampler", "blocks"],
    "default": [],
    "fast": ["--preset", "fast"],
}
# The short ones first, so that a mistake shows early.
ORDER = ("default", "fast", "blocks", "reference")
HASHES = {
    "model_weights": "the model's weights",
    "defaults": "the sampling's defaults",
    "judges_weights": "the judges' weights",
    "real_list": "the list of the real videos",
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
    parser.add_argument("--nproc", type=int, default=1,
                        help="processes of so many threads that share the single blocks of an arm")
    parser.add_argument("--seed", type=int, default=500000)
    parser.add_argument("--minutes", type=float, default=0, help="length of a leg (0: to the end)")
    parser.add_argument("--only", choices=["cost", "quality"])
    parser.add_argument("--reference-steps", type=int, default=256, help="fewer for a quick trial")
    return parser.parse_args()


def weights_hash(model):
    """Of echopath.json and all component files of a model directory. The model card may change."""
    folder = pathlib.Path(model)
    if not (folder / "echopath.json").exists():
        sys.exit(f"{model} is no model directory: it has no echopath.json")
    return files_hash(folder, [folder / "echopath.json", *folder.glob("*/*")])


def files_hash(folder, files):
    """Of names and contents."""
    digest = hashlib.sha256()
    for file in sorted(f for f in files if f.is_file()):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{content}  {file.relative_to(folder)}\n".encode())
    return digest.hexdigest()


def preset_config(name):
    """What an arm's preset asks for; the defaults are those of `balanced`."""
    arguments = ARMS[name]
    preset = arguments[arguments.index("--preset") + 1] if "--preset" in arguments else "balanced"
    text = (ROOT / "configs" / preset / "sample.json").read_text()
    return json.loads(re.sub(r"//.*", "", text)) | {"guidance_scale": SCALE}


class Bench:
    def __init__(self, options):
        self.options = options
        self.out = pathlib.Path(options.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.start = time.monotonic()
        self.videos_made = 0
        self.remember()
        self.info = json.loads((pathlib.Path(options.model) / "echopath.json").read_text())

    def remember(self):
        """Results of other options, weights or videos must not be taken for these."""
        o = self.options
        kept = {k: v for k, v in vars(o).items() if k not in ("minutes", "nproc", "only", "out")}
        kept["model_weights"] = weights_hash(o.model)
        kept["judges_weights"] = weights_hash(o.judges or o.model)
        shown = subprocess.run([o.program, "config", "show", "sample"], check=True, stdout=subprocess.PIPE, text=True)
        values = [line for line in shown.stdout.splitlines() if not line.startswith(" ")]
        kept["defaults"] = hashlib.sha256("\n".join(values).encode()).hexdigest()
        if o.real:
            real = pathlib.Path(o.real)
            if not real.is_dir():
                sys.exit(f"--real {real} is no folder: name a dataset directory or a folder of videos")
            kept["real_list"] = files_hash(real, [real / "FileList.csv"])
        path = self.out / "options.json"
        old = json.loads(path.read_text()) if path.exists() else kept
        changed = {k for k in old.keys() | kept.keys() if old.get(k) != kept.get(k)}
        if changed - (HASHES.keys() & old.keys()):
            other = ", ".join(HASHES.get(k, "--" + k.replace("_", "-")) for k in sorted(changed))
            sys.exit(f"{self.out} holds the results of other options ({other}): {path.read_text()}\n"
                     "Name another folder with --out, or remove it.")
        if changed:
            what = ", ".join(text for k, text in HASHES.items() if k in changed)
            sys.exit(f"these have changed since the results in {self.out} were made: {what}\nName another "
                     f"folder with --out, or remove {self.out} to measure anew.")
        path.write_text(json.dumps(kept))

    def seconds_left(self):
        if not self.options.minutes:
            return math.inf
        return self.start + 60 * self.options.minutes - time.monotonic()

    def planned_evaluations(self, name, blocks):
        """Frame-evaluations of an arm's video of so many blocks, or windows."""
        config = preset_config(name)
        if "reference" in ARMS[name]:
            config["solver"]["num_inference_steps"] = self.options.reference_steps
        return frame_evaluations(config, {
            "blocks": blocks, "block_length": self.info["block_length"],
            "steps": config["solver"]["num_inference_steps"], "solver": config["solver"]["name"]})

    def estimate(self, name, blocks):
        """Seconds of that video, by those of the arms whose cost is known; None where none is."""
        known = [json.loads(f.read_text()) for f in self.out.glob("cost_*.json")]
        evaluations = sum(k["frame_evaluations"] for k in known)
        if not evaluations:
            return None
        return self.planned_evaluations(name, blocks) * sum(k["seconds"] for k in known) / evaluations

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
        return [o.program, "sample", "--model", o.model, "--out", str(out), "--w", str(SCALE), "--count",
                str(count), "--blocks", str(blocks), "--seed", str(o.seed), "--threads",
                str(o.threads), "--quiet", "--json", *classes, *self.arm(name)]

    def cost(self, name):
        """What one video of an arm costs; None where the leg seems too short for it."""
        path = self.out / f"cost_{name}.json"
        if path.exists():
            return json.loads(path.read_text())
        blocks = self.windows() if name == "reference" else BLOCKS
        needed, left = self.estimate(name, blocks) or 0, self.seconds_left()
        if needed > left:
            print(f"the cost of {name} needs one uninterrupted leg of about {minutes(needed)} minutes, and "
                  f"this one has {max(0, left) / 60:.0f} left: run again with --minutes "
                  f"{minutes(needed) + 1} or more", flush=True)
            return None
        folder = self.out / f"cost_{name}"
        subprocess.run(["rm", "-rf", str(folder)], check=True)
        command = self.sample(name, folder, 1, blocks, ["--class", "ASD"])
        print("+", " ".join(command), flush=True)
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"{name} failed")
        seconds = time.monotonic() - start
        config = json.loads((folder / "config.json").read_text())
        entry = json.loads((folder / "manifest.jsonl").read_text().splitlines()[0])
        figures = {"seconds": seconds, "peak_mb": usage.ru_maxrss / 1000,
                   "frames": entry["frames"], "command": " ".join(command),
                   "frame_evaluations": frame_evaluations(config["options"], entry)}
        path.write_text(json.dumps(figures))
        self.videos_made += 1
        return figures

    def make_singles(self, name):
        """Single blocks of an arm; False where the leg ended before the last."""
        folder = self.out / f"single_{name}"
        if (self.out / f"single_{name}.done").exists():
            return True
        if self.seconds_left() <= 0:
            return False
        command = self.sample(name, folder, -(-self.options.videos // 4), 1,
                              ["--nproc", str(self.options.nproc)])
        if (folder / "manifest.jsonl").exists():
            command.append("--resume")
        print("+", " ".join(command), flush=True)
        before, start = videos_in(folder), time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None:
            time.sleep(1)
            if self.seconds_left() <= 0:
                process.send_signal(signal.SIGTERM)
                process.wait()
                self.videos_made += videos_in(folder) - before
                if self.videos_made == 0:
                    self.warn_of_no_video(name, time.monotonic() - start)
                return False
        if process.returncode != 0:
            sys.exit(f"{name} failed")
        self.videos_made += videos_in(folder) - before
        (self.out / f"single_{name}.done").touch()
        return True

    def warn_of_no_video(self, name, spent):
        """One video and the start of the program have to fit into a leg."""
        needed = max(self.estimate(name, 1) or 0, spent)
        print(f"warning: this leg made no video, and a video in progress is lost at its end; one block of "
              f"{name} takes {minutes(needed)} minutes or more: give --minutes "
              f"{minutes(needed) + 1} at least", flush=True)

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
        for name in ORDER:
            if not self.make_singles(name):
                return None
        command = [self.options.program, "eval", "compare", "--json", "--real", self.real(),
                   "--model", self.options.judges or self.options.model, "--threads",
                   str(self.options.threads)]
        for name in ARMS:
            command += ["--arm", f"{name}={self.out / f'single_{name}'}"]
        print("+", " ".join(command), flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit("eval compare failed: see the message above; the same command goes on")
        path.write_bytes(done.stdout)
        return json.loads(done.stdout)


def minutes(seconds):
    return math.ceil(seconds / 60)


def videos_in(folder):
    """Of all processes."""
    return sum(len(f.read_text().splitlines()) for f in folder.glob("manifest*.jsonl"))


def frame_evaluations(config, entry):
    """Frames that went through the LVDM: blocks or windows, steps, guidance branches, frames of each."""
    guidance = config.get("guidance", {})
    scale = config.get("guidance_scale", 1.0)
    if scale > 1:
        scale = 1 + guidance.get("video_share", 0.0) * (scale - 1)
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
    """Prints the bars of the parts that are there; whether all are met."""
    met = True

    def bar(what, value, limit, above, lacks=None):
        """`value` may be None; `lacks` says why it is no number to judge by."""
        nonlocal met
        good = value is not None and lacks is None and (value >= limit if above else value <= limit)
        met = met and good
        said = "no number" if value is None or lacks else "met" if good else "MISSED"
        print(f"{said:9}  {what}: {'-' if value is None else f'{value:.3g}'}, bar "
              f"{'at least' if above else 'at most'} {limit:.3g}" + (f"; {lacks}" if lacks else ""))

    def ratio(over, under):
        return None if over is None or not under else over / under

    if costs:
        evaluations = {name: cost["frame_evaluations"] for name, cost in costs.items()}
        seconds = {name: cost["seconds"] for name, cost in costs.items()}
        bar("frame-evaluations of the reference over those of blocks",
            ratio(evaluations.get("reference"), evaluations.get("blocks")), 1.6, True)
        bar("seconds of the reference over those of the default preset",
            ratio(seconds.get("reference"), seconds.get("default")), 25, True)
        each = {name: cost["frame_evaluations"] / cost["frames"] for name, cost in costs.items()}
        if "reference" in each and "blocks" in each:
            print(f"           of each finished frame: {each['reference']:.0f} and {each['blocks']:.0f}, "
                  f"{ratio(each['reference'], each['blocks']):.3g} times as many; windows come whole, so that "
                  "the reference's cover more frames than were asked for")
    if quality:
        arms = {x["name"]: x for x in quality["arms"]}
        videos = arms["default"]["videos"]
        high = arms["default"]["difference"]["high"]
        lacks = "there is no interval" if high is None else None
        if videos < LEAST_VIDEOS:
            lacks = f"{videos} single blocks an arm, the bar asks for {LEAST_VIDEOS}"
        bar("upper end of the default preset's difference in Fréchet distance over the "
            "reference's distance", ratio(high, arms["reference"]["frechet"]["estimate"]), 0.10, False,
            lacks)
    return met


def main():
    options = parse()
    bench = Bench(options)
    costs, quality = {}, None
    if options.only != "quality":
        costs = {name: cost for name in ORDER if (cost := bench.cost(name))}
    if options.only != "cost":
        quality = bench.quality()
    print_table(costs, quality)
    met = bars(costs, quality)
    if (options.only != "quality" and len(costs) < len(ORDER)) or (options.only != "cost" and not quality):
        print(f"not finished in this leg of {options.minutes:g} minutes: the same command goes on")
        sys.exit(NOT_FINISHED)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
