#!/usr/bin/env bash
# The paper's Tables 1, 2, 3 and Figure 3 from one command: data, samplings of Echo-Path and of the
# EchoNet-Synthetic baseline at w = 1 and 5, classifiers on real, synthetic and mixed videos, all
# metrics; as CSV, Markdown, HTML and one report page. Every stage can be stopped and started again.
#
#   scripts/paper/tables.sh --scale smoke|phantom|paper [options]
#
#   --run DIR         where everything goes (default: runs/tables_SCALE)
#   --data DIR        dataset to use; at the scale paper: CardiacNet, as `echopath import` makes it
#   --model DIR       Echo-Path model (default: models/phantom; paper: models/paper)
#   --baseline DIR    EchoNet-Synthetic model (default: models/phantom_echosyn; paper: models/echosyn);
#                     without it the baseline's rows stay empty
#   --train           train the models from nothing first
#   --count N         videos of each class and sampling
#   --seeds N         classifiers of each arm
#   --ratios LIST     synthetic videos beside the real ones, of each class: 0.5,1
#   --folds K         K patient-grouped folds of TRAIN and VAL in place of seeds
#   --init DIR        model directory with weights that classifiers start from
#   --stage NAME      this stage only; --list shows the stages
#   --nproc N         processes of a training of LIDM, LVDM or VAE (default: 1)
#   --device NAME     of echopath (default: auto)
set -euo pipefail
# SLURM's warning is for the stage's program, which saves and leaves with 130.
trap '' USR1
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

scale="" ratios="" run="" data="" model="" baseline="" train="" count="" seeds="" folds=0 init="" only="" list=""
device=auto nproc=1
while [ $# -gt 0 ]; do
  case "$1" in
    --train) train=yes ;;
    --list) list=yes ;;
    --scale | --run | --data | --model | --baseline | --count | --seeds | --ratios | --folds | --init | --stage | --nproc | --device)
      [ $# -ge 2 ] || fail "$1 needs a value"
      case "$1" in --stage) only="$2" ;; *) printf -v "${1#--}" '%s' "$2" ;; esac
      shift
      ;;
    *) fail "unknown option $1" "scripts/paper/tables.sh --scale smoke|phantom|paper; its first lines list the options" ;;
  esac
  shift
done

# What a scale means. `classifier`: options that the shipped classifier configs are changed by.
classifier=()
case "$scale" in
  smoke)
    # Other patients than those of the shipped models.
    patients=64 frames=40 data_seed=9 configs=configs/phantom
    : "${count:=4}" "${seeds:=1}" "${ratios:=0.25}"
    sampling=(--blocks 1 --steps 4)
    baseline_sampling=(--sampler stitched --blocks 2 --steps 4)
    classifier=(--set training.steps=20 --set training.warmup_steps=2 --set training.validate_every=10
      --set training.checkpoint_every=20 --set model.width=8 --set training.batch_size=4)
    privacy=(--resamples 100 --denoising-items 8) resamples=200
    ;;
  phantom)
    # The patients, and their splits, that the shipped models were trained on.
    patients=600 frames=96 data_seed=7 configs=configs/phantom
    : "${count:=56}" "${seeds:=2}" "${ratios:=0.5}"
    sampling=(--blocks 2 --steps 16)
    baseline_sampling=(--sampler stitched --blocks 3 --steps 16)
    classifier=(--set training.steps=250)
    privacy=(--denoising-items 48) resamples=1000
    ;;
  paper)
    patients=0 frames=0 data_seed=0 configs=configs/paper
    : "${count:=164}" "${seeds:=3}" "${ratios:=0.5}" # four classes: the paper's 655 videos
    sampling=(--preset paper --blocks 3)
    baseline_sampling=(--preset echonet_synthetic)
    : "${model:=models/paper}" "${baseline:=models/echosyn}"
    privacy=() resamples=2000
    [ -n "$data" ] || fail "the scale paper needs --data DIR: CardiacNet, as \`echopath import --format cardiacnet\` makes it"
    ;;
  *) fail "name a scale: --scale smoke, phantom or paper" ;;
esac
: "${run:=runs/tables_$scale}" "${model:=models/phantom}" "${baseline:=models/phantom_echosyn}"
: "${data:=$run/data}"
echopath=${ECHOPATH:-build/release/bin/echopath}
[ -x "$echopath" ] || fail "$echopath is missing: run scripts/quickstart.sh first, or set ECHOPATH"
mkdir -p "$run/stages" "$run/logs"

