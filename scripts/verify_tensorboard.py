#!/usr/bin/env python3
"""The Python side of verify_tensorboard.sh: compares the event files of each run in a folder, as
TensorBoard reads them, with its metrics.jsonl."""
import argparse
import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "io"))
import read_event_files  # noqa: E402

HEADINGS = {"training": ("training", "resources"), "validation": ("validation",)}


def expected_scalars(run):
    """tag -> [[step, value]], from metrics.jsonl."""
    scalars = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        for name, value in row.items():
            if row["kind"] in HEADINGS and name not in ("step", "kind"):
                scalars.setdefault((row["kind"], name), []).append([row["step"], value])
    return scalars


def largest_difference(expected, seen):
    """Relative, over all figures; infinite where one is absent, twice there, or at another step."""
    largest = 0.0
    for (kind, name), rows in expected.items():
        found = [seen[f"{heading}/{name}"] for heading in HEADINGS[kind]
                 if f"{heading}/{name}" in seen]
        if len(found) != 1 or [step for step, _ in found[0]] != [step for step, _ in rows]:
            print(f"{name}: {rows} became {found}")
            return math.inf
        for (_, value), (_, expected_value) in zip(found[0], rows):
            if expected_value is None:
                continue
            scale = max(abs(expected_value), 1e-30)
            largest = max(largest, abs(value - expected_value) / scale)
    return largest


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=pathlib.Path)
    parser.add_argument("--pictures", type=pathlib.Path)
    arguments = parser.parse_args()
    failed = False
    print(f"{'run':6} {'files':>5} {'curves':>6} {'points':>6} {'difference':>10}  "
          "histograms  pictures")
    for run in sorted(arguments.runs.iterdir()):
        seen = read_event_files.read(run, arguments.pictures and arguments.pictures / run.name)
        expected = expected_scalars(run)
        difference = largest_difference(expected, seen["scalars"])
        # Single precision, printed with six digits.
        failed |= difference > 5e-6 or not seen["images"] or not seen["texts"]
        pictures = [f"{tag} at {p['step']}: {p['format']} {p['width']}x{p['height']}"
                    + (f", {p['frames']} frames" if p["frames"] > 1 else "")
                    for tag, found in seen["images"].items() for p in found]
        points = sum(len(rows) for rows in seen["scalars"].values())
        print(f"{run.name:6} {len(list(run.glob('events.*'))):5} {len(seen['scalars']):6} "
              f"{points:6} {difference:10.1e}  "
              f"{sum(len(h) for h in seen['histograms'].values()):10}  {'; '.join(pictures)}")
    sys.exit("the event files differ from metrics.jsonl" if failed else 0)


if __name__ == "__main__":
    main()
