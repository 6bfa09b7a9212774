#!/usr/bin/env bash
# Speed of two processes with one thread each against one process with two threads: training steps of
# the LVDM of configs/phantom in float32, the same global batch, in turns.
#
#   bench/ranks.sh [--program PATH] [--pairs 5] [--steps 12]
#
# Each side of a pair is a run of its own; its figure is the median time of a step but for the first
# three. A row is a pair, the last line gives the medians. The bar: two processes take at most 1.10
# times as long.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

program="$root/build/release/bin/echopath"
pairs=5
steps=12
take_options "program pairs steps" "$@"
[ -x "$program" ] || fail "there is no program at $program" "Build it, or give --program."

work="$(mktemp -d "${TMPDIR:-/tmp}/echopath-ranks.XXXXXX")"
trap 'rm -rf "$work"' EXIT
"$program" phantom --out "$work/data" --patients 8 --frames 34 --seed 1 --split 75,25,0 --quiet
"$program" encode --data "$work/data" --model "$root/models/phantom" --out "$work/latents" --quiet

median() { sort -g | awk '{v[NR] = $1} END {print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2}'; }

# step_seconds NAME [options…]: median time of a step of one run.
step_seconds() {
  local run="$work/$1"
  shift
  rm -rf "$run"
  "$program" train lvdm --config "$root/configs/phantom/lvdm.json" --out "$run" --device cpu --quiet \
    --set "data.latents=$work/latents" --set "output.model_directory=$run/model" \
    --set heart_cycle_conditioning=false --set model.in_channels=8 --set block_length=32 \
    --set training.precision=fp32 --set training.batch_size=4 --set "training.steps=$steps" \
    --set training.log_every=1 --set training.validate_every=1000 \
    --set training.checkpoint_every=1000 "$@" >"$work/log" 2>&1 || fail "a run failed" "$(tail -3 "$work/log")"
  grep -o '"step_seconds": *[0-9.e-]*' "$run/metrics.jsonl" | tail -n +4 | cut -d: -f2 | median
}

printf '%-6s %22s %22s %8s\n' pair "1 process, 2 threads" "2 processes, 1 thread" ratio
for ((pair = 1; pair <= pairs; ++pair)); do
  one="$(step_seconds one --threads 2)"
  two="$(step_seconds two --nproc 2 --threads 1)"
  ratio="$(awk "BEGIN {print $two / $one}")"
  echo "$one $two $ratio" >>"$work/pairs"
  printf '%-6s %20.3f s %20.3f s %8.3f\n' "$pair" "$one" "$two" "$ratio"
done
one="$(cut -d' ' -f1 "$work/pairs" | median)"
two="$(cut -d' ' -f2 "$work/pairs" | median)"
ratio="$(cut -d' ' -f3 "$work/pairs" | median)"
printf '%-6s %20.3f s %20.3f s %8.3f\n' median "$one" "$two" "$ratio"
if awk "BEGIN {exit !($ratio <= 1.10)}"; then
  echo "within the bar of 1.10"
else
  echo "over the bar of 1.10"
  exit 1
fi