common=(--device "$device")
methods=(ours_w1 ours_w5 echosyn_w1 echosyn_w5)
tasks=(asd pah)
classes_of() { case "$1" in asd) echo ASD Non-ASD ;; pah) echo PAH Non-PAH ;; esac; }
there() { [ "${1%%_*}" = ours ] || [ -e "$baseline/lvdm" ]; }

# One classifier: train_classifier TASK ARM NUMBER [options of the data…].
train_classifier() {
  local task="$1" number="$3" name="$1/$2_$3"
  shift 3
  local folder="$run/classifiers/$name" resume=() start=()
  [ ! -e "$folder/model/classifier/config.json" ] || [ ! -e "$folder/done" ] || return 0
  [ ! -e "$folder/run/config.json" ] || resume=(--resume)
  if [ -n "$init" ] && [ ${#resume[@]} -eq 0 ]; then start=(--init-from "$init"); fi
  local config="$configs/classifier_$task.json"
  [ -e "$config" ] || config="$configs/classifier_r3d_18_$task.json"
  "$echopath" train classifier --config "$config" --out "$folder/run" "${common[@]}" --seed "$number" \
    "${classifier[@]}" "$@" --set "output.model_directory=$folder/model" \
    --set output.component=classifier "${resume[@]}" "${start[@]}"
  touch "$folder/done"
}

# The dataset of classifier NUMBER: the whole one, or one of the folds.
dataset_of() { if [ "$folds" -gt 0 ]; then echo "$run/folds/$1"; else echo "$data"; fi; }

stage_data() {
  if [ "$patients" -gt 0 ] && [ ! -e "$data/FileList.csv" ]; then
    "$echopath" phantom --out "$data" --patients "$patients" --frames "$frames" --seed "$data_seed"
  fi
  if [ "$folds" -gt 0 ]; then python3 scripts/paper/make_folds.py "$data" "$run/folds" "$folds"; fi
}

stage_models() {
  [ -n "$train" ] || { echo "the models are there: $model"; return 0; }
  case "$scale" in
    smoke | phantom) ECHOPATH="$echopath" scripts/train_phantom_model.sh "$run/training" "$model" ;;
    paper)
      local network resume processes
      for network in vae reid lidm lvdm; do
        resume=() processes=()
        [ "$network" = reid ] || processes=(--nproc "$nproc") # re-ID is for one process
        [ ! -e "$run/training/$network/config.json" ] || resume=(--resume)
        [ "$network" = vae ] || [ -e "$run/latents/FileList.csv" ] ||
          "$echopath" encode --data "$data" --model "$model" --out "$run/latents" "${common[@]}"
        local key=data.latents
        [ "$network" != vae ] || key=data.dataset
        local source="$run/latents"
        [ "$network" != vae ] || source="$data"
        "$echopath" train "$network" --config "configs/paper/$network.json" --out "$run/training/$network" \
          --set "$key=$source" --set "output.model_directory=$model" "${resume[@]}" "${processes[@]}"
      done
      ;;
  esac
}

# sample_method METHOD: resumed where it stopped.
sample_method() {
  local method="$1" arguments=("${sampling[@]}" --model "$model") resume=()
  there "$method" || { echo "$baseline is not there: no sampling of the baseline"; return 0; }
  if [ "${method%%_*}" = echosyn ]; then arguments=("${baseline_sampling[@]}" --model "$baseline" --allow-unfiltered); fi
  [ ! -e "$run/samples/$method/manifest.jsonl" ] || resume=(--resume)
  "$echopath" sample "${arguments[@]}" --w "${method##*_w}" --count "$count" --seed 1 --codec ffv1 \
    --out "$run/samples/$method" "${common[@]}" "${resume[@]}"
}

