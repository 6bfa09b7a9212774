#!/usr/bin/env python3
"""bench/sampling.py with a stand-in for the program: how frame-evaluations are counted, the verdicts of the bars, the
exit code, and results of other options or weights that are refused by name."""
import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = ROOT / "bench" / "sampling.py"
sys.path.insert(0, str(SCRIPT.parent))
import sampling  # noqa: E402  (it lies in no package)

# Beside it lie the defaults that it shows, what it samples and what it compares. It notes how it is called.
STAND_IN = """#!/bin/sh
here="$(dirname "$0")"
if [ "$1" = config ]; then exec cat "$here/defaults"; fi
echo "$*" >>"$here/calls"
if [ "$1" = eval ]; then exec cat "$here/quality.json"; fi
while [ "$1" != --out ]; do shift; done
mkdir -p "$2" && cp "$here/config.json" "$here/manifest.jsonl" "$2"
"""


def entry(blocks, steps, solver="ddpm"):
    return {"blocks": blocks, "block_length": 64, "steps": steps, "solver": solver, "frames": 226}


def guided(scale, **guidance):
    return {"guidance_scale": scale, "guidance": guidance}


def cost(seconds, evaluations, frames=226):
    return {"seconds": seconds, "peak_mb": 512.4, "frames": frames, "frame_evaluations": evaluations}


def costs():
    """0.01 s for each frame-evaluation, but for the default's."""
    return {"reference": cost(2293.76, 229376, 256), "blocks": cost(1310.72, 131072), "default": cost(50.0, 4096),
            "fast": cost(20.48, 2048)}


def quality(high=1.0, of_reference=10.0, videos=64):
    arms = [{"name": name, "videos": videos, "frames": 64 * videos,
             "frechet": {"estimate": of_reference, "low": 8.0, "high": 12.5},
             "difference": {"estimate": 0.25, "low": None if high is None else -0.5, "high": high}}
            for name in ("reference", "blocks", "default", "fast")]
    return {"detector": {"name": "d", "sha256": "0123456789abcdef"}, "real": {"videos": 128, "frames": 256},
            "arms": arms}


class FrameEvaluations(unittest.TestCase):
    def test_blocks_or_windows_times_steps_branches_and_frames(self):
        published = guided(5.0, video_share=1.0)
        self.assertEqual(sampling.frame_evaluations(published, entry(7, 256)), 7 * 256 * 2 * 64)
        self.assertEqual(sampling.frame_evaluations(published, entry(4, 256)), 131072)
        # The class is told to the heart frame alone: one branch for the motion.
        ours = guided(5.0, video_share=0.0)
        self.assertEqual(sampling.frame_evaluations(ours, entry(4, 16, "dpmsolver++")), 4096)
        self.assertEqual(sampling.frame_evaluations(ours, entry(4, 8, "dpmsolver++")), 2048)

    def test_heun_evaluates_twice_but_for_the_last_step(self):
        self.assertEqual(sampling.frame_evaluations(guided(1.0), entry(4, 16, "heun")), 4 * 31 * 64)

    def test_guidance_doubles_where_both_branches_are_needed(self):
        for scale, share, branches in ((1.0, 1.0, 1), (0.0, 1.0, 1), (5.0, 0.0, 1), (5.0, 0.5, 2), (0.5, 0.0, 2)):
            counted = sampling.frame_evaluations(guided(scale, video_share=share), entry(1, 1))
            self.assertEqual(counted, 64 * branches, (scale, share))

    def test_what_it_cannot_count_is_refused(self):
        for guidance in ({"interval_end": 0.5}, {"interval_start": 0.25}, {"frame_scale": 2.0}):
            with self.assertRaises(SystemExit):
                sampling.frame_evaluations(guided(5.0, video_share=1.0, **guidance), entry(1, 1))
        self.assertEqual(sampling.frame_evaluations(guided(1.0, interval_end=0.5), entry(1, 1)), 64)


class Presets(unittest.TestCase):
    def test_each_arm_is_a_preset_of_configs_at_the_scale_of_the_bench(self):
        published = ("ddpm", 256, 5, {"video_share": 1.0})
        for arm, sampler, expected in (("reference", "stitched", published), ("blocks", "stitched", published),
                                       ("default", "blocks", ("dpmsolver++", 16, 5, {"video_share": 0.0})),
                                       ("fast", "blocks", ("dpmsolver++", 8, 5, {"video_share": 0.0}))):
            config = sampling.preset_config(arm)
            solver = config["solver"]
            self.assertEqual((solver["name"], solver["num_inference_steps"], config["guidance_scale"],
                              config["guidance"]), expected, arm)
            self.assertEqual(config["sampler"], sampler)
        self.assertEqual(sampling.ARMS["blocks"][-2:], ["--sampler", "blocks"])  # over what the preset says


