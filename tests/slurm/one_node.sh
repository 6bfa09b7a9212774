#!/usr/bin/env bash
# Sets up a SLURM of one node on this machine, submits scripts/slurm/*.sbatch to it at toy size, and
# compares the weights with those of the same runs by `--nproc`: undisturbed, stopped by a signal,
# requeued, preempted, at the time limit, cancelled, and with a rank that dies; and the videos of
# sample.sbatch with those of one process.
#
#   ECHOPATH_TEST_SLURM=1 tests/slurm/one_node.sh [--program PATH]     as root; some ten minutes
#
# It needs the Debian packages slurm-wlm and munge, and leaves the system's own configuration of
# both alone: keys, sockets, state and logs are in a temporary folder, which goes at the end with
# the daemons. Without the variable or root it exits with 77, which ctest takes for "skipped".
set -uo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

program="$root/build/release/bin/echopath"
take_options "program" "$@"

skip() {
  echo "skipped: $1"
  exit 77
}
[ "${ECHOPATH_TEST_SLURM:-}" = 1 ] || skip "set ECHOPATH_TEST_SLURM=1 to run a SLURM on this machine"
[ "$(id -u)" -eq 0 ] || skip "SLURM's and munge's daemons need root here"
for tool in munged slurmctld slurmd sbatch; do
  has "$tool" || skip "$tool is missing: apt-get install --no-install-recommends slurm-wlm munge"
done
[ -x "$program" ] || fail "there is no program at $program" "Build it, or give --program."
node="$(hostname -s)"
getent hosts "$node" >/dev/null || fail "the host name '$node' has no address: add it to /etc/hosts"