# Which classifiers: NAME and the options of its data, one a line.
classify() {
  local task="$1" number method total=$((folds > 0 ? folds : seeds))
  for number in $(seq 1 "$total"); do
    local real
    real=$(dataset_of "$number")
    if [ "$2" = real ]; then
      train_classifier "$task" real "$number" --set "data.dataset=$real"
      continue
    fi
    method="$2"
    there "$method" || continue
    local samples="$run/samples/$method"
    train_classifier "$task" "${method}_real_val" "$number" --set "data.dataset=$samples" \
      --set "data.validation_dataset=$real"
    train_classifier "$task" "${method}_synthetic_val" "$number" --set "data.dataset=$samples" \
      --set data.validation_fraction=0.25
    [ "${method%%_*}" = ours ] || continue
    local ratio
    for ratio in ${ratios//,/ }; do
      train_classifier "$task" "${method}_plus_real_${ratio}" "$number" --set "data.dataset=$real" \
        --set "data.extra_datasets=[\"$samples\"]" --set "data.extra_ratios=[$ratio]"
    done
  done
}

stage_judge() {
  local task arms folder name
  for task in "${tasks[@]}"; do
    arms=()
    # The arm "real" comes first: the others are compared with it.
    for name in real $(find "$run/classifiers/$task" -mindepth 1 -maxdepth 1 -printf '%f\n' |
      sed 's/_[0-9]*$//' | sort -u | grep -v '^real$'); do
      local sources=""
      for folder in "$run/classifiers/$task/$name"_[0-9]*; do
        [ "$(basename "$folder" | sed 's/_[0-9]*$//')" = "$name" ] || continue
        sources="$sources${sources:+,}$folder/model:classifier"
      done
      arms+=(--arm "$name=$sources")
    done
    # A second look at a test split is to be seen in the tables, so it is not hidden here.
    local again=()
    [ ! -e "$run/test_looks_$task.jsonl" ] || again=(--again)
    "$echopath" eval classification --real "$data" "${arms[@]}" --out "$run/results/classification_$task" \
      --looks "$run/test_looks_$task.jsonl" --resamples "$resamples" "${again[@]}" "${common[@]}"
  done
}

# Whether this build measures distributions; without it Table 1 has the paper's figures only.
measures_distributions() { ! "$echopath" eval generation --help | grep -q 'not available in this version'; }

stage_distribution() {
  local method task name
  measures_distributions || { echo "this build has no eval generation: Table 1 stays empty"; return 0; }
  mkdir -p "$run/results/distribution"
  for method in "${methods[@]}"; do
    there "$method" || continue
    for task in "${tasks[@]}"; do
      local chosen=()
      for name in $(classes_of "$task"); do chosen+=(--class "$name"); done
      "$echopath" eval generation --real "$data" --synthetic "$run/samples/$method" "${chosen[@]}" \
        --real-split TRAIN --model "$run/classifiers/$task/real_1/model" --no-classes \
        --out "$run/results/distribution/${method}_$task.json" "${common[@]}"
    done
  done
}

stage_privacy() {
  "$echopath" eval privacy --real "$data" --synthetic "$run/samples/ours_w5" --model "$model" \
    --out "$run/results/privacy" "${privacy[@]}" "${common[@]}"
}

stage_tables() {
  local distribution=()
  python3 scripts/paper/make_tables.py "$run" "$scale"
  if measures_distributions; then distribution=(--with "$run/results/distribution"); fi
  "$echopath" report "$run/samples/ours_w5" --with "$run/tables" --with "$run/results/classification_asd" \
    --with "$run/results/classification_pah" "${distribution[@]}" --with "$run/results/privacy" \
    --out "$run/report.html"
}

stages=(data models)
for method in "${methods[@]}"; do stages+=("sample_$method"); done
for task in "${tasks[@]}"; do
  stages+=("classify_${task}_real")
  for method in "${methods[@]}"; do stages+=("classify_${task}_$method"); done
done
stages+=(judge distribution privacy tables)
if [ -n "$list" ]; then printf '%s\n' "${stages[@]}"; exit 0; fi

run_stage() {
  case "$1" in
    sample_*) sample_method "${1#sample_}" ;;
    classify_*) local rest="${1#classify_}"; classify "${rest%%_*}" "${rest#*_}" ;;
    *) "stage_$1" ;;
  esac
}

for stage in "${stages[@]}"; do
  [ -z "$only" ] || [ "$only" = "$stage" ] || continue
  if [ -e "$run/stages/$stage" ]; then
    echo "==> $stage: done already, in $(cat "$run/stages/$stage") s"
    continue
  fi
  echo "==> $stage ($(date +%H:%M:%S)), log in $run/logs/$stage.log"
  started=$(date +%s)
  set +e # in an `if` or before `||` a failing command would not end the stage
  (
    set -e
    run_stage "$stage"
  ) >>"$run/logs/$stage.log" 2>&1
  code=$?
  set -e
  if [ "$code" -eq 130 ]; then
    echo "stopped in $stage after saving; the same command goes on with it" >&2
    exit 130
  fi
  if [ "$code" -ne 0 ]; then
    tail -5 "$run/logs/$stage.log" >&2
    fail "stage $stage ended with code $code; the same command goes on with it" "log: $run/logs/$stage.log"
  fi
  echo $(($(date +%s) - started)) >"$run/stages/$stage"
done
[ -n "$only" ] || echo "==> tables in $run/tables, page $run/report.html"
