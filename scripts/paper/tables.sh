#!/usr/bin/env bash
# The paper's Tables 1, 2, 3 and Figure 3 from one command: data, samplings of Echo-Path and of the
# EchoNet-Synthetic baseline at w = 1 and 5, the privacy filter on the finished videos, classifiers on
# real, synthetic and mixed videos, all metrics; as CSV, Markdown, HTML and one report page. Every stage
# can be stopped and started again; a run is of one set of options.
#
#   scripts/paper/tables.sh --scale smoke|phantom|paper [options]
#
#   --run DIR         where everything goes (default: runs/tables_SCALE)
#   --data DIR        dataset to use; at the scale paper: CardiacNet, as `echopath import` makes it
#   --model DIR       Echo-Path model (default: models/phantom; paper: models/paper)
#   --baseline DIR    EchoNet-Synthetic model (default: models/phantom_echosyn; paper:
#                     models/echonet_synthetic); without it the baseline's rows stay empty
#   --train           train both models from nothing first, into RUN/model and RUN/baseline unless
#                     --model and --baseline name other folders
#   --networks LIST   classifiers: resnet50 (frame by frame), r3d_18, r2plus1d_18 (default: the first at
#                     the scales smoke and phantom, all at the scale paper)
#   --count N         videos of each class and sampling
#   --seeds N         classifiers of each arm
#   --ratios LIST     synthetic videos beside the real ones, of each class: 0.5,1; where --count is too small
#                     for the largest, that is said before anything is sampled
#   --folds K         K patient-grouped folds of TRAIN and VAL in place of seeds
#   --init DIR        model directory with weights that classifiers start from
#   --again           look at TEST again where that was done before; the tables show it
#   --neighbours N    samples that the report shows beside their nearest training video; 0 keeps frames of patients
#                     out of the page
#   --stage NAME      this stage only, or all stages NAME:…; --list shows the stages
#   --nproc N         processes of samplings, features and trainings of LIDM, LVDM and VAE, one per GPU
#                     (default: 1); re-ID and the classifiers have batch normalisation and train on one
#   --device NAME     of echopath (default: auto)
set -euo pipefail
# SLURM's warning is for the stage's program, which saves and leaves with 130.
trap '' USR1
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

scale="" ratios="" run="" data="" model="" baseline="" train="" count="" seeds="" folds=0 init="" only="" list=""
networks="" neighbours="" again=()
device=auto nproc=1
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage && exit 0 ;;
    --train) train=yes ;;
    --list) list=yes ;;
    --again) again=(--again) ;;
    --networks | --scale | --run | --data | --model | --baseline | --count | --seeds | --ratios | --folds | --init | --neighbours | --stage | --nproc | --device)
      [ $# -ge 2 ] || fail "$1 needs a value"
      case "$1" in --stage) only="$2" ;; *) printf -v "${1#--}" '%s' "$2" ;; esac
      shift
      ;;
    *) fail "unknown option $1" "--help lists what there is" ;;
  esac
  shift
done
cd "$root"

# The baseline's image model is unconditional: its w is the video model's.
baseline_guidance=(--set guidance.video_share=1)
# What a scale means. `classifier`: options that the shipped classifier configs are changed by.
classifier=()
case "$scale" in
  smoke)
    # Other patients than those of the shipped models.
    [ -z "$train" ] || fail "--train takes hours; it goes with the scales phantom and paper"
    patients=64 frames=40 data_seed=9 configs=configs/phantom
    : "${count:=4}" "${seeds:=1}" "${ratios:=0.25}" "${networks:=resnet50}"
    sampling=(--blocks 1 --steps 4)
    baseline_sampling=(--sampler stitched --blocks 2 --steps 4 "${baseline_guidance[@]}")
    classifier=(--set training.steps=20 --set training.warmup_steps=2 --set training.validate_every=10
      --set training.checkpoint_every=20 --set model.width=8 --set training.batch_size=4)
    privacy=(--resamples 100 --denoising-items 8) resamples=200
    ;;
  phantom)
    # The patients, and their splits, that the shipped models were trained on.
    patients=600 frames=96 data_seed=7 configs=configs/phantom
    : "${count:=56}" "${seeds:=2}" "${ratios:=0.5}" "${networks:=resnet50}"
    sampling=(--blocks 2 --steps 16 --precision bf16)
    baseline_sampling=(--sampler stitched --blocks 3 --steps 16 --precision bf16 "${baseline_guidance[@]}")
    classifier=(--set training.steps=250)
    privacy=(--denoising-items 100) resamples=1000
    ;;
  paper)
    patients=0 frames=0 data_seed=0 configs=configs/paper
    : "${count:=164}" "${seeds:=3}" "${ratios:=0.5}" "${networks:=resnet50,r3d_18,r2plus1d_18}" # four classes: the paper's 655 videos
    sampling=(--preset paper --blocks 3)
    baseline_sampling=(--preset echonet_synthetic)
    [ -n "$train" ] || : "${model:=models/paper}" "${baseline:=models/echonet_synthetic}"
    privacy=() resamples=2000
    [ -n "$data" ] || fail "the scale paper needs --data DIR: CardiacNet, as \`echopath import --format cardiacnet\` makes it"
    ;;
  *) fail "name a scale: --scale smoke, phantom or paper" ;;
