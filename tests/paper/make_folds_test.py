#!/usr/bin/env python3
"""scripts/paper/make_folds.py on a made-up list: patients stay whole, TEST stays what it is, and every patient
of TRAIN and VAL is in VAL once."""
import csv
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "paper" / "make_folds.py"
FOLDS = 3
CLASSES = ("ASD", "Non-ASD")


def studies():
    """Of each class 7 patients of TRAIN, 2 of VAL and 3 of TEST, with one to three videos each."""
    for name in CLASSES:
        for i, split in enumerate(["TRAIN"] * 7 + ["VAL"] * 2 + ["TEST"] * 3):
            for video in range(1 + i % 3):
                yield {"FileName": f"{name}_{i}_{video}", "ClassName": name, "PatientId": f"{name} {i}", "Split": split}


def folds_of(rows):
    """The rows of each fold, by FileName."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = pathlib.Path(folder, "data"), pathlib.Path(folder, "folds")
        (source / "Videos").mkdir(parents=True)
        with open(source / "FileList.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        subprocess.run([sys.executable, SCRIPT, source, out, str(FOLDS)], check=True)
        folds = []
        for fold in sorted(out.iterdir()):
            assert (fold / "Videos").samefile(source / "Videos"), fold
            with open(fold / "FileList.csv", newline="") as file:
                folds.append({row["FileName"]: row for row in csv.DictReader(file)})
        return folds


class MakeFolds(unittest.TestCase):
    def setUp(self):
        self.rows = list(studies())
        self.folds = folds_of(self.rows)

    def held_out(self, fold, name):
        return {row["PatientId"] for row in fold.values() if row["Split"] == "VAL" and row["ClassName"] == name}

    def test_each_fold_has_every_video_and_changes_nothing_but_its_split(self):
        self.assertEqual(len(self.folds), FOLDS)
        for fold in self.folds:
            self.assertEqual(list(fold), [row["FileName"] for row in self.rows])
            for row in self.rows:
                self.assertEqual(dict(fold[row["FileName"]], Split=""), dict(row, Split=""))

    def test_the_test_split_stays_what_it_is(self):
        for fold in self.folds:
            for row in self.rows:
                self.assertEqual(fold[row["FileName"]]["Split"] == "TEST", row["Split"] == "TEST")

    def test_a_patients_videos_are_in_one_split(self):
        for fold in self.folds:
            splits = {}
            for row in fold.values():
                splits.setdefault(row["PatientId"], set()).add(row["Split"])
            self.assertEqual({len(found) for found in splits.values()}, {1})

    def test_every_patient_is_held_out_once_and_folds_are_of_equal_size(self):
        for name in CLASSES:
            held_out = [self.held_out(fold, name) for fold in self.folds]
            self.assertEqual([len(patients) for patients in held_out], [3, 3, 3])
            self.assertEqual(set().union(*held_out), {f"{name} {i}" for i in range(9)})

    def test_folds_do_not_depend_on_the_order_of_the_list(self):
        turned = folds_of(self.rows[::-1])
        for fold, other in zip(self.folds, turned):
            self.assertEqual(fold, other)


if __name__ == "__main__":
    unittest.main()
