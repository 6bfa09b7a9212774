#!/usr/bin/env python3
"""make_tables.py RUN SCALE DETECTOR ABSENT: the results below RUN/results as the paper's Tables 1, 2, 3 and
Figure 3 with their paired tests, in RUN/tables, each as CSV, Markdown and HTML, and tables.json, which `echopath
report` reads; DETECTOR says in words what Table 1 is measured by, ABSENT where no baseline model was found, or is
empty. Called by tables.sh. The paper's figures stand in columns of their own: they are of CardiacNet, with other
networks."""
import csv
import html
import json
import pathlib
import re
import sys

from bar_chart import STYLE, bar_chart

RUN, SCALE, DETECTOR, ABSENT = pathlib.Path(sys.argv[1]), *sys.argv[2:5]
OUT = RUN / "tables"
METHODS = {"echosyn_w1": "Echosyn, w = 1", "echosyn_w5": "Echosyn, w = 5",
           "ours_w1": "Ours, w = 1", "ours_w5": "Ours, w = 5"}
TASKS = ("asd", "pah")
METHOD_PAIRS = (("ours_w1", "echosyn_w1"), ("ours_w5", "echosyn_w5"), ("ours_w1", "ours_w5"))
VALIDATIONS = {"real_val": "real validation", "synthetic_val": "synthetic validation"}
# Warnings of eval generation that say that there are too few videos or patients for what is measured.
FEW = re.compile(r"few: |singular covariance: \d+ \w+ rows for features of width ")
# Muhammad et al., "Echo-Path: Pathology-Conditioned Echo Video Generation", Tables 1 to 3 and section 3.1.
PAPER_1 = {  # FID, FVD16, IS
    "echosyn_w1": {"asd": ("20.55", "134.88", "2.06 ± 0.08"), "pah": ("24.36", "156.95", "2.02 ± 0.09")},
    "echosyn_w5": {"asd": ("20.05", "128.28", "2.06 ± 0.11"), "pah": ("24.25", "155.26", "1.99 ± 0.09")},
    "ours_w1": {"asd": ("18.87", "135.24", "2.06 ± 0.08"), "pah": ("22.42", "144.58", "2.01 ± 0.07")},
    "ours_w5": {"asd": ("18.35", "127.49", "2.06 ± 0.07"), "pah": ("22.23", "143.42", "2.05 ± 0.10")},
}
PAPER_2 = {  # ACC, F1, AUC
    "echosyn_w1": {"asd": ("0.727", "0.718", "0.722"), "pah": ("0.768", "0.675", "0.659")},
    "echosyn_w5": {"asd": ("0.818", "0.813", "0.814"), "pah": ("0.739", "0.683", "0.683")},
    "ours_w1": {"asd": ("0.758", "0.746", "0.752"), "pah": ("0.725", "0.660", "0.658")},
    "ours_w5": {"asd": ("0.818", "0.816", "0.816"), "pah": ("0.754", "0.675", "0.664")},
}
PAPER_3 = {  # ACC, AUC
    "Baseline (real only)": {"asd": ("0.848", "0.846"), "pah": ("0.783", "0.729")},
    "Pan-Echo (real only)": {"asd": ("0.734", "0.734"), "pah": ("0.766", "0.761")},
    "CardiacNet (real only)": {"asd": ("0.896", "0.912"), "pah": ("0.857", "0.893")},
    "Ours (augmented)": {"asd": ("0.918", "0.905"), "pah": ("0.863", "0.830")},
}
# Figure 3 has no printed figures; the text names these accuracies with a synthetic validation set, of no w.
PAPER_FIGURE_3 = {"Ours": {"asd": "up to 0.788", "pah": "0.72 to 0.76"},
                  "Echosyn": {"asd": "up to 0.848", "pah": "0.72 to 0.76"}}


def read(path):
    return json.loads(path.read_text()) if path.exists() else None


def interval(score, deviation=False):
    if not score or score.get("estimate") is None:
        return ""
    text = f"{score['estimate']:.3f}"
    if score.get("low") is not None:
        text += f" ({score['low']:.3f} to {score['high']:.3f})"
    if deviation and score.get("sd"):
        text += f", sd {score['sd']:.3f}"
    return text


