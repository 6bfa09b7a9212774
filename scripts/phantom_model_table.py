#!/usr/bin/env python3
"""Prints the bars of the demo model as a Markdown table, from the results of
scripts/evaluate_phantom_model.sh in the folder given. Plain Python, nothing to install.
The exit code is 1 where a result or a part of one is missing; missed bars leave it 0."""
import json
import pathlib
import re
import sys

if len(sys.argv) != 2:
    sys.exit("usage: scripts/phantom_model_table.py FOLDER, the --out of evaluate_phantom_model.sh")
folder = pathlib.Path(sys.argv[1])
ROOT = pathlib.Path(__file__).resolve().parent.parent
rows = []
commands = {}  # by the word in the table's last column


class Missing(Exception):
    """Says which result, or which part of it, is not there."""


def text_of(name):
    try:
        return (folder / name).read_text()
    except FileNotFoundError:
        raise Missing(f"{name} is missing") from None


def result(name):
    try:
        return json.loads(text_of(f"{name}.json"))
    except json.JSONDecodeError as error:
        raise Missing(f"{name}.json is no JSON: {error}") from None


def command(name):
    """The folder itself is called OUT; what lies in the repository is named from there."""
    text = text_of(f"{name}.command").strip()
    for place in (str(folder.resolve()), sys.argv[1].rstrip("/")):
        # Whole paths only: a folder "out" is not the end of --out.
        text = re.sub(rf"(?<!\S){re.escape(place)}(?![^\s/])", "OUT", text)
    return text.replace(f"{ROOT}/", "")


def number(value, digits=3):
    return "-" if value is None else f"{value:.{digits}f}"


def interval(value, digits=3):
    if value["estimate"] is None:
        return "-"
    text = number(value["estimate"], digits)
    if value["low"] is None:
        return text
    return f"{text} [{number(value['low'], digits)}, {number(value['high'], digits)}]"


def verdict(missed_by):
    """`missed_by` is above 0 where the bar is missed, None where there is no number."""
    if missed_by is None:
        return "no number"
    return "met" if missed_by <= 0 else f"MISSED by {missed_by:.3g}"


def row(what, bar, value, count, said, name):
    if name not in commands:
        commands[name] = command(name)
    rows.append((what, bar, value, count, said, name))


def at_least(what, bar, value, text, count, name):
    row(what, f"≥ {bar:g}", text, count, verdict(None if value is None else bar - value), name)


def at_most(what, bar, value, text, count, name):
    row(what, f"≤ {bar:g}", text, count, verdict(None if value is None else value - bar), name)


def figure(report, name):
    for f in report["figures"]:
        if f["name"] == name:
            return f
    raise Missing(f"there is no figure {name}")


def over_classes(comparison, side):
    """Mean over all videos of a set, and how many."""
    total, count = 0.0, 0
    for c in comparison["classes"]:
        n = c[f"{side}_videos"]
        if n:
            total += n * c[side]["estimate"]
            count += n
    return (total / count if count else None), count


def agreement():
    report = result("agreement")
    for pair in (["ASD", "Non-ASD"], ["PAH", "Non-PAH"]):
        if not any(sorted(judge["classes"]) == sorted(pair) for judge in report["classifiers"]):
            raise Missing(f"agreement.json has no classifier of {pair[0]} and {pair[1]}")
    for judge in report["classifiers"]:
        pair = "/".join(judge["classes"])
        for side, bar in (("real", 0.95), ("synthetic", 0.90)):
            share = judge[side]["agreement"]
            at_least(f"class {pair}, {judge['name']} on {side} videos", bar, share["estimate"],
                     interval(share), judge[side]["videos"], "agreement")
        for side in ("real", "synthetic"):
            for r in judge[side]["rows"]:
                if r["class"] in judge["classes"]:
                    continue
                called = ", ".join(f"{n} called {c}" for c, n in r["called"].items())
                row(f"what {judge['name']} takes {side} {r['class']} for", "reported", called,
                    r["videos"], "", "agreement")


