#!/usr/bin/env bash
# scripts/paper/tables.sh at its smallest scale: what it refuses, every stage runs, the tables are whole, a
# second call does nothing, a second look at the test split is to be seen, and times are of all attempts.
# Usage: tests/paper/tables.sh --program ECHOPATH [--keep DIR]
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
work="${keep:-$(mktemp -d)}"
[ -n "$keep" ] || trap 'rm -rf "$work"' EXIT
mkdir -p "$work"
tables() { ECHOPATH="$program" "$root/scripts/paper/tables.sh" --scale smoke --run "$work/run" --device cpu "$@"; }

# refused TEXT options…: before anything is made.
refused() {
  local text="$1"
  shift
  tables "$@" >"$work/refused" 2>&1 && { echo "not refused: $*" >&2; exit 1; }
  grep -qF -- "$text" "$work/refused" || { cat "$work/refused" >&2; exit 1; }
}
tables --help | grep '^  --networks LIST' >/dev/null || { echo "--help lists no options" >&2; exit 1; }
refused "there is no stage nosuch" --stage nosuch
refused "Table 1 has no detector of frames: r3d_18 look at clips" --networks r3d_18 --model "$work"
[ ! -e "$work/run" ] || { echo "a refused call has made something" >&2; exit 1; }
# A list that begins with a clip network is measured by its frame network, else by the model's classifiers.
for networks in r3d_18,resnet50 r3d_18; do
  tables --networks "$networks" --run "$work/$networks" --stage models
done >"$work/detectors"
[ "$(grep -c "detector: the classifier resnet50 real_1" "$work/detectors")" = 1 ]
[ "$(grep -c "detector: the frame classifiers in models/phantom" "$work/detectors")" = 1 ]

tables
took=$(cat "$work/run/stages/"* | awk '{ seconds += $1 } END { print seconds }')
refused "seeds 1 ratios 0.25" --seeds 2
refused "seeds 2 ratios 0.25" --seeds 2
python3 - "$work/run" "$root/models/phantom_echosyn/lvdm" <<'PYTHON'
import csv, json, pathlib, re, sys

run = pathlib.Path(sys.argv[1])
with_baseline = pathlib.Path(sys.argv[2]).exists()

def rows(name):
    with open(run / "tables" / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))

for name in ("table_1", "table_2", "table_3", "figure_3"):
    for kind in ("csv", "md", "html"):
        assert (run / "tables" / f"{name}.{kind}").stat().st_size > 0, (name, kind)
ours = [row for row in rows("table_2") if row["Trained on"].startswith("Ours")]
assert len(ours) == 2
for row in ours:
    for task in ("ASD", "PAH"):
        for measure in ("ACC", "F1", "AUC"):
            value = float(re.match(r"[\d.]+", row[f"{task} {measure}"]).group())
            assert 0 <= value <= 1, row
assert rows("table_2")[3]["ASD ACC, paper's"] == "0.818"
third = {row["Trained on"]: row for row in rows("table_3")}
assert third["Baseline (real only)"]["ASD ACC"] and third["CardiacNet (real only)"]["ASD ACC"] == ""
assert third["CardiacNet (real only)"]["PAH AUC, paper's"] == "0.893"
assert any("real + 0.25 synthetic" in name and row["PAH AUC"] for name, row in third.items())
first = [row for row in rows("table_1") if row["Method"].startswith("Ours")]
assert len(first) == 2 and all(re.match(r"[\d.]", row[f"{task} {measure}"]) and ", N " in row[f"{task} {measure}"]
                               for row in first for task in ("ASD", "PAH") for measure in ("FID", "FVD16", "IS")), first
assert all(row["ASD ACC"] for row in rows("figure_3") if row["Trained on"].startswith("Ours"))
# Eight synthetic videos are few for every distance.
assert all("[few videos]" in row[f"{task} FID"] for row in first for task in ("ASD", "PAH")), first
expected = []
for table in ("Table 2 and Figure 3, real validation", "Figure 3, synthetic validation"):
    if with_baseline:
        expected += [(table, f"Ours, w = {w}", f"Echosyn, w = {w}") for w in (1, 5)]
    expected.append((table, "Ours, w = 1", "Ours, w = 5"))
expected += [("Table 3", f"Ours, w = {w}, real + 0.25 synthetic", "real only") for w in (1, 5)]
tests = [(row["Table"], row["Trained on"], row["Against"]) for row in rows("pairs")]
assert tests == expected, tests
for row in rows("pairs"):
    for task in ("ASD", "PAH"):
        p = row[f"{task} ACC p (McNemar)"]
        assert p == "< 0.001" or 0 <= float(p) <= 1, row
        assert re.match(r"-?[01]\.", row[f"{task} ACC difference"]), row
