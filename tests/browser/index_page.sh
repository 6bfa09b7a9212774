#!/usr/bin/env bash
# Opens a sample directory's index.html in headless Chromium: every video must load, play and have
# frames, and the buttons must leave the videos of one class. A screenshot is left beside the page
# where --screenshot names a file.
#
#   tests/browser/index_page.sh [--program PATH] [--screenshot FILE] [SAMPLE_DIR]
#
# Without SAMPLE_DIR it samples one video of each class with the demo model (8 steps, 2 blocks), once as
# H.264 and once as FFV1. It needs Chromium (apt-get install chromium); without it it exits with 77,
# which ctest takes for "skipped".
set -uo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

program="$root/build/release/bin/echopath"
screenshot=""
given=""
while [ $# -gt 0 ]; do
  case "$1" in
    --program) program="$2"; shift ;;
    --screenshot) screenshot="$2"; shift ;;
    -h | --help) sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//'; exit 0 ;;
    *) given="$1" ;;
  esac
  shift
done
browser=""
for name in chromium chromium-browser google-chrome; do
  if has "$name"; then browser="$name"; break; fi
done
if [ -z "$browser" ]; then
  echo "skipped: Chromium is missing: apt-get install --no-install-recommends chromium"
  exit 77
fi

work="$(mktemp -d "${TMPDIR:-/tmp}/echopath-browser.XXXXXX")"
trap 'rm -rf "$work"' EXIT

# in_browser PAGE OPTION…: headless Chromium on a local page.
in_browser() {
  local page="$1"
  shift
  timeout 120 "$browser" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
    --user-data-dir="$work/profile" --allow-file-access-from-files --autoplay-policy=no-user-gesture-required \
    --window-size=1200,900 --virtual-time-budget=30000 "$@" "file://$page" 2>"$work/browser.log"
}

# check_page SAMPLE_DIR: a copy of the page with a script that plays and counts, and writes what it found
# into the document, which Chromium prints.
check_page() {
  local folder="$1" report videos classes
  videos="$(grep -c . "$folder/manifest.jsonl")"
  classes="$(sed -E 's/.*"class":"([^"]*)".*/\1/' "$folder/manifest.jsonl" | sort -u | grep -c .)"
  sed 's|</body>|<script src="check.js"></script></body>|' "$folder/index.html" >"$folder/.check.html"
  cat >"$folder/check.js" <<'JS'
(async () => {
  const loaded = player => new Promise(resolve => {
    const done = () => resolve(player.readyState >= 2 && player.videoWidth > 0 && player.duration > 0);
    if (player.readyState >= 2) return done();
    player.addEventListener("loadeddata", done);
    player.addEventListener("error", () => resolve(false));
    setTimeout(done, 15000);
    player.preload = "auto";
    player.load();
  });
  const lines = [];
  for (const button of [...document.querySelectorAll("#filters button")]) {
    button.click();
    const figures = [...document.querySelectorAll("figure")];
    const wanted = button.dataset.class;
    const right = figures.every(f => !wanted || f.querySelector("b").textContent === wanted);
    const players = figures.map(f => f.querySelector("video")).filter(Boolean);
    let playable = 0;
    for (const player of players) {
      if (!await loaded(player)) continue;
      await player.play().catch(() => {});
      for (let i = 0; i < 100 && player.played.length === 0; ++i)
        await new Promise(resolve => setTimeout(resolve, 50));
      if (player.played.length > 0) ++playable;
    }
    lines.push(`${wanted || "all"} ${figures.length} ${playable} ${right}`);
  }
  document.querySelector("#filters button").click();
  const report = document.createElement("pre");
  report.id = "report";
  report.textContent = "\n" + lines.join("\n") + "\n";
  document.body.append(report);
})();
JS
  report="$(in_browser "$folder/.check.html" --dump-dom | sed -n '/id="report"/,/<\/pre>/p' | grep -E '^[^<].* (true|false)$')"
  rm -f "$folder/.check.html" "$folder/check.js"
  [ -n "$report" ] || fail "the page of $folder did not come to its end" "$(tail -3 "$work/browser.log")"
  echo "$report" | while read -r name figures playable right; do
    [ "$figures" = "$playable" ] || fail "$name: $playable of $figures videos play"
    [ "$right" = true ] || fail "$name: the filter shows other classes"
  done || exit 1
  [ "$(echo "$report" | awk '$1 == "all" {print $2}')" = "$videos" ] || fail "not every video is on the page" "$report"
  [ "$(echo "$report" | grep -c .)" = $((classes + 1)) ] || fail "not every class has a button" "$report"
  echo "ok: $folder: $videos videos of $classes classes play and are filtered"
}

if [ -n "$given" ]; then
  folders=("$(cd "$given" && pwd)")
else
  [ -x "$program" ] || fail "there is no program at $program" "Build it, or give --program."
  folders=("$work/h264" "$work/ffv1")
  for folder in "${folders[@]}"; do
    "$program" sample --model "$root/models/phantom" --steps 8 --blocks 2 --codec "${folder##*/}" \
      --also gif --out "$folder" --quiet >/dev/null || fail "sampling failed"
  done
fi
for folder in "${folders[@]}"; do
  check_page "$folder" || exit 1
done
if [ -n "$screenshot" ]; then
  in_browser "${folders[0]}/index.html" --screenshot="$(realpath "$screenshot")" >/dev/null ||
    fail "no screenshot was made"
  echo "screenshot: $screenshot"
fi
