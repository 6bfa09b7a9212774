#!/usr/bin/env bash
# Compares every network with diffusers and torchvision at full size: makes random models in Python,
# runs them there and through `echopath forward`, and prints a table; then the same for the trained
# networks of models/phantom. Fails where one differs.
#
#   ./scripts/verify_against_diffusers.sh [--python PATH] [--program PATH] [--threads N]
#
# --python PATH   an interpreter that has diffusers and torchvision; without it they are installed
#                 once, pinned, into a virtual environment in the user's cache (6 GB)
# --program PATH  the echopath to compare (default: build/release/bin/echopath)
# --threads N     threads of both sides (default: one for each core)
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

python=""
program="$root/build/release/bin/echopath"
threads="$(nproc)"
take_options "python program threads" "$@"

[ -x "$program" ] || fail "there is no program at $program" "Build it (scripts/quickstart.sh), or give --program."

[ -n "$python" ] || peer_python

work="$(mktemp -d "${TMPDIR:-/tmp}/echopath-verify.XXXXXX")"
trap 'rm -rf "$work"' EXIT
require_space "$work" 3000 "one full-size model at a time"
OMP_NUM_THREADS="$threads" "$python" "$root/scripts/verify_against_diffusers.py" \
  --program "$program" --configs "$root/configs" --trained "$root/models/phantom" --work "$work" --threads "$threads"
