#!/usr/bin/env python3
"""Forward passes of this library against diffusers: same weights, same threads, in one run.

    PYTHON bench/forward.py [--build build/release] [--threads N] [--pairs 5] [--only lvdm] [--openvino]

PYTHON has torch, diffusers 0.42.1, torchvision and safetensors (scripts/verify_against_diffusers.sh
makes such an environment; --openvino needs openvino too). For each network and precision both sides
warm up, then take turns; a row gives the median of each side and the median of the pairs' ratios. The
bar is a ratio of at most 1.02 in float32 against eager diffusers. "first pass" is the time from the
start of our program to the end of its first pass, over that of reading the weights' bytes and one pass. Weights are random, sizes are those
of configs/paper.
"""
import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

import verify_against_diffusers as reference  # noqa: E402

BAR = 1.02


def cases():
    """Title, network of bench_forward, the reference's case with the inputs of the benchmark."""
    configs = {name: reference.read_config(ROOT / f"configs/paper/{name}.json")
               for name in ("vae", "lidm", "lvdm")}
    encode, decode = reference.vae_cases("paper", configs["vae"])
    size = configs["vae"]["sample_size"]
    encode.inputs = {"sample": torch.rand(16, 3, size, size) * 2 - 1}
    decode.inputs = {"z": torch.randn(16, 4, size // 8, size // 8)}
    lidm = reference.lidm_case("paper", configs["lidm"])
    width = configs["lidm"]["cross_attention_dim"]
    lidm.inputs = {"sample": torch.randn(16, configs["lidm"]["in_channels"], 16, 16),
                   "timestep": torch.full((16,), 500),
                   "encoder_hidden_states": torch.randn(16, 1, width)}
    lvdm = reference.lvdm_case("paper", configs["lvdm"], frames=64)
    lvdm.inputs = {name: tensor[:1].contiguous() for name, tensor in lvdm.inputs.items()}
    return [("LVDM, 1×64 frames, 16×16", "lvdm", lvdm), ("LIDM, 16 frames, 16×16", "lidm", lidm),
            ("VAE decode, 16 frames", "vae-decode", decode),
            ("VAE encode, 16 frames", "vae-encode", encode)]


class Ours:
    """bench_forward, answering one line for each pass."""

    def __init__(self, program, *arguments):
        start = time.perf_counter()
        self.process = subprocess.Popen([program, *map(str, arguments)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline().split()
        if not ready or ready[0] != "ready":
            sys.exit(f"{program} did not start; build it with: cmake --build BUILD --target bench_forward")
        self.loading, self.loading_peak = map(float, ready[1:])
        self.first = time.perf_counter() - start  # from the start to the end of a first pass

    def __call__(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        """Ends it; its peak memory in megabytes."""
        self.process.stdin.close()
        peak = float(self.process.stdout.readline().split()[1])
        self.process.wait()
        return peak


def seconds_of(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def reading_seconds(path):
    """Reads all of a file, which stands in the page cache as it does for the program."""
    def read():
        with open(path, "rb", buffering=0) as file:
            while file.read(1 << 24):
                pass
    return min(seconds_of(read) for _ in range(3))


def openvino_pass(case, module, inputs, threads, dtype):
    """One OpenVINO inference on the same weights, or None where it cannot be made."""
    import openvino

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, *tensors):
            outputs = case.run(self.module, dict(zip(inputs, tensors)))
            return tuple(outputs.values())

    model = openvino.convert_model(Plain(), example_input=tuple(inputs.values()))
    precision = {"float32": "f32", "bf16": "bf16"}[dtype]
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": threads,
                                                     "INFERENCE_PRECISION_HINT": precision})
    arrays = [tensor.numpy() for tensor in inputs.values()]
    compiled(arrays)
    return lambda: compiled(arrays)


def measure(options, title, network, case, dtype, work):
    module = reference.randomise(case.make(), seed=1)
    shutil.rmtree(work, ignore_errors=True)
    reference.save(module, case, work / case.folder)
    weights = work / case.folder / reference.WEIGHTS
    save_file(case.inputs, work / "in.safetensors")
    ours = Ours(options.build / "bin/bench_forward", work, network, work / "in.safetensors", dtype,
                options.threads)
    other = openvino_pass(case, module, case.inputs, options.threads, dtype) if options.openvino else None
    inputs = case.inputs
    if dtype == "bf16":
        module = module.to(torch.bfloat16)
        inputs = {k: v.to(torch.bfloat16) if v.is_floating_point() else v for k, v in inputs.items()}
    theirs = lambda: seconds_of(lambda: case.run(module, inputs))  # noqa: E731
    theirs()
    pairs = []
    for _ in range(options.pairs):  # each side goes first in turn
        pairs.append((ours(), theirs()) if len(pairs) % 2 == 0 else (theirs(), ours())[::-1])
    openvino = "–"
    if other:
        openvino = f"{statistics.median(seconds_of(other) for _ in range(options.pairs)):.2f} s"
    ratio = statistics.median(a / b for a, b in pairs)
    peak = ours.close()
    forward, size = statistics.median(a for a, _ in pairs), weights.stat().st_size / 1e6
    start = ours.first / (reading_seconds(weights) + forward)
    print(f"| {title} | {dtype} | {statistics.median(b for _, b in pairs):.2f} s | {forward:.2f} s | "
          f"{ratio:.2f} | {openvino} | {ours.loading:.2f} s | {start:.2f} | "
          f"{ours.loading_peak / size:.2f} × {size:.0f} MB | {peak:.0f} MB |", flush=True)
    return dtype != "float32" or ratio <= BAR


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", help="one network of bench_forward")
    parser.add_argument("--dtype", choices=["float32", "bf16"], action="append")
    parser.add_argument("--openvino", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.threads} thread(s), {options.pairs} interleaved pairs, "
          f"diffusers {reference.diffusers.__version__} on torch {torch.__version__}\n")
    print("| work | precision | diffusers eager | echopath | ratio | OpenVINO | loading | first pass | "
          "peak of loading | peak |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    passed = True
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for title, network, case in cases():
            if options.only in (None, network):
                for dtype in options.dtype or ["float32", "bf16"]:
                    passed &= measure(options, title, network, case, dtype, pathlib.Path(folder) / "model")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