def networks():
    """Classifiers that were judged, those of all tasks in one order."""
    found = []
    for task in TASKS:
        for path in sorted((RUN / "results").glob(f"classification_{task}_*")):
            name = path.name[len(f"classification_{task}_"):]
            if name not in found:
                found.append(name)
    return found


def judged(task, network):
    """By their names without task and network: the arms, and the comparisons of arm and other arm."""
    document = read(RUN / "results" / f"classification_{task}_{network}" / "classification.json") or {}

    def short(name):
        return name.removeprefix(f"{task}_{network}_")

    return ({short(arm["arm"]): arm for arm in document.get("arms", [])},
            {(short(pair["arm"]), short(pair["against"])): pair for pair in document.get("comparisons", [])})


def score(arms, arm, name):
    if arm not in arms:
        return ""
    text = interval(arms[arm]["scores"][name], deviation=arms[arm]["classifiers"] > 1)
    return text + (f" [look {arms[arm]['look']}]" if arms[arm]["look"] > 1 else "")


def columns_of(measures):
    columns = []
    for task in TASKS:
        for measure in measures:
            columns += [f"{task.upper()} {measure}", f"{task.upper()} {measure}, paper's"]
    return columns


def cell_of(line, detector):
    """Value, what the finite number of videos adds taken off with the interval of that, N, detector."""
    text = f"{line['value']:.4g}"
    if line.get("spread") is not None:
        text += f" ± {line['spread']:.2g}"
    bounds = line.get("interval")
    if bounds and bounds[0] is not None:
        between = f"{bounds[0]:.4g} to {bounds[1]:.4g}"
        corrected = line.get("corrected")
        text += f"; corrected {corrected:.4g} ({between})" if corrected is not None else f" ({between})"
    if any(FEW.match(warning) for warning in line["warnings"]):
        text += " [few videos]"
    real = f"{line['real']['items']} real, " if line.get("real") else ""
    return f"{text}, N {real}{line['synthetic']['items']} synthetic, {detector['name']} {detector['hash'][:8]}"


def table_1():
    measures = ("FID", "FVD", "IS")
    rows = []
    for method, name in METHODS.items():
        row = [name]
        for task in TASKS:
            document = read(RUN / "results" / "distribution" / f"{method}_{task}.json")
            found = {}
            for detector in (document or {}).get("detectors", []):
                for line in detector["metrics"]:
                    if line["metric"] in measures and line["class"] is None:
                        found[line["metric"]] = (line, detector["detector"])
            for measure, theirs in zip(measures, PAPER_1[method][task]):
                text = ""
                if measure in found and found[measure][0]["value"] is not None:
                    text = cell_of(*found[measure])
                row += [text, theirs]
        rows.append(row)
    return ["Method"] + columns_of(("FID", "FVD16", "IS")), rows


def table_2():
    rows = []
    for network, arms in ARMS.items():
        for method, name in METHODS.items():
            row = [name, network]
            for task in TASKS:
                for measure, theirs in zip(("accuracy", "macro_f1", "auc"), PAPER_2[method][task]):
                    row += [score(arms[task], f"{method}_real_val", measure), theirs]
            rows.append(row)
    return ["Trained on", "Network"] + columns_of(("ACC", "F1", "AUC")), rows


def augmented_name(arm):
    method, ratio = arm.split("_plus_real_")
    return f"{METHODS[method]}, real + {ratio} synthetic"


def table_3():
    lines = []
    for network, arms in ARMS.items():
        lines.append(("Baseline (real only)", network, "real", "Baseline (real only)"))
        for arm in sorted({arm for task in TASKS for arm in arms[task] if "_plus_real_" in arm}):
            lines.append((augmented_name(arm), network, arm, None))
    lines += [(f"{name}, w and ratio not told" if name.startswith("Ours") else name, None, None, name)
              for name in ("Ours (augmented)", "Pan-Echo (real only)", "CardiacNet (real only)")]
    rows = []
    for name, network, arm, theirs in lines:
        row = [name, network or ""]
        for task in TASKS:
            for i, measure in enumerate(("accuracy", "auc")):
                row += [score(ARMS[network][task], arm, measure) if arm else "",
                        PAPER_3[theirs][task][i] if theirs else ""]
        rows.append(row)
    return ["Trained on", "Network"] + columns_of(("ACC", "AUC")), rows


