#!/usr/bin/env bash
# Sets up, builds everything and runs the tests. The last lines are ctest's own summary.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

all=false
setup=(--nccl-headers)
preset=release
for argument in "$@"; do
  case "$argument" in
    --all) all=true && setup+=(--with fuzz) ;;
    --cuda) preset=cuda && setup+=("$argument") ;;
    --cpu | --skip-packages) setup+=("$argument") ;;
    *)
      cat <<'TEXT'
usage: scripts/test.sh [--all] [options of scripts/setup.sh]

Installs what is missing, builds everything, compiles and links the CUDA code without running it,
fetches the real DICOM files that the tests read, and runs the fast tests.
  --all   the slow tests and the fuzz targets too
TEXT
      case "$argument" in -h | --help) exit 0 ;; *) exit 2 ;; esac
      ;;
  esac
done

bash "$root/scripts/setup.sh" "${setup[@]}"
configure "$preset"
build "$preset"
if [ -z "${LIBTORCH:-}" ] && [ "$preset" = release ] && ! has_nvidia_driver; then
  build "$preset" cuda_link_check
else
  say "cuda_link_check is left out: it is for the release preset with the pinned LibTorch and no GPU"
fi
say "Real DICOM files for the tests"
run bash "$root/scripts/fetch_test_data.sh"

say "Running the tests"
selection=(--label-exclude slow)
if $all; then selection=(); fi
# Each test computes with one thread; ctest runs as many at once as there are cores.
OMP_NUM_THREADS=1 run ctest --test-dir "$root/build/$preset" --output-on-failure \
  --no-tests=error --parallel "$(nproc)" "${selection[@]}"
