# shellcheck shell=bash
# What the batch scripts beside this file share. Source it; it runs nothing.
#
# Submit from the project's root, options of `echopath train` behind the script:
#   sbatch scripts/slurm/lvdm.sbatch --set data.latents=/data/latents
# ECHOPATH names the program (default: build/release/bin/echopath), ECHOPATH_RUN the run directory
# (default: runs/<network>). A run directory that holds a run is resumed, so the same command starts
# a training and goes on with it.

# train_stage NETWORK CONFIG [options…]: one process per task of the job. Exit code 130 means that a
# signal came and everything is saved: the job goes back into the queue. On preemption SLURM itself
# does that (--requeue).
train_stage() {
  local network="$1" config="$2"
  shift 2
  local program="${ECHOPATH:-build/release/bin/echopath}"
  local run="${ECHOPATH_RUN:-runs/$network}"
  local resume=()
  if [ -f "$run/config.json" ]; then resume=(--resume); fi
  srun --kill-on-bad-exit=1 "$program" train "$network" --config "$config" --out "$run" \
    "${resume[@]}" "$@"
  local code=$?
  if [ "$code" -eq 130 ]; then
    echo "stopped by a signal after saving; back into the queue"
    scontrol requeue "$SLURM_JOB_ID"
  fi
  return "$code"
}
