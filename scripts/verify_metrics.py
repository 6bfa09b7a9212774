#!/usr/bin/env python3
"""The Python side of verify_metrics.sh.

Makes two folders of pictures and an Inception network of random weights, measures them with
torch-fidelity and torchmetrics and with `echopath eval --compat`, then the same on features alone, with
fewer rows than columns too, and prints how far the figures lie apart. The last row shows that the
comparison can fail: another resize gives another distance.
"""
import argparse
import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import torch
import torch_fidelity
from PIL import Image
from safetensors.torch import save_file
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3, _compute_fid
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/evaluation"))
from formula_weights import weight  # noqa: E402
from make_metrics import Bare  # noqa: E402

warnings.filterwarnings("ignore")

BAR = 1e-3  # relative
COUNT, SUBSET = 24, 16


def pictures(folder, seed, contrast):
    """Grey textures, each of its own waves, in three equal channels."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:48, 0:48]
    for i in range(COUNT):
        a, b = rng.uniform(2, 12, size=2)
        wave = 120 + contrast * np.sin(x / a + i) * np.cos(y / b) + rng.normal(scale=20, size=(48, 48))
        Image.fromarray(np.clip(wave, 0, 255).astype(np.uint8)).convert("RGB").save(folder / f"{i:03}.png")


class Comparison:
    def __init__(self, program, threads, work):
        self.program, self.threads, self.work, self.failed = program, threads, work, False
        print(f"{'figure':<46}{'theirs':>14}{'ours':>14}{'relative':>12}")

    def ours(self, word, *arguments):
        environment = {**os.environ, "XDG_CACHE_HOME": str(self.work / "cache")}
        command = [self.program, "eval", word, "--json", "--quiet", "--folds", "0", "--device", "cpu",
                   "--threads", str(self.threads), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\n{done.stderr}")
        rows = json.loads(done.stdout)["detectors"][0]["metrics"]
        return {row["metric"]: row for row in rows}

    def row(self, name, theirs, ours, differs=False):
        error = abs(ours - theirs) / max(abs(theirs), 1e-12)
        bad = error <= BAR if differs else error > BAR
        self.failed |= bad
        mark = "  FAILED" if bad else "  (must differ)" if differs else ""
        print(f"{name:<46}{theirs:>14.6g}{ours:>14.6g}{error:>12.1e}{mark}")


def compare_pictures(compare, real, made, weights):
    quiet = contextlib.redirect_stderr(io.StringIO())
    # Its precision and recall take another network by default.
    network = {"feature_extractor": "inception-v3-compat", "feature_extractor_weights_path": str(weights)}
    with quiet:
        theirs = torch_fidelity.calculate_metrics(
            input1=str(made), input2=str(real), cuda=False, fid=True, kid=True, isc=True, prc=True, cache=False,
            kid_subset_size=SUBSET, verbose=False, **network)
        whole = torch_fidelity.calculate_metrics(
            input1=str(made), input2=str(real), cuda=False, kid=True, isc=True, cache=False, kid_subsets=1,
            kid_subset_size=COUNT, samples_shuffle=False, verbose=False, **network)
    folders = ("--real", real, "--synthetic", made)
    tool = ("--frame-detector", weights, "--compat", "torch-fidelity", "--set", f"kid_subset_size={SUBSET}")
    words = [part for name in ("fid", "kid", "is", "prdc") for part in ("--metric", name)]
    ours = compare.ours("generation", *words, *folders, *tool)
    compare.row("torch-fidelity FID", theirs["frechet_inception_distance"], ours["FID"]["value"])
    compare.row("torch-fidelity KID, 100 subsets", theirs["kernel_inception_distance_mean"], ours["KID"]["value"])
    compare.row("torch-fidelity KID, deviation", theirs["kernel_inception_distance_std"], ours["KID"]["spread"])
    compare.row("torch-fidelity IS, shuffled", theirs["inception_score_mean"], ours["IS"]["value"])
    compare.row("torch-fidelity IS, deviation", theirs["inception_score_std"], ours["IS"]["spread"])
    compare.row("torch-fidelity precision", theirs["precision"], ours["precision"]["value"])
    compare.row("torch-fidelity recall", theirs["recall"], ours["recall"]["value"])
    plain = compare.ours("generation", *words, *folders, "--frame-detector", weights, "--set", "is_splits=10")
    compare.row("torch-fidelity KID, subset = N", whole["kernel_inception_distance_mean"], plain["KID"]["value"])
    compare.row("torch-fidelity IS, unshuffled", whole["inception_score_mean"], plain["IS"]["value"])
    other = compare.ours("fid", *folders, "--detector", weights, "--compat", "clean-fid")
    compare.row("torch-fidelity FID, ours resized as clean-fid", theirs["frechet_inception_distance"],
                other["FID"]["value"], differs=True)


def compare_torchmetrics(compare, real, made, weights):
    def load(folder):
        return torch.from_numpy(np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])
                                .transpose(0, 3, 1, 2).copy())
    fid = FrechetInceptionDistance(2048, feature_extractor_weights_path=str(weights))
    # The others take no path, but any network.
    kid = KernelInceptionDistance(fid.inception, subsets=1, subset_size=COUNT)
    for metric in (fid, kid):
        metric.update(load(real), real=True)
        metric.update(load(made), real=False)
    # Its order is drawn, and cannot be given.
    score = InceptionScore(NoTrainInceptionV3("inception", ["logits_unbiased"], str(weights)))
    score.update(load(made))
    randperm, torch.randperm = torch.randperm, torch.arange
    mean, deviation = score.compute()
    torch.randperm = randperm
    tool = ("--compat", "torchmetrics", "--set", "kid_subsets=0")
    ours = compare.ours("fid", "--real", real, "--synthetic", made, "--detector", weights, *tool)
    compare.row("torchmetrics FID", fid.compute().item(), ours["FID"]["value"])
    compare.row("torchmetrics KID, subset = N", kid.compute()[0].item(), ours["KID"]["value"])
    ours = compare.ours("is", "--synthetic", made, "--detector", weights, *tool, "--set", "is_order=file")
    compare.row("torchmetrics IS, in order", mean.item(), ours["IS"]["value"])
    compare.row("torchmetrics IS, deviation", deviation.item(), ours["IS"]["spread"])


def compare_features(compare, work):
    rng = np.random.default_rng(3)
    for rows, width in ((400, 64), (60, 256)):
        mixing = rng.normal(size=(width, width)) / np.sqrt(width)
        a = torch.from_numpy((rng.normal(size=(rows, width)) @ mixing).astype(np.float32))
        b = torch.from_numpy((1.2 * rng.normal(size=(rows - 7, width)) @ mixing + 0.1).astype(np.float32))
        save_file({"features": a}, work / "a.safetensors")
        save_file({"features": b}, work / "b.safetensors")
        files = ("--real-features", work / "a.safetensors", "--synthetic-features", work / "b.safetensors")
        ours = compare.ours("fid", *files)["FID"]["value"]
        theirs = fid_statistics_to_metric(fid_features_to_statistics(a), fid_features_to_statistics(b), False)
        title = f"features [{rows}, {width}]"
        compare.row(f"torch-fidelity FID, {title}", theirs["frechet_inception_distance"], ours)
        a, b = a.double(), b.double()
        compare.row(f"torchmetrics FID, {title}",
                    _compute_fid(a.mean(0), a.T.cov(), b.mean(0), b.T.cov()).item(), ours)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work = arguments.work
    pictures(work / "real", 1, 70)
    pictures(work / "made", 2, 100)
    weights = work / "inception.pth"
    torch.save({name: weight(name, tuple(value.shape)) if value.is_floating_point() else value
                for name, value in Bare(["2048"]).state_dict().items()}, weights)
    compare = Comparison(arguments.program, arguments.threads, work)
    compare_pictures(compare, work / "real", work / "made", weights)
    compare_torchmetrics(compare, work / "real", work / "made", weights)
    compare_features(compare, work)
    print("FAILED" if compare.failed else "all agree")
    sys.exit(1 if compare.failed else 0)


main()
