#!/usr/bin/env bash
# Compares `echopath eval` with torch-fidelity and torchmetrics: the same pictures through an Inception
# network of the same random weights, and the same features; prints a table and fails where one differs.
#
#   ./scripts/verify_metrics.sh [--python PATH] [--program PATH] [--threads N]
#
# --python PATH   an interpreter that has torch-fidelity and torchmetrics; without it they are installed
#                 once, pinned, into a virtual environment in the user's cache (6 GB)
# --program PATH  the echopath to compare (default: build/release/bin/echopath)
# --threads N     threads of both sides (default: one for each core)
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

python=""
program="$root/build/release/bin/echopath"
threads="$(nproc)"
while [ $# -gt 0 ]; do
  case "$1" in
    --python | --program | --threads)
      [ $# -ge 2 ] || fail "$1 needs a value"
      declare "${1#--}=$2"
      shift 2
      ;;
    -h | --help)
      sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//'
      exit 0
      ;;
    *) fail "unknown argument '$1'; --help lists what there is" ;;
  esac
done

[ -x "$program" ] || fail "there is no program at $program" "Build it (scripts/quickstart.sh), or give --program."

[ -n "$python" ] || metrics_python

work="$(mktemp -d "${TMPDIR:-/tmp}/echopath-metrics.XXXXXX")"
trap 'rm -rf "$work"' EXIT
require_space "$work" 500 "pictures and weights"
OMP_NUM_THREADS="$threads" "$python" "$root/scripts/verify_metrics.py" \
  --program "$program" --work "$work" --threads "$threads"
