#!/usr/bin/env bash
# Opens report pages in headless Chromium: light, dark and on a phone, and prints them. check_pages.py says what a
# page must do there; pages that are spoiled on purpose show that it would notice.
# Usage: tests/report/browser.sh --program ECHOPATH [--keep DIR]    pages made here, with every kind of chapter
#        tests/report/browser.sh --page FILE [--keep DIR]           a page that is there, repeatable
# Leaves with 77 where there is no Chromium.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
program="" keep="" given=()
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }
  case "$1" in
    --program) program="$2" ;;
    --keep) keep="$2" ;;
    --page) given+=("$2") ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[ -n "$program" ] || [ ${#given[@]} -gt 0 ] || { echo "give --program ECHOPATH or --page FILE" >&2; exit 2; }
for page in "${given[@]}"; do
  [ -f "$page" ] || { echo "there is no page $page" >&2; exit 2; }
done
chromium="$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)"
[ -n "$chromium" ] || { echo "no Chromium: not tried"; exit 77; }
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/seen"

look() { python3 "$root/tests/report/check_pages.py" "$chromium" "$work/seen" "$@"; }

keep_what_was_seen() {
  [ -n "$keep" ] || return 0
  mkdir -p "$keep"
  cp "$work"/seen/*.{png,pdf,json} "$keep"
}

if [ ${#given[@]} -gt 0 ]; then
  look "${given[@]}" && code=0 || code=$?
  keep_what_was_seen
  exit "$code"
fi

# Two runs and samples in one folder, with an audit inside the samples; other samples of the same name, and
# results of evaluations elsewhere.
python3 "$root/tests/report/make_results.py" "$work/runs" "$work/results"
"$program" phantom --out "$work/data" --patients 24 --frames 34 --seed 3 --quiet
"$program" sample --model "$root/models/phantom" --class ASD --class PAH --count 2 --blocks 1 --steps 2 \
  --out "$work/runs/samples" --allow-unfiltered --threads 1 --quiet >/dev/null
mkdir "$work/other" && cp -r "$work/runs/samples" "$work/other/samples"
judged=(--real "$work/data" --synthetic "$work/runs/samples" --model "$root/models/phantom" --frames 2 --threads 1)
"$program" eval privacy "${judged[@]}" --out "$work/runs/samples/privacy" --no-denoising --resamples 50 --quiet >/dev/null
"$program" filter "${judged[@]}" --out "$work/results/filter" --quiet >/dev/null

with=()
for folder in "$work"/results/{tables,classification,distribution,filter} "$work/other/samples" "$work"/runs/{first,second}; do
  with+=(--with "$folder")
done
"$program" report "$work/runs/samples" "${with[@]}" --out "$work/all.html"
"$program" report "$work/runs/first" --out "$work/run.html"
"$program" report "$work/runs" --out "$work/comparison.html"
look "$work"/{all,run,comparison}.html
if [ -n "$keep" ]; then mkdir -p "$keep" && cp "$work"/*.html "$keep"; fi
keep_what_was_seen

# shows PAGE TEXT…: what a page has among its chapters' titles, its charts' labels and the cells at the right.
shows() {
  local page="$1" text
  shift
  for text in "$@"; do
    grep -q -- "\"$text" "$work/seen/$page.json" || { echo "$page.html does not show '$text'" >&2; exit 1; }
  done
}
shows all "Sampled videos of runs/samples" "Sampled videos of other/samples" "Training of first" "Training of second" \
  "The paper's tables" "Classification: classification" "Distribution metrics: generation" "Privacy filter" \
  "Privacy audit" "Largest re-ID similarity to a training video, threshold [0-9]" \
  "Largest re-ID similarity to a training frame, tau [0-9]" val_loss '134\.88"' '0\.848"' '12346"'
shows run "Training of first" val_loss learning_rate "held-out loss by noise level"
shows comparison "Runs compared" "Samples compared" "One video of each class" "Privacy audit (samples/privacy)" val_loss

# spoil NAME SCRIPT: the run's page, which runs a script more.
spoil() { sed "s|</body>|<script>$2</script></body>|" "$work/run.html" >"$work/$1.html"; }
spoil asking 'new Image().src = "http://127.0.0.1:9/picture.png"; new Image().src = "beside.png"; console.log("a word")'
spoil bare 'document.querySelector("main").append(document.createElement("canvas"), new Image())'
spoil wide 'document.body.style.minWidth = "2000px"; document.body.style.background = "white"'
spoil blank 'document.body.replaceChildren(); delete document.documentElement.dataset.ready'
spoil folded 'removeEventListener("beforeprint", beginPrinting)'
spoil unfolded 'removeEventListener("afterprint", endPrinting)'
spoil columns 'const style = document.createElement("style"); document.body.append(style); style.textContent = ".charts { display: grid !important; grid-template-columns: 1fr 1fr !important } .chart { min-width: 0 } .chart canvas { width: 640px !important }"'
look "$work"/{asking,bare,wide,blank,folded,unfolded,columns}.html >/dev/null 2>"$work/faults" && { echo "spoiled pages are let through" >&2; exit 1; }
for fault in "asking.html, light: the page asks for http://127.0.0.1:9/picture.png" "asking.html, light: the page asks for file:" \
  "asking.html, light: the console says: a word" "bare.html, dark: no curve is drawn in the chart 'without a label'" \
  "bare.html, light: a picture or video cannot be shown" "wide.html, phone: it is 2000 pixels wide" \
  "wide.html, dark: its paper is" "blank.html, light: it is blank" "blank.html, light: there is no chapter" \
  "blank.html, light: its script did not end" "wide.html, light, printed: wider than the page" \
  "folded.html, dark, printed: the charts' inks are" "folded.html, light, printed: 1 details are folded away" \
  "unfolded.html, dark, printed: the window is" "columns.html, light, printed: the chart 'val_loss' leaves its place" \
  "columns.html, light, printed: the chart 'val_loss' overlaps another one"; do
  grep -qF -- "$fault" "$work/faults" || { echo "not noticed: $fault" >&2; cat "$work/faults" >&2; exit 1; }
done
echo "report pages: light, dark, phone and prints are there"
