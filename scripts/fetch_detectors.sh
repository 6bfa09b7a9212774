#!/usr/bin/env bash
# Gets the detectors that the published figures of image and video generators are measured with:
# pt_inception-2015-12-05-6726825d.pth (FID), inception-2015-12-05.pt (StyleGAN's IS and FID) and
# i3d_torchscript.pt (FVD); prints where they are, with their SHA-256.
#
#   ./scripts/fetch_detectors.sh [--from DIR] [--to DIR]
#
# --from DIR  copies them from a folder instead of downloading them
# --to DIR    where they go (default: detectors in the user's cache)
#
# The project's tests run it with --from alone: the downloads have never been tried. Each has a licence of
# its own; echopath does without them (eval's default detector is in-domain).
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

from=""
to="$cache/detectors"
while [ $# -gt 0 ]; do
  case "$1" in
    --from | --to)
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

# name, what its SHA-256 begins with (empty where none is published), address
detectors="\
pt_inception-2015-12-05-6726825d.pth 6726825d https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth
inception-2015-12-05.pt - https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt
i3d_torchscript.pt - https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1"

[ -z "$from" ] || [ -d "$from" ] || fail "--from: there is no folder '$from'"
mkdir -p "$to"
missing=""
while read -r name start address; do
  target="$to/$name"
  if [ ! -e "$target" ]; then
    if [ -n "$from" ]; then
      if [ ! -f "$from/$name" ]; then
        missing="$missing $name"
        continue
      fi
      cp "$from/$name" "$target.part"
    else
      has curl || fail "curl is missing; install it, or give a folder by --from"
      run curl --fail --location --silent --show-error --output "$target.part" "$address" ||
        fail "$name could not be downloaded" "Get it elsewhere and give its folder by --from."
    fi
    sum="$(sha256sum "$target.part" | cut -d' ' -f1)"
    if [ "$start" != - ] && [ "${sum#"$start"}" = "$sum" ]; then
      rm "$target.part"
      fail "$name is another file: its SHA-256 is $sum and should begin with $start"
    fi
    mv "$target.part" "$target"
  fi
  printf '%s  %s\n' "$(sha256sum "$target" | cut -d' ' -f1)" "$target"
done <<<"$detectors"
[ -z "$missing" ] || fail "not in $from:$missing"
