#!/usr/bin/env python3
"""scripts/phantom_model_table.py on made-up results: bars that are met, missed or without a number, intervals, the
commands, and what it says of results that are not there."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "phantom_model_table.py"


def interval(estimate, low=None, high=None):
    return {"estimate": estimate, "low": low, "high": high}


def side(share, other):
    called = {"class": other, "videos": 8, "called": {"first": 5, "second": 3}}
    return {"videos": 16, "agreement": interval(share, share - 0.125, 1.0), "rows": [called]}


def judge(name, classes, other):
    return {"name": name, "classes": classes, "real": side(1.0, other), "synthetic": side(0.9375, other)}


def figure(name, real, synthetic, ratio, order=()):
    """Of two classes, with 8 real and 8 sampled videos each."""
    return {"name": name, "order": [dict(pair) for pair in order], "classes": [
        {"class": c, "real_videos": 8, "synthetic_videos": 8, "real": interval(real), "synthetic": interval(synthetic),
         "ratio": interval(ratio)} for c in ("ASD", "Non-ASD")]}


def seams(change, reversed_share):
    return {"videos": 16, "seams": 48, "moving_seams": 20, "change_ratio": interval(change, 0.5, 1.5),
            "largest_step": interval(0.75), "reversed": interval(reversed_share), "reversed_inside": 0.03125}


def coverage(metric, value):
    return {"metric": metric, "class": None, "value": value, "interval": [0.25, None], "real": {"items": 40},
            "synthetic": {"items": 30}}


def results():
    """Every bar is met: 4 of the classes, 14 of the anatomy, 8 of the heartbeat, 4 of seams, 2 of the drift, 1 of
    the nearest frames, 1 of the coverage."""
    kept = [{"lower": "Non-ASD", "higher": "ASD", "kept": True}, {"lower": "ASD", "higher": "PAH", "kept": True}]
    heartbeat = [figure(name, 1.0, 1.0, 1.0) for name in ("rate_in_range", "clear_beat", "steady_beat", "whole_beat")]
    distances = {"videos": 8, "median_distance": interval(2.0)}

    def of_seams():
        return {"real": seams(1.0, 0.5), "synthetic": seams(0.9375, 0.0625)}

    return {
        "agreement": {"classifiers": [judge("a", ["Non-ASD", "ASD"], "PAH"), judge("p", ["PAH", "Non-PAH"], "ASD")]},
        "anatomy": {
            "figures": [figure("septal_gap", 0.25, 0.5, 1.0)] + [figure(name, 0.75, 0.75, 1.0, kept) for name in (
                "rv_lv_ratio_ed", "rv_lv_ratio_mean", "eccentricity_ed", "eccentricity_es")],
            "validation": {"videos": 16, "dice": {"LV": 0.96875, "RV": None}, "correlations": [0.5],
                           "figures": [figure("septal_gap", 3.0, 2.5, 1.0)]}},
        "motion": {"figures": heartbeat + [figure("heart_rate", 70.0, 72.5, 1.0)], "seams": of_seams(),
                   "heart_rate_error": {"videos": 16, "median": 0.125}},
        "motion_one": {"seams": of_seams()},
        "motion_none": {"trace": {"videos": 16, "seams": 48, "ratio": interval(0.5)}},
        "drift": {"detector": {"name": "d"}, "synthetic": {"videos": 8}, "frechet_growth": interval(0.25),
                  "brightness_growth": interval(-0.015625),
                  "blocks": [{"frechet": 1.5, "brightness": 32.0}, {"frechet": 1.75, "brightness": 31.5}]},
        "nearest": {"ratio": interval(1.0), "heart_frames": distances, "held_out": distances},
        "generation": {"detectors": [{"detector": {"name": "d", "takes": takes}, "metrics": [
            coverage("coverage", 0.75), coverage("density", 0.25), coverage("FID", 20.0),
            {**coverage("coverage", 0.0), "class": "ASD"}]} for takes in ("frames", "clips")]},
    }


class PhantomModelTable(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve() / "out"
        self.folder.mkdir()
        self.results = results()
        self.commands = {name: f"echopath eval {name} --real {self.folder}/held_out --model {ROOT}/models/phantom"
                         for name in self.results}
        for name in ("held_out", "samples", "one", "long", "none"):
            self.commands[name] = f"echopath sample --out {self.folder}/{name} --data {self.folder}_data"

    def table(self, status, folder=None):
        """Runs the script; its rows by what they are about, all lines in `self.said`."""
        for name, document in self.results.items():
            (self.folder / f"{name}.json").write_text(document if isinstance(document, str) else json.dumps(document))
        for name, command in self.commands.items():
            (self.folder / f"{name}.command").write_text(command + "\n")
        done = subprocess.run([sys.executable, "-B", SCRIPT, folder or self.folder], cwd=self.folder.parent,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stderr), (status, ""), done.stdout)
        self.said = done.stdout.splitlines()
        return {cells[0]: cells[1:] for line in self.said if line.startswith("| ")
                for cells in [[cell.strip() for cell in line.strip("|").split("|")]]}

    def of_figure(self, result, name, index=1):
        """The figure of a class, the second unless told."""
        return next(f for f in self.results[result]["figures"] if f["name"] == name)["classes"][index]

    def test_bars_that_are_met_and_figures_that_have_none(self):
        rows = self.table(0)
        for row in (
                ["class Non-ASD/ASD, a on synthetic videos", "≥ 0.9", "0.938 [0.812, 1.000]", "16", "met",
                 "agreement"],
                ["what p takes real ASD for", "reported", "5 called first, 3 called second", "8", "", "agreement"],
                ["septal gap, ASD", "ratio 0.8 to 1.2", "ratio 1.000: 0.50 px, real 0.25", "8 + 8", "met", "anatomy"],
                ["septal gap in px, Non-ASD", "≤ 1", "0.50 px, real 0.25", "8 + 8", "met", "anatomy"],
                ["eccentricity_es, order of the classes", "all kept", "2 of 2", "", "met", "anatomy"],
                ["segmentation against exact label maps, Dice", "reported", "LV 0.969, RV -", "16", "", "anatomy"],
                ["septal_gap: exact maps, network's, correlation", "reported", "3.000, 2.500, 0.500", "16", "",
                 "anatomy"],
                ["heart rate, measured against true, median difference", "reported", "0.125", "16", "", "motion"],
                ["heart rate per minute, ASD", "reported", "72.5, real 70.0", "8 + 8", "", "motion"],
                ["seams, synthetic: change there (all steps of a fade) over change inside blocks", "≤ 1.2",
                 "0.938 [0.500, 1.500]", "48 seams of 16 videos", "met", "motion"],
                ["motion turns back at seams where the heart moves, real, cut like the samples", "reported",
                 "0.500; inside blocks 0.031", "20 seams of 16 videos", "", "motion"],
                ["motion turns back at seams where the heart moves, shipped context length", "≤ 0.1",
                 "0.062; inside blocks 0.031", "20 seams of 16 videos", "met", "motion"],
                ["motion turns back at seams where the heart moves, one context frame", "reported",
                 "0.062; inside blocks 0.031", "20 seams of 16 videos", "", "motion_one"],
                ["drift over 2 blocks, Fréchet distance (d)", "≤ 0.25", "0.250; first 1.500, last 1.750", "8", "met",
                 "drift"],
                ["heart frames' median distance to training frames over held-out frames' own", "≥ 1",
                 "1.000: 2.000, held out 2.000", "8 + 8", "met", "nearest"],
                ["coverage of held-out phantoms, clips (d)", "≥ 0.5", "0.750 [0.250, -]", "30 + 40", "met",
                 "generation"],
                ["coverage of held-out phantoms, frames (d)", "reported", "0.750 [0.250, -]", "30 + 40", "",
                 "generation"]):
            self.assertEqual(rows.get(row[0]), row[1:], row[0])
        self.assertEqual(self.said[-1], "0 bars missed, 34 met, 0 without a number.")

    def test_a_missed_bar_says_by_how_much_and_leaves_the_exit_code_0(self):
        self.results["agreement"]["classifiers"][0]["synthetic"]["agreement"]["estimate"] = 0.85
        self.of_figure("anatomy", "septal_gap")["synthetic"]["estimate"] = 1.25
        self.of_figure("anatomy", "rv_lv_ratio_ed")["ratio"]["estimate"] = 1.25
        self.of_figure("anatomy", "eccentricity_ed")["ratio"]["estimate"] = 0.7
        self.results["anatomy"]["figures"][2]["order"][1]["kept"] = False
        self.results["motion"]["seams"]["real"]["change_ratio"]["estimate"] = 1.5
        self.results["motion"]["seams"]["synthetic"]["reversed"]["estimate"] = 0.125
        self.results["motion_none"]["trace"]["ratio"]["estimate"] = 1.5
        self.results["drift"]["frechet_growth"]["estimate"] = 0.5
        self.results["drift"]["brightness_growth"]["estimate"] = -0.05  # darker is a drift as well
        self.results["nearest"]["ratio"]["estimate"] = 0.5
        self.results["generation"]["detectors"][1]["metrics"][0]["value"] = 0.25
        rows = self.table(0)
        missed = {what: row[3] for what, row in rows.items() if row[3].startswith("MISSED")}
        self.assertEqual(missed, {
            "class Non-ASD/ASD, a on synthetic videos": "MISSED by 0.05",
            "septal gap in px, Non-ASD": "MISSED by 0.25",
            "rv_lv_ratio_ed, Non-ASD": "MISSED by 0.05",
            "eccentricity_ed, Non-ASD": "MISSED by 0.1",
            "rv_lv_ratio_mean, order of the classes": "MISSED by 1",
            "seams, real: change there (all steps of a fade) over change inside blocks": "MISSED by 0.3",
            "motion turns back at seams where the heart moves, shipped context length": "MISSED by 0.025",
            "seams with --anchor none: first frame's distance from its reference over a frame step": "MISSED by 0.5",
            "drift over 2 blocks, Fréchet distance (d)": "MISSED by 0.25",
            "drift over 2 blocks, brightness (d)": "MISSED by 0.02",
            "heart frames' median distance to training frames over held-out frames' own": "MISSED by 0.5",
            "coverage of held-out phantoms, clips (d)": "MISSED by 0.25"})
        self.assertEqual(rows["rv_lv_ratio_mean, order of the classes"][1], "1 of 2, turned: ASD < PAH")
        self.assertEqual(self.said[-1], "12 bars missed, 22 met, 0 without a number.")

    def test_a_bar_without_a_number_is_neither_met_nor_missed(self):
        self.results["agreement"]["classifiers"][1]["real"]["agreement"] = interval(None)
        self.of_figure("anatomy", "septal_gap")["synthetic"] = interval(None)
        self.of_figure("anatomy", "rv_lv_ratio_ed")["ratio"] = interval(None, 0.5, 2.0)
        self.results["anatomy"]["figures"][2]["order"] = []
        for share in self.results["motion"]["figures"][0]["classes"]:
            share.update(synthetic_videos=0, synthetic=interval(None))
        self.results["drift"]["brightness_growth"] = interval(None)
        self.results["generation"]["detectors"][1]["metrics"][0]["value"] = None
        rows = self.table(0)
        self.assertEqual({what: row[1] for what, row in rows.items() if row[3] == "no number"}, {
            "class PAH/Non-PAH, p on real videos": "-",
            "septal gap in px, Non-ASD": "- px, real 0.25",
            "rv_lv_ratio_ed, Non-ASD": "ratio -: 0.750, real 0.750",
            "rv_lv_ratio_mean, order of the classes": "0 of 0",
            "heartbeat, synthetic: clear period and a rate in the phantoms' range": "-",
            "drift over 2 blocks, brightness (d)": "-; first 32.000, last 31.500",
            "coverage of held-out phantoms, clips (d)": "- [0.250, -]"})
        self.assertEqual(self.said[-1], "0 bars missed, 27 met, 7 without a number.")

    def test_the_share_of_beating_videos_is_that_of_all_videos(self):
        first, second = self.results["motion"]["figures"][1]["classes"]
        first.update(real_videos=30)
        second.update(real_videos=10, real=interval(0.8), synthetic_videos=0, synthetic=interval(None))
        rows = self.table(0)
        self.assertEqual(rows["heartbeat, real: clear period"], ["≥ 0.95", "0.950", "40", "met", "motion"])
        self.assertEqual(rows["heartbeat, synthetic: clear period"], ["≥ 0.95", "1.000", "8", "met", "motion"])

    def test_phantoms_of_unknown_heart_rate_have_no_row_of_its_error(self):
        self.results["motion"]["heart_rate_error"] = {"videos": 0, "median": None}
        self.assertNotIn("heart rate, measured against true, median difference", self.table(0))

    def test_the_commands_name_no_folder_of_this_machine(self):
        expected = [f"- {name}: `echopath eval {name} --real OUT/held_out --model models/phantom`" for name in (
            "agreement", "anatomy", "motion", "motion_one", "motion_none", "drift", "nearest", "generation")]
        absolute = [f"- OUT/{name}: `echopath sample --out OUT/{name} --data {self.folder}_data`"
                    for name in ("held_out", "samples", "one", "long", "none")]
        self.table(0)
        self.assertEqual([line for line in self.said if line.startswith("- ")], expected + absolute)
        # A folder that is named from where the script runs, and whose name is in an option's.
        self.commands = {name: text.replace(f"{self.folder}", "out") for name, text in self.commands.items()}
        self.table(0, "out/")
        relative = [line.replace(f"{self.folder}", "out") for line in absolute]
        self.assertEqual([line for line in self.said if line.startswith("- ")], expected + relative)

    def left_out(self):
        self.table(1)
        return self.said[self.said.index(
            "Left out (scripts/evaluate_phantom_model.sh makes results that are missing):") + 1:]

    def test_a_result_that_is_not_there_is_named_and_the_others_are_told(self):
        del self.results["anatomy"], self.commands["nearest"], self.commands["held_out"]
        self.results["motion_one"] = '{"seams": '
        self.assertEqual([line.split(": Expecting")[0] for line in self.left_out()], [
            "- anatomy: anatomy.json is missing", "- one_context_frame: motion_one.json is no JSON",
            "- nearest: nearest.command is missing", "- sampling: held_out.command is missing"])
        self.assertIn("0 bars missed, 19 met, 0 without a number.", self.said)

    def test_a_result_that_lacks_a_part_is_named(self):
        del self.results["motion_none"]["trace"], self.results["drift"]["brightness_growth"]
        del self.results["motion"]["figures"][2], self.results["agreement"]["classifiers"][1]
        del self.results["generation"]["detectors"][1]
        self.assertEqual(self.left_out(), [
            "- agreement: agreement.json has no classifier of PAH and Non-PAH",
            "- heartbeat: there is no figure steady_beat",
            "- anchor: its results have no 'trace'", "- drift: its results have no 'brightness_growth'",
            "- coverage: generation.json has no coverage by a detector of clips"])


if __name__ == "__main__":
    unittest.main()
