#!/usr/bin/env python3
"""Forward passes of this library against diffusers: same weights, same threads, in one run.

    PYTHON bench/forward.py [--build build/release] [--threads N] [--pairs 5] [--only lvdm] [--openvino]

PYTHON has torch, diffusers 0.42.1, torchvision and safetensors (scripts/verify_against_diffusers.sh
makes such an environment; --openvino needs openvino too). For each network and precision both sides
warm up, then take turns; a row gives the median of each side and the median of the pairs' ratios. The
bar is a ratio of at most 1.02 in float32 against eager diffusers. "first pass" is the time from the
start of our program to the end of its first pass, over that of reading the weights' bytes and one pass.
OpenVINO runs alone, before the pairs: the median of up to three passes. Weights are random, sizes are
those of configs/paper.
"""
import argparse
import copy
import pathlib
import shutil
import statistics
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

import verify_against_diffusers as reference  # noqa: E402
from sides import Pairs, Side, seconds_of  # noqa: E402

BAR = 1.02
OPENVINO_PASSES = 3


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


def reading_seconds(path):
    """Reads all of a file, which stands in the page cache as it does for the program."""
    def read():
        with open(path, "rb", buffering=0) as file:
            while file.read(1 << 24):
                pass
    return min(seconds_of(read) for _ in range(3))


def in_openvino(case, module):
    """The network as OpenVINO's model; tracing it takes longer than most passes."""
    import openvino

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, *tensors):
            return tuple(case.run(self.module, dict(zip(case.inputs, tensors))).values())

    inputs = tuple(case.inputs.values())
    return openvino.convert_model(torch.jit.trace(Plain(), inputs, check_trace=False, strict=False),
                                  example_input=inputs)


def openvino_seconds(model, case, dtype, options):
    """Median of OpenVINO's passes in its precision for `dtype`."""
    import openvino

    precision = {"float32": "f32", "bf16": "bf16"}[dtype]
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": options.threads,
                                                     "INFERENCE_PRECISION_HINT": precision})
    arrays = [tensor.numpy() for tensor in case.inputs.values()]
    compiled(arrays)
    return statistics.median(seconds_of(lambda: compiled(arrays))
                             for _ in range(min(options.pairs, OPENVINO_PASSES)))


def measure(options, title, network, case, dtype, work, module, openvino_model):
    weights = work / case.folder / reference.WEIGHTS
    openvino = "–"
    if openvino_model:
        openvino = f"{openvino_seconds(openvino_model, case, dtype, options):.2f} s"
    ours = Side(options.build / "bin/bench_forward", work, network, work / "in.safetensors", dtype,
                options.threads)
    inputs = case.inputs
    if dtype == "bf16":
        module = copy.deepcopy(module).to(torch.bfloat16)
        inputs = {k: v.to(torch.bfloat16) if v.is_floating_point() else v for k, v in inputs.items()}
    theirs = lambda: seconds_of(lambda: case.run(module, inputs))  # noqa: E731
    theirs()
    pairs = Pairs(ours, theirs, options.pairs)
    peak = ours.close()
    loading, loading_peak = ours.figures
    size = weights.stat().st_size / 1e6
    start = ours.first / (reading_seconds(weights) + pairs.ours)
    print(f"| {title} | {dtype} | {pairs.theirs:.2f} s | {pairs.ours:.2f} s | {pairs.ratio:.2f} | {openvino} | "
          f"{loading:.2f} s | {start:.2f} | {loading_peak / size:.2f} × {size:.0f} MB | {peak:.0f} MB |",
          flush=True)
    return dtype != "float32" or pairs.ratio <= BAR


def measure_all(options, work):
    passed = True
    for title, network, case in cases():
        if options.only not in (None, network):
            continue
        module = reference.randomise(case.make(), seed=1)
        shutil.rmtree(work, ignore_errors=True)
        reference.save(module, case, work / case.folder)
        save_file(case.inputs, work / "in.safetensors")
        openvino_model = in_openvino(case, module) if options.openvino else None
        for dtype in options.dtype or ["float32", "bf16"]:
            passed &= measure(options, title, network, case, dtype, work, module, openvino_model)
    return passed


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
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        passed = measure_all(options, pathlib.Path(folder) / "model")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