def anatomy():
    report = result("anatomy")
    gap = figure(report, "septal_gap")
    for c in gap["classes"]:
        text = f"{interval(c['synthetic'], 2)} px, real {interval(c['real'], 2)}"
        counts = f"{c['synthetic_videos']} + {c['real_videos']}"
        if c["class"] == "ASD":
            within(f"septal gap, {c['class']}", c["ratio"], text, counts)
        else:
            at_most(f"septal gap in px, {c['class']}", 1, c["synthetic"]["estimate"], text, counts,
                    "anatomy")
    for name in ("rv_lv_ratio_ed", "rv_lv_ratio_mean", "eccentricity_ed", "eccentricity_es"):
        f = figure(report, name)
        for c in f["classes"]:
            within(f"{name}, {c['class']}", c["ratio"],
                   f"{interval(c['synthetic'])}, real {interval(c['real'])}",
                   f"{c['synthetic_videos']} + {c['real_videos']}")
        order = f["order"]
        kept = sum(o["kept"] for o in order)
        turned = "; ".join(f"{o['lower']} < {o['higher']}" for o in order if not o["kept"])
        row(f"{name}, order of the classes", "all kept",
            f"{kept} of {len(order)}" + (f", turned: {turned}" if turned else ""), "",
            verdict(len(order) - kept if order else None), "anatomy")
    check = report["validation"]
    dice = ", ".join(f"{k} {number(v)}" for k, v in check["dice"].items())
    row("segmentation against exact label maps, Dice", "reported", dice, check["videos"], "",
        "anatomy")
    for f, r in zip(check["figures"], check["correlations"]):
        exact, _ = over_classes(f, "real")
        network, _ = over_classes(f, "synthetic")
        row(f"{f['name']}: exact maps, network's, correlation", "reported",
            f"{number(exact)}, {number(network)}, {number(r)}", check["videos"], "", "anatomy")


def within(what, ratio, text, counts):
    value = ratio["estimate"]
    row(what, "ratio 0.8 to 1.2", f"ratio {interval(ratio)}: {text}", counts,
        verdict(None if value is None else max(0.8 - value, value - 1.2)), "anatomy")


def heartbeat():
    report = result("motion")
    for side in ("real", "synthetic"):
        for name, what in (("rate_in_range", "clear period and a rate in the phantoms' range"),
                           ("clear_beat", "clear period"),
                           ("steady_beat", "clear period, rate varies by less than 15 %"),
                           ("whole_beat", "all three in the same video")):
            share, count = over_classes(figure(report, name), side)
            at_least(f"heartbeat, {side}: {what}", 0.95, share, number(share), count, "motion")
    known = report["heart_rate_error"]
    if known["videos"]:
        row("heart rate, measured against true, median difference", "reported",
            number(known["median"]), known["videos"], "", "motion")
    for c in figure(report, "heart_rate")["classes"]:
        row(f"heart rate per minute, {c['class']}", "reported",
            f"{interval(c['synthetic'], 1)}, real {interval(c['real'], 1)}",
            f"{c['synthetic_videos']} + {c['real_videos']}", "", "motion")


def seams():
    report = result("motion")
    for side in ("real", "synthetic"):
        found = report["seams"][side]
        at_most(f"seams, {side}: change there (all steps of a fade) over change inside blocks", 1.2,
                found["change_ratio"]["estimate"], interval(found["change_ratio"]),
                of_videos(found["seams"], found), "motion")
    found = report["seams"]["synthetic"]
    row("seams, synthetic: the same of a fade's largest step", "reported", interval(found["largest_step"]),
        of_videos(found["seams"], found), "", "motion")
    turns_back("real, cut like the samples", report["seams"]["real"], "motion")
    turns_back("shipped context length", report["seams"]["synthetic"], "motion", 0.1)


