#!/usr/bin/env bash
# Trains a toy network on phantom data twice: once undisturbed, once with SIGKILL at many random
# moments, every third of them while a checkpoint is being written, resumed each time. Prints a line
# a kill and a verdict: the weights must be the same to the bit. Exit code 0 where they are.
#
#   scripts/kill_and_resume.sh [--kills 50] [--network NAME] [--nproc N] [--seed N] [--program PATH]
#
# --kills N       how many
# --network NAME  vae, lidm or lvdm (default)
# --nproc N       processes of the training (1)
# --seed N        of the moments (1)
# --program PATH  the echopath to run (default: build/release/bin/echopath)
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=tests/toy_runs.sh
source "$root/tests/toy_runs.sh"

kills=50
network=lvdm
seed=1
nproc=1
program="$root/build/release/bin/echopath"
take_options "kills network nproc seed program" "$@"

[ -x "$program" ] || fail "there is no program at $program" "Build it, or give --program."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
RANDOM="$seed"
# Steps enough for every kill to find the training at work.
steps=$((kills * 30))

# train RUN: the training in that folder, gone on with where there is one.
train() {
  local run="$1" options resume=() more=()
  toy_options "$network" "training.steps=$steps" training.checkpoint_every=3 \
    training.validate_every=50 training.keep_last=2 training.micro_batch_size=2
  if [ -e "$run/config.json" ]; then resume=(--resume); fi
  if [ "$nproc" -gt 1 ]; then more=(--nproc "$nproc"); fi
  exec "$program" train "$network" --config "$(toy_config "$network")" --out "$run" \
    "${options[@]}" "${more[@]}" "${resume[@]}" >>"$run.log" 2>&1
}

# Whether a checkpoint of the run is being written.
is_saving() { compgen -G "$1/checkpoints/.step-*" >/dev/null; }
# Lines that its metrics have grown to; the resumed run cuts off some first.
metrics() { if [ -e "$1/metrics.jsonl" ]; then wc -l <"$1/metrics.jsonl"; else echo 0; fi; }
newest_step() {
  local newest
  newest="$(find "$1/checkpoints" -maxdepth 1 -name 'step-*' 2>/dev/null | sort | tail -1)"
  echo "${newest##*step-}"
}
# stop PID: SIGKILL to it and to the processes that it started.
stop() {
  local children
  children="$(pgrep -P "$1" || true)"
  # shellcheck disable=SC2086  # a list
  kill -KILL "$1" $children 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

say "Toy data"
toy_videos
if [ "$network" != vae ]; then
  with_launcher vae 1 "$work/vae" training.steps=2
  toy_latents "$work/vae"
fi

say "The undisturbed training: $network, $steps steps, $nproc processes"
(train "$work/whole") || fail "it failed" "$(tail -5 "$work/whole.log")"

say "The killed one"
printf '%5s  %8s  %-10s  %9s  %s\n' kill ms after newest while
done_kills=0
while_saving=0
while [ "$done_kills" -lt "$kills" ]; do
  (train "$work/parts") &
  process=$!
  # A third of the kills up to 2 seconds after the start (reading, resuming), a third up to one
  # second after its first steps, a third while it saves.
  since=start
  milliseconds=$((RANDOM % 2000))
  if [ $((done_kills % 3)) -gt 0 ]; then
    since="first step"
    milliseconds=$((milliseconds / 2))
    lines="$(metrics "$work/parts")"
    while kill -0 "$process" 2>/dev/null && [ "$(metrics "$work/parts")" -le "$lines" ]; do
      sleep 0.02
    done
  fi
  sleep "$(printf '%d.%03d' $((milliseconds / 1000)) $((milliseconds % 1000)))"
  if [ $((done_kills % 3)) -eq 2 ]; then
    while kill -0 "$process" 2>/dev/null && ! is_saving "$work/parts"; do :; done
  fi
  kill -0 "$process" 2>/dev/null || break
  stop "$process"
  done_kills=$((done_kills + 1))
  moment=training
  if is_saving "$work/parts"; then
    moment="saving a checkpoint"
    while_saving=$((while_saving + 1))
  fi
  printf '%5d  %8d  %-10s  %9s  %s\n' "$done_kills" "$milliseconds" "$since" \
    "$(newest_step "$work/parts")" "$moment"
done
(train "$work/parts") || fail "the resumed training failed" "$(tail -5 "$work/parts.log")"

say "Verdict"
echo "$done_kills kills, $while_saving of them while a checkpoint was written"
[ "$done_kills" -eq "$kills" ] || fail "the training was done before all kills: raise its steps"
grep -h 'is damaged' "$work/parts.log" || echo "no checkpoint was damaged"
require_equal "killed $done_kills times" "$work/whole" "$work/parts"
