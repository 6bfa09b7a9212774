#!/usr/bin/env bash
# Makes the paper's sets of videos: ours and the stitched baseline's, of the classes of both datasets,
# at w = 1 and w = 5. Each set is a sample directory of its own under OUT; one that is there already is
# gone on with, so the same command starts the sets and finishes them.
#
#   scripts/paper/sample_all.sh [--dry-run] [options of `echopath sample` for every set…]
#   MODEL=models/phantom PRESET=balanced BASELINE_MODEL=models/phantom_echosyn BASELINE_PRESET=phantom_echosyn \
#     OUT=samples/phantom COUNT=8 scripts/paper/sample_all.sh --steps 8
#
# What it reads from the environment:
#   MODEL            our model directory              (models/paper)
#   BASELINE_MODEL   the baseline's model directory   (models/echonet_synthetic; "" leaves it out)
#   OUT              folder of the sets               (samples/paper)
#   COUNT            videos of each class             (164: the four classes together come to the paper's 655)
#   SEED             of the first video of every set  (0)
#   NPROC            processes on this machine        (1; inside a SLURM step leave it alone)
#   PRESET, BASELINE_PRESET                           (paper, echonet_synthetic)
#   ECHOPATH         the program                      (build/release/bin/echopath)
#   LAUNCHER         what to put before the program   (nothing; srun in sample.sbatch)
#
# Exit codes are the program's; a set that cannot be finished does not keep the others from being made.
set -uo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

dry_run=0
options=()
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help)
      sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//'
      exit 0
      ;;
    --dry-run) dry_run=1 ;;
    *) options+=("$1") ;;
  esac
  shift
done

program="${ECHOPATH:-$root/build/release/bin/echopath}"
model="${MODEL:-models/paper}"
baseline="${BASELINE_MODEL-models/echonet_synthetic}"
out="${OUT:-samples/paper}"
count="${COUNT:-164}"
seed="${SEED:-0}"
read -r -a launcher <<<"${LAUNCHER:-}"
parallel=()
if [ "${NPROC:-1}" -gt 1 ]; then parallel=(--nproc "$NPROC"); fi
status=0

# sample_set NAME CLASSES W MODEL PRESET [OPTION…]
sample_set() {
  local folder="$out/$1" resume=() code
  local own=("${@:6}")
  if [ -f "$folder/manifest.jsonl" ]; then resume=(--resume); fi
  local command=("${launcher[@]}" "$program" sample --preset "$5" --model "$4" --classes "$2" --w "$3"
    --count "$count" --seed "$seed" --out "$folder" "${parallel[@]}" "${resume[@]}" "${own[@]}" "${options[@]}")
  if [ "$dry_run" = 1 ]; then
    printf '%q ' "${command[@]}"
    echo
    return
  fi
  say "$1"
  run "${command[@]}"
  code=$?
  if [ "$code" -eq 130 ]; then exit 130; fi
  if [ "$code" -ne 0 ]; then status="$code"; fi
}

# The published baseline has no re-ID network to filter by; one that has is filtered.
unfiltered=()
if [ -n "$baseline" ] && [ ! -e "$baseline/reid" ]; then unfiltered=(--allow-unfiltered); fi
for pair in asd:ASD,Non-ASD pah:PAH,Non-PAH; do
  for w in 1 5; do
    sample_set "ours_${pair%%:*}_w$w" "${pair#*:}" "$w" "$model" "${PRESET:-paper}"
    if [ -n "$baseline" ]; then
      sample_set "stitched_${pair%%:*}_w$w" "${pair#*:}" "$w" "$baseline" \
        "${BASELINE_PRESET:-echonet_synthetic}" "${unfiltered[@]}"
    fi
  done
done
exit "$status"
