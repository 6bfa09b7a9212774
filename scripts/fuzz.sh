#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each for some seconds.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

case "${1:-}" in
  -h | --help)
    cat <<'TEXT'
usage: scripts/fuzz.sh [SECONDS [TARGET…]]

Builds the fuzz targets (fuzz/) in build/fuzz and runs each for SECONDS (default 10), starting from
fuzz/corpus/PARSER, PARSER being TARGET up to its first _, and from what earlier runs found in
build/fuzz/corpus/TARGET. An input that breaks a parser is kept in build/fuzz/artifacts; run
build/fuzz/bin/fuzz_TARGET FILE to see it again.
TARGET: safetensors pt nifti dicom dicom_structure csv config (default: all).
TEXT
    exit 0
    ;;
esac
seconds="${1:-10}"
case "$seconds" in '' | *[!0-9]*) fail "SECONDS is '$seconds'; give a number" ;; esac
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(safetensors pt nifti dicom dicom_structure csv config)
has clang++ || fail "clang++ is missing: run scripts/setup.sh --with fuzz first"

configure fuzz
build fuzz "${targets[@]/#/fuzz_}"

out="$root/build/fuzz"
failed=()
for target in "${targets[@]}"; do
  say "Fuzzing $target for $seconds s"
  mkdir -p "$out/corpus/$target" "$out/artifacts"
  log="$out/fuzz_$target.log"
  if OMP_NUM_THREADS=1 "$out/bin/fuzz_$target" -max_total_time="$seconds" -timeout=20 -max_len=65536 \
    -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix="$out/artifacts/$target-" \
    "$out/corpus/$target" "$root/fuzz/corpus/${target%%_*}" >"$log" 2>&1; then
    grep -E '^(Done|stat::(number_of_executed_units|peak_rss_mb))|cov: .*DONE' "$log" || tail -3 "$log"
  else
    grep -E -m 3 'ERROR|runtime error|terminate called|what\(\)' "$log" || tail -20 "$log"
    failed+=("$target")
  fi
done
[ ${#failed[@]} -eq 0 ] || fail "found something in: ${failed[*]}" "logs: build/fuzz/fuzz_*.log, inputs: build/fuzz/artifacts"
say "Nothing found"
