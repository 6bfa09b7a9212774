#!/usr/bin/env python3
"""scripts/paper/sample_all.sh --dry-run: the commands of the sets, word by word."""
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parents[2].resolve()
SCRIPT = ROOT / "scripts" / "paper" / "sample_all.sh"

# Name of the set, --preset, --model, --classes, --w.
def sets(preset, model, baseline_preset, baseline_model):
    return [(f"{method}_{pair}_w{w}", *of_method, classes, w)
            for pair, classes in (("asd", "ASD,Non-ASD"), ("pah", "PAH,Non-PAH")) for w in ("1", "5")
            for method, of_method in (("ours", (preset, model)), ("stitched", (baseline_preset, baseline_model)))]


PUBLISHED = sets("paper", "models/paper", "echonet_synthetic", "models/echonet_synthetic")
OURS = PUBLISHED[::2]
PHANTOM = sets("balanced", "models/phantom", "phantom_echosyn", "models/phantom_echosyn")


def commands(sets, more, count="164", seed="0", out="samples/paper", program=ROOT / "build/release/bin/echopath"):
    """`more` is what follows of a set, by its name."""
    return [[str(program), "sample", "--preset", preset, "--model", model, "--classes", classes, "--w", w, "--count",
             count, "--seed", seed, "--out", f"{out}/{name}", *more(name)] for name, preset, model, classes, w in sets]


def unfiltered(name):
    return ["--allow-unfiltered"] if name.startswith("stitched") else []


class SampleAll(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def dry_run(self, line="sample_all.sh", **environment):
        """The words of each command that the line of the shell would start, in an empty folder."""
        line = line.replace("sample_all.sh", f"{shlex.quote(str(SCRIPT))} --dry-run")
        done = subprocess.run(["bash", "-c", line], cwd=self.folder, check=True, stdout=subprocess.PIPE, text=True,
                              env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **environment})
        return [shlex.split(command) for command in done.stdout.splitlines()]

    def make(self, path):
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).touch()

    def test_the_defaults_are_the_papers_sets_and_the_published_baseline_is_not_filtered(self):
        self.assertEqual(self.dry_run(), commands(PUBLISHED, unfiltered))
        self.make("models/paper/reid/weights")
        self.make("models/echonet_synthetic/lvdm/weights")
        self.assertEqual(self.dry_run(), commands(PUBLISHED, unfiltered))

    def test_a_baseline_with_a_re_identification_network_is_filtered(self):
        self.make("models/echonet_synthetic/reid/weights")
        self.assertEqual(self.dry_run(), commands(PUBLISHED, lambda name: []))

    def test_an_empty_baseline_leaves_its_sets_out(self):
        self.assertEqual(self.dry_run(BASELINE_MODEL=""), commands(OURS, lambda name: []))

    def test_the_example_of_its_head(self):
        example = re.search(r"^#   (MODEL=.*\\\n#.*)$", SCRIPT.read_text(), re.MULTILINE)[1]
        example = example.replace("\n#", "\n").replace("scripts/paper/", "")
        self.assertEqual(self.dry_run(example), commands(
            PHANTOM, lambda name: [*unfiltered(name), "--steps", "8"], count="8", out="samples/phantom"))

    def test_only_a_set_that_has_a_manifest_is_resumed(self):
        begun = ("ours_pah_w5", "stitched_asd_w1")
        for name in begun:
            self.make(f"samples/paper/{name}/manifest.jsonl")
        self.make("samples/paper/ours_asd_w1/config.json")
        self.assertEqual(self.dry_run(), commands(
            PUBLISHED, lambda name: ["--resume"] * (name in begun) + unfiltered(name)))

    def test_seed_processes_launcher_and_program_are_those_of_the_environment(self):
        environment = {"BASELINE_MODEL": "", "SEED": "7", "NPROC": "2", "LAUNCHER": "srun -n 4", "ECHOPATH": "/bin/it"}
        self.assertEqual(self.dry_run(**environment), [["srun", "-n", "4", *words] for words in commands(
            OURS, lambda name: ["--nproc", "2"], seed="7", program="/bin/it")])
        self.assertNotIn("--nproc", self.dry_run(NPROC="1")[0])


if __name__ == "__main__":
    unittest.main()
