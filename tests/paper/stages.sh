#!/usr/bin/env bash
# What scripts/paper/tables.sh and scripts/train_phantom_model.sh ask of the program, stage by stage: a stand-in
# for it writes down how it is called and makes the folders that it is to write into. Nothing is computed.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export PYTHONDONTWRITEBYTECODE=1

# The calls of the stand-in, one in a line.
export CALLS="$work/calls"
cat >"$work/echopath" <<'PROGRAM'
#!/usr/bin/env bash
echo "$*" >>"$CALLS"
while [ $# -gt 1 ]; do
  if [ "$1" = --out ] && [[ "$2" != *.json ]]; then mkdir -p "$2"; fi
  shift
done
PROGRAM
chmod +x "$work/echopath"
export ECHOPATH="$work/echopath" DEVICE=cpu

# Of each class ten videos of TRAIN, two of VAL and three of TEST, each of a patient of its own.
mkdir -p "$work/data/Videos" "$work/baseline/lvdm"
{
  echo "FileName,ClassName,PatientId,Split"
  for name in ASD Non-ASD PAH Non-PAH; do
    for i in {1..15}; do
      split=TRAIN
      if [ "$i" -gt 10 ]; then split=VAL; fi
      if [ "$i" -gt 12 ]; then split=TEST; fi
      echo "${name}_$i,$name,${name}_$i,$split"
    done
  done
} >"$work/data/FileList.csv"

wrong() {
  echo "$1" >&2
  cat "$work/said" "$CALLS" >&2
  exit 1
}
# tables RUN options…: what it says is in $work/said.
tables() {
  : >"$CALLS"
  "$root/scripts/paper/tables.sh" --scale smoke --data "$work/data" --device cpu --run "$work/$1" "${@:2}" >"$work/said" 2>&1
}
# refused TEXT RUN options…: with that message, and without a call of the program.
refused() {
  if tables "${@:2}"; then wrong "not refused: ${*:2}"; fi
  grep -qF -- "$1" "$work/said" || wrong "another message: ${*:2}"
  [ ! -s "$CALLS" ] || wrong "the program was called: ${*:2}"
}

# A baseline that is not there is told once, by whole runs too, and stands in the notes.
tables alone --baseline "$work/none" || wrong "a run without baseline ended with $?"
[ "$(grep -c "warning: there is no baseline model in $work/none" "$work/said")" = 1 ] || wrong "no single warning"
grep -q "Our rows of Echosyn are empty: there was no baseline model in $work/none" "$work/alone/tables/README.md" ||
  wrong "the notes do not tell of the absent baseline"
[ "$(grep -c -- '--pair' "$CALLS")" = 2 ] || wrong "not a judging with pairs for each task"
if grep -q echosyn "$CALLS"; then wrong "the absent baseline was sampled"; fi
[ "$(grep -c "left out, there is no baseline model" "$work/said")" = 8 ] || wrong "not every stage of it is told"
# When it appears, its stages are made up for, and what was judged without it is judged anew.
mkdir -p "$work/none/lvdm"
refused "Give --again" alone --baseline "$work/none"
tables alone --baseline "$work/none" --again || wrong "going on with a baseline ended with $?"
if grep -q '^sample .*samples/ours_w\|^train classifier .*ours_w' "$CALLS"; then wrong "ours was made again"; fi
[ "$(grep -c '^sample .*echosyn' "$CALLS")" = 2 ] || wrong "the baseline is not made up for"
[ "$(grep -c 'eval classification.*echosyn_w5.*--again' "$CALLS")" = 2 ] || wrong "nothing is judged anew"
if grep -q "no baseline model" "$work/alone/tables/README.md"; then wrong "the tables are those without it"; fi

# With it: ours against the baseline at the same w, the two w, and as many classifiers as seeds.
tables both --baseline "$work/baseline" --seeds 2 --neighbours 0 || wrong "a run with baseline ended with $?"
if grep -q warning "$work/said"; then wrong "warned of a baseline that is there"; fi
if grep -q "no baseline model" "$work/both/tables/README.md"; then wrong "a note of a baseline that is there"; fi
grep 'eval classification.*pah_resnet50' "$CALLS" | grep -o -- '--pair [^ ]*' >"$work/pairs"
for kind in real_val synthetic_val plus_real_0.25; do
  for pair in ours_w1:echosyn_w1 ours_w5:echosyn_w5 ours_w1:ours_w5; do
    echo "--pair pah_resnet50_${pair%:*}_$kind:pah_resnet50_${pair#*:}_$kind"
  done
done | diff - "$work/pairs" || wrong "other pairs"
arms="$work/both/classifiers/asd/resnet50"
grep -qF -- "--arm asd_resnet50_real=$arms/real_1/model:classifier,$arms/real_2/model:classifier --arm" "$CALLS" ||
  wrong "the first arm is not that of the two classifiers on real videos"

grep -q '^report .*--neighbours 0 ' "$CALLS" || wrong "the report shows patients beside the samples"

# More synthetic videos than are sampled are refused before anything is made of the models; another --count
# goes on in the same folder until something is sampled.
refused "--ratios is 1:2" ratios --ratios 1:2
refused "--count is many" ratios --count many
[ ! -e "$work/ratios" ] || wrong "a refused call has made something"
refused "asks for 10 of a class" ratios --ratios 0.25,1
grep -qF "Give --count 10 or more" "$work/said" || wrong "the least --count is not told"
refused "asks for 3 of a class" halves --count 2              # 2.5, rounded as the training does
refused "asks for 6 of a class" folds --folds 2 --ratios 1    # half of the twelve of TRAIN and VAL
tables ratios --ratios 0.25,1 --count 10 --stage sample_ours_w1 || wrong "--count 10 is not enough"
grep -q -- '^sample .*--count 10 ' "$CALLS" || wrong "nothing was sampled"
refused "holds the results of other options" ratios --ratios 0.25,1 --count 11

# The demo model's training in stages is the one in a single call.
train() { "$root/scripts/train_phantom_model.sh" "$@" >"$work/said" 2>&1; }
if train --stage nosuch "$work/whole"; then wrong "a stage that is not there"; fi
grep -q "there is no stage nosuch; there are: phantom vae vae_2" "$work/said" || wrong "stages are not told"
[ "$("$root/scripts/train_phantom_model.sh" --list | tr '\n' ' ')" = "phantom vae vae_2 vae_3 vae_4 encode reid lidm lidm_2 \
lidm_3 lvdm lvdm_2 lvdm_3 lvdm_4 segmentation classifier_asd classifier_pah echosyn_vae echosyn_lidm echosyn_lidm_2 \
echosyn_lidm_3 echosyn_lvdm echosyn_lvdm_2 echosyn_lvdm_3 echosyn_lvdm_4 " ] || wrong "other stages"
for way in whole staged; do
  mkdir -p "$work/$way/model/vae"
  : >"$CALLS"
  stages=("")
  if [ "$way" = staged ]; then mapfile -t stages < <("$root/scripts/train_phantom_model.sh" --list); fi
  for stage in "${stages[@]}"; do
    train ${stage:+--stage "$stage"} "$work/$way" "$work/$way/model" "$work/$way/baseline" || wrong "training $stage"
  done
  sed "s:$work/$way:DIR:g" "$CALLS" >"$work/$way.calls"
  [ -e "$work/$way/baseline/vae" ] || wrong "the baseline has no VAE"
done
[ "${#stages[@]}" = "$(($(wc -l <"$work/staged.calls") + 1))" ] || wrong "a stage is not one call" # a copy is none
diff "$work/whole.calls" "$work/staged.calls" || wrong "trainings in stages differ"
grep -q '^train vae .*--out DIR/vae_2 .*--init-from DIR/model' "$work/staged.calls" || wrong "vae_2 starts from nothing"

# tables.sh has them as stages of its own.
tables legs --scale phantom --train --list || wrong "--list ended with $?"
"$root/scripts/train_phantom_model.sh" --list | sed 's/^/models:/' | diff - <(grep models "$work/said") || wrong "other legs"
tables legs --scale phantom --train --stage models:lidm_2 || wrong "a leg ended with $?"
[ "$(wc -l <"$CALLS")" = 1 ] || wrong "a leg is not one call"
grep -q "^train lidm .*--out $work/legs/training/lidm_2 .*--init-from $work/legs/model" "$CALLS" || wrong "another leg"
tables whole_paper --scale paper --train --stage models:vae || wrong "the paper's VAE ended with $?"
mkdir -p "$work/whole_paper/model/vae"
tables whole_paper --scale paper --train --stage models || wrong "the paper's models ended with $?"
cut -d' ' -f1,2 "$CALLS" | tr '\n' ' ' | grep -qx 'encode --data train reid train lidm train lvdm train lidm train lvdm ' ||
  wrong "other trainings at the scale paper"
[ -e "$work/whole_paper/baseline/vae" ] || wrong "the paper's baseline has no VAE"
echo "tables.sh and train_phantom_model.sh: stages, pairs and refusals as they should be"
