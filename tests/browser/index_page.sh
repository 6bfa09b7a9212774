#!/usr/bin/env bash
# Opens a sample directory's index.html in headless Chromium: every video must load, play and have
# frames, and the buttons must leave the videos of one class (check_index.py). --screenshot names a file
# for a picture of the last page.
#
#   tests/browser/index_page.sh [--program PATH] [--screenshot FILE] [SAMPLE_DIR]
#
# Without SAMPLE_DIR it samples one video of each class with the demo model (8 steps, 2 blocks), once as
# H.264 and once as FFV1. It needs Chromium (apt-get install chromium) and Python; without them it exits with 77,
# which ctest takes for "skipped".
set -uo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

program="$root/build/release/bin/echopath"
screenshot=""
given=""
while [ $# -gt 0 ]; do
  case "$1" in
    --program) program="$2"; shift ;;
    --screenshot) screenshot="$2"; shift ;;
    -h | --help) sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//'; exit 0 ;;
    *) given="$1" ;;
  esac
  shift
done
browser=""
for name in chromium chromium-browser google-chrome; do
  if has "$name"; then browser="$name"; break; fi
done
if [ -z "$browser" ] || ! has python3; then
  echo "skipped: Chromium or Python is missing: apt-get install --no-install-recommends chromium python3"
  exit 77
fi

work="$(mktemp -d "${TMPDIR:-/tmp}/echopath-browser.XXXXXX")"
trap 'rm -rf "$work"' EXIT

if [ -n "$given" ]; then
  folders=("$(cd "$given" && pwd)")
else
  [ -x "$program" ] || fail "there is no program at $program" "Build it, or give --program."
  folders=("$work/h264" "$work/ffv1")
  for folder in "${folders[@]}"; do
    "$program" sample --model "$root/models/phantom" --steps 8 --blocks 2 --codec "${folder##*/}" \
      --also gif --out "$folder" --quiet >/dev/null || fail "sampling failed"
  done
fi
python3 "$root/tests/browser/check_index.py" "$browser" "$work/profile" \
  ${screenshot:+--screenshot "$screenshot"} "${folders[@]}" || fail "a page is not what it should be"
if [ -n "$screenshot" ]; then echo "screenshot: $screenshot"; fi