work="$(mktemp -d "${TMPDIR:-/tmp}/echopath-slurm.XXXXXX")"
daemons=()
clean_up() {
  trap - EXIT INT TERM
  if [ ${#daemons[@]} -eq 3 ]; then
    scancel --user=root --quiet 2>/dev/null
    wait_for 40 "the end of all jobs" no_jobs
  fi
  kill "${daemons[@]}" 2>/dev/null
  wait
  rm -rf "$work"
}
no_jobs() { [ -z "$(squeue --noheader 2>/dev/null)" ]; }
trap clean_up EXIT
trap 'exit 130' INT TERM
# shellcheck source=tests/toy_runs.sh
source "$root/tests/toy_runs.sh"

# A port that nobody listens at.
free_port() {
  local port
  while port=$((20000 + RANDOM % 10000)) && (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null; do :; done
  echo "$port"
}

# Of 32 cores and 4 GPUs in name only, so that the batch scripts run as they are. Requeued jobs
# start at once and not after cred_expire's usual two minutes.
write_configuration() {
  chmod 755 "$work"
  mkdir -p "$work/slurm/munge" "$work/slurm/state" "$work/slurm/spool"
  chmod 755 "$work/slurm/munge"
  (umask 077 && head -c 128 /dev/urandom >"$work/slurm/munge/key")
  touch "$work/slurm/gpu0" "$work/slurm/gpu1" "$work/slurm/gpu2" "$work/slurm/gpu3"
  echo "Name=gpu File=$work/slurm/gpu[0-3]" >"$work/slurm/gres.conf"
  cat >"$work/slurm/slurm.conf" <<TEXT
ClusterName=one-node
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$work/slurm/munge/socket,cred_expire=5
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdParameters=config_overrides
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmctldPidFile=$work/slurm/slurmctld.pid
SlurmdPidFile=$work/slurm/slurmd.pid
StateSaveLocation=$work/slurm/state
SlurmdSpoolDir=$work/slurm/spool
NodeName=$node NodeAddr=127.0.0.1 CPUs=32 Gres=gpu:4 State=UNKNOWN
PartitionName=usual Nodes=ALL Default=YES PriorityTier=1 MaxTime=INFINITE State=UP
PartitionName=urgent Nodes=ALL PriorityTier=2 PreemptMode=OFF MaxTime=INFINITE State=UP
TEXT
}

is_idle() { [ "$(sinfo --noheader --partition usual --format %t 2>/dev/null)" = idle ]; }

start_cluster() {
  write_configuration
  export SLURM_CONF="$work/slurm/slurm.conf"
  local munge="$work/slurm/munge"
  munged --foreground --force --key-file="$munge/key" --socket="$munge/socket" \
    --pid-file="$munge/pid" --log-file="$munge/log" --seed-file="$munge/seed" \
    >"$work/slurm/munged.log" 2>&1 &
  daemons+=($!)
  wait_for 20 "munged's socket" test -S "$munge/socket"
  slurmctld -D >"$work/slurm/slurmctld.log" 2>&1 &
  daemons+=($!)
  slurmd -D >"$work/slurm/slurmd.log" 2>&1 &
  daemons+=($!)
  local end=$((SECONDS + 60))
  until is_idle; do
    [ "$SECONDS" -lt "$end" ] ||
      fail "the node did not become idle" "$(grep -h error "$work"/slurm/*.log | tail -8)"
    sleep 0.5
  done
}

# submit NETWORK NAME [KEY=VALUE…]: `job` becomes the number; the run is $work/runs/NAME.
# `sbatch_options` go to sbatch.
sbatch_options=()
submit() {
  local network="$1" name="$2" options
  toy_options "$network" "${@:3}"
  job="$(ECHOPATH="$program" ECHOPATH_RUN="$work/runs/$name" ECHOPATH_CONFIG="$(toy_config "$network")" \
    sbatch --parsable --chdir="$root" --output="$work/runs/$name.log" "${sbatch_options[@]}" \
    "$root/scripts/slurm/$network.sbatch" "${options[@]}")" || fail "sbatch refused $network"
}

# field NAME: what `scontrol show job` says of the job.
field() { scontrol --oneliner show job "$job" | grep -oE "(^| )$1=[^ ]*" | head -1 | cut -d= -f2; }
has_ended() {
  case "$(field JobState)" in COMPLETED | FAILED | CANCELLED | TIMEOUT | NODE_FAIL) true ;; *) false ;; esac
}
was_restarted() { [ "$(field Restarts)" -ge 1 ]; }

log_of() { cat "$work/runs/$1.log"; }

# require_end NAME STATE RESTARTS: waits for the job's end.
require_end() {
  wait_for 180 "the end of job $job ($1)" has_ended
  local state restarts
  state="$(field JobState)" restarts="$(field Restarts)"
  [ "$state $restarts" = "$2 $3" ] ||
    fail "$1: job $job is $state after $restarts restarts, not $2 after $3" "$(log_of "$1" | tail -12)"
}

require_line() {
  log_of "$1" | grep -qF -- "$2" || fail "$1: no line '$2'" "$(log_of "$1" | tail -12)"
}

# Each stage by its batch script: done, by as many processes as the script has tasks, with the
# weights of the same run by the launcher.
prove_stages() {
  local network ranks
  for network in "${toy_networks[@]}"; do
    ranks="$(toy_ranks "$network")"
    submit "$network" "$network"
    require_end "$network" COMPLETED 0
    if [ "$ranks" -gt 1 ]; then require_line "$network" "on cpu, $ranks processes"; fi
    with_launcher "$network" "$ranks" "$work/launched/$network"
    require_equal "$network.sbatch ($ranks tasks) against --nproc $ranks" \
      "$work/runs/$network" "$work/launched/$network"
    if [ "$network" = vae ]; then toy_latents "$work/runs/vae"; fi
  done
}

preempt() {
  sbatch --quiet --partition=urgent --exclusive --output=/dev/null --wrap 'sleep 2'
}

# Stopped while it trains, the job goes back into the queue, starts again by itself, resumes, and
# ends with the weights of an undisturbed run.
prove_requeue() {
  local what name
  with_launcher lidm 4 "$work/launched/long" "${toy_long[@]}"
  for what in "scancel --signal=USR1" "scancel --signal=TERM" "scontrol requeue" preempt; do
    name="${what//[^a-zA-Z0-9]/_}"
    submit lidm "$name" "${toy_long[@]}"
    wait_for 60 "the training of $name" is_training "$work/runs/$name"
    if [ "$what" = preempt ]; then preempt; else $what "$job"; fi || fail "$what failed"
    require_end "$name" COMPLETED 1
    require_line "$name" "stopped by a signal at step"
    require_line "$name" "info resumed "
    require_equal "$what, requeued and resumed, against an undisturbed run" \
      "$work/runs/$name" "$work/launched/long"
  done
}

# --signal=USR1@300 of the batch script comes within the first minute of a six-minute job.
prove_time_limit() {
  sbatch_options=(--time=6)
  submit lidm time_limit training.steps=1000000 training.validate_every=1000000
  sbatch_options=()
  wait_for 150 "the requeue before the time limit" was_restarted
  wait_for 60 "the second start" grep -q "info resumed " "$work/runs/time_limit.log"
  require_line time_limit "stopped by a signal at step"
  echo "ok: five minutes before the time limit it saves, and the job goes on from there"
  scancel "$job"
}

# `scancel` alone ends the job for good, saved.
prove_cancel() {
  submit lidm cancelled "${toy_long[@]}"
  wait_for 60 "the training" is_training "$work/runs/cancelled"
  scancel "$job"
  wait_for 60 "the saving" grep -q "stopped by a signal at step" "$work/runs/cancelled.log"
  sleep 8 # longer than a requeued job waits
  require_end cancelled CANCELLED 0
  submit lidm cancelled "${toy_long[@]}"
  require_end cancelled COMPLETED 0
  require_equal "scancel, submitted again, against an undisturbed run" "$work/runs/cancelled" \
    "$work/launched/long"
}

# process_of_rank RANK: of the job's program.
process_of_rank() {
  local folder
  for folder in /proc/[0-9]*; do
    [ "$folder/exe" -ef "$program" ] && grep -qzx "SLURM_JOB_ID=$job" "$folder/environ" &&
      grep -qzx "SLURM_PROCID=$1" "$folder/environ" && basename "$folder"
  done 2>/dev/null
}

# A rank that is killed fails the job, with the error of the others.
prove_dead_rank() {
  submit lidm dead_rank training.steps=1000000 training.validate_every=1000000
  wait_for 60 "the training" is_training "$work/runs/dead_rank"
  local start=$SECONDS victim
  victim="$(process_of_rank 2)"
  [ -n "$victim" ] || fail "rank 2 was not found"
  kill -KILL "$victim"
  require_end dead_rank FAILED 0
  require_line dead_rank "process group: "
  echo "ok: a killed rank ends the job after $((SECONDS - start)) s: $(log_of dead_rank | grep -m1 'process group: ')"
}

# has_videos DIR: whether a sample directory has some.
has_videos() { [ "$(find "$1/Videos" -name '*.mp4' 2>/dev/null | wc -l)" -ge 3 ]; }

# The sets of sample.sbatch, by four tasks, stopped by a signal in the middle: the job goes back into
# the queue and ends with the videos of an undisturbed process.
prove_sampling() {
  local name set
  export ECHOPATH="$program" MODEL="$root/models/phantom" BASELINE_MODEL="" PRESET=fast COUNT=4 SEED=3
  job="$(OUT="$work/runs/samples" sbatch --parsable --chdir="$root" --output="$work/runs/samples.log" \
    "$root/scripts/slurm/sample.sbatch" "${toy_sampling[@]}")" || fail "sbatch refused sample"
  wait_for 120 "the first videos" has_videos "$work/runs/samples/ours_asd_w1"
  scancel --signal=USR1 "$job"
  require_end samples COMPLETED 1
  require_line samples "stopped by a signal; what was made stays"
  OUT="$work/launched/samples" "$root/scripts/paper/sample_all.sh" "${toy_sampling[@]}" --quiet >"$work/launched/samples.log" 2>&1 ||
    fail "sample_all.sh failed" "$(tail -5 "$work/launched/samples.log")"
  for name in asd pah; do
    for set in "ours_${name}_w1" "ours_${name}_w5"; do
      require_same_videos "sample.sbatch (4 tasks), $set, requeued, against one process" \
        "$work/runs/samples/$set" "$work/launched/samples/$set"
    done
  done
}

mkdir -p "$work/runs" "$work/launched"
say "Starting munge and SLURM $(slurmctld -V | cut -d' ' -f2) on $node"
start_cluster
say "Toy data"
toy_videos || fail "the toy data could not be made"
say "Each stage"
prove_stages
say "Requeue and resume"
prove_requeue
prove_time_limit
prove_cancel
prove_dead_rank
say "Sampling"
prove_sampling
say "Passed"
