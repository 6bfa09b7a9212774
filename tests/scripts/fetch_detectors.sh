#!/usr/bin/env bash
# scripts/fetch_detectors.sh --from DIR: what it takes from a folder, and what it refuses. Nothing is
# downloaded.
set -uo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

work="$(mktemp -d "${TMPDIR:-/tmp}/echopath-detectors.XXXXXX")"
trap 'rm -rf "$work"' EXIT
weights=pt_inception-2015-12-05-6726825d.pth # the one whose hash is known
modules=(inception-2015-12-05.pt i3d_torchscript.pt)

# fetch STATUS: from $work/from to $work/to; what it prints is in `told`.
fetch() {
  local status=0
  told="$(bash "$root/scripts/fetch_detectors.sh" --from "$work/from" --to "$work/to" 2>&1)" || status=$?
  [ "$status" -eq "$1" ] || fail "it exits with $status, not $1" "$told"
}
require_line() { grep -qxF -- "$1" <<<"$told" || fail "no line '$1'" "$told"; }
# require_taken NAME…: each was copied as it is, and is told with its SHA-256.
require_taken() {
  local name
  for name in "$@"; do
    cmp -s "$work/from/$name" "$work/to/$name" || fail "$name was not taken" "$told"
    require_line "$(sha256sum "$work/to/$name")"
  done
}

fetch 1
require_line "fetch_detectors.sh: --from: there is no folder '$work/from'"
mkdir "$work/from"
fetch 1
require_line "fetch_detectors.sh: not in $work/from: $weights ${modules[*]}"

for name in "${modules[@]}"; do echo "made $name" >"$work/from/$name"; done
fetch 1
require_taken "${modules[@]}"
require_line "fetch_detectors.sh: not in $work/from: $weights"

echo "other weights" >"$work/from/$weights"
sum="$(sha256sum <"$work/from/$weights" | cut -d' ' -f1)"
fetch 1
require_line "fetch_detectors.sh: $weights is another file: its SHA-256 is $sum and should begin with 6726825d"
[ -z "$(find "$work/to" -name "$weights*")" ] || fail "the other file was left in --to"

# A file with that hash cannot be made up: a sha256sum of the test's own finds it.
mkdir "$work/bin"
cat >"$work/bin/sha256sum" <<'SH'
#!/bin/sh
echo "6726825d  $1"
SH
chmod +x "$work/bin/sha256sum"
PATH="$work/bin:$PATH" fetch 0
PATH="$work/bin:$PATH" require_taken "$weights" "${modules[@]}"

# What is there already stays.
rm "$work/from/${modules[0]}"
echo "newer" >"$work/from/${modules[1]}"
fetch 0
require_line "$(sha256sum "$work/to/${modules[0]}")"
[ "$(cat "$work/to/${modules[1]}")" = "made ${modules[1]}" ] || fail "a file that was there is replaced"
echo "fetch_detectors.sh --from: takes, refuses and names files as it should"
