#!/usr/bin/env python3
"""Training steps of this library against diffusers and PyTorch, in one run.

    PYTHON bench/train_step.py [--build build/release] [--threads N] [--pairs 5] [--only paper-lvdm] [--dtype bf16]

PYTHON has torch, diffusers 0.42.1 and safetensors (scripts/verify_against_diffusers.sh makes such an
environment). Both sides train the same network from the same weights on the same latents, with the
same batch, objective, threads and precision (bf16 is autocast): forward and backward pass, clipping
of the gradient, Adam, moving average of the weights. Theirs is eager PyTorch with its fused Adam and
diffusers' EMAModel. Each side is a process of its own; they warm up, then take turns. A row gives the
medians, the median of the pairs' ratios (bar: 1.02) and the ratio of the peak memories (bar: 1).
"""
import argparse
import csv
import json
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from diffusers.training_utils import EMAModel  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

import verify_against_diffusers as reference  # noqa: E402
from sides import Pairs, Side, answer_lines  # noqa: E402

BAR = 1.02
SCALING = 0.18215
CLASSES = 4
WIDTH = 64  # of the class embedding

# Name, title, network, config, items of a step, frames of a clip.
CASES = [("paper-lvdm", "LVDM of the paper, a clip of 16 frames", "lvdm", "configs/paper/lvdm.json", 1, 16),
         ("paper-lidm", "LIDM of the paper, 16 frames", "lidm", "configs/paper/lidm.json", 16, 1),
         ("phantom-lvdm", "LVDM of the phantom, 2 clips of 64 frames", "lvdm", "configs/phantom/lvdm.json", 2, 64),
         ("phantom-lidm", "LIDM of the phantom, 32 frames", "lidm", "configs/phantom/lidm.json", 32, 1)]


