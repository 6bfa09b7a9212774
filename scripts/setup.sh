#!/usr/bin/env bash
# Installs what echopath needs: system packages and LibTorch. What is there already is left alone.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

usage() {
  cat <<'TEXT'
usage: scripts/setup.sh [--cuda | --cpu] [--skip-packages] [--with GROUP]… [--nccl-headers]

Installs the missing packages of third_party/apt-packages.txt (with sudo where you are not root) and
LibTorch, from PyPI wheels pinned by hash, into ~/.cache/echopath (or $XDG_CACHE_HOME/echopath).

  --cuda           the full CUDA wheel set (default where an NVIDIA driver is found)
  --cpu            the CPU set even where a driver is found
  --skip-packages  no system packages: you have installed them yourself
  --with GROUP     another group of packages too: fuzz, check
  --nccl-headers   NCCL's headers too, which compile the CUDA code where there is no GPU
  LIBTORCH=/path   uses your own LibTorch; nothing of it is downloaded
TEXT
}

flavour=auto
packages=true
groups=(build)
nccl_headers=false
while [ $# -gt 0 ]; do
  case "$1" in
    --cuda) flavour=cuda ;;
    --cpu) flavour=cpu ;;
    --skip-packages) packages=false ;;
    --with) shift && groups+=("${1:?--with needs a group: fuzz or check}") ;;
    --nccl-headers) nccl_headers=true ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done
if [ "$flavour" = auto ]; then
  if has_nvidia_driver; then flavour=cuda; else flavour=cpu; fi
fi

log="$(mktemp)"
work=""
trap 'rm -rf "$log" "$work"' EXIT

# Says in one line why the command whose output is in $log failed.
reason() {
  if grep -qiE 'no space left|not enough free space' "$log"; then
    echo "the disk is full"
  elif grep -qiE 'do not match the hashes' "$log"; then
    echo "a downloaded file does not match its pinned hash; it was thrown away"
  elif grep -qiE 'resolv|connection (refused|broken|timed out)|network is unreachable|newconnectionerror|could not connect|no matching distribution|failed to fetch' "$log"; then
    echo "the network cannot be reached"
  else
    echo "the reason is above"
  fi
}

# quietly WHAT COMMAND…: shows the command, keeps its output, and shows the end of that on failure.
quietly() {
  local what="$1"
  shift
  printf '+ %s\n' "$*"
  "$@" >"$log" 2>&1 </dev/null || {
    tail -n 6 "$log" >&2
    fail "$what failed: $(reason)."
  }
}

# ---- system packages ----

wanted_packages() {
  local group
  for group in "${groups[@]}"; do
    awk -v group="$group" '$1 == group {print $2}' "$root/third_party/apt-packages.txt"
  done
}

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

require_distribution() {
  local file="${ECHOPATH_OS_RELEASE:-/etc/os-release}" name=unknown id=""
  if [ -r "$file" ]; then
    # shellcheck source=/dev/null
    name="$(. "$file" && echo "${PRETTY_NAME:-unknown}")"
    # shellcheck source=/dev/null
    id="$(. "$file" && echo "${ID:-}-${VERSION_ID:-}")"
  fi
  case "$id" in
    debian-12 | ubuntu-24.04) ;;
    *)
      fail "this system ($name) is not supported: Debian 12 and Ubuntu 24.04 are." \
        "Install the equivalents of these packages yourself, then run scripts/setup.sh --skip-packages:" \
        "$(wanted_packages | tr '\n' ' ')"
      ;;
  esac
}

install_packages() {
  local missing=() package sudo=()
  require_distribution
  for package in $(wanted_packages); do
    is_installed "$package" || missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    say "System packages: all there"
    return
  fi
  say "System packages: installing ${#missing[@]} (${missing[*]})"
  if [ "$(id -u)" -ne 0 ]; then
    has sudo || fail "system packages are missing, and installing them needs root; sudo is not there." \
      "Ask whoever has root on this machine to run:" "apt-get install ${missing[*]}"
    # Without a terminal sudo cannot ask for a password.
    [ -t 0 ] || sudo -n true 2>/dev/null ||
      fail "system packages are missing, and sudo wants a password, which it cannot ask for here." \
        "Run this in a terminal first:" "sudo apt-get install ${missing[*]}"
    sudo=(sudo)
    [ ! -t 0 ] || sudo -v || fail "sudo was refused; these packages are missing: ${missing[*]}"
  fi
  require_space /var/cache/apt 1500 "the system packages"
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
  quietly "apt-get update" "${apt[@]}" update
  # apt-get update is content with old or empty lists where it reached nothing.
  local unreachable=false
  if grep -qiE 'failed to fetch|some index files failed' "$log"; then unreachable=true; fi
  for package in "${missing[@]}"; do
    [ -n "$(apt-cache show "$package" 2>/dev/null | head -1)" ] || ! $unreachable ||
      fail "the package lists could not be fetched: the network cannot be reached."
    [ -n "$(apt-cache show "$package" 2>/dev/null | head -1)" ] ||
      fail "the package $package is not in this system's package lists." \
        "On Ubuntu, enable the component 'universe': sudo add-apt-repository universe"
  done
  quietly "apt-get install" "${apt[@]}" install --yes --no-install-recommends "${missing[@]}"
}

