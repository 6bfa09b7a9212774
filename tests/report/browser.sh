#!/usr/bin/env bash
# Opens a report page in headless Chromium: light, dark, on a phone, and printed. The page must have no
# console error, must have drawn its charts, and must not be blank.
# Usage: tests/report/browser.sh --program ECHOPATH [--keep DIR]
# Leaves with 77 where there is no Chromium.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
program="" keep=""
while [ $# -gt 0 ]; do
  case "$1" in
    --program) program="$2" ;;
    --keep) keep="$2" ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
chromium="$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)"
[ -n "$chromium" ] || { echo "no Chromium: not tried"; exit 77; }
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# A folder with a run and samples in it, and results of evaluations.
mkdir -p "$work/page/run"
python3 - "$work/page/run/metrics.jsonl" <<'PYTHON'
import json, math, sys
with open(sys.argv[1], "w") as file:
    for step in range(10, 1001, 10):
        file.write(json.dumps({"step": step, "kind": "training", "loss": math.exp(-step / 400)}) + "\n")
        if step % 100 == 0:
            file.write(json.dumps({"step": step, "kind": "validation", "val_loss": 0.1 + math.exp(-step / 300)}) + "\n")
PYTHON
"$program" phantom --out "$work/data" --patients 24 --frames 34 --seed 3 --quiet
"$program" sample --model "$root/models/phantom" --class ASD --class PAH --count 2 --blocks 1 --steps 2 \
  --out "$work/page/samples" --allow-unfiltered --threads 1 --quiet >/dev/null
"$program" eval privacy --real "$work/data" --synthetic "$work/page/samples" --model "$root/models/phantom" \
  --out "$work/page/privacy" --no-denoising --resamples 50 --frames 2 --threads 1 --quiet >/dev/null
"$program" report "$work/page/samples" --with "$work/page/privacy" --out "$work/samples.html"
"$program" report "$work/page/run" --out "$work/run.html"
"$program" report "$work/page" --out "$work/comparison.html"

browse() {
  "$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
    --user-data-dir="$work/profile" --enable-logging=stderr --log-level=0 --virtual-time-budget=8000 "$@"
}

# look NAME PAGE [options…]: a screenshot of a page.
look() {
  local name="$1" page="$2"
  shift 2
  browse "$@" --screenshot="$work/$name.png" "file://$work/$page.html" >"$work/$name.log" 2>&1
  if grep -i 'CONSOLE' "$work/$name.log" | grep -iv 'preload'; then
    echo "$name: the browser's console has something to say" >&2
    exit 1
  fi
}

for page in samples run comparison; do
  browse --dump-dom "file://$work/$page.html" >"$work/$page.dom" 2>/dev/null
  grep -q 'data-ready="yes"' "$work/$page.dom" || { echo "$page: its script did not end" >&2; exit 1; }
  grep -q '<h2>' "$work/$page.dom" || { echo "$page: no chapter" >&2; exit 1; }
  if [ "$page" != comparison ]; then
    grep -q '<canvas[^>]*width=' "$work/$page.dom" || { echo "$page: no chart was drawn" >&2; exit 1; }
  fi
  if [ "$page" = samples ]; then
    grep -q '<canvas[^>]*aria-label="[^"]*, threshold [0-9]' "$work/$page.dom" ||
      { echo "$page: no histogram has its threshold" >&2; exit 1; }
  fi
  look "$page-light" "$page" --window-size=1200,1600 --blink-settings=preferredColorScheme=1
  look "$page-dark" "$page" --window-size=1200,1600 --blink-settings=preferredColorScheme=0
  look "$page-phone" "$page" --window-size=390,1600 --blink-settings=preferredColorScheme=1
  browse --no-pdf-header-footer --print-to-pdf="$work/$page.pdf" "file://$work/$page.html" >/dev/null 2>&1
  [ "$(head -c 4 "$work/$page.pdf")" = %PDF ] || { echo "$page: cannot be printed" >&2; exit 1; }
done

python3 - "$work" <<'PYTHON'
import pathlib, struct, sys, zlib

def pixels(path):
    data = path.read_bytes()
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert depth == 8 and kind in (2, 6), "an 8-bit colour PNG is expected"
    size, packed, at = (3 if kind == 2 else 4), b"", 8
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at:at + 8])
        if name == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += 12 + length
    raw, line, before, rows = zlib.decompress(packed), width * size, bytearray(width * size), []
    for y in range(height):
        filter_type, row = raw[y * (line + 1)], bytearray(raw[y * (line + 1) + 1:(y + 1) * (line + 1)])
        for x in range(line):
            a = row[x - size] if x >= size else 0
            b = before[x]
            c = before[x - size] if x >= size else 0
            p = a + b - c
            nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row[x] = (row[x] + (0, a, b, (a + b) // 2, nearest)[filter_type]) & 255
        rows.append([tuple(row[x:x + 3]) for x in range(0, line, size)])
        before = row
    return rows

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.png")):
    rows = pixels(path)
    colours = {}
    for row in rows[::2]:
        for colour in row[::2]:
            colours[colour] = colours.get(colour, 0) + 1
    paper, count = max(colours.items(), key=lambda item: item[1])
    drawn = 1 - count / sum(colours.values())
    print(f"{path.name}: {len(colours)} colours, {100 * drawn:.1f} % drawn on {paper}")
    assert len(colours) > 20 and drawn > 0.02, f"{path.name} is blank"
    assert (sum(paper) < 200) == ("dark" in path.name), f"{path.name}: the paper is {paper}"
PYTHON
if [ -n "$keep" ]; then mkdir -p "$keep" && cp "$work"/*.png "$work"/*.html "$work"/*.pdf "$keep"; fi
echo "report pages: light, dark, phone and print are there"
