#!/usr/bin/env bash
# scripts/paper/tables.sh at its smallest scale: every stage runs, the tables are whole, a second call does
# nothing, and a second look at the test split is to be seen.
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
tables() { ECHOPATH="$program" "$root/scripts/paper/tables.sh" --scale smoke --run "$work/run" --device cpu "$@"; }

tables
python3 - "$work/run" <<'PYTHON'
import csv, json, pathlib, re, sys

run = pathlib.Path(sys.argv[1])

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
page = (run / "report.html").read_text()
for title in ("The paper's tables", "Privacy audit", "Classification: classification_asd_resnet50", "Distribution metrics: ours_w5_asd", "Sampled videos"):
    assert title in page, title
looks = [json.loads(line) for line in open(run / "data" / "test_looks.jsonl")]
assert len({look["arm"] for look in looks}) == len(looks)
assert "[look" not in (run / "tables" / "table_2.csv").read_text()
PYTHON

tables | grep -v '==> tables in' | grep -qv 'done already' && { echo "a stage ran twice" >&2; exit 1; }
rm "$work/run/stages/judge:asd:resnet50" "$work/run/stages/tables"
tables >/dev/null 2>&1 && { echo "a second look needs no --again" >&2; exit 1; }
tables --again >/dev/null
grep -q '\[look 2\]' "$work/run/tables/table_2.csv" || { echo "a second look is not to be seen" >&2; exit 1; }
echo "tables.sh --scale smoke: tables, resume and looks as they should be"
