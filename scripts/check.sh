#!/usr/bin/env bash
# What a change must pass beside its tests: format, include order, shell scripts, clang-tidy.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

if [ $# -gt 0 ] && [ "$1" != --all ] && [ "$1" != --since ]; then
  cat <<'TEXT'
usage: scripts/check.sh [--all | --since REVISION]

Checks the format of every C++ file (clang-format), the order of the rooms, the shell scripts
(shellcheck), and runs clang-tidy on the .cpp files changed since the upstream branch or REVISION;
--all: on every one (hours). Needs a configured build/release (scripts/test.sh).
TEXT
  case "$1" in -h | --help) exit 0 ;; *) exit 2 ;; esac
fi
cd "$root"
for tool in clang-format clang-tidy shellcheck; do
  has "$tool" || fail "$tool is missing: run scripts/setup.sh --with check"
done

say "Format"
git ls-files -z '*.cpp' '*.hpp' | xargs -0 clang-format --dry-run --Werror ||
  fail "some files are not formatted: run clang-format -i on them"

say "Order of the rooms"
python3 tests/architecture/check_includes.py .

say "Shell scripts"
git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck --external-sources

say "clang-tidy"
case "${1:-}" in
  --all) files="$(git ls-files 'src/*.cpp')" ;;
  --since) files="$(git diff --name-only --diff-filter=d "${2:?--since needs a revision}" -- 'src/*.cpp')" ;;
  *) files="$(git diff --name-only --diff-filter=d "$(git merge-base HEAD '@{upstream}' 2>/dev/null || echo HEAD)" -- 'src/*.cpp')" ;;
esac
if [ -z "$files" ]; then
  echo "no changed .cpp file"
  exit 0
fi
[ -e build/release/compile_commands.json ] || fail "build/release is not configured: run scripts/test.sh"
# GCC's precompiled header means nothing to clang: the plain header is read instead.
database="$(mktemp -d)"
trap 'rm -rf "$database"' EXIT
sed -E 's/-include [^ ]*cmake_pch\.hxx //; s/-fpch-preprocess //; s/-Winvalid-pch //; s/-Wno-(restrict|stringop-overread|stringop-overflow|maybe-uninitialized) //g' \
  build/release/compile_commands.json >"$database/compile_commands.json"
# shellcheck disable=SC2086  # one argument per file
printf '%s\n' $files | xargs -P "$(jobs)" -n 1 clang-tidy --quiet -p "$database"