def one_context_frame():
    turns_back("one context frame", result("motion_one")["seams"]["synthetic"], "motion_one")


def turns_back(side, found, name, bar=None):
    share = found["reversed"]
    what = f"motion turns back at seams where the heart moves, {side}"
    text = f"{interval(share)}; inside blocks {number(found['reversed_inside'])}"
    count = of_videos(found["moving_seams"], found)
    if bar is None:
        row(what, "reported", text, count, "", name)
    else:
        at_most(what, bar, share["estimate"], text, count, name)


def of_videos(seams, found):
    return f"{seams} seams of {found['videos']} videos"


def anchor():
    trace = result("motion_none")["trace"]
    at_most("seams with --anchor none: first frame's distance from its reference over a frame step",
            1, trace["ratio"]["estimate"], interval(trace["ratio"]),
            of_videos(trace["seams"], trace), "motion_none")


def drift():
    report = result("drift")
    videos, blocks = report["synthetic"]["videos"], len(report["blocks"])
    for key, what, bar in (("frechet_growth", "Fréchet distance", 0.25),
                           ("brightness_growth", "brightness", 0.03)):
        growth = report[key]
        value = growth["estimate"]
        if value is not None and key == "brightness_growth":
            value = abs(value)
        text = (f"{interval(growth)}; first {number(report['blocks'][0][what_key(key)])}, "
                f"last {number(report['blocks'][-1][what_key(key)])}")
        at_most(f"drift over {blocks} blocks, {what} ({report['detector']['name']})", bar, value,
                text, videos, "drift")


def what_key(key):
    return key.split("_")[0]


def nearest():
    report = result("nearest")
    at_least("heart frames' median distance to training frames over held-out frames' own", 1,
             report["ratio"]["estimate"],
             f"{interval(report['ratio'])}: {interval(report['heart_frames']['median_distance'])}, "
             f"held out {interval(report['held_out']['median_distance'])}",
             f"{report['heart_frames']['videos']} + {report['held_out']['videos']}", "nearest")


def coverage():
    judged = 0
    for one in result("generation")["detectors"]:
        for r in one["metrics"]:
            if r["class"] is not None or r["metric"] not in ("coverage", "density"):
                continue
            takes = one["detector"]["takes"]
            what = f"{r['metric']} of held-out phantoms, {takes} ({one['detector']['name']})"
            text = number(r["value"])
            if "interval" in r:
                text += f" [{number(r['interval'][0])}, {number(r['interval'][1])}]"
            counts = f"{r['synthetic']['items']} + {r['real']['items']}"
            if r["metric"] == "coverage" and takes == "clips":
                judged += 1
                at_least(what, 0.5, r["value"], text, counts, "generation")
            else:
                row(what, "reported", text, counts, "", "generation")
    if judged == 0:
        raise Missing("generation.json has no coverage by a detector of clips")


def sampling():
    for name in ("held_out", "samples", "one", "long", "none"):
        commands[f"OUT/{name}"] = command(name)


missing = []
for part in (agreement, anatomy, heartbeat, seams, one_context_frame, anchor, drift, nearest, coverage,
             sampling):
    try:
        part()
    except Missing as error:
        missing.append(f"{part.__name__}: {error}")
    except KeyError as error:
        missing.append(f"{part.__name__}: its results have no {error}")
print("| what | bar | measured | N | | by |")
print("|---|---|---|---|---|---|")
for r in rows:
    print("| " + " | ".join(str(cell) for cell in r) + " |")
print("", *(f"- {name}: `{text}`" for name, text in commands.items()), sep="\n")
missed = sum(r[4].startswith("MISSED") for r in rows)
print(f"\n{missed} bars missed, {sum(r[4] == 'met' for r in rows)} met, "
      f"{sum(r[4] == 'no number' for r in rows)} without a number.")
if missing:
    print("Left out (scripts/evaluate_phantom_model.sh makes results that are missing):", *missing,
          sep="\n- ")
    sys.exit(1)
