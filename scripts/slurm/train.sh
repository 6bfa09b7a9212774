# shellcheck shell=bash
# What the batch scripts beside this file share. Source it; it runs nothing.
#
# Submit from the project's root, options of `echopath train` behind the script:
#   sbatch scripts/slurm/lvdm.sbatch --set data.latents=/data/latents
# ECHOPATH names the program (default: build/release/bin/echopath), ECHOPATH_RUN the run directory
# (default: runs/<network>), ECHOPATH_CONFIG the config (default: the paper's). A run directory that
# holds a run is resumed, so the same command starts a training and goes on with it.

# train_stage NETWORK CONFIG [options…]: one process per task of the job. Exit code 130 means that a
# signal came and everything is saved: the job goes back into the queue. SLURM sends that signal to
# the processes themselves (--signal without "B:"). On preemption it sends SIGTERM and puts the job
# back by itself (--requeue); this shell is not to catch it, or `scancel` would requeue too.
train_stage() {
  local network="$1" config="${ECHOPATH_CONFIG:-$2}"
  shift 2
  local program="${ECHOPATH:-build/release/bin/echopath}"
  local run="${ECHOPATH_RUN:-runs/$network}"
  local resume=() step=()
  if [ -f "$run/config.json" ]; then resume=(--resume); fi
  # Since SLURM 22.05 a step does not take this over from its job and would have one core per task.
  if [ -n "${SLURM_CPUS_PER_TASK:-}" ]; then step=(--cpus-per-task="$SLURM_CPUS_PER_TASK"); fi
  # When a process ends, the others get a minute to notice and leave. --kill-on-bad-exit would kill
  # rank 0 while it leaves with 130, and the code with which it died would hide that.
  srun --kill-on-bad-exit=0 --wait=60 "${step[@]}" "$program" train "$network" \
    --config "$config" --out "$run" "${resume[@]}" "$@"
  local code=$?
  if [ "$code" -eq 130 ]; then
    echo "stopped by a signal after saving; back into the queue"
    scontrol requeue "$SLURM_JOB_ID"
  fi
  return "$code"
}
