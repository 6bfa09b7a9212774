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
  --long N        videos of each class of 16 blocks (N/4 of --videos)
  --seams N       videos of each class of the two runs for the seams (--videos)
  --preset NAME   sampling preset (the default)
  --seed N        of the first video (100000)
  --threads N     of each process (all cores)
  --nproc N       processes that share the sampling, but for the one with --anchor none (1)
  --minutes M     length of a leg (0: to the end): sampling stops and the next start goes on; a
                  measurement under way ends first. The sampling with --anchor none cannot be resumed:
                  it comes last, and starts only in a leg that seems long enough.
ECHOPATH=PROGRAM (build/release/bin/echopath)
Exit codes: 0 all is measured, the bars missed included; 1 an error, or results that the table lacks;
75 the leg is over: the same command goes on.
TEXT
}

model="$root/models/phantom"
judges=""
data=""
out="$root/runs/evaluate_phantom"
videos=32
long=""
seams=""
preset=""
seed=100000
threads=0
nproc=1
minutes=0
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage && exit 0 ;;
    --model | --judges | --data | --out | --videos | --long | --seams | --preset | --seed | \
      --threads | --nproc | --minutes)
      [ $# -ge 2 ] || fail "$1 needs a value"
      declare "${1#--}=$2"
      shift 2
      ;;
    *) fail "unknown option $1" "$(usage)" ;;
  esac
done
judges="${judges:-$model}"
long="${long:-$(((videos + 3) / 4))}"
seams="${seams:-$videos}"
program="${ECHOPATH:-$root/build/release/bin/echopath}"
[ -x "$program" ] || fail "there is no program at $program: build it, or name it in ECHOPATH"
for directory in "$model" "$judges"; do
  [ -e "$directory/echopath.json" ] || fail "$directory is no model directory: it has no echopath.json"
done
[ -z "$data" ] || [ -e "$data/FileList.csv" ] ||
  fail "--data $data has no FileList.csv: name the dataset directory that the model was trained on"
[[ "$minutes" =~ ^(0|[1-9][0-9]*)$ ]] || fail "--minutes takes whole minutes, not '$minutes'"
has python3 || fail "python3 is missing; it prints the table"
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
mkdir -p "$out"

hash_of_input() { sha256sum | cut -d ' ' -f 1; }

