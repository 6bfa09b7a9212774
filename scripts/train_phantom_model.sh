#!/usr/bin/env bash
# Trains the demo model in models/phantom from nothing, on a 2-core CPU, and beside it the
# EchoNet-Synthetic baseline on the same data in models/phantom_echosyn. Every stage
# can be stopped and started again: what is done is skipped, a training goes on from its last checkpoint.
# DEVICE=cuda in the environment trains on a GPU.
# Usage: scripts/train_phantom_model.sh [--list | --stage NAME] [RUN_FOLDER] [MODEL_FOLDER] [BASELINE_FOLDER]
#   --list         the names of the stages in their order; nothing is run
#   --stage NAME   this stage only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
list="" only="" folders=()
while [ $# -gt 0 ]; do
  case "$1" in
    --list) list=yes ;;
    --stage)
      [ $# -ge 2 ] || { echo "error: --stage needs a value" >&2; exit 2; }
      only="$2"
      shift
      ;;
    -*) echo "error: unknown option $1; there are --list and --stage NAME" >&2; exit 2 ;;
    *) folders+=("$1") ;;
  esac
  shift
done
run=${folders[0]:-runs/phantom}
model=${folders[1]:-models/phantom}
baseline=${folders[2]:-models/phantom_echosyn}
echopath=${ECHOPATH:-build/release/bin/echopath}
device=(--device "${DEVICE:-auto}")
# Two OpenMP threads that wait actively stall each other when another program needs a core.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

stage() { echo "==> $*"; }

# wanted NAME: whether this stage is to run now. With --list it is named instead.
wanted() {
  if [ -n "$list" ]; then echo "$1"; return 1; fi
  [ -z "$only" ] || [ "$only" = "$1" ]
}

# leg NAME NETWORK CONFIG MODEL_FOLDER KEY=VALUE…: one training with configs/CONFIG.json. The second and
# later legs of a network (NAME_2, …) go on from the half-precision weights of the one before.
leg() {
  local name=$1 network=$2 config=$3 directory=$4
  shift 4
  wanted "$name" || return 0
  if [ -e "$run/$name.done" ]; then
    stage "$name: already trained"
    return
  fi
  stage "$name: training"
  local arguments=(--config "configs/$config.json" --out "$run/$name" --set "output.model_directory=$directory")
  for pair in "$@"; do arguments+=(--set "$pair"); done
  if [ -e "$run/$name/config.json" ]; then
    arguments+=(--resume)
  elif [[ "$name" =~ _[0-9]+$ ]]; then
    arguments+=(--init-from "$directory")
  fi
  "$echopath" train "$network" "${arguments[@]}" "${device[@]}"
  touch "$run/$name.done"
}

# diffusion_legs PREFIX CONFIGS MODEL_FOLDER: LIDM and LVDM, the same legs for ours and the baseline.
diffusion_legs() {
  local latents="data.latents=$run/latents"
  # Ours goes on from all frames to those that its videos start from; the baseline has none of those.
  leg "$1lidm" lidm "$2/lidm" "$3" "$latents" heart_phase_window=0.5
  leg "$1lidm_2" lidm "$2/lidm" "$3" "$latents" training.steps=5500 training.learning_rate=4e-4 \
    heart_phase_window=0.5
  leg "$1lidm_3" lidm "$2/lidm" "$3" "$latents" training.steps=1200 training.learning_rate=2e-4
  # First what moves together, then, with the error at one scale, the texture; then with the heart frame
  # in every block, and last with noise that frames share, which the baseline does not have.
  leg "$1lvdm" lvdm "$2/lvdm" "$3" "$latents" training.steps=2000 held_frame=last_given noise_correlation=0
  leg "$1lvdm_2" lvdm "$2/lvdm" "$3" "$latents" training.steps=2600 training.seed=2 diffusion.loss_scales=1 \
    held_frame=last_given noise_correlation=0
  leg "$1lvdm_3" lvdm "$2/lvdm" "$3" "$latents" training.steps=2000 training.seed=3 \
    training.learning_rate=6e-4 diffusion.loss_scales=1 noise_correlation=0
  leg "$1lvdm_4" lvdm "$2/lvdm" "$3" "$latents" training.steps=1600 training.seed=4 \
    training.learning_rate=6e-4 diffusion.loss_scales=1
}

stages() {
  if wanted phantom && [ ! -e "$run/data/FileList.csv" ]; then
    stage "phantom: simulating 600 patients"
    "$echopath" phantom --out "$run/data" --patients 600 --seed 7 --masks
  fi
  # The KL weight rises from leg to leg: the latents give up the speckle, which they cannot hold, and
  # keep the anatomy.
  leg vae vae phantom/vae "$model" "data.dataset=$run/data" training.steps=1500 training.validate_every=250 \
    loss.kl_weight=1e-5 loss.adversarial_weight=0.3 loss.adversarial_start=600 \
    loss.discriminator_channels=24 loss.discriminator_layers=2
  leg vae_2 vae phantom/vae "$model" "data.dataset=$run/data" training.steps=500 training.warmup_steps=20 loss.kl_weight=0.03
  leg vae_3 vae phantom/vae "$model" "data.dataset=$run/data" training.steps=300 training.warmup_steps=20 loss.kl_weight=0.2
  leg vae_4 vae phantom/vae "$model" "data.dataset=$run/data" training.steps=400 training.warmup_steps=20 loss.kl_weight=1.0
  if wanted encode; then
    stage "encode: videos to latents"
    "$echopath" encode --data "$run/data" --model "$model" --out "$run/latents" "${device[@]}"
  fi
  leg reid reid phantom/reid "$model" "data.latents=$run/latents"
  diffusion_legs "" phantom "$model"
  # The judges: two classifiers (their features are the in-domain detectors) and the chamber read-out.
  leg segmentation classifier phantom/segmentation "$model" "data.dataset=$run/data"
  leg classifier_asd classifier phantom/classifier_resnet50_asd "$model" "data.dataset=$run/data"
  leg classifier_pah classifier phantom/classifier_resnet50_pah "$model" "data.dataset=$run/data"
  # The baseline: the same latents, the same number of frames and clips.
  if wanted echosyn_vae && [ ! -e "$baseline/vae" ]; then
    mkdir -p "$baseline" && ln -sr "$model/vae" "$baseline/vae" # the same file, once in the repository
  fi
  diffusion_legs echosyn_ phantom_echosyn "$baseline"
}

if [ -n "$list" ]; then stages; exit 0; fi
known=$(list=yes; stages)
if [ -n "$only" ] && ! grep -qxF -e "$only" <<<"$known"; then
  echo "error: there is no stage $only; there are: ${known//$'\n'/ }" >&2
  exit 2
fi
[ -x "$echopath" ] || { echo "error: $echopath is missing; run scripts/quickstart.sh first" >&2; exit 2; }
mkdir -p "$run"
stages
[ -n "$only" ] || stage "done: $model, $baseline"
