#!/usr/bin/env bash
# Starts trainings by the real `torchrun --no-python`, with two and with four processes at toy size,
# and compares the weights with those of the same runs by `--nproc`; also of one that torchrun was
# told to stop, and that went on with --resume; and the videos of two processes with those of one.
#
#   ECHOPATH_TEST_TORCHRUN=1 tests/torchrun/one_machine.sh [--python PATH] [--program PATH]
#
# --python PATH   an interpreter that has PyTorch; without it the virtual environment of
#                 scripts/verify_against_diffusers.sh is used, and made where it is missing (6 GB)
#
# Without the variable it exits with 77, which ctest takes for "skipped".
set -uo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

python=""
program="$root/build/release/bin/echopath"
take_options "python program" "$@"
if [ "${ECHOPATH_TEST_TORCHRUN:-}" != 1 ]; then
  echo "skipped: set ECHOPATH_TEST_TORCHRUN=1 to start trainings by torchrun"
  exit 77
fi
[ -x "$program" ] || fail "there is no program at $program" "Build it, or give --program."
[ -n "$python" ] || peer_python
torchrun="$(dirname "$python")/torchrun"
[ -x "$torchrun" ] || fail "there is no torchrun beside $python"

work="$(mktemp -d "${TMPDIR:-/tmp}/echopath-torchrun.XXXXXX")"
agent=""
clean_up() {
  [ -z "$agent" ] || kill "$agent" 2>/dev/null
  wait
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
# shellcheck source=tests/toy_runs.sh
source "$root/tests/toy_runs.sh"

# with_torchrun NETWORK RANKS RUN ["--resume"] [KEY=VALUE…]: in the background, as `agent`.
with_torchrun() {
  local network="$1" ranks="$2" run="$3" options resume=()
  shift 3
  if [ "${1:-}" = --resume ]; then resume=(--resume) && shift; fi
  toy_options "$network" "$@"
  OMP_NUM_THREADS=1 "$torchrun" --standalone --nproc-per-node "$ranks" --no-python "$program" train \
    "$network" --config "$(toy_config "$network")" --out "$run" "${resume[@]}" "${options[@]}" \
    >>"$run.log" 2>&1 &
  agent=$!
}

# require_success RUN: waits for the agent.
require_success() {
  wait "$agent" || fail "torchrun failed" "$(tail -8 "$1.log")"
  agent=""
}

mkdir -p "$work/runs" "$work/launched"
say "torchrun of PyTorch $("$python" -c 'import torch; print(torch.__version__)')"
toy_videos || fail "the toy data could not be made"
for network in "${toy_networks[@]}"; do
  for ranks in 2 4; do
    [ "$ranks" -le "$(toy_ranks "$network")" ] || continue
    name="$network-$ranks"
    with_torchrun "$network" "$ranks" "$work/runs/$name"
    require_success "$work/runs/$name"
    grep -qF "on cpu, $ranks processes" "$work/runs/$name.log" || fail "$name: not $ranks processes"
    with_launcher "$network" "$ranks" "$work/launched/$name"
    require_equal "$network, torchrun of $ranks against --nproc $ranks" "$work/runs/$name" \
      "$work/launched/$name"
  done
  if [ "$network" = vae ]; then toy_latents "$work/runs/vae-4"; fi
done

with_launcher lidm 2 "$work/launched/long" "${toy_long[@]}"
with_torchrun lidm 2 "$work/runs/stopped" "${toy_long[@]}"
wait_for 60 "the training" is_training "$work/runs/stopped"
kill -TERM "$agent"
wait "$agent" && fail "torchrun was stopped and reports success"
grep -qF "stopped by a signal at step" "$work/runs/stopped.log" || fail "a SIGTERM to torchrun saves nothing"
with_torchrun lidm 2 "$work/runs/stopped" --resume "${toy_long[@]}"
require_success "$work/runs/stopped"
require_equal "torchrun stopped by SIGTERM and resumed, against an undisturbed run" \
  "$work/runs/stopped" "$work/launched/long"

sampling=("$program" sample --model "$root/models/phantom" "${toy_sampling[@]}" --class ASD --class PAH
  --count 3 --w 5 --seed 3 --quiet)
OMP_NUM_THREADS=1 "$torchrun" --standalone --nproc-per-node 2 --no-python "${sampling[@]}" \
  --out "$work/runs/samples" >"$work/runs/samples.log" 2>&1 ||
  fail "torchrun of sample failed" "$(tail -8 "$work/runs/samples.log")"
"${sampling[@]}" --out "$work/launched/samples" >"$work/launched/samples.log" 2>&1 ||
  fail "sample failed" "$(tail -5 "$work/launched/samples.log")"
require_same_videos "sample, torchrun of 2 against one process" "$work/runs/samples" "$work/launched/samples"
say "Passed"