# weights_of DIR: the hash of echopath.json and all component files. The model card may change.
weights_of() {
  (cd "$1" && find -L echopath.json ./*/ -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) |
    hash_of_input
}

# The results of other options, weights or data must not be taken for these.
options="model $(cd "$model" && pwd)
judges $(cd "$judges" && pwd)
data $data
videos $videos, long $long, seams $seams
preset $preset
seed $seed
the model's weights: sha256 $(weights_of "$model")
the judges' weights: sha256 $(weights_of "$judges")
the sampling's defaults: sha256 $("$program" config show sample | grep -v '^    ' | hash_of_input)"
[ -z "$data" ] || options+="
the list of $data: sha256 $(hash_of_input <"$data/FileList.csv")"
if [ -e "$out/options" ] && [ "$(cat "$out/options")" != "$options" ]; then
  changed="$(grep -vxFf "$out/options" <<<"$options" || true)"
  if grep -qv ': sha256 ' <<<"$changed"; then
    fail "$out holds the results of other options: $(cat "$out/options")" \
      "Name another folder with --out, or remove it."
  fi
  changed="$(cut -d : -f 1 <<<"$changed")"
  fail "these have changed since the results in $out were made: ${changed//$'\n'/, }" \
    "Name another folder with --out, or remove $out to measure anew."
fi
echo "$options" >"$out/options"

common=(--threads "$threads")

# Seconds of this leg that are left, 0 at least.
time_left() { echo $((60 * minutes > SECONDS ? 60 * minutes - SECONDS : 0)); }

# leave MESSAGE…: ends a leg.
leave() {
  say "$@"
  exit 75
}

# Ends the leg where its time is over.
check_time() {
  if [ "$minutes" -gt 0 ] && [ "$(time_left)" -eq 0 ]; then
    leave "the leg of $minutes minutes is over; the same command goes on"
  fi
}

# stage NAME COMMAND…: runs it once.
stage() {
  local name="$1"
  shift
  if [ -e "$out/$name.done" ]; then return; fi
  check_time
  say "$name"
  printf '%s\n' "echopath ${*:2}" >"$out/$name.command"
  run "$@" || fail "$name failed: see the message above; start again to go on"
  touch "$out/$name.done"
}

# measure NAME WORDS…: `echopath eval WORDS`, its JSON into NAME.json.
measure() {
  local name="$1"
  shift
  if [ -e "$out/$name.json" ]; then return; fi
  check_time
  say "$name"
  printf '+ %s\n' "$program eval $* --json"
  "$program" eval "$@" "${common[@]}" --json >"$out/$name.part" ||
    fail "$name failed: see the message above; start again to go on"
  printf '%s\n' "echopath eval $*" >"$out/$name.command"
  mv "$out/$name.part" "$out/$name.json"
}

# videos_in NAME: how many videos of a sample directory are whole, by the manifests of all processes.
videos_in() { { find "$out/$1" -maxdepth 1 -name 'manifest*.jsonl' -exec cat {} + 2>/dev/null || true; } | wc -l; }

# sample NAME COUNT OPTIONS…: a sample directory of every class. NAME.seconds is how long it took.
sample() {
  local name="$1" count="$2" status=0 before limit started resume=() processes=(--nproc "$nproc")
  shift 2
  if [ -e "$out/$name.done" ]; then return; fi
  check_time
  say "$name"
  started=$SECONDS
  before="$(videos_in "$name")"
  # Seconds until it is stopped; 0: never.
  limit=$((minutes > 0 ? $(time_left) + 1 : 0))
  if [ -e "$out/$name/manifest.jsonl" ]; then resume=(--resume); fi
  # The trace of a run that was stopped would lack its first videos.
  case " $* " in *" --trace "*) rm -rf "${out:?}/$name" && resume=() && processes=() && limit=0 ;; esac
  set -- --out "$out/$name" --count "$count" --w 5 --seed "$seed" ${preset:+--preset "$preset"} "$@"
  printf '%s\n' "echopath sample $*" >"$out/$name.command"
  run timeout --foreground "$limit" "$program" sample "$@" "${common[@]}" "${processes[@]}" \
    "${resume[@]}" >/dev/null || status=$?
  echo $(($(cat "$out/$name.seconds" 2>/dev/null || echo 0) + SECONDS - started)) >"$out/$name.seconds"
  if [ "$status" -eq 124 ]; then
    [ "$(videos_in "$name")" -gt "$before" ] ||
      printf '%s\n' "no video became whole in $((SECONDS - started)) seconds:" \
        "where every leg says so, give more --minutes"
    check_time
  fi
  [ "$status" -eq 0 ] || fail "$name failed: see the message above; start again to go on"
  touch "$out/$name.done"
}

# Leaves where the rest of the leg seems too short for the run that cannot be resumed: as many seconds
# a video as the same blocks took before.
check_time_of_none() {
  local needed
  if [ -e "$out/none.done" ] || [ "$minutes" -eq 0 ]; then return; fi
  needed=$(($(cat "$out/samples.seconds") * nproc * seams / videos))
  [ "$needed" -gt "$(time_left)" ] || return 0
  leave "the sampling with --anchor none needs one uninterrupted leg of about $((needed / 60 + 1))" \
    "minutes, and this one has $(($(time_left) / 60)) left: start again with --minutes" \
    "$((needed / 60 + 2)) or more"
}

if [ -z "$data" ]; then
  data="$out/data"
  stage data "$program" phantom --out "$data" --patients 600 --seed 7
fi
held="$out/held_out"
# As long as the samples of four blocks, so that they can be cut at the same frames.
frames=$(python3 -c 'import json, sys
model = json.load(open(sys.argv[1]))
print(4 * model["block_length"] - 3 * model.get("context_frames", 1))' "$model/echopath.json")
stage held_out "$program" phantom --out "$held" --patients $((4 * videos)) --seed 1007 --frames "$frames" \
  --split 0,0,100 --masks

sample samples "$videos" --blocks 4 --model "$model"
sample long "$long" --blocks 16 --model "$model"
sample one "$seams" --blocks 4 --model "$model" --context-frames 1

measure agreement agreement --real "$held" --synthetic "$out/samples" --model "$judges"
measure anatomy anatomy --real "$held" --synthetic "$out/samples" --model "$judges"
measure motion motion --real "$held" --synthetic "$out/samples"
measure motion_one motion --real "$held" --synthetic "$out/one"
measure drift drift --real "$held" --synthetic "$out/long" --model "$judges"
measure nearest nearest --real "$held" --training "$data" --synthetic "$out/samples" --model "$model"
measure generation generation --real "$held" --synthetic "$out/samples" --model "$judges"

check_time_of_none
sample none "$seams" --blocks 4 --model "$model" --anchor none --trace "$out/none.safetensors"
measure motion_none motion --real "$held" --synthetic "$out/none" --trace "$out/none.safetensors"

python3 "$root/scripts/phantom_model_table.py" "$out" | tee "$out/table.md"
