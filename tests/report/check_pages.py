#!/usr/bin/env python3
"""check_pages.py CHROMIUM OUT PAGE…: opens report pages in headless Chromium, in a light, a dark and a phone's
window, and prints them from the light and the dark one. Of each it wants: its script ended, a chapter is there, the
console is silent, nothing is asked of the network or of another file, every chart shows one of its curves, every
picture and video can be shown, a phone need not scroll sideways, and the window is not blank. On paper nothing is wider
than the page, charts stay in their places, they have the inks of the light window, and nothing is folded away;
afterwards the window is as before. OUT gets screenshots, prints, and NAME.json with the titles of the chapters, the
labels of the charts and the cells of tables that stand at the right. What is wrong with a page stands on standard
error."""
import base64
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "browser"))
from chromium import Browser, end_with_faults  # noqa: E402

VARIANTS = {"light": (1200, "light"), "dark": (1200, "dark"), "phone": (390, "light")}
PRINTED = ("light", "dark")
HEIGHT = 1600
PAPER = (739, 979)  # Letter less the margins that Chromium leaves, in CSS pixels

# What a page shows; waits until its pictures and the beginnings of its videos have been read.
LOOK = """(async () => {
  const within = (promise, seconds) => Promise.race([promise.then(() => true, () => false),
    new Promise(resolve => setTimeout(() => resolve(false), 1000 * seconds))]);
  const read = video => video.readyState > 0 || video.error ? Promise.resolve() : new Promise(resolve => {
    video.addEventListener("loadedmetadata", resolve);
    video.addEventListener("error", resolve);
  });
  const media = [];
  for (const image of document.images) {
    image.loading = "eager";
    media.push([await within(image.decode(), 10), image.alt]);
  }
  for (const video of document.querySelectorAll("video")) {
    await within(read(video), 10);
    media.push([video.videoWidth > 0, video.closest("figure")?.textContent]);
  }
  const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgb = colour => {
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    return paint.getImageData(0, 0, 1, 1).data;
  };
  const has = (pixels, [r, g, b]) => {
    for (let i = 0; i < pixels.length; i += 4) {
      if (pixels[i + 3] > 128 && Math.abs(pixels[i] - r) + Math.abs(pixels[i + 1] - g) + Math.abs(pixels[i + 2] - b) < 60)
        return true;
    }
    return false;
  };
  const charts = [...document.querySelectorAll("canvas")].map(canvas => {
    const chart = window.Chart && Chart.getChart(canvas);
    const pixels = canvas.width && canvas.height
      ? canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data : [];
    return {label: canvas.getAttribute("aria-label") || "without a label",
      drawn: Boolean(chart) && chart.data.datasets.some(curve => has(pixels, rgb(curve.borderColor)))};
  });
  return {ended: document.documentElement.dataset.ready === "yes", charts,
    titles: [...document.querySelectorAll("h2")].map(title => title.textContent),
    rightmost: [...document.querySelectorAll("td")].filter(cell => getComputedStyle(cell).textAlign === "right")
      .map(cell => cell.textContent),
    unseen: media.filter(([shown]) => !shown).map(([, name]) => name || "without a name"), media: media.length,
    width: document.documentElement.scrollWidth};
})()"""

# What printing changes: the inks of the charts, and how much is folded away.
STATE = """(() => {
  const charts = window.Chart ? [...document.querySelectorAll("canvas")].map(Chart.getChart).filter(Boolean) : [];
  const inks = ({options: {plugins, scales: {x, y}}}) => [plugins.title.color, plugins.legend.labels.color,
    x.ticks.color, x.grid.color, y.ticks.color, y.grid.color].join(" ");
  return {inks: [...new Set(charts.map(inks))], folded: document.querySelectorAll("details:not([open])").length};
})()"""

# What of a page laid out for paper leaves its place; waits until the window is as wide as the paper.
LAYOUT = """(async width => {
  for (let i = 0; i < 200 && innerWidth !== width; ++i) await new Promise(resolve => setTimeout(resolve, 50));
  const range = document.createRange();
  const box = element => element.getBoundingClientRect();
  const isWide = element => {
    range.selectNodeContents(element);  // text may be wider than its element
    return Math.max(box(element).right, range.getBoundingClientRect().right) > width + 1;
  };
  const wide = [...document.body.querySelectorAll("*")].filter(isWide);
  const isInside = (a, b) =>
    a.left > b.left - 1 && a.right < b.right + 1 && a.top > b.top - 1 && a.bottom < b.bottom + 1;
  const overlap = (a, b) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  const canvases = [...document.querySelectorAll("canvas")];
  const label = canvas => canvas.getAttribute("aria-label") || "without a label";
  return {isPaper: matchMedia("print").matches, width: innerWidth,
    wide: wide.filter(one => !wide.some(other => other !== one && one.contains(other)))
      .map(one => one.tagName.toLowerCase() + " " + one.textContent.trim().slice(0, 40)),
    outside: canvases.filter(one => !isInside(box(one), box(one.parentElement))).map(label),
    overlapping: canvases.filter((one, i) => canvases.slice(i + 1).some(other => overlap(box(one), box(other))))
      .map(label)};
})"""

# How a PNG looks: how many colours it has, which one is most frequent, and the share of the others.
COLOURS = """(async address => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const paint = canvas.getContext("2d");
  paint.drawImage(image, 0, 0);
  const pixels = paint.getImageData(0, 0, image.width, image.height).data, counts = new Map();
  for (let i = 0; i < pixels.length; i += 4) {
    const colour = pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2];
    counts.set(colour, (counts.get(colour) || 0) + 1);
  }
  const [paper, count] = [...counts].reduce((most, next) => next[1] > most[1] ? next : most);
  return {colours: counts.size, paper: [paper >> 16, paper >> 8 & 255, paper & 255],
    drawn: 1 - 4 * count / pixels.length};
})"""


