#!/usr/bin/env python3
"""Frames through a detector: `echopath eval fid` against torch-fidelity's loop, same network, same
pictures, same threads, in turns.

    PYTHON bench/metrics.py [--program build/release/bin/echopath] [--model models/phantom]
                            [--pictures 64] [--frames 10000] [--pairs 3] [--threads 2] [--only NAME]

PYTHON has torch-fidelity (scripts/verify_metrics.sh makes such an environment). Both sides read PNG
pictures of 112×112, compute features and the Fréchet distance, from the start of the program to its end;
echopath keeps no features. "inception" is the FID network with random weights, "in-domain" the model's
classifier_asd, which torch-fidelity runs as a feature extractor of its own, on --frames pictures. "videos"
is so many frames of lossless videos through all classifiers of the model, with one process and with two,
by echopath alone. A figure is the median of the pairs.
"""
import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/fixtures/evaluation"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from torch_fidelity.feature_extractor_base import FeatureExtractorBase  # noqa: E402


class Block(torch.nn.Module):
    def __init__(self, inside, out, stride):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(inside, out, 3, stride, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(out)
        self.conv2 = torch.nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or inside != out:
            self.downsample = torch.nn.Sequential(torch.nn.Conv2d(inside, out, 1, stride, bias=False),
                                                  torch.nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class InDomain(FeatureExtractorBase):
    """A shipped classifier: torchvision's ResNet of basic blocks, but narrow and grey."""

    def __init__(self, name, features_list, feature_extractor_weights_path=None, **_):
        super().__init__(name, features_list)
        folder = pathlib.Path(feature_extractor_weights_path)
        config = json.loads((folder / "config.json").read_text())
        width, depths = config["model"]["width"], config["model"]["depths"]
        self.mean, self.std = config["clip"]["mean"][0], config["clip"]["std"][0]
        self.conv1 = torch.nn.Conv2d(1, width, 7, 2, 3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        inside = width
        for stage, depth in enumerate(depths):
            blocks = []
            for block in range(depth):
                out = width * 2**stage
                blocks.append(Block(inside, out, 2 if stage > 0 and block == 0 else 1))
                inside = out
            setattr(self, f"layer{stage + 1}", torch.nn.Sequential(*blocks))
        self.fc = torch.nn.Linear(inside, len(config["classes"]))
        weights = load_file(folder / "diffusion_pytorch_model.safetensors")
        missing, left = self.load_state_dict({k: v.float() for k, v in weights.items()}, strict=False)
        assert not left and all("num_batches" in key for key in missing), (missing, left)
        self.requires_grad_(False)
        self.eval()

    def forward(self, x):
        x = (x[:, :1].float() / 255 - self.mean) / self.std
        x = torch.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return (x.mean([2, 3]),)

    @staticmethod
    def get_provided_features_list():
        return ("features",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric):
        return "features"

    @staticmethod
    def can_be_compiled():
        return False

    @staticmethod
    def get_dummy_input_for_compile():
        return torch.zeros([1, 3, 112, 112], dtype=torch.uint8)


def theirs(real, made, weights, threads, extractor):
    """What the command of their side runs."""
    import torch_fidelity
    torch.set_num_threads(int(threads))
    names = {}
    if extractor != "inception":
        torch_fidelity.register_feature_extractor("in-domain", InDomain)
        names = {"feature_extractor": "in-domain"}
    found = torch_fidelity.calculate_metrics(input1=made, input2=real, cuda=False, fid=True, cache=False, batch_size=32,
                                             feature_extractor_weights_path=weights, verbose=False, **names)
    print(json.dumps(found["frechet_inception_distance"]))


def run(command):
    start = time.perf_counter()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return time.perf_counter() - start, done.stdout


def pictures(folder, count, seed):
    folder.mkdir(exist_ok=True, parents=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        grey = rng.integers(0, 256, size=(112, 112)).astype(np.uint8)
        Image.fromarray(grey).convert("RGB").save(folder / f"{i:05}.png")


def compare(name, arguments, work, count, weights, detector):
    for side, seed in (("real", 1), ("made", 2)):
        pictures(work / name / side, count // 2, seed)
    real, made = work / name / "real", work / name / "made"
    their_command = [sys.executable, __file__, "--theirs", real, made, weights, arguments.threads, name]
    our_command = [arguments.program, "eval", "fid", "--real", real, "--synthetic", made, "--detector", detector,
                   "--model", arguments.model, "--no-cache", "--folds", 0, "--quiet", "--json", "--device", "cpu",
                   "--threads", arguments.threads, "--batch", 32]
    pairs = [(run(their_command), run(our_command)) for _ in range(arguments.pairs)]
    a, b = (statistics.median(pair[i][0] for pair in pairs) for i in (0, 1))
    ratio = statistics.median(pair[1][0] / pair[0][0] for pair in pairs)
    their_value = json.loads(pairs[0][0][1])
    our_value = json.loads(pairs[0][1][1])["detectors"][0]["metrics"][0]["value"]
    print(f"{name}, {count} pictures: torch-fidelity {a:.1f} s, echopath {b:.1f} s, ratio {ratio:.2f}; "
          f"FID {their_value:.5g} and {our_value:.5g}")


def videos(arguments, work):
    run([arguments.program, "phantom", "--out", work / "data", "--patients", arguments.frames // 64,
         "--frames", 64, "--seed", 1, "--quiet", "--split", "50,0,50"])
    count = sum(1 for _ in (work / "data/Videos").iterdir())
    for processes in (1, 2):
        command = [arguments.program, "eval", "fid", "--real", work / "data", "--real-split", "TRAIN", "--synthetic",
                   work / "data", "--synthetic-split", "TEST", "--no-classes", "--model", arguments.model, "--no-cache",
                   "--quiet", "--device", "cpu", "--nproc", processes, "--threads",
                   max(1, arguments.threads // processes)]
        taken = statistics.median(run(command)[0] for _ in range(arguments.pairs))
        print(f"in-domain, {count} videos of 64 frames, {processes} process(es): {taken:.1f} s")


def main():
    if sys.argv[1:2] == ["--theirs"]:
        return theirs(*sys.argv[2:])
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=ROOT / "build/release/bin/echopath")
    parser.add_argument("--model", default=ROOT / "models/phantom", type=pathlib.Path)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=["inception", "in-domain", "videos"])
    arguments = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="echopath-bench."))
    try:
        if arguments.only in (None, "inception"):
            from formula_weights import weight
            from make_metrics import Bare
            weights = work / "inception.pth"
            torch.save({key: weight(key, tuple(value.shape)) if value.is_floating_point() else value
                        for key, value in Bare(["2048"]).state_dict().items()}, weights)
            compare("inception", arguments, work, arguments.pictures, weights, weights)
        if arguments.only in (None, "in-domain"):
            compare("in-domain", arguments, work, arguments.frames, arguments.model / "classifier_asd", "classifier_asd")
        if arguments.only in (None, "videos"):
            videos(arguments, work)
    finally:
        shutil.rmtree(work)


main()
