#!/usr/bin/env python3
"""The Python side of verify_against_diffusers.sh.

For each network: builds it with diffusers or torchvision at the size of configs/, fills every weight
with random numbers, saves it as Python's users do, runs it, runs `echopath forward` on the same
inputs, and compares. Where the program can convert, it also writes the model back out, which
`from_pretrained` must open with nothing missing or left over and with the same output.
"""
import argparse
import json
import logging
import math
import pathlib
import re
import shutil
import subprocess
import sys
import warnings

import torch
import torchvision
from safetensors.torch import load_file, save_file

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
import diffusers  # noqa: E402  after its warnings are off

BAR = 1e-4  # of the largest magnitude of the output
WEIGHTS = "diffusion_pytorch_model.safetensors"


def read_config(path):
    """The network of a training config: JSON with // comments."""
    text = re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*', lambda m: m.group(1) or "", path.read_text())
    return json.loads(text)["model"]


def randomise(module, seed):
    """Every weight from its own distribution: matrices with unit gain, norm weights around 1, and
    biases, running means and mix factors around 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if not tensor.is_floating_point():
                continue
            values = torch.rand(tensor.shape, generator=generator) * 2 - 1
            if name.endswith("running_var") or (name.endswith("weight") and tensor.dim() == 1):
                values = 1 + 0.5 * values
            elif tensor.dim() >= 2:
                values *= math.sqrt(3 / tensor[0].numel())
            elif not name.endswith("mix_factor"):
                values *= 0.25
            tensor.copy_(values)
    return module.eval()


class SiameseResNet(torch.nn.Module):
    """EchoNet-Synthetic's re-identification network."""

    def __init__(self, channels, embedding_dim):
        super().__init__()
        self.model = torchvision.models.resnet50()
        self.model.conv1 = torch.nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        self.model.fc = torch.nn.Linear(self.model.fc.in_features, embedding_dim)
        self.fc_end = torch.nn.Linear(embedding_dim, 1)

    def forward(self, sample):
        return torch.sigmoid(self.model(sample))


class Case:
    """One row of the table."""

    def __init__(self, title, folder, make, inputs, run=None, config=None, arguments=()):
        self.title = title            # which config
        self.folder = folder          # the network's name in a model directory
        self.make = make              # () -> module
        self.inputs = inputs          # name -> tensor
        self.run = run or (lambda module, inputs: {"sample": module(**inputs).sample})
        self.config = config          # our config.json, where Python's library has none
        self.arguments = arguments    # of `echopath forward`
        self.trained = None           # a folder with weights that `echopath train` wrote


def image_size(config):
    """The padded size of the latents."""
    return -(-config["sample_size"] // 8) * 8


def vae_cases(title, config):
    blocks = len(config["block_out_channels"])

    def make():
        return diffusers.AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * blocks,
                                       up_block_types=("UpDecoderBlock2D",) * blocks, **config)

    def encode(module, inputs):
        posterior = module.encode(inputs["sample"]).latent_dist
        return {"mean": posterior.mean, "logvar": posterior.logvar}

    size = config["sample_size"]
    latent = size >> (blocks - 1)
    yield Case(f"{title} vae, encode", "vae", make, {"sample": torch.rand(2, 3, size, size) * 2 - 1},
               encode, arguments=["--encode"])
    yield Case(f"{title} vae, decode", "vae", make, {"z": torch.randn(2, 4, latent, latent)},
               lambda module, inputs: {"sample": module.decode(inputs["z"]).sample},
               arguments=["--decode"])


def lidm_case(title, config):
    size = image_size(config)
    inputs = {"sample": torch.randn(3, config["in_channels"], size, size),
              "timestep": torch.tensor([999, 500, 3])}
    if "cross_attention_dim" not in config:
        return Case(f"{title} lidm", "lidm", lambda: diffusers.UNet2DModel(**config), inputs)
    inputs["encoder_hidden_states"] = torch.randn(3, 1, config["cross_attention_dim"])
    return Case(f"{title} lidm", "lidm", lambda: diffusers.UNet2DConditionModel(**config), inputs)


def set_groups(module, config):
    """Our norm_num_groups, which diffusers does not know: its video UNet has 32 in every norm."""
    for norm in module.modules():
        if isinstance(norm, torch.nn.GroupNorm) and "norm_num_groups" in config:
            norm.num_groups = config["norm_num_groups"]
    return module


def lvdm_case(title, config, frames):
    known = {key: value for key, value in config.items() if key != "norm_num_groups"}
    size = image_size(config)
    inputs = {"sample": torch.randn(2, frames, config["in_channels"], size, size),
              "timestep": torch.tensor([871, 12]),
              "encoder_hidden_states": torch.randn(2, 1, config["cross_attention_dim"]),
              "added_time_ids": torch.tensor([[32.0], [24.0]])}
    return Case(f"{title} lvdm", "lvdm",
                lambda: set_groups(diffusers.UNetSpatioTemporalConditionModel(**known), config), inputs)


def resnet_cases(reid):
    def run(module, inputs):
        return {"sample": module(inputs["sample"])}

    yield Case("paper reid", "reid",
               lambda: SiameseResNet(reid["in_channels"], reid["embedding_dim"]),
               {"sample": torch.rand(4, reid["in_channels"], 14, 14) * 2 - 1}, run,
               {"_class_name": "ReIdNet", **reid})
    yield Case("torchvision resnet50", "resnet50", torchvision.models.resnet50,
               {"sample": torch.randn(2, 3, 112, 112)}, run, {"_class_name": "ResNet"})
    clip = {"sample": torch.randn(2, 3, 16, 112, 112)}
    for name, convolution in (("r3d_18", "3d"), ("r2plus1d_18", "2plus1d")):
        yield Case(f"torchvision {name}", name, getattr(torchvision.models.video, name), clip, run,
                   {"_class_name": "VideoResNet", "convolution": convolution})