def figure_3_lines():
    """Label, arm or none, the paper's accuracy in words by task."""
    lines = []
    for kind, label in VALIDATIONS.items():
        for method, name in METHODS.items():
            lines.append((f"{name}, {label}", f"{method}_{kind}",
                          {task: PAPER_2[method][task][0] if kind == "real_val" else "" for task in TASKS}))
    return lines + [(f"{name}, w not told, {VALIDATIONS['synthetic_val']}", None, theirs)
                    for name, theirs in PAPER_FIGURE_3.items()]


def figure_3():
    rows = []
    for network, arms in ARMS.items():
        for label, arm, theirs in figure_3_lines():
            row = [label, network if arm else ""]
            for task in TASKS:
                row += [score(arms[task], arm, "accuracy"), theirs[task]]
            rows.append(row)
    return ["Trained on", "Network"] + columns_of(("ACC",)), rows


def figure_3_chart():
    charts = ""
    for network, arms in ARMS.items():
        for task in TASKS:
            groups = []
            for label, arm, theirs in figure_3_lines():
                judged_arm = arms[task].get(arm)
                groups.append((label, judged_arm and judged_arm["scores"]["accuracy"], theirs[task]))
            charts += bar_chart(f"{task.upper()} accuracy, {network}", groups)
    return charts


def paired_tests():
    """Ours against the baseline at the same w and the two w, and of Table 3 each arm against real alone too."""
    def p_value(p):
        return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"

    rows = []
    for network, comparisons in PAIRS.items():
        wanted = []
        judged_pairs = sorted({pair for task in TASKS for pair in comparisons[task]})
        for a, b in METHOD_PAIRS:
            for kind, label in VALIDATIONS.items():
                where = f"Table 2 and Figure 3, {label}" if kind == "real_val" else f"Figure 3, {label}"
                wanted.append((where, METHODS[a], METHODS[b], (f"{a}_{kind}", f"{b}_{kind}")))
        for arm, against in judged_pairs:
            if "_plus_real_" in arm and against == "real":
                wanted.append(("Table 3", augmented_name(arm), "real only", (arm, against)))
        for arm, against in judged_pairs:
            if "_plus_real_" in arm and "_plus_real_" in against:
                wanted.append(("Table 3", augmented_name(arm), augmented_name(against), (arm, against)))
        for where, name, other, pair in wanted:
            found = [comparisons[task].get(pair) for task in TASKS]
            if not any(found):
                continue
            row = [where, name, other, network]
            for one in found:
                row += [interval(one["differences"]["accuracy"]), p_value(one["mcnemar"]["p"]),
                        interval(one["differences"]["auc"]), p_value(one["delong"]["p"])] if one else [""] * 4
            rows.append(row)
    columns = ["Table", "Trained on", "Against", "Network"]
    for task in TASKS:
        columns += [f"{task.upper()} {name}"
                    for name in ("ACC difference", "ACC p (McNemar)", "AUC difference", "AUC p (DeLong)")]
    return columns, rows


