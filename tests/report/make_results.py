#!/usr/bin/env python3
"""make_results.py RUNS RESULTS: two training runs in RUNS, and in RESULTS tables, classification and distribution as
the program and scripts/paper/make_tables.py write them, but for what pages do not show. The figures are made up."""
import csv
import json
import math
import pathlib
import sys


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def make_run(folder, rate, digit):
    write(folder / "config.json", {"training": {"steps": 1000, "learning_rate": rate}, "data": {"dataset": "data"}})
    write(folder / "checkpoints/step-00001000/DONE", {"weights.safetensors": digit * 64, "ema.safetensors": digit * 64})
    with open(folder / "metrics.jsonl", "w") as file:
        for step in range(10, 1001, 10):
            rows = [{"kind": "training", "loss": math.exp(-step * rate), "learning_rate": rate}]
            if step % 100 == 0:
                rows.append({"kind": "validation", "val_loss": 0.1 + math.exp(-step * rate),
                             "val_loss/t=125": 0.2 + math.exp(-step * rate)})
            for row in rows:
                file.write(json.dumps({"step": step, **row}) + "\n")


def interval(estimate, **more):
    return {"estimate": estimate, "low": estimate - 0.1, "high": estimate + 0.1, **more}


def make_classification(folder):
    names = ("accuracy", "balanced_accuracy", "macro_f1", "auc", "brier")
    arms = [{"arm": arm, "classifiers": 2, "videos": 40, "patients": 30, "look": look,
             "sources": [{"source": f"models/{arm}_{i}:classifier_asd", "sha256": f"{i}{look}" * 32} for i in (1, 2)],
             "scores": {name: interval(0.7, sd=0.02) for name in names}}
            for arm, look in (("real", 1), ("both", 2))]
    pair = {"arm": "both", "against": "real", "mcnemar": {"only_arm_right": 3, "only_against_right": 1, "p": 0.625},
            "delong": {"auc_from": "scores", "auc_arm": 0.7, "auc_against": 0.7, "p": None},
            "differences": {name: interval(0.0) for name in names}}
    write(folder / "classification.json", {
        "dataset": "data", "split": "VAL", "looks": None, "auc_from": "scores",
        "bootstrap": {"resamples": 1000, "coverage": 0.95, "seed": 0}, "classes": ["Non-ASD", "ASD"], "arms": arms,
        "comparisons": [pair]})


def make_distribution(folder):
    count = {"items": 80, "videos": 8, "patients": 8}
    metrics = [{"metric": "FID", "class": None, "value": 12345.6, "corrected": 12.25, "interval": [10.0, 14.5],
                "real": count, "synthetic": count, "warnings": ["few: 8 real patients"]},
               {"metric": "IS", "class": "ASD", "value": 2.5, "spread": 0.125, "real": None, "synthetic": count,
                "warnings": []}]
    write(folder / "generation.json", {
        "kind": "distribution", "real": "data", "real_sha256": None, "real_split": "TEST", "synthetic": "samples",
        "synthetic_split": "", "frames": 16, "every": 2, "compat": "echopath", "protocol": {"jpeg": "none"},
        "warnings": [], "detectors": [{
            "detector": {"name": "in-domain classifier, frames", "hash": "0123456789abcdef" * 4}, "metrics": metrics,
            "left_out_real": [{"name": "short.avi", "reason": "3 frames"}], "left_out_synthetic": []}]})


def make_tables(folder):
    write(folder / "tables.json", {"title": "The paper's tables", "notes": ["Made-up figures."], "tables": [
        {"title": "Table 1", "file": "table_1.csv", "theirs": [2, 4, 6, 8, 10, 12]},
        {"title": "Table 2", "file": "table_2.csv", "theirs": [2]}]})
    words = "20.5 ± 0.1; corrected 12.25 (10 to 14.5) [few videos], N 80 real, 80 synthetic, in-domain 01234567"
    columns = [f"{task} {measure}{whose}" for task in ("ASD", "PAH") for measure in ("FID", "FVD16", "IS")
               for whose in ("", ", paper's")]
    tables = {"table_1.csv": [["Method"] + columns, ["Ours, w = 5"] + [words, "134.88"] * 6],
              "table_2.csv": [["Trained on", "ASD ACC", "ASD ACC, paper's"],
                              ["Ours, w = 5", "0.800 (0.700 to 0.900)", "0.848"]]}
    for name, rows in tables.items():
        with open(folder / name, "w", newline="") as file:
            csv.writer(file).writerows(rows)


runs, results = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
make_run(runs / "first", 0.0025, "a")
make_run(runs / "second", 0.005, "b")
make_classification(results / "classification")
make_distribution(results / "distribution")
make_tables(results / "tables")
