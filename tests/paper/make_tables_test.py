#!/usr/bin/env python3
"""scripts/paper/make_tables.py on made-up results: the mark of few videos, paired tests, the note of an absent
baseline, the chart of Figure 3."""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "paper" / "make_tables.py"


def metric(name, value, warnings):
    return {"metric": name, "class": None, "value": value, "warnings": warnings, "real": {"items": 40},
            "synthetic": {"items": 16}}


def arm(name, accuracy):
    figure = {"estimate": accuracy, "low": accuracy - 0.125, "high": accuracy + 0.125, "sd": 0.0}
    return {"arm": f"asd_resnet50_{name}", "classifiers": 1, "videos": 12, "patients": 6, "look": 1,
            "scores": {"accuracy": figure, "macro_f1": figure, "auc": figure}}


def pair(name, against, mcnemar, delong):
    difference = {"estimate": -0.25, "low": -0.5, "high": 0.125}
    return {"arm": f"asd_resnet50_{name}", "against": f"asd_resnet50_{against}", "mcnemar": {"p": mcnemar},
            "delong": {"p": delong}, "differences": {"accuracy": difference, "auc": difference}}


class MakeTables(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.run_folder = pathlib.Path(folder.name)
        self.put("stages/data", 3)
        self.put("results/classification_asd_resnet50/classification.json", {
            "arms": [arm("real", 0.75), arm("ours_w1_real_val", 0.625), arm("echosyn_w1_real_val", 0.5),
                     arm("ours_w5_plus_real_0.5", 0.875), arm("echosyn_w5_plus_real_0.5", 0.25)],
            "comparisons": [pair("ours_w1_real_val", "real", 0.9, 0.9),
                            pair("ours_w1_real_val", "echosyn_w1_real_val", 0.0004, None),
                            pair("ours_w5_plus_real_0.5", "real", 0.0625, 0.5),
                            pair("ours_w5_plus_real_0.5", "echosyn_w5_plus_real_0.5", 0.25, 0.75)]})

    def put(self, name, document):
        path = self.run_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))

    def tables(self, absent=""):
        subprocess.run([sys.executable, "-B", SCRIPT, self.run_folder, "smoke", "a detector", absent], check=True)
        return " ".join(json.loads((self.run_folder / "tables" / "tables.json").read_text())["notes"])

    def rows(self, name):
        with open(self.run_folder / "tables" / f"{name}.csv", newline="") as file:
            return list(csv.DictReader(file))

    def test_few_videos_are_marked_where_a_warning_says_that_they_are_few(self):
        few = "few: 9 real patients; the interval of fewer than 20 is not to be trusted"
        singular = ("singular covariance: 16 synthetic rows for features of width 64; the distance depends on N and is "
                    "comparable at equal N only")
        dependent = ("singular covariance: 400 real rows vary in 60 of 64 directions only (constant or dependent "
                     "features); the distance is finite, but look at the detector and the videos")
        other = "no interval: all halves agree"
        for warnings, marked in (([], False), ([few], True), ([singular], True), ([dependent], False),
                                 ([other], False), ([other, few], True)):
            self.put("results/distribution/ours_w1_asd.json", {"detectors": [
                {"detector": {"name": "d", "hash": "0123456789"}, "metrics": [metric("FID", 1.5, warnings)]}]})
            self.tables()
            cell = next(row for row in self.rows("table_1") if row["Method"] == "Ours, w = 1")["ASD FID"]
            self.assertEqual(cell, "1.5" + " [few videos]" * marked + ", N 40 real, 16 synthetic, d 01234567")

    def test_paired_tests_are_ours_against_the_baseline_and_augmented_against_real(self):
        notes = self.tables()
        first, second, third = self.rows("pairs")
        self.assertEqual([first[name] for name in ("Table", "Trained on", "Against", "Network")],
                         ["Table 2 and Figure 3, real validation", "Ours, w = 1", "Echosyn, w = 1", "resnet50"])
        self.assertEqual(first["ASD ACC difference"], "-0.250 (-0.500 to 0.125)")
        self.assertEqual(first["ASD ACC p (McNemar)"], "< 0.001")
        self.assertEqual(first["ASD AUC p (DeLong)"], "")
        self.assertEqual(first["PAH ACC p (McNemar)"], "")
        self.assertEqual([second[name] for name in ("Table", "Trained on", "Against")],
                         ["Table 3", "Ours, w = 5, real + 0.5 synthetic", "real only"])
        self.assertEqual([second["ASD ACC p (McNemar)"], second["ASD AUC p (DeLong)"]], ["0.062", "0.500"])
        self.assertEqual([third[name] for name in ("Table", "Trained on", "Against", "ASD ACC p (McNemar)")],
                         ["Table 3", "Ours, w = 5, real + 0.5 synthetic", "Echosyn, w = 5, real + 0.5 synthetic",
                          "0.250"])
        self.assertIn("not corrected for their number", notes)
        self.assertIn("what another training or sampling would change is not in them", notes)
        self.assertIn("&lt; 0.001", (self.run_folder / "tables" / "pairs.html").read_text())

    def test_an_absent_baseline_stands_in_the_notes(self):
        self.assertNotIn("there was no baseline model", self.tables())
        self.assertIn("Our rows of Echosyn are empty: there was no baseline model in models/none.",
                      self.tables("models/none"))

    def test_table_3_has_both_methods_and_the_papers_figure_in_a_row_of_its_own(self):
        self.tables()
        rows = {row["Trained on"]: row for row in self.rows("table_3")}
        self.assertEqual(list(rows), ["Baseline (real only)", "Echosyn, w = 5, real + 0.5 synthetic",
                                      "Ours, w = 5, real + 0.5 synthetic", "Ours (augmented), w and ratio not told",
                                      "Pan-Echo (real only)", "CardiacNet (real only)"])
        for name, ours, theirs in (("Baseline (real only)", "0.750 (0.625 to 0.875)", "0.848"),
                                   ("Ours, w = 5, real + 0.5 synthetic", "0.875 (0.750 to 1.000)", ""),
                                   ("Echosyn, w = 5, real + 0.5 synthetic", "0.250 (0.125 to 0.375)", ""),
                                   ("Ours (augmented), w and ratio not told", "", "0.918")):
            self.assertEqual((rows[name]["ASD ACC"], rows[name]["ASD ACC, paper's"]), (ours, theirs))

    def test_figure_3_has_a_bar_for_each_figure(self):
        self.tables()
        page = (self.run_folder / "tables" / "figure_3.html").read_text()
        # Two arms of ours and the baseline's that are there; the paper's of both tasks: four with a real validation,
        # and what its text says of a synthetic one, of no w.
        self.assertEqual(page.count('<rect class="ours"'), 2)
        self.assertEqual(page.count('<rect class="paper"'), 12)
        # 0.625 (0.5 to 0.75) of a span of 320 that begins at 260.
        self.assertIn('<rect class="ours" x="260" y="96" width="200.0" height="13"/>'
                      '<line class="line" x1="420.0" x2="500.0" y1="102.5" y2="102.5"/>', page)
        self.assertIn("0.72 to 0.76 (paper)", page)
        self.assertIn("up to 0.848 (paper)", page)
        synthetic = {row["Trained on"]: row for row in self.rows("figure_3")}
        self.assertEqual(synthetic["Echosyn, w = 5, synthetic validation"]["ASD ACC, paper's"], "")
        self.assertEqual(synthetic["Echosyn, w not told, synthetic validation"]["ASD ACC, paper's"], "up to 0.848")
        self.assertNotIn("<svg", (self.run_folder / "tables" / "table_2.html").read_text())


if __name__ == "__main__":
    unittest.main()