def write(name, title, columns, rows, figure=""):
    with open(OUT / f"{name}.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    lines = [f"## {title}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    (OUT / f"{name}.md").write_text("\n".join(lines) + "\n")
    theirs = [i for i, column in enumerate(columns) if column.endswith("paper's")]

    def cell(kind, i, text):
        style = ' class="theirs"' if i in theirs else ""
        return f"<{kind}{style}>{html.escape(text)}</{kind}>"

    body = "<tr>" + "".join(cell("th", i, text) for i, text in enumerate(columns)) + "</tr>\n"
    for row in rows:
        body += "<tr>" + "".join(cell("td", i, text) for i, text in enumerate(row)) + "</tr>\n"
    (OUT / f"{name}.html").write_text(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>' + html.escape(title) +
        "</title><style>:root{color-scheme:light dark}body{font:15px sans-serif;margin:2rem}"
        "table{border-collapse:collapse}"
        "th,td{border-bottom:1px solid #ccc;padding:.3rem .6rem;text-align:left}"
        ".theirs{font-style:italic;color:#777}" + STYLE + "</style></head><body>\n<h1>" + html.escape(title) +
        "</h1>\n" + "".join(f"<p>{html.escape(note)}</p>\n" for note in NOTES) +
        f"{figure}<table>\n{body}</table>\n</body></html>\n")
    return {"title": title, "file": f"{name}.csv", "theirs": theirs}


def filter_note():
    """What the privacy filter says of the finished videos of each sampling."""
    found = {name: read(RUN / "results" / f"filter_{method}" / "filter.json") for method, name in METHODS.items()}
    kept = [f"{name}: {one['kept']} of {one['judged']}" for name, one in found.items() if one]
    return ("Finished videos that pass the privacy filter again: " + "; ".join(kept) + ". Classifiers and metrics take "
            "all of them, as in the paper, which filters heart frames only." if kept else "")


def notes():
    first = next(iter(ARMS.values()), {})
    counts = [f"{task.upper()}: {next(iter(arms.values()))['videos']} test videos of "
              f"{next(iter(arms.values()))['patients']} patients"
              for task, arms in first.items() if arms]
    where = "CardiacNet" if SCALE == "paper" else "phantoms: simulated hearts, no patients"
    result = [f"Our figures are of the scale '{SCALE}' ({where}); " + "; ".join(counts) + ".",
              "Columns 'paper's' are the figures of the Echo-Path paper, on CardiacNet with the paper's "
              "networks and detectors: other data, not comparable with ours. The AUCs of its code are of "
              "predicted labels.",
              "Brackets are 95 % intervals over the test patients, for these classifiers and these samplings: what "
              "another training or sampling would change is not in them, nor in the p values; sd is over the "
              "classifiers of an arm. Table 1: the "
              "distance of N videos is too large on average; 'corrected' has that taken off, and is what the "
              "interval is of; [few videos] where the program warns that N is too small for that (its reasons stand in "
              "results/distribution).",
              f"Table 1's detector: {DETECTOR}. Where a detector was trained on videos of the real side, distances "
              "compare samplings with each other and say little on their own.",
              "The columns of the paper name no network; its figures stand beside each of ours."]
    result += [filter_note()] if filter_note() else []
    if ABSENT:
        result.append(f"Our rows of Echosyn are empty: there was no baseline model in {ABSENT}.")
    if any(comparisons for tasks in PAIRS.values() for comparisons in tasks.values()):
        result.append("Paired tests (the table 'pairs') are of the probabilities averaged over the classifiers of an "
                      "arm, so that their differences are not those of the scores above, which are means over its "
                      "classifiers; differences are what it was trained on less what it is against. McNemar and DeLong "
                      "take videos for independent: where patients have several, go by the intervals. The p values "
                      "are not corrected for their number.")
    if any(arm["look"] > 1 for tasks in ARMS.values() for arms in tasks.values() for arm in arms.values()):
        result.append("[look n]: judged on this test split for the n-th time.")
    times = {path.name: int(path.read_text()) for path in sorted((RUN / "stages").iterdir())}
    listed = ", ".join(f"{name} {seconds}" for name, seconds in times.items())
    result.append(f"Seconds by stage, over all attempts: {listed}; in all {sum(times.values()) / 60:.0f} min.")
    return result


OUT.mkdir(parents=True, exist_ok=True)
JUDGED = {network: {task: judged(task, network) for task in TASKS} for network in networks()}
ARMS, PAIRS = ({network: {task: one[i] for task, one in tasks.items()} for network, tasks in JUDGED.items()}
               for i in (0, 1))
NOTES = notes()
TABLES = [
    write("table_1", "Table 1: distribution metrics", *table_1()),
    write("table_2", "Table 2: trained on synthetic videos, real validation", *table_2()),
    write("table_3", "Table 3: real and augmented training", *table_3()),
    write("figure_3", "Figure 3: real or synthetic validation", *figure_3(), figure=figure_3_chart()),
    write("pairs", "Paired tests of Tables 2 and 3 and Figure 3", *paired_tests()),
]
(OUT / "README.md").write_text("\n\n".join(NOTES) + "\n\n" + "\n".join(
    (OUT / f"{name}.md").read_text() for name in ("table_1", "table_2", "table_3", "figure_3", "pairs")))
(OUT / "tables.json").write_text(json.dumps(
    {"title": "The paper's tables", "notes": NOTES, "tables": TABLES}, indent=1) + "\n")