page = (run / "report.html").read_text()
for title in ("The paper's tables", "Paired tests of Tables 2 and 3 and Figure 3", "Privacy audit", "Privacy filter", "Classification: classification_asd_resnet50", "Distribution metrics: ours_w5_asd", "Sampled videos of ours_w5", "Sampled videos of ours_w1",
              "Training of asd/resnet50/real_1/run", "Training of pah/resnet50/real_1/run"):
    assert title in page, title
assert '<svg' in (run / "tables" / "figure_3.html").read_text()
notes = " ".join(json.loads((run / "tables" / "tables.json").read_text())["notes"])
assert "Table 1's detector: the classifier resnet50 real_1 of the task, which was trained on TRAIN" in notes, notes
assert ("Our rows of Echosyn are empty" in notes) != with_baseline, notes
for method in ("ours_w1", "ours_w5"):
    judged = json.loads((run / "results" / f"filter_{method}" / "filter.json").read_text())
    assert judged["judged"] == 16 and f"w = {method[-1]}: {judged['kept']} of 16" in notes, notes
if with_baseline:  # its w reaches its videos: the re-ID network sees others
    seen = []
    for method in ("echosyn_w1", "echosyn_w5"):
        with open(run / "results" / f"filter_{method}" / "privacy_scores.csv", newline="") as file:
            seen.append([row["Similarity"] for row in csv.DictReader(file)])
    assert len(seen[0]) == len(seen[1]) == 16 and all(a != b for a, b in zip(*seen)), seen
looks = [json.loads(line) for line in open(run / "data" / "test_looks.jsonl")]
assert len({look["arm"] for look in looks}) == len(looks)
assert "[look" not in (run / "tables" / "table_2.csv").read_text()
PYTHON

tables >"$work/second"
if grep -v -e '==> tables in' -e "==> Table 1's detector" -e 'left out' -e 'done already' "$work/second" >&2; then
  echo "a stage ran twice" >&2
  exit 1
fi
rm "$work/run/stages/judge:asd:resnet50" "$work/run/stages/tables"
# An attempt of "tables" that was killed 100 s ago, 200 s after its start, and earlier ones of 1000 s.
echo "1000 $(($(date +%s) - 300))" >"$work/run/attempts/tables"
touch -d '100 seconds ago' "$work/run/logs/tables.log"
refused "or say --again"
tables --again >/dev/null
grep -q '\[look 2\]' "$work/run/tables/table_2.csv" || { echo "a second look is not to be seen" >&2; exit 1; }
seconds=$(cat "$work/run/stages/tables")
if [ "$seconds" -lt 1199 ] || [ "$seconds" -ge 1300 ]; then
  echo "the time of tables is $seconds s, not about 1200 s" >&2
  exit 1
fi

# with_the_data RUN: a run folder with the data of the first run, and looks of its own.
with_the_data() {
  mkdir -p "$1/data"
  cp "$work/run/data/FileList.csv" "$1/data/"
  ln -sfn "$work/run/data/Videos" "$1/data/Videos"
}

# Folds in place of seeds, of one arm: two classifiers, each of its own half of the patients of TRAIN and VAL.
with_the_data "$work/folds"
for stage in data classify:asd:resnet50:real judge:asd:resnet50; do
  tables --run "$work/folds" --folds 2 --stage "$stage" >/dev/null
done
python3 - "$work/folds" <<'PYTHON'
import json, pathlib, sys

run = pathlib.Path(sys.argv[1])
(arm,) = json.loads((run / "results/classification_asd_resnet50/classification.json").read_text())["arms"]
assert arm["classifiers"] == 2 and arm["sources"][0]["sha256"] != arm["sources"][1]["sha256"], arm
for fold in ("1", "2"):
    config = json.loads((run / "classifiers/asd/resnet50" / f"real_{fold}" / "run/config.json").read_text())
    assert config["data"]["dataset"] == str(run / "folds" / fold), config["data"]
PYTHON

# Networks that look at clips, one arm of each.
with_the_data "$work/clips"
for network in r3d_18 r2plus1d_18; do
  for stage in data "classify:pah:$network:real" "judge:pah:$network"; do
    tables --run "$work/clips" --networks resnet50,r3d_18,r2plus1d_18 --stage "$stage" >/dev/null
  done
  python3 - "$work/clips/results/classification_pah_$network/classification.json" <<'PYTHON'
import json, sys

(arm,) = json.load(open(sys.argv[1]))["arms"]
assert arm["videos"] > 0 and 0 <= arm["scores"]["accuracy"]["estimate"] <= 1, arm
PYTHON
done
echo "tables.sh --scale smoke: tables, folds, clip networks, resume and looks as they should be; the stages took $took s"
