#!/usr/bin/env bash
# From a fresh machine to a sampled video: set-up, build, and one video of the class ASD.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
  cat <<'TEXT'
usage: scripts/quickstart.sh [options of scripts/setup.sh]

Installs what is missing, builds the program, and samples one video with the model that comes along.
  --cuda          the CUDA build (default where an NVIDIA driver is found); --cpu: never
  LIBTORCH=/path  uses your own LibTorch
TEXT
  exit 0
fi

preset=release
if has_nvidia_driver; then preset=cuda; fi
for argument in "$@"; do
  case "$argument" in
    --cuda) preset=cuda ;;
    --cpu) preset=release ;;
  esac
done

bash "$root/scripts/setup.sh" "$@"
configure "$preset"
build "$preset" echopath

say "Sampling a video"
# A folder for each version of the model: a run goes on only with the weights that it began with.
version="$(sha256sum "$root/models/phantom/echopath.json" | cut -c1-8)"
samples="$root/samples/quickstart-$version"
sample=("$root/build/$preset/bin/echopath" sample --class ASD --w 5 --blocks 4 --out "$samples")
# A second run goes on with, and so shows again, what the first one made.
[ ! -d "$samples" ] || sample+=(--resume)
run "${sample[@]}" || fail "sampling failed: see the message above"

say "Done"
for video in "$samples"/Videos/*.mp4; do echo "video:         $video"; done
echo "contact sheet: $samples/contact_sheet.png"
echo "page:          $samples/index.html"
