#!/usr/bin/env bash
# Trains the demo model in models/phantom from nothing, on a 2-core CPU. Every stage can be stopped
# and started again: what is done is skipped, a training goes on from its last checkpoint.
# Usage: scripts/train_phantom_model.sh [RUN_FOLDER] [MODEL_FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
run=${1:-runs/phantom}
model=${2:-models/phantom}
echopath=${ECHOPATH:-build/release/bin/echopath}
# Two OpenMP threads that wait actively stall each other when another program needs a core.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

[ -x "$echopath" ] || { echo "error: $echopath is missing; run scripts/quickstart.sh first" >&2; exit 2; }

stage() { echo "==> $*"; }

train() { # NETWORK KEY=VALUE…
  local network=$1
  shift
  if [ -e "$run/$network.done" ]; then
    stage "$network: already trained"
    return
  fi
  stage "$network: training"
  local arguments=(--config "configs/phantom/$network.json" --out "$run/$network"
                   --set "output.model_directory=$model")
  for pair in "$@"; do arguments+=(--set "$pair"); done
  [ -e "$run/$network/config.json" ] && arguments+=(--resume)
  "$echopath" train "$network" "${arguments[@]}"
  touch "$run/$network.done"
}

mkdir -p "$run"
if [ ! -e "$run/data/FileList.csv" ]; then
  stage "phantom: simulating 600 patients"
  "$echopath" phantom --out "$run/data" --patients 600 --seed 7 --masks
fi
train vae "data.dataset=$run/data"
stage "encode: videos to latents"
"$echopath" encode --data "$run/data" --model "$model" --out "$run/latents"
train reid "data.latents=$run/latents"
train lidm "data.latents=$run/latents"
train lvdm "data.latents=$run/latents"
stage "done: $model"