class Bars(unittest.TestCase):
    def judged(self, costs, quality):
        """Whether all are met, and the verdicts by a word of each bar."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            met = sampling.bars(costs, quality)
        names = {"frame-evaluations of": "evaluations", "seconds of": "seconds", "upper end": "distance"}
        return met, {name: line[:9].strip() for line in said.getvalue().splitlines()
                     for text, name in names.items() if line[11:].startswith(text)}

    def test_evaluations_and_seconds_at_above_and_below_the_bound(self):
        for evaluations, seconds, met, verdicts in (
                (16, 25.0, True, ("met", "met")), (17, 26.0, True, ("met", "met")),
                (15, 25.0, False, ("MISSED", "met")), (16, 24.9, False, ("met", "MISSED"))):
            made = {"reference": cost(seconds, evaluations), "blocks": cost(1.0, 10), "default": cost(1.0, 1)}
            self.assertEqual(self.judged(made, None), (met, dict(zip(("evaluations", "seconds"), verdicts))))

    def test_a_cost_that_is_not_there_leaves_no_number(self):
        self.assertEqual(self.judged({"reference": cost(100.0, 16), "blocks": cost(1.0, 10)}, None),
                         (False, {"evaluations": "met", "seconds": "no number"}))
        self.assertEqual(self.judged({"blocks": cost(1.0, 10), "default": cost(1.0, 1)}, None),
                         (False, {"evaluations": "no number", "seconds": "no number"}))

    def test_the_distance_at_above_and_below_the_bound(self):
        for high, verdict in ((1.0, "met"), (0.9, "met"), (-0.5, "met"), (1.01, "MISSED")):
            self.assertEqual(self.judged({}, quality(high)), (verdict == "met", {"distance": verdict}), high)

    def test_the_distance_is_judged_by_the_defaults_arm(self):
        made = quality(5.0)
        made["arms"][2]["difference"]["high"] = 0.5
        made["arms"][2]["frechet"]["estimate"] = 0.5
        self.assertEqual(self.judged({}, made), (True, {"distance": "met"}))

    def test_a_distance_without_interval_or_of_few_videos_is_no_number(self):
        for made in (quality(None), quality(of_reference=None), quality(videos=63)):
            self.assertEqual(self.judged({}, made), (False, {"distance": "no number"}))


class Runs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.put("echopath", STAND_IN).chmod(0o755)
        self.put("defaults", "steps 16\n    how many\n")
        self.put("calls", "")
        self.put("config.json", json.dumps({"options": guided(5.0, video_share=1.0)}))
        self.put("manifest.jsonl", json.dumps(entry(7, 256)) + "\n")
        for model in ("model", "judges"):
            self.put(f"{model}/echopath.json", json.dumps({"block_length": 64, "context_frames": 10}))
            self.put(f"{model}/lvdm/weights", "weights")
        self.put("real/FileList.csv", "FileName\na\n")

    def put(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def arguments(self, *more):
        return ["--program", str(self.folder / "echopath"), "--model", str(self.folder / "model"), "--judges",
                str(self.folder / "judges"), "--real", str(self.folder / "real"), "--out", str(self.folder / "out"),
                *more]

    def bench(self, *more):
        with mock.patch.object(sys, "argv", ["sampling.py", *self.arguments(*more)]):
            return sampling.Bench(sampling.parse())

    def results(self, costs, quality=None):
        for name, made in costs.items():
            self.put(f"out/cost_{name}.json", json.dumps(made))
        if quality:
            self.put("out/quality.json", json.dumps(quality))

    def run_script(self, status, *more):
        done = subprocess.run([sys.executable, "-B", SCRIPT, *self.arguments(*more)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stderr), (status, ""), done.stdout)
        return done.stdout

    def calls(self):
        return (self.folder / "calls").read_text().replace(f"{self.folder}/", "").splitlines()

    def refused(self, *more):
        with self.assertRaises(SystemExit) as refusal:
            self.bench(*more)
        return refusal.exception.code

    def test_windows_cover_the_frames_of_the_blocks(self):
        bench = self.bench()
        for length, context, windows in ((64, 10, 7), (64, 1, 7), (64, 32, 4), (16, 4, 6)):
            bench.info = {"block_length": length, "context_frames": context}
            self.assertEqual(bench.windows(), windows, (length, context))

    def test_planned_evaluations_are_those_of_the_presets(self):
        bench = self.bench()
        planned = [bench.planned_evaluations(name, 7 if name == "reference" else 4) for name in sampling.ARMS]
        self.assertEqual(planned, [229376, 131072, 4096, 2048])
        bench.options.reference_steps = 8
        planned = [bench.planned_evaluations(name, 4) for name in sampling.ARMS]
        self.assertEqual(planned, [4096, 4096, 4096, 2048])

    def test_the_exit_code_is_0_where_all_that_was_asked_for_is_met(self):
        self.results(costs(), quality())
        said = self.run_script(0)
        self.assertIn("| reference | 256 | 229,376 | 2293.8 | 512 MB | 10.0000 [8.0000, 12.5000] | 0.2500 [-0.5000, "
                      "1.0000] |\n", said)
        self.assertIn("of each finished frame: 896 and 580, 1.54 times", said)
        self.assertEqual(self.calls(), [])

    def test_the_exit_code_is_1_where_a_bar_is_missed_or_has_no_number(self):
        for made in (quality(2.0), quality(None), quality(videos=63)):
            self.results(costs(), made)
            self.run_script(1)
            self.run_script(0, "--only", "cost")
        self.results({**costs(), "default": cost(100.0, 4096)}, quality())
        self.run_script(1)
        self.run_script(0, "--only", "quality")

    def test_the_exit_code_is_75_where_a_part_is_not_finished(self):
        self.results(costs())
        self.assertIn("not finished in this leg", self.run_script(sampling.NOT_FINISHED, "--minutes", "0.00001"))
        made = costs()
        del made["reference"]
        (self.folder / "out/cost_reference.json").unlink()
        self.results({**made, "default": cost(40.96, 4096)}, quality(2.0))
        said = self.run_script(sampling.NOT_FINISHED, "--minutes", "10")
        self.assertIn("the cost of reference needs one uninterrupted leg of about 39 minutes, and this one has 10 "
                      "left: run again with --minutes 40 or more\n", said)
        self.assertEqual((sampling.NOT_FINISHED, self.calls()), (75, []))

    def test_a_cost_is_that_of_one_video_as_its_manifest_tells(self):
        made = costs()
        del made["reference"]
        self.results(made)
        self.run_script(1, "--only", "cost")  # the stand-in is as fast as the default
        self.assertEqual(self.calls(), [
            "sample --model model --out out/cost_reference --w 5 --count 1 --blocks 7 --seed 500000 --threads 2 "
            "--quiet --json --class ASD --preset reference"])
        measured = json.loads((self.folder / "out/cost_reference.json").read_text())
        self.assertEqual((measured["frames"], measured["frame_evaluations"]), (226, 229376))

    def test_single_blocks_are_compared_with_those_of_the_reference(self):
        self.put("quality.json", json.dumps(quality()))
        self.run_script(sampling.NOT_FINISHED, "--only", "quality", "--minutes", "0.00001")
        for name in ("default", "fast", "reference"):
            self.put(f"out/single_{name}.done", "")
        self.run_script(0, "--only", "quality")
        self.assertEqual(self.calls(), [
            "sample --model model --out out/single_blocks --w 5 --count 16 --blocks 1 --seed 500000 --threads 2 "
            "--quiet --json --nproc 1 --preset reference --sampler blocks",
            "eval compare --json --real real --model judges --threads 2 --arm reference=out/single_reference "
            "--arm blocks=out/single_blocks --arm default=out/single_default --arm fast=out/single_fast"])

    def test_results_of_other_options_are_refused_by_name(self):
        self.bench()
        self.bench("--minutes", "5", "--nproc", "2", "--only", "cost")  # not what the results depend on
        self.assertIn("holds the results of other options (--seed)", self.refused("--seed", "7"))
        self.assertIn("of other options (--reference-steps, --videos)",
                      self.refused("--videos", "8", "--reference-steps", "8"))

    def test_results_of_other_weights_defaults_or_videos_are_refused_by_name(self):
        self.bench()
        self.put("model/README.md", "a model card")
        self.put("defaults", "steps 16\n    told otherwise\n")
        self.bench()
        for name, other, what in (("model/lvdm/weights", "others", "the model's weights"),
                                  ("model/echopath.json", "{}", "the model's weights"),
                                  ("judges/lvdm/weights", "others", "the judges' weights"),
                                  ("defaults", "steps 8\n", "the sampling's defaults"),
                                  ("real/FileList.csv", "FileName\nb\n", "the list of the real videos")):
            before = (self.folder / name).read_text()
            self.put(name, other)
            out = self.folder / "out"
            self.assertIn(f"these have changed since the results in {out} were made: {what}\n", self.refused())
            self.put(name, before)
        self.bench()


if __name__ == "__main__":
    unittest.main()