esac
: "${run:=runs/tables_$scale}"
if [ -n "$train" ]; then : "${model:=$run/model}" "${baseline:=$run/baseline}"; fi
: "${model:=models/phantom}" "${baseline:=models/phantom_echosyn}"
for network in ${networks//,/ }; do
  case "$network" in
    resnet50 | r3d_18 | r2plus1d_18) ;;
    *) fail "there is no classifier $network" "known: resnet50, r3d_18, r2plus1d_18" ;;
  esac
done
[[ "$count" =~ ^[1-9][0-9]*$ ]] || fail "--count is $count, which is no number of videos"
[[ "$ratios" =~ ^[0-9]+(\.[0-9]+)?(,[0-9]+(\.[0-9]+)?)*$ ]] || fail "--ratios is $ratios, which is no list such as 0.5,1"
# What makes other results: a folder with those of other options is not gone on with.
options="scale $scale data ${data:-RUN/data} model $(realpath -m "$model") baseline $(realpath -m "$baseline") train ${train:-no}"
options+=" networks $networks count $count seeds $seeds ratios $ratios folds $folds init $init"
: "${data:=$run/data}"
echopath=${ECHOPATH:-build/release/bin/echopath}
[ -x "$echopath" ] || fail "$echopath is missing: run scripts/quickstart.sh first, or set ECHOPATH"

# Table 1's detector has to look at single frames, which of the classifiers here resnet50 does.
own_detector=""
if [[ ",$networks," == *,resnet50,* ]]; then
  own_detector=yes
  detector="the classifier resnet50 real_1 of the task, which was trained on TRAIN videos that FID and FVD compare with"
