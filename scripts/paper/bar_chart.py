"""Horizontal bars as inline SVG for a page in light or dark colours."""
import html
import re

STYLE = ("figure{margin:1.5rem 0}svg{max-width:100%}svg text{font:12px sans-serif;fill:currentColor}"
         ".ours{fill:#4a86cf}.paper{fill:#8a8a8a}.line{stroke:currentColor}.grid{stroke:currentColor;opacity:.2}")
LEFT, SPAN, BAR, GROUP = 260, 320, 13, 36


def bar_chart(title, groups):
    """`groups`: (label, our {estimate, low, high} or None, the paper's figure in words, "0.72 to 0.76" too), of
    shares from 0 to 1. Ours has its interval as a line, theirs its range where there is one."""
    def x(share):
        return f"{LEFT + SPAN * share:.1f}"

    def bar(kind, y, share, low, high, text):
        parts = f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{SPAN * share:.1f}" height="{BAR}"/>'
        if low is not None and high is not None:
            parts += f'<line class="line" x1="{x(low)}" x2="{x(high)}" y1="{y + BAR / 2}" y2="{y + BAR / 2}"/>'
        return parts + f'<text x="{LEFT + SPAN + 8}" y="{y + BAR - 1}">{html.escape(text)}</text>'

    parts = ""
    height = 24 + GROUP * len(groups)
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts += (f'<line class="grid" x1="{x(tick)}" x2="{x(tick)}" y1="16" y2="{height}"/>'
                  f'<text x="{x(tick)}" y="12" text-anchor="middle">{tick}</text>')
    for i, (label, ours, theirs) in enumerate(groups):
        y = 24 + GROUP * i
        parts += f'<text x="{LEFT - 8}" y="{y + BAR + 4}" text-anchor="end">{html.escape(label)}</text>'
        if ours and ours.get("estimate") is not None:
            parts += bar("ours", y, ours["estimate"], ours.get("low"), ours.get("high"), f"{ours['estimate']:.3f}")
        ends = [float(number) for number in re.findall(r"\d\.\d+", theirs)]
        if ends:
            between = (ends[0], ends[-1]) if len(ends) > 1 else (None, None)
            parts += bar("paper", y + BAR + 1, ends[-1], *between, f"{theirs} (paper)")
    return (f'<figure><figcaption>{html.escape(title)}: blue ours with 95 % intervals, grey the paper\'s'
            f'</figcaption><svg viewBox="0 0 760 {height}" width="760" role="img" aria-label="{html.escape(title)}">'
            f"{parts}</svg></figure>\n")