def write_latents(folder, videos, frames, size):
    """A latents directory (docs/file_formats.md) of random numbers: videos to train on, and one more."""
    (folder / "Latents").mkdir(parents=True)
    with open(folder / "FileList.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["FileName", "ClassName", "PatientId", "Split", "FPS", "NumberOfFrames"])
        for i in range(videos + 1):
            name = ["ASD", "Non-ASD", "Non-PAH", "PAH"][i % CLASSES]
            rows.writerow([f"v{i}.avi", name, f"p{i}", "TRAIN" if i < videos else "VAL", 32, frames])
            shape = (frames, 4, size, size)
            save_file({"mean": torch.randn(shape) / SCALING, "logvar": torch.full(shape, -8.0)},
                      folder / "Latents" / f"v{i}.safetensors",
                      {"scaling_factor": str(SCALING), "pixel_range": "[-1, 1]", "encoder_hash": "0" * 64})


def make_network(network, config):
    options = reference.read_config(ROOT / config)
    if network == "lidm":
        return reference.lidm_case("", options).make()
    # What our configs may leave out has another default in diffusers. Random latents have no beat, so
    # both sides go without the channels of the heart's cycle.
    options = {"addition_time_embed_dim": 1, "projection_class_embeddings_input_dim": 1, **options,
               "in_channels": 8}
    return reference.lvdm_case("", options, frames=1).make()


class Step:
    """One training step of PyTorch, as diffusers' training scripts write it."""

    def __init__(self, work, network, config, items, frames, bf16):
        self.video = network == "lvdm"
        self.items, self.frames, self.bf16 = items, frames, bf16
        self.unet = make_network(network, config)
        self.unet.load_state_dict(load_file(work / "model" / network / reference.WEIGHTS))
        self.unet.train()
        self.embedding = torch.nn.Embedding(CLASSES + 1, WIDTH)
        self.embedding.load_state_dict(
            {"weight": load_file(work / f"model/class_embedding/{network}.safetensors")["embedding.weight"]})
        self.parameters = [*self.unet.parameters(), *self.embedding.parameters()]
        self.adam = torch.optim.Adam(self.parameters, lr=1e-4, fused=True)
        self.ema = EMAModel(self.parameters, decay=0.9999, foreach=True)
        self.schedule = reference.diffusers.DDPMScheduler(prediction_type="v_prediction")
        latents = [load_file(file) for file in sorted((work / "latents/Latents").iterdir())]
        self.mean = torch.stack([item["mean"] for item in latents])
        self.logvar = torch.stack([item["logvar"] for item in latents])

    def batch(self):
        """Clean latents, [B, T, C, H, W] or [B, C, H, W], drawn from the posterior."""
        videos = torch.randint(len(self.mean), (self.items,))
        mean, logvar = self.mean[videos], self.logvar[videos]
        clean = (mean + (0.5 * logvar).exp() * torch.randn_like(mean)) * SCALING
        return clean[:, :self.frames] if self.video else clean[:, 0]

    def predict(self, noisy, clean, timesteps, labels):
        if self.video:
            noisy = torch.cat([noisy, clean[:, :1].expand_as(clean)], 2)
        shape = noisy.shape
        flat = F.pad(noisy.flatten(0, -4), (1, 1, 1, 1), mode="replicate")
        padded = flat.reshape(*shape[:-2], *flat.shape[-2:])
        context = self.embedding(labels)[:, None]
        extra = {"added_time_ids": torch.full((self.items, 1), 32.0)} if self.video else {}
        output = self.unet(padded, timesteps, encoder_hidden_states=context, **extra).sample
        return output[..., 1:-1, 1:-1]

    def loss(self):
        clean = self.batch()
        noise = torch.randn_like(clean)
        timesteps = torch.randint(1000, (self.items,))
        labels = torch.randint(CLASSES, (self.items,))
        labels[torch.rand(self.items) < 0.1] = CLASSES
        noisy = self.schedule.add_noise(clean, noise, timesteps)
        target = self.schedule.get_velocity(clean, noise, timesteps)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            output = self.predict(noisy, clean, timesteps, labels)
        return F.mse_loss(output.float(), target)

    def __call__(self):
        self.adam.zero_grad()
        loss = self.loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.adam.step()
        self.ema.step(self.parameters)
        return loss.item()


def theirs(settings):
    """Runs PyTorch's side in this process."""
    settings = json.loads(settings)
    torch.set_num_threads(settings.pop("threads"))
    step = Step(pathlib.Path(settings.pop("work")), **settings)
    for _ in range(2):
        step()
    answer_lines(step)


def prepare(work, network, config, items, frames):
    """Latents and a model directory with the weights that both sides start from."""
    shutil.rmtree(work, ignore_errors=True)
    size = reference.read_config(ROOT / config)["sample_size"]
    write_latents(work / "latents", max(items, 2 * CLASSES), max(frames, 16), size)
    torch.manual_seed(0)
    make_network(network, config).save_pretrained(work / "model" / network)
    (work / "model/class_embedding").mkdir()
    save_file({"embedding.weight": torch.randn(CLASSES + 1, WIDTH)},
              work / f"model/class_embedding/{network}.safetensors")


def measure(options, case, dtype, work):
    name, title, network, config, items, frames = case
    precision = {"float32": "fp32", "bf16": "bf16"}[dtype]
    overrides = [f"data.latents={work / 'latents'}", f"training.batch_size={items}",
                 "training.micro_batch_size=0", f"training.precision={precision}"]
    if network == "lvdm":
        overrides += [f"block_length={frames}", "heart_cycle_conditioning=false", "model.in_channels=8"]
    else:
        overrides.append("heart_phase_window=0.5")
    ours = Side(options.build / "bin/bench_train_step", network, ROOT / config, work / "model",
                options.threads, *overrides)
    settings = {"work": str(work), "network": network, "config": config, "items": items, "frames": frames,
                "bf16": dtype == "bf16", "threads": options.threads}
    other = Side(sys.executable, __file__, "--theirs", json.dumps(settings))
    pairs = Pairs(ours, other, options.pairs)
    peak, their_peak = ours.close(), other.close()
    print(f"| {title} | {dtype} | {pairs.theirs:.2f} s | {pairs.ours:.2f} s | {pairs.ratio:.3f} | "
          f"{their_peak:.0f} MB | {peak:.0f} MB | {peak / their_peak:.2f} |", flush=True)
    return pairs.ratio <= BAR and peak <= their_peak


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", choices=[case[0] for case in CASES], action="append")
    parser.add_argument("--dtype", choices=["float32", "bf16"], action="append")
    parser.add_argument("--theirs", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.theirs:
        theirs(options.theirs)
        return
    print(f"{options.threads} thread(s), {options.pairs} interleaved pairs, "
          f"diffusers {reference.diffusers.__version__} on torch {torch.__version__}\n", flush=True)
    print("| step | precision | PyTorch eager | echopath | ratio | peak, PyTorch | peak, echopath | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    passed = True
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder) / "work"
        for case in CASES:
            if options.only is None or case[0] in options.only:
                prepare(work, *case[2:])
                for dtype in options.dtype or ["float32", "bf16"]:
                    passed &= measure(options, case, dtype, work)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
