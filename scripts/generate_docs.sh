#!/usr/bin/env bash
# Writes docs/cli.md from the built program, so that the page and the program cannot drift apart.
# usage: scripts/generate_docs.sh [path/to/echopath]
set -euo pipefail
cd "$(dirname "$0")/.."
program="${1:-build/release/bin/echopath}"
if [ ! -x "$program" ]; then
  echo "generate_docs.sh: '$program' is not there; build it first (scripts/quickstart.sh)" >&2
  exit 1
fi
mkdir -p docs
page="$(mktemp docs/.cli.md.XXXXXX)"
trap 'rm -f "$page"' EXIT
"$program" config docs >"$page"
chmod 644 "$page"
mv "$page" docs/cli.md
trap - EXIT
echo "wrote docs/cli.md"
