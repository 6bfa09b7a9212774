# shellcheck shell=bash disable=SC2034  # the sourcing scripts use the variables
# What the scripts beside this file share. Source it; it runs nothing.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/echopath"
torch_version=2.14.1
nccl_version=2.30.7
cuda_headers_version=13.0

say() { printf '\n==> %s\n' "$*"; }

fail() {
  printf '\n%s: %s\n' "$(basename "$0")" "$1" >&2
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

# Prints the comment at the head of the running script.
usage() { sed -n '2,/^[^#]/p' "$0" | sed '$d; s/^# \{0,1\}//'; }

# take_options "NAME…" "$@": sets the variable of each `--NAME VALUE` that is given. -h and --help
# print usage; what is not known ends the script.
take_options() {
  local known=" $1 " name
  shift
  while [ $# -gt 0 ]; do
    case "$1" in -h | --help) usage && exit 0 ;; esac
    name="${1#--}"
    if [ "$1" = "$name" ] || [[ "$known" != *" $name "* ]]; then
      fail "unknown argument '$1'; --help lists what there is"
    fi
    [ $# -ge 2 ] || fail "$1 needs a value"
    printf -v "$name" %s "$2"
    shift 2
  done
}

# Shows a command, then runs it.
run() {
  printf '+ %s\n' "$*"
  "$@"
}

has() { command -v "$1" >/dev/null 2>&1; }

has_nvidia_driver() { [ -e /proc/driver/nvidia/version ] || [ -e /dev/nvidiactl ] || has nvidia-smi; }

# require_space FOLDER MEGABYTES WHAT: stops where the folder's disk has less.
require_space() {
  local folder="$1" needed="$2" what="$3" free
  while [ ! -d "$folder" ]; do folder="$(dirname "$folder")"; done
  free="$(df --output=avail -m "$folder" | tail -1 | tr -d ' ')"
  [ "$free" -ge "$needed" ] ||
    fail "the disk is too full for $what: $folder has $free MB free, $needed MB are needed." \
      "Free some space, or set XDG_CACHE_HOME to a folder on a larger disk."
}

# Parallel compilations: one per core, but no more than 2 GB of memory allow each.
jobs() {
  local cores memory
  cores="$(nproc)"
  memory="$(awk '/MemAvailable/ {print int($2 / 2000000)}' /proc/meminfo)"
  [ "$memory" -ge 1 ] || memory=1
  echo $((cores < memory ? cores : memory))
}

# configure PRESET [cmake options…]
configure() {
  has cmake || fail "cmake is missing: run scripts/setup.sh first"
  say "Configuring (preset $1)"
  run cmake -S "$root" --preset "$1" "${@:2}" ||
    fail "configuring failed: see the message above"
}

# build PRESET [targets…]
build() {
  local preset="$1"
  shift
  require_space "$root" 6000 "the build"
  say "Building ${*:-everything}"
  run cmake --build "$root/build/$preset" --parallel "$(jobs)" ${1:+--target "$@"} ||
    fail "the build failed: see the first error above"
}

# peer_python: sets `python` to an interpreter with PyTorch, diffusers and torchvision, in a virtual
# environment that is made once, pinned, in the user's cache (6 GB).
peer_environment="$cache/verify-diffusers-0.42.1"
peer_python() {
  has python3 || fail "python3 is missing; install it with the module venv"
  if [ ! -e "$peer_environment/DONE" ]; then
    require_space "$cache" 14000 "PyTorch, diffusers and torchvision"
    say "Installing diffusers and torchvision into $peer_environment"
    rm -rf "$peer_environment"
    run python3 -m venv "$peer_environment" ||
      fail "no virtual environment: is the package python3-venv there?"
    run "$peer_environment/bin/python" -m pip install --quiet --disable-pip-version-check \
      "torch==$torch_version" torchvision==0.29.2 diffusers==0.42.1 safetensors==0.8.0 numpy==2.4.6 ||
      fail "the packages could not be installed: see the message above"
    touch "$peer_environment/DONE"
  fi
  python="$peer_environment/bin/python"
}

# metrics_python: sets `python` to one that has torch-fidelity and torchmetrics too: an environment of
# its own, which sees the packages of peer_python's.
metrics_python() {
  local environment="$cache/verify-metrics-0.4.0"
  if [ ! -e "$environment/DONE" ]; then
    peer_python
    say "Installing torch-fidelity and torchmetrics into $environment"
    rm -rf "$environment"
    run "$python" -m venv "$environment" ||
      fail "no virtual environment: is the package python3-venv there?"
    "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
      >"$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/peer.pth"
    run "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
      torch-fidelity==0.4.0 torchmetrics==1.9.0 ||
      fail "the packages could not be installed: see the message above"
    touch "$environment/DONE"
  fi
  python="$environment/bin/python"
}