elif [ "$train $scale" = "yes phantom" ] || grep -qs '"architecture": "resnet50"' "$model"/*/config.json; then
  detector="the frame classifiers in $model"
else
  fail "Table 1 has no detector of frames: $networks look at clips, and $model has no resnet50 classifier" \
    "Name resnet50 in --networks too, or a model directory with such a classifier by --model."
fi

common=(--device "$device")
methods=(ours_w1 ours_w5 echosyn_w1 echosyn_w5)
tasks=(asd pah)
classes_of() { case "$1" in asd) echo ASD Non-ASD ;; pah) echo PAH Non-PAH ;; esac; }
there() { [ "${1%%_*}" = ours ] || [ -e "$baseline/lvdm" ]; }
absent_baseline() { there echosyn || echo "$baseline"; }

# detector_of TASK: the model directory with Table 1's detector.
detector_of() { if [ -n "$own_detector" ]; then echo "$run/classifiers/$1/resnet50/real_1/model"; else echo "$model"; fi; }

# One classifier: train_classifier TASK NETWORK ARM NUMBER [options of the data…].
train_classifier() {
  local task="$1" network="$2" number="$4" name="$1/$2/$3_$4"
  shift 4
  local folder="$run/classifiers/$name" resume=() start=()
  [ ! -e "$folder/model/classifier/config.json" ] || [ ! -e "$folder/done" ] || return 0
  [ ! -e "$folder/run/config.json" ] || resume=(--resume)
  if [ -n "$init" ] && [ ${#resume[@]} -eq 0 ]; then start=(--init-from "$init"); fi
  "$echopath" train classifier --config "$configs/classifier_${network}_$task.json" --out "$folder/run" "${common[@]}" --seed "$number" \
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

# check_count: whether as many videos are sampled as the largest of the ratios asks for, once the data is there.
check_count() {
  local number datasets=() least
  for number in $(seq 1 $((folds > 0 ? folds : 1))); do datasets+=("$(dataset_of "$number")"); done
  [ -e "${datasets[0]}/FileList.csv" ] || return 0
  least=$(python3 scripts/paper/least_count.py "$ratios" "${datasets[@]}")
  [ "$count" -ge "$least" ] ||
    fail "--count $count is too few for --ratios $ratios: beside the real TRAIN videos that asks for $least of a class" \
      "Give --count $least or more, or smaller --ratios, with the same --run."
}

# train_network NETWORK CONFIGS MODEL_DIR [options…]: resumed where it stopped.
train_network() {
  local network="$1" name="$2" directory="$3" resume=() processes=()
  shift 3
  [ "$network" = reid ] || processes=(--nproc "$nproc") # re-ID is for one process
  [ ! -e "$run/training/$name/$network/config.json" ] || resume=(--resume)
  "$echopath" train "$network" --config "configs/$name/$network.json" --out "$run/training/$name/$network" \
    --set "output.model_directory=$directory" "$@" "${resume[@]}" "${processes[@]}" "${common[@]}"
}

# What --train trains, in this order.
legs() {
  case "$scale" in
    phantom) scripts/train_phantom_model.sh --list ;;
    paper) printf '%s\n' vae encode reid lidm lvdm echosyn_lidm echosyn_lvdm ;;
  esac
}

# models LEG
models() {
  if [ "$scale" = phantom ]; then
    ECHOPATH="$echopath" DEVICE="$device" scripts/train_phantom_model.sh --stage "$1" "$run/training" "$model" "$baseline"
    return
  fi
  case "$1" in
    vae) train_network vae paper "$model" --set "data.dataset=$data" ;;
    encode)
      [ -e "$run/latents/FileList.csv" ] ||
        "$echopath" encode --data "$data" --model "$model" --out "$run/latents" "${common[@]}"
      ;;
    echosyn_*)
      # The baseline's networks are trained on the latents of the same VAE.
      if [ ! -e "$baseline/vae" ]; then mkdir -p "$baseline" && cp -r "$model/vae" "$baseline/"; fi
      train_network "${1#echosyn_}" echonet_synthetic "$baseline" --set "data.latents=$run/latents" \
        --set class_embedding.source=class
      ;;
    *) train_network "$1" paper "$model" --set "data.latents=$run/latents" ;;
  esac
}

stage_models() { echo "the models are there: $model"; }

# sample_method METHOD: resumed where it stopped.
sample_method() {
  local method="$1" arguments=("${sampling[@]}" --model "$model") resume=()
  if [ "${method%%_*}" = echosyn ]; then
    arguments=("${baseline_sampling[@]}" --model "$baseline" --allow-unfiltered)
    rm -f "$run"/stages/{judge:*,distribution,tables} # of an earlier run without a baseline
  fi
  [ ! -e "$run/samples/$method/manifest.jsonl" ] || resume=(--resume)
  "$echopath" sample "${arguments[@]}" --w "${method##*_w}" --count "$count" --seed 1 --codec ffv1 \
    --out "$run/samples/$method" --nproc "$nproc" "${common[@]}" "${resume[@]}"
}

# filter_method METHOD: which of the finished videos pass the privacy filter; heart frames pass it while they
# are sampled. The baseline has no re-ID network, so ours judges both.
filter_method() {
  "$echopath" filter --real "$data" --synthetic "$run/samples/$1" --model "$model" \
    --out "$run/results/filter_$1" "${common[@]}"
}

# classify TASK NETWORK real|METHOD: all classifiers of the arms that these videos are part of.
classify() {
  local task="$1" network="$2" number method total=$((folds > 0 ? folds : seeds))
  for number in $(seq 1 "$total"); do
    local real
    real=$(dataset_of "$number")
    if [ "$3" = real ]; then
      train_classifier "$task" "$network" real "$number" --set "data.dataset=$real"
      continue
    fi
    method="$3"
    local samples="$run/samples/$method"
    train_classifier "$task" "$network" "${method}_real_val" "$number" --set "data.dataset=$samples" \
      --set "data.validation_dataset=$real"
    train_classifier "$task" "$network" "${method}_synthetic_val" "$number" --set "data.dataset=$samples" \
      --set data.validation_fraction=0.25
    local ratio
    for ratio in ${ratios//,/ }; do
      train_classifier "$task" "$network" "${method}_plus_real_${ratio}" "$number" --set "data.dataset=$real" \
        --set "data.extra_datasets=[\"$samples\"]" --set "data.extra_ratios=[$ratio]"
    done
  done
}

# judge TASK NETWORK: its arms on TEST. Looks at that are recorded beside the dataset.
judge() {
  local task="$1" network="$2" arms=() pairs=() folder name kind pair
  # The arm "real" comes first: the others are compared with it.
  for name in real $(find "$run/classifiers/$task/$network" -mindepth 1 -maxdepth 1 -printf '%f\n' |
    sed 's/_[0-9]*$//' | sort -u | grep -v '^real$'); do
    local sources=""
    for folder in "$run/classifiers/$task/$network/$name"_[0-9]*; do
      [ "$(basename "$folder" | sed 's/_[0-9]*$//')" = "$name" ] || continue
      sources="$sources${sources:+,}$folder/model:classifier"
    done
    arms+=(--arm "${task}_${network}_$name=$sources")
  done
  # Ours against the baseline at the same w, and what w does.
  local ratio kinds=(real_val synthetic_val)
  for ratio in ${ratios//,/ }; do kinds+=("plus_real_$ratio"); done
  for kind in "${kinds[@]}"; do
    for pair in ours_w1:echosyn_w1 ours_w5:echosyn_w5 ours_w1:ours_w5; do
      local arm="${task}_${network}_${pair%:*}_$kind" against="${task}_${network}_${pair#*:}_$kind"
      if [[ " ${arms[*]}" == *" $arm="* && " ${arms[*]}" == *" $against="* ]]; then pairs+=(--pair "$arm:$against"); fi
    done
  done
  "$echopath" eval classification --real "$data" "${arms[@]}" "${pairs[@]}" \
    --out "$run/results/classification_${task}_$network" --resamples "$resamples" "${again[@]}" "${common[@]}"
}

stage_distribution() {
  local method task name
  mkdir -p "$run/results/distribution"
  for method in "${methods[@]}"; do
    there "$method" || continue
    for task in "${tasks[@]}"; do
      local chosen=()
      for name in $(classes_of "$task"); do chosen+=(--class "$name"); done
      "$echopath" eval generation --real "$data" --synthetic "$run/samples/$method" "${chosen[@]}" \
        --real-split TRAIN --model "$(detector_of "$task")" --no-classes --nproc "$nproc" \
        --out "$run/results/distribution/${method}_$task.json" "${common[@]}"
    done
  done
}

stage_privacy() {
  "$echopath" eval privacy --real "$data" --synthetic "$run/samples/ours_w5" --model "$model" \
    --out "$run/results/privacy" "${privacy[@]}" "${common[@]}"
}

stage_tables() {
  local task network method results=(--with "$run/tables") samplings=() trainings=()
  python3 scripts/paper/make_tables.py "$run" "$scale" "$detector" "$(absent_baseline)"
  for task in "${tasks[@]}"; do
    for network in ${networks//,/ }; do
      results+=(--with "$run/results/classification_${task}_$network")
      trainings+=(--with "$run/classifiers/$task/$network/real_1/run")
    done
  done
  for method in "${methods[@]}"; do
    if [ "$method" != ours_w5 ] && there "$method"; then samplings+=(--with "$run/samples/$method"); fi
  done
  "$echopath" report "$run/samples/ours_w5" "${results[@]}" --with "$run/results/distribution" \
    --with "$run/results/filter_ours_w5" --with "$run/results/privacy" "${samplings[@]}" "${trainings[@]}" \
    ${neighbours:+--neighbours "$neighbours"} --out "$run/report.html"
}

stages=(data)
if [ -n "$train" ]; then
  trained=$(legs)
  for leg in $trained; do stages+=("models:$leg"); done
else
  stages+=(models)
fi
for method in "${methods[@]}"; do stages+=("sample_$method" "filter_$method"); done
for network in ${networks//,/ }; do
  for task in "${tasks[@]}"; do
    for videos in real "${methods[@]}"; do stages+=("classify:$task:$network:$videos"); done
    stages+=("judge:$task:$network")
  done
done
stages+=(distribution privacy tables)
if [ -n "$list" ]; then printf '%s\n' "${stages[@]}"; exit 0; fi
[ -z "$only" ] || [[ " ${stages[*]} " == *" $only"[\ :]* ]] || fail "there is no stage $only" "known: ${stages[*]}"
# Nothing depends on --count and --ratios before the first sampling; until then they may be changed.
comparable() {
  if [ -e "$run/samples" ]; then echo "$1"; else sed -E 's/ count [^ ]+//; s/ ratios [^ ]+//' <<<"$1"; fi
}
if [ -e "$run/options" ] && [ "$(comparable "$(cat "$run/options")")" != "$(comparable "$options")" ]; then
  fail "$run holds the results of other options: $(cat "$run/options")" \
    "These are: $options" "Name another folder with --run, or remove it."
fi
mkdir -p "$run/stages" "$run/attempts" "$run/logs"
echo "$options" >"$run/options"
echo "==> Table 1's detector: $detector"
if there echosyn && [ ! -e "$run/samples/echosyn_w1" ] && [ ${#again[@]} -eq 0 ] &&
  [ -n "$(find "$run/stages" -name 'judge:*' 2>/dev/null)" ]; then
  fail "$run was judged without the baseline that is in $baseline now: to judge it too looks at TEST again" \
    "Give --again (the tables mark it), or another --run."
fi
if [ -z "$train" ] && ! there echosyn; then
  echo "warning: there is no baseline model in $baseline (--baseline DIR): the rows of Echosyn stay empty" >&2
fi

run_stage() {
  local words
  case "$1" in
    sample_*) sample_method "${1#sample_}" ;;
    filter_*) filter_method "${1#filter_}" ;;
    *:*) IFS=: read -r -a words <<<"$1" && "${words[@]}" ;;
    *) "stage_$1" ;;
  esac
}

# spent_on STAGE: seconds of its attempts that did not finish it. A killed one ended when its log was last
# written.
spent_on() {
  local spent started last
  [ -e "$run/attempts/$1" ] || { echo 0; return; }
  read -r spent started <"$run/attempts/$1"
  last=$(stat -c %Y "$run/logs/$1.log" 2>/dev/null || echo "$started")
  echo $((spent + (last > started ? last - started : 0)))
}

checked=""
for stage in "${stages[@]}"; do
  [ -z "$only" ] || [ "$only" = "$stage" ] || [[ "$stage" == "$only":* ]] || continue
  if [ -e "$run/stages/$stage" ]; then
    echo "==> $stage: done already, in $(cat "$run/stages/$stage") s"
    continue
  fi
  if [ "$stage" != data ] && [ -z "$checked" ]; then
    check_count
    checked=yes
  fi
  if [[ "$stage" == *echosyn_w* ]] && ! there echosyn; then
    echo "==> $stage: left out, there is no baseline model in $baseline"
    continue
  fi
  echo "==> $stage ($(date +%H:%M:%S)), log in $run/logs/$stage.log"
  spent=$(spent_on "$stage") started=$(date +%s)
  echo "$spent $started" >"$run/attempts/$stage"
  set +e # in an `if` or before `||` a failing command would not end the stage
  (
    set -e
    run_stage "$stage"
  ) >>"$run/logs/$stage.log" 2>&1
  code=$?
  set -e
  touch "$run/logs/$stage.log" # when the attempt ended
  if [ "$code" -eq 130 ]; then
    echo "stopped in $stage after saving; the same command goes on with it" >&2
    exit 130
  fi
  if [ "$code" -ne 0 ]; then
    tail -5 "$run/logs/$stage.log" >&2
    fail "stage $stage ended with code $code; the same command goes on with it" "log: $run/logs/$stage.log"
  fi
  echo $((spent + $(date +%s) - started)) >"$run/stages/$stage"
  rm "$run/attempts/$stage"
done
[ -n "$only" ] || echo "==> tables in $run/tables, page $run/report.html"