def said(events):
    """What the console was told."""
    for name, event in events:
        if name == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            yield details.get("exception", {}).get("description") or details["text"]
        elif name == "Runtime.consoleAPICalled":
            yield " ".join(str(value.get("value", value.get("description"))) for value in event["args"])
        elif name == "Log.entryAdded" and event["entry"]["level"] != "verbose":
            yield event["entry"]["text"]


def asked(events, address):
    """What was asked of the network or of other files."""
    for name, event in events:
        if name == "Network.requestWillBeSent":
            url = event["request"]["url"]
        elif name in ("Network.webSocketCreated", "Network.webTransportCreated"):
            url = event["url"]
        else:
            continue
        if url.split("#")[0] != address and not url.startswith(("data:", "blob:")):
            yield url


def show(browser, width, height, scheme, media=""):
    browser("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    browser("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])


def check_print(browser, where, file, inks):
    """Faults of the window's page in print, which `file` gets; `inks` are those of its charts in the light window."""
    before = browser.evaluate(STATE)
    browser.evaluate(f'addEventListener("beforeprint", () => window.printed = {STATE}, {{once: true}})')
    pdf = base64.b64decode(browser("Page.printToPDF", printBackground=True)["data"])
    file.write_bytes(pdf)
    if not pdf.startswith(b"%PDF"):
        yield f"{where}: it cannot be printed"
    printed = browser.evaluate("window.printed") or {"inks": None, "folded": None}
    if printed["inks"] != inks:
        yield f"{where}: the charts' inks are {printed['inks']}, in the light window {inks}"
    if printed["folded"] != 0:
        yield f"{where}: {printed['folded']} details are folded away"
    after = browser.evaluate(STATE)
    if after != before:
        yield f"{where}: the window is {after} afterwards, was {before}"


def check_layout(browser, where, scheme):
    """Faults of the window's page as it is laid out for paper. The window keeps that."""
    browser.evaluate('dispatchEvent(new Event("beforeprint"))')
    show(browser, *PAPER, scheme, media="print")
    seen = browser.evaluate(f"{LAYOUT}({PAPER[0]})")
    if not seen["isPaper"] or seen["width"] != PAPER[0]:
        yield f"{where}: no paper of {PAPER[0]} pixels is to be had, but {seen['width']}"
    for text in seen["wide"][:5]:
        yield f"{where}: wider than the page: {text}"
    for label in seen["outside"]:
        yield f"{where}: the chart '{label}' leaves its place"
    for label in seen["overlapping"]:
        yield f"{where}: the chart '{label}' overlaps another one"


def check(browser, page, out):
    """Faults of a page, as sentences."""
    address, name, inks = page.resolve().as_uri(), page.stem, None
    for variant, (width, scheme) in VARIANTS.items():
        show(browser, width, HEIGHT, scheme)
        browser.events.clear()
        browser("Page.navigate", url=address)
        browser.wait_for("Page.loadEventFired")
        seen = browser.evaluate(LOOK)
        shot = browser("Page.captureScreenshot", format="png")["data"]
        events = list(browser.events)
        (out / f"{name}-{variant}.png").write_bytes(base64.b64decode(shot))
        where = f"{page.name}, {variant}"
        for text in said(events):
            yield f"{where}: the console says: {text}"
        for url in asked(events, address):
            yield f"{where}: the page asks for {url}"
        if not seen["ended"]:
            yield f"{where}: its script did not end"
        if not seen["titles"]:
            yield f"{where}: there is no chapter"
        for chart in seen["charts"]:
            if not chart["drawn"]:
                yield f"{where}: no curve is drawn in the chart '{chart['label']}'"
        for text in seen["unseen"]:
            yield f"{where}: a picture or video cannot be shown: {text}"
        if seen["width"] > width:
            yield f"{where}: it is {seen['width']} pixels wide"
        look = browser.evaluate(f'{COLOURS}("data:image/png;base64,{shot}")')
        print(f"{where}: {len(seen['charts'])} charts, {seen['media']} pictures and videos, {look['colours']} colours, "
              f"{100 * look['drawn']:.1f} % drawn on {look['paper']}")
        if look["colours"] <= 20 or look["drawn"] <= 0.02:
            yield f"{where}: it is blank"
        if (sum(look["paper"]) < 200) != (scheme == "dark"):
            yield f"{where}: its paper is {look['paper']}"
        shown_inks = browser.evaluate(STATE)["inks"]
        inks = inks or shown_inks  # the first window is light
        if scheme == "dark" and shown_inks and shown_inks == inks:
            yield f"{where}: its charts have the inks of the light window"
        if variant in PRINTED:
            yield from check_print(browser, f"{where}, printed", out / f"{name}-{variant}.pdf", inks)
            yield from check_layout(browser, f"{where}, printed", scheme)
    (out / f"{name}.json").write_text(json.dumps(
        {"titles": seen["titles"], "charts": [chart["label"] for chart in seen["charts"]],
         "rightmost": seen["rightmost"]}, indent=1) + "\n")


def main():
    chromium, out, pages = sys.argv[1], pathlib.Path(sys.argv[2]), [pathlib.Path(name) for name in sys.argv[3:]]
    browser = Browser(chromium, out / ".profile")
    end_with_faults(browser, (fault for page in pages for fault in check(browser, page, out)))


if __name__ == "__main__":
    main()
