#!/usr/bin/env bash
# Trains small networks and reads their event files with TensorBoard's own Python reader: every
# figure of metrics.jsonl must be there, once, also where a run was resumed from an earlier step, and
# every picture must open. Prints a table. Fails where something differs. Takes some minutes.
#
#   ./scripts/verify_tensorboard.sh [--python PATH] [--program PATH] [--pictures FOLDER]
#
# --python PATH      an interpreter that has tensorboard and pillow; without it they are installed
#                    once, pinned, into a virtual environment in the user's cache (0.2 GB)
# --program PATH     the echopath to run (default: build/release/bin/echopath)
# --pictures FOLDER  keeps the sample images and videos found in the event files
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

python=""
program="$root/build/release/bin/echopath"
pictures=""
take_options "python program pictures" "$@"

[ -x "$program" ] || fail "there is no program at $program" "Build it (scripts/quickstart.sh), or give --program."

if [ -z "$python" ]; then
  has python3 || fail "python3 is missing; install it with the module venv"
  environment="$cache/verify-tensorboard-2.21.0"
  if [ ! -e "$environment/DONE" ]; then
    require_space "$cache" 500 "TensorBoard"
    say "Installing tensorboard into $environment"
    rm -rf "$environment"
    run python3 -m venv "$environment" || fail "no virtual environment: is the package python3-venv there?"
    run "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
      tensorboard==2.21.0 pillow==13.0.0 numpy==2.4.6 ||
      fail "the packages could not be installed: see the message above"
    touch "$environment/DONE"
  fi
  python="$environment/bin/python"
fi

# Threads of small networks wait for each other longer than they compute.
export OMP_NUM_THREADS=1
work="$(mktemp -d "${TMPDIR:-/tmp}/echopath-verify.XXXXXX")"
trap 'rm -rf "$work"' EXIT
require_space "$work" 500 "small runs"

# Runs the program; what it prints is shown only where it fails.
quietly() {
  "$program" "$@" >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    fail "echopath $1 failed"
  }
}

# train NETWORK STEPS [ARGUMENT…]: a toy network, whose samples the demo model's VAE decodes.
train() {
  local network="$1" steps="$2"
  shift 2
  quietly train "$network" --config "$root/tests/fixtures/toy/$network.json" \
    --out "$work/runs/$network" --device cpu --set class_embedding.num_classes=4 \
    --set 'data.classes=["ASD", "Non-ASD", "Non-PAH", "PAH"]' \
    --set "data.latents=$work/latents" --set "output.model_directory=$work/model" \
    --set "training.steps=$steps" --set training.log_every=2 --set training.validate_every=10 \
    --set training.checkpoint_every=5 --set training.keep_last=9 --set training.sample_every=10 "$@"
}

say "Simulating studies and training on them"
quietly phantom --out "$work/data" --patients 4 --seed 1 --split 50,50,0
quietly encode --data "$work/data" --model "$root/models/phantom" --out "$work/latents"
cp -r "$root/models/phantom" "$work/model"
train lidm 20
# As after a crash at step 20 whose newest whole checkpoint is that of step 15.
rm -r "$work/runs/lidm/checkpoints/step-00000020"
train lidm 30 --resume
train lvdm 10
quietly train vae --config "$root/configs/phantom/vae.json" --out "$work/runs/vae" --device cpu \
  --set "data.dataset=$work/data" --set "output.model_directory=$work/vae" \
  --set training.steps=10 --set training.log_every=2 --set training.validate_every=10 \
  --set training.sample_every=10 --set training.batch_size=2 \
  --init-from "$root/models/phantom"

say "Reading $(find "$work/runs" -name 'events.out.tfevents.*' | wc -l) event files with TensorBoard"
"$python" "$root/scripts/verify_tensorboard.py" "$work/runs" ${pictures:+--pictures "$pictures"}