def all_cases(configs):
    torch.manual_seed(0)
    for family in ("paper", "reference", "echonet_synthetic"):
        config = {name: read_config(configs / family / f"{name}.json")
                  for name in ("vae", "lidm", "lvdm")}
        if family != "reference":  # whose VAE is EchoNet-Synthetic's
            yield from vae_cases(family, config["vae"])
        yield lidm_case(family, config["lidm"])
        if family != "echonet_synthetic":
            yield lidm_case(f"{family}, 12 channels,",
                            {**config["lidm"], "in_channels": 12, "out_channels": 12})
        yield lvdm_case(family, config["lvdm"], frames=4)
    yield from resnet_cases(read_config(configs / "paper" / "reid.json"))


def trained_cases(model):
    """The networks of a model directory that `echopath train` wrote."""
    def trained(cases):
        for case in cases:
            case.trained = model / case.folder
            yield case

    config = {name: json.loads((model / name / "config.json").read_text())
              for name in ("vae", "lidm", "lvdm")}
    yield from trained(vae_cases("trained", config["vae"]))
    yield from trained([lidm_case("trained", config["lidm"]),
                        lvdm_case("trained", config["lvdm"], frames=4)])


def load_trained(case):
    """As Python opens it, in float32."""
    config = json.loads((case.trained / "config.json").read_text())
    name = config["_class_name"]
    module, info = getattr(diffusers, name).from_pretrained(case.trained, output_loading_info=True)
    if info["missing_keys"] or info["unexpected_keys"] or info["mismatched_keys"]:
        raise ValueError(f"{case.trained}: Python does not find the weights that it looks for")
    if name == "UNetSpatioTemporalConditionModel":
        set_groups(module, config)
    return module.float().eval()


def save(module, case, folder):
    if case.trained is not None:
        shutil.copytree(case.trained, folder)
        return
    if case.config is None:
        module.save_pretrained(folder)
        return
    folder.mkdir(parents=True)
    save_file(module.state_dict(), folder / WEIGHTS)
    (folder / "config.json").write_text(json.dumps(case.config))


def run_program(options, *arguments):
    subprocess.run([options.program, *map(str, arguments), "--threads", str(options.threads),
                    "--device", "cpu", "--quiet"], check=True, stdout=subprocess.DEVNULL)


def relative_error(ours, theirs):
    """The largest over the outputs; infinite where names, shapes or numbers are wrong."""
    if ours.keys() != theirs.keys() or any(ours[k].shape != theirs[k].shape for k in theirs):
        return math.inf
    errors = [((ours[k] - theirs[k]).abs().max() / theirs[k].abs().max()).item() for k in theirs]
    return math.inf if any(math.isnan(error) for error in errors) else max(errors)


def forward_error(case, options, expected):
    """`echopath forward` against Python on Python's files."""
    save_file(case.inputs, options.work / "in.safetensors")
    run_program(options, "forward", "--model", options.work / "model", "--network", case.folder,
                "--inputs", options.work / "in.safetensors", "--out",
                options.work / "out.safetensors", *case.arguments)
    return relative_error(load_file(options.work / "out.safetensors"), expected)


def back_error(case, options, module, expected):
    """Python on the files that `echopath convert` wrote from Python's."""
    converted = options.work / "converted"
    run_program(options, "convert", options.work / "model", converted)
    folder = converted / case.folder
    if case.config is None:
        again, info = type(module).from_pretrained(folder, output_loading_info=True)
        if info["missing_keys"] or info["unexpected_keys"] or info["mismatched_keys"]:
            return math.inf
    else:
        again = case.make()
        again.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    return relative_error(case.run(again.float().eval(), case.inputs), expected)


def or_infinite(error):
    """A program that stops, and says why, is as wrong as can be; the other networks still count."""
    try:
        return error()
    except subprocess.CalledProcessError:
        return math.inf


def verify(case, options):
    shutil.rmtree(options.work / "model", ignore_errors=True)
    shutil.rmtree(options.work / "converted", ignore_errors=True)
    module = load_trained(case) if case.trained else randomise(case.make(), seed=len(case.title))
    save(module, case, options.work / "model" / case.folder)
    with torch.no_grad():
        expected = case.run(module, case.inputs)
        error = or_infinite(lambda: forward_error(case, options, expected))
        back = or_infinite(lambda: back_error(case, options, module, expected))
    passed = error <= BAR and back <= BAR
    parameters = sum(p.numel() for p in module.parameters())
    shapes = " ".join("×".join(map(str, t.shape)) for k, t in case.inputs.items()
                      if k in ("sample", "z"))
    print(f"| {case.title} | {type(module).__name__} | {parameters:,} | {shapes} | {error:.1e} | {back:.1e} "
          f"| {'yes' if passed else 'NO'} |", flush=True)
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--configs", type=pathlib.Path, required=True)
    parser.add_argument("--trained", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"diffusers {diffusers.__version__}, torchvision {torchvision.__version__}, "
          f"torch {torch.__version__}, {options.threads} thread(s)\n")
    print("| network | class | parameters | input | max error | converted and back | pass |")
    print("|---|---|---|---|---|---|---|")
    results = [verify(case, options) for case in (*all_cases(options.configs),
                                                  *trained_cases(options.trained))]
    print(f"\nErrors relative to the output's largest magnitude; the bar is {BAR:.0e}. "
          f"{sum(results)} of {len(results)} pass.")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
