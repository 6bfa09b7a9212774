#!/usr/bin/env python3
"""least_count.py RATIOS DATASET…: prints how many synthetic videos of a class the largest of RATIOS (such as
0.5,1) asks for: that often the TRAIN videos of the largest class of the largest DATASET. Called by tables.sh
before anything is sampled."""
import collections
import csv
import math
import pathlib
import sys

CLASSES = ("ASD", "Non-ASD", "PAH", "Non-PAH")


def largest_class(dataset):
    with open(pathlib.Path(dataset) / "FileList.csv", newline="", encoding="utf-8-sig") as file:
        counts = collections.Counter(row["ClassName"] for row in csv.DictReader(file) if row["Split"] == "TRAIN")
    return max(counts[name] for name in CLASSES)


ratio = max(float(text) for text in sys.argv[1].split(","))
# Halves are rounded up, as `echopath train classifier` does with data.extra_ratios.
print(math.floor(ratio * max(largest_class(dataset) for dataset in sys.argv[2:]) + 0.5))