# clang's sanitizer and fuzzer run-time is a package of its own, named after clang's version.
install_fuzz_runtime() {
  local major
  major="$(clang -dumpversion | cut -d. -f1)"
  is_installed "libclang-rt-$major-dev" && return
  local sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  quietly "apt-get install" "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q \
    -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "libclang-rt-$major-dev"
}

# ---- LibTorch ----

# download_wheels LIST FOLDER: the wheels of third_party/LIST, each checked against its hash.
download_wheels() {
  has python3 || fail "python3 is missing; install it (apt-get install python3)"
  python3 -m pip --version >/dev/null 2>&1 ||
    fail "pip is missing; install it (apt-get install python3-pip)"
  quietly "downloading the wheels of third_party/$1" \
    env TMPDIR="$work" python3 -m pip download --disable-pip-version-check --no-cache-dir --no-deps --require-hashes \
    --only-binary=:all: --python-version 3.11 --implementation cp --abi cp311 --abi none \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
    --platform manylinux_2_25_x86_64 --platform manylinux_2_18_x86_64 \
    --platform manylinux2014_x86_64 --platform manylinux2010_x86_64 \
    --platform manylinux1_x86_64 --platform any \
    --retries 3 --dest "$2" --requirement "$root/third_party/$1"
}

# unpack FOLDER TARGET MEMBERS…: those members of every wheel in FOLDER.
unpack() {
  local folder="$1" target="$2" wheel status
  shift 2
  for wheel in "$folder"/*.whl; do
    status=0
    unzip -q -o "$wheel" "$@" -d "$target" >"$log" 2>&1 </dev/null || status=$?
    # 11: a wheel without one of these members.
    [ "$status" -eq 0 ] || [ "$status" -eq 11 ] || {
      tail -n 5 "$log" >&2
      fail "unpacking $(basename "$wheel") failed: $(reason)."
    }
    rm "$wheel"
  done
}

# install_wheels NAME LIST MEGABYTES MEMBERS…: unpacks wheels into $cache/NAME, which appears only
# when whole.
install_wheels() {
  local name="$1" list="$2" megabytes="$3"
  shift 3
  if [ -d "$cache/$name" ]; then
    say "$name: there already ($cache/$name)"
    return
  fi
  require_space "$cache" "$megabytes" "$name"
  mkdir -p "$cache" || fail "the folder $cache cannot be made; set XDG_CACHE_HOME to one that can"
  exec 8>"$cache/.lock"
  flock 8
  if [ ! -d "$cache/$name" ]; then
    say "$name: fetching into $cache/$name"
    work="$(mktemp -d "$cache/.unfinished.XXXXXX")"
    download_wheels "$list" "$work/wheels"
    mkdir "$work/set"
    unpack "$work/wheels" "$work/set" "$@"
    mv "$work/set" "$cache/$name"
    rm -rf "$work"
  fi
  exec 8>&-
}

install_torch() {
  if [ -n "${LIBTORCH:-}" ]; then
    local folder
    for folder in "$LIBTORCH" "$LIBTORCH/torch" "$LIBTORCH/libtorch"; do
      if [ -e "$folder/lib/libc10.so" ] && [ -d "$folder/include/torch" ]; then
        say "LibTorch: yours, in $folder"
        return
      fi
    done
    fail "LIBTORCH=$LIBTORCH holds no LibTorch: include/torch and lib/libc10.so are expected in it," \
      "or in torch/ or libtorch/ under it."
  fi
  [ "$(uname -m)" = x86_64 ] ||
    fail "the pinned LibTorch is for x86_64 and this machine is $(uname -m): give your own with LIBTORCH=/path"
  local megabytes=2500
  [ "$flavour" = cpu ] || megabytes=14000
  install_wheels "libtorch-$torch_version-$flavour" "wheels-$flavour.txt" "$megabytes" \
    'torch/include/*' 'torch/lib/*' 'nvidia/*' 'torch-*.dist-info/licenses/*' '*/METADATA'
}

if $packages; then
  install_packages
  case " ${groups[*]} " in *" fuzz "*) install_fuzz_runtime ;; esac
fi
install_torch
if $nccl_headers && [ "$flavour" = cpu ]; then
  install_wheels "nccl-$nccl_version-headers" wheels-nccl.txt 800 'nvidia/nccl/include/*'
fi
if [ -z "${LIBTORCH:-}" ] && { $nccl_headers || [ "$flavour" = cuda ]; }; then
  install_wheels "cuda-$cuda_headers_version-headers" wheels-cuda-headers.txt 100 'nvidia/cu13/include/*'
fi
say "Set-up done"
