#!/usr/bin/env python3
"""make_folds.py DATASET OUT K: K datasets OUT/1 … OUT/K whose videos are those of DATASET (a link to its
folder) and whose VAL is another fold of the patients of TRAIN and VAL; TEST stays what it is. Patients of
a class take turns in the order of a hash of their names, so that folds do not depend on the list's order."""
import csv
import hashlib
import os
import pathlib
import sys


def main():
    source, out, folds = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
    with open(source / "FileList.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    patients = {}
    for row in rows:
        if row["Split"] in ("TRAIN", "VAL"):
            patients.setdefault(row["PatientId"], row["ClassName"])
    fold_of, turns = {}, {}
    for name in sorted(patients, key=lambda name: hashlib.sha256(name.encode()).hexdigest()):
        turn = turns.get(patients[name], 0)
        fold_of[name] = turn % folds
        turns[patients[name]] = turn + 1
    for fold in range(folds):
        folder = out / str(fold + 1)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "Videos").exists():
            os.symlink((source / "Videos").resolve(), folder / "Videos")
        temporary = folder / ".FileList.csv.tmp"
        with open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            for row in rows:
                if row["Split"] in ("TRAIN", "VAL"):
                    held_out = fold_of[row["PatientId"]] == fold
                    row = dict(row, Split="VAL" if held_out else "TRAIN")
                writer.writerow(row)
        temporary.rename(folder / "FileList.csv")


main()
