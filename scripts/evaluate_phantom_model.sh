#!/usr/bin/env bash
# Measures the demo model: every bar of its model card, the number, N, the command.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'TEXT'
usage: scripts/evaluate_phantom_model.sh [options]

Samples with the model at the default preset (w = 5, 4 blocks; 16 blocks for the drift; --anchor none
and one context frame for the seams), simulates as many held-out phantoms per class, measures both
with `echopath eval`, and prints a table of all bars. Stopped and started again with the same
options, it goes on where it was. The results lie in OUT: NAME.json of each measurement, table.md.
  --model DIR     model to measure (models/phantom)
  --judges DIR    model directory with the classifiers and the segmentation (the model itself)
  --data DIR      the phantoms it was trained on (simulated: 600 patients, seed 7)
  --out DIR       (runs/evaluate_phantom)
  --videos N      videos of each class, sampled and held out (32)
  --long N        videos of each class of 16 blocks, and of each of the two runs for the seams (N/4)
  --preset NAME   sampling preset (the default)
  --seed N        of the first video (100000)
  --threads N     (all cores)
ECHOPATH=PROGRAM (build/release/bin/echopath)
TEXT
}

model="$root/models/phantom"
judges=""
data=""
out="$root/runs/evaluate_phantom"
videos=32
long=""
preset=""
seed=100000
threads=0
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage && exit 0 ;;
    --model | --judges | --data | --out | --videos | --long | --preset | --seed | --threads)
      [ $# -ge 2 ] || fail "$1 needs a value"
      declare "${1#--}=$2"
      shift 2
      ;;
    *) fail "unknown option $1" "$(usage)" ;;
  esac
done
judges="${judges:-$model}"
long="${long:-$(((videos + 3) / 4))}"
program="${ECHOPATH:-$root/build/release/bin/echopath}"
[ -x "$program" ] || fail "there is no program at $program: build it, or name it in ECHOPATH"
[ -e "$model/echopath.json" ] || fail "$model is no model directory"
has python3 || fail "python3 is missing; it prints the table"
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
mkdir -p "$out"

# The results of other options must not be taken for these.
options="model $(cd "$model" && pwd) judges $(cd "$judges" && pwd) data $data videos $videos long $long preset $preset seed $seed"
if [ -e "$out/options" ] && [ "$(cat "$out/options")" != "$options" ]; then
  fail "$out holds the results of other options: $(cat "$out/options")" \
    "Name another folder with --out, or remove it."
fi
echo "$options" >"$out/options"

common=(--threads "$threads")

# stage NAME COMMAND…: runs it once.
stage() {
  local name="$1"
  shift
  if [ -e "$out/$name.done" ]; then return; fi
  say "$name"
  run "$@" || fail "$name failed: see the message above; start again to go on"
  touch "$out/$name.done"
}

# measure NAME WORDS…: `echopath eval WORDS`, its JSON into NAME.json.
measure() {
  local name="$1"
  shift
  if [ -e "$out/$name.json" ]; then return; fi
  say "$name"
  printf '+ %s\n' "$program eval $* --json"
  "$program" eval "$@" "${common[@]}" --json >"$out/$name.part" ||
    fail "$name failed: see the message above; start again to go on"
  printf '%s\n' "echopath eval $*" >"$out/$name.command"
  mv "$out/$name.part" "$out/$name.json"
}

# sample NAME COUNT OPTIONS…: a sample directory of every class.
sample() {
  local name="$1" count="$2"
  shift 2
  if [ -e "$out/$name.done" ]; then return; fi
  say "$name"
  local resume=()
  if [ -e "$out/$name/manifest.jsonl" ]; then resume=(--resume); fi
  # The trace of a run that was stopped would lack its first videos.
  case " $* " in *" --trace "*) rm -rf "${out:?}/$name" && resume=() ;; esac
  run "$program" sample --out "$out/$name" --count "$count" --w 5 --seed "$seed" \
    ${preset:+--preset "$preset"} "$@" "${common[@]}" "${resume[@]}" >/dev/null ||
    fail "$name failed: see the message above; start again to go on"
  touch "$out/$name.done"
}

if [ -z "$data" ]; then
  data="$out/data"
  stage data "$program" phantom --out "$data" --patients 600 --seed 7
fi
held="$out/held_out"
stage held_out "$program" phantom --out "$held" --patients $((4 * videos)) --seed 1007 \
  --split 0,0,100 --masks

sample samples "$videos" --blocks 4 --model "$model"
sample none "$long" --blocks 4 --model "$model" --anchor none --trace "$out/none.safetensors"
sample one "$long" --blocks 4 --model "$model" --context-frames 1
sample long "$long" --blocks 16 --model "$model"

measure agreement agreement --real "$held" --synthetic "$out/samples" --model "$judges"
measure anatomy anatomy --real "$held" --synthetic "$out/samples" --model "$judges"
measure motion motion --real "$held" --synthetic "$out/samples"
measure motion_none motion --real "$held" --synthetic "$out/none" --trace "$out/none.safetensors"
measure motion_one motion --real "$held" --synthetic "$out/one"
measure drift drift --real "$held" --synthetic "$out/long" --model "$judges"
measure nearest nearest --real "$held" --training "$data" --synthetic "$out/samples" --model "$model"
measure generation generation --real "$held" --synthetic "$out/samples" --model "$judges"

python3 "$root/scripts/phantom_model_table.py" "$out" | tee "$out/table.md"
