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

# leg NAME NETWORK KEY=VALUE…: one training. The second and later legs of a network (NETWORK_2, …)
# go on from the half-precision weights of the one before.
leg() {
  local name=$1 network=$2
  shift 2
  leg_of "$name" "$network" "$network" "$@"
}

# leg_of NAME NETWORK CONFIG KEY=VALUE…: the same with configs/phantom/CONFIG.json.
leg_of() {
  local name=$1 network=$2 config=$3
  shift 3
  if [ -e "$run/$name.done" ]; then
    stage "$name: already trained"
    return
  fi
  stage "$name: training"
  local arguments=(--config "configs/phantom/$config.json" --out "$run/$name"
                   --set "output.model_directory=$model")
  for pair in "$@"; do arguments+=(--set "$pair"); done
  if [ -e "$run/$name/config.json" ]; then
    arguments+=(--resume)
  elif [ "$name" != "$config" ]; then
    arguments+=(--init-from "$model")
  fi
  "$echopath" train "$network" "${arguments[@]}"
  touch "$run/$name.done"
}

mkdir -p "$run"
if [ ! -e "$run/data/FileList.csv" ]; then
  stage "phantom: simulating 600 patients"
  "$echopath" phantom --out "$run/data" --patients 600 --seed 7 --masks
fi
# The KL weight rises from leg to leg: the latents give up the speckle, which they cannot hold, and
# keep the anatomy.
leg vae vae "data.dataset=$run/data" training.steps=1500 training.validate_every=250 \
  loss.kl_weight=1e-5 loss.adversarial_weight=0.3 loss.adversarial_start=600 \
  loss.discriminator_channels=24 loss.discriminator_layers=2
leg vae_2 vae "data.dataset=$run/data" training.steps=500 training.warmup_steps=20 loss.kl_weight=0.03
leg vae_3 vae "data.dataset=$run/data" training.steps=300 training.warmup_steps=20 loss.kl_weight=0.2
leg vae_4 vae "data.dataset=$run/data" training.steps=400 training.warmup_steps=20 loss.kl_weight=1.0
stage "encode: videos to latents"
"$echopath" encode --data "$run/data" --model "$model" --out "$run/latents"
leg reid reid "data.latents=$run/latents"
leg lidm lidm "data.latents=$run/latents"
leg lvdm lvdm "data.latents=$run/latents"
leg lvdm_2 lvdm "data.latents=$run/latents" training.steps=2000 training.warmup_steps=50 \
  training.learning_rate=4e-4 reference_noise=0.1
# The judges: two classifiers (their features are the in-domain detectors) and the chamber read-out.
for judge in segmentation classifier_asd classifier_pah; do
  leg_of "$judge" classifier "$judge" "data.dataset=$run/data"
done
stage "done: $model"
