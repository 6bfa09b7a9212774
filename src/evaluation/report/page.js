"use strict";
const page = JSON.parse(document.getElementById("page-data").textContent);
const root = document.querySelector("main");
const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colours = ["#1f6feb", "#d1681d", "#2da44e", "#a371f7", "#cf222e", "#1b9e9e", "#8a6d3b", "#8b949e"];
const charts = [];
// In CSS pixels: a chart on A4 with a browser's margins, and A4 with margins of an inch.
const printedChart = [700, 264], narrowestPage = 600;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function shown(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return size < 1e3 ? value.toPrecision(4) : value.toFixed(0);
}

function folded(summary, content) {
  return element("details", {}, element("summary", {}, summary), content);
}

// A number, or a text that is one.
function isNumber(value) {
  return typeof value === "number" || /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(value);
}

function tableCell(name, value, ...classes) {
  const text = shown(value);
  if (/\S{25}/.test(text)) classes.push("long");
  return element(name, {class: classes.join(" ")}, text);
}

function addTable(place, section) {
  const table = element("table");
  if (section.columns.some(name => name)) {
    table.append(element("thead", {}, element("tr", {},
      ...section.columns.map(name => tableCell("th", name)))));
  }
  const body = element("tbody");
  for (const row of section.rows) {
    body.append(element("tr", {}, ...row.map((cell, column) => tableCell("td", cell,
      ...(isNumber(cell) ? ["number"] : []),
      ...((section.theirs || []).includes(column) ? ["theirs"] : [])))));
  }
  table.append(body);
  const scroll = element("div", {class: "scroll"}, table);
  place.append(section.folded ? folded(section.title, scroll) : scroll);
}

function chartOptions(section) {
  const axis = (title, type) => ({type, title: {display: Boolean(title), text: title || "", color: style("--quiet")},
    ticks: {color: style("--quiet"), maxTicksLimit: 8}, grid: {color: style("--line")}});
  return {responsive: true, maintainAspectRatio: false, animation: false,
    interaction: {mode: "nearest", intersect: false},
    plugins: {legend: {labels: {color: style("--ink"), boxWidth: 14}},
      title: {display: true, text: section.title, color: style("--ink")}},
    scales: {x: axis(section.x, section.type === "lines" ? "linear" : "category"),
      y: axis(section.y, section.logarithmic ? "logarithmic" : "linear")}};
}

// Draws the mark of a chart: a line across it with a label beside it.
function markPlugin(mark) {
  return {id: "mark", afterDatasetsDraw(chart) {
    const {ctx, chartArea: {left, right, top, bottom}, scales: {x}} = chart;
    const place = x.getPixelForValue(mark.place);
    const isLeft = place < (left + right) / 2;
    ctx.save();
    ctx.strokeStyle = style("--warn");
    ctx.fillStyle = style("--ink");
    ctx.lineWidth = 1.5;
    ctx.setLineDash([5, 3]);
    ctx.beginPath();
    ctx.moveTo(place, top);
    ctx.lineTo(place, bottom);
    ctx.stroke();
    ctx.font = "12px system-ui, sans-serif";
    ctx.textAlign = isLeft ? "left" : "right";
    ctx.textBaseline = "top";
    ctx.fillText(mark.label, place + (isLeft ? 5 : -5), top + 2);
    ctx.restore();
  }};
}

function addChart(place, section) {
  const label = section.title + (section.mark ? ", " + section.mark.label : "");
  const canvas = element("canvas", {role: "img", "aria-label": label});
  place.append(element("div", {class: "chart"}, canvas));
  const lines = section.type === "lines";
  const datasets = section.series.map((series, i) => {
    const colour = colours[i % colours.length];
    return lines
      ? {label: series.name, data: series.points.map(([x, y]) => ({x, y})), borderColor: colour,
         backgroundColor: colour, borderWidth: 1.6, pointRadius: series.points.length < 40 ? 2 : 0}
      : {label: series.name, data: series.values, backgroundColor: colour + "99",
         borderColor: colour, borderWidth: 1, barPercentage: 1, categoryPercentage: 1,
         grouped: false};
  });
  charts.push([new Chart(canvas, {type: lines ? "line" : "bar",
    data: lines ? {datasets} : {labels: section.labels, datasets},
    options: chartOptions(section), plugins: section.mark ? [markPlugin(section.mark)] : []}),
    section]);
}

function picture(item) {
  if (item.video) {
    return element("video", {src: item.video, controls: "", loop: "", muted: "", playsinline: "",
      preload: "metadata", ...(item.image ? {poster: item.image} : {})});
  }
  return element("img", {src: item.image, alt: item.caption || "", loading: "lazy"});
}

function addGallery(place, section) {
  const grid = element("div", {class: "gallery"});
  for (const item of section.items) {
    grid.append(element("figure", {}, picture(item), element("figcaption", {}, item.caption)));
  }
  place.append(grid);
}

function addPairs(place, section) {
  const grid = element("div", {class: "pairs"});
  for (const item of section.items) {
    grid.append(element("figure", {}, element("div", {class: "pair"}, picture(item.left),
      picture(item.right)), element("figcaption", {}, item.caption)));
  }
  place.append(grid);
}

function addDetails(place, section) {
  place.append(folded(section.summary || "show", element("pre", {}, section.text)));
}

const add = {table: addTable, lines: addChart, bars: addChart, gallery: addGallery, pairs: addPairs,
  details: addDetails};

root.append(element("h1", {}, page.title), element("p", {class: "note"}, page.subtitle));
const nav = element("nav");
root.append(nav);
page.chapters.forEach((chapter, i) => {
  const id = "chapter-" + i;
  nav.append(element("a", {href: "#" + id}, chapter.title));
  const place = element("section", {id}, element("h2", {}, chapter.title));
  for (const note of chapter.notes || []) place.append(element("p", {class: "note"}, note));
  for (const warning of chapter.warnings || []) {
    place.append(element("p", {class: "note warning"}, warning));
  }
  let grid = null;
  for (const section of chapter.sections) {
    const isChart = section.type === "lines" || section.type === "bars";
    if (isChart && !grid) place.append(grid = element("div", {class: "charts"}));
    if (!isChart) grid = null;
    if (!isChart && section.title && !section.folded) place.append(element("h3", {}, section.title));
    add[section.type](isChart ? grid : place, section);
  }
  root.append(place);
});
root.append(element("footer", {}, page.footer));

function takeInks() {
  for (const [chart, section] of charts) {
    chart.options = chartOptions(section);
    chart.update();
  }
}

// Letters so small that the longest words of all columns fit beside each other.
function fitToPage(table) {
  table.style.fontSize = "";
  table.style.width = "1px";  // a table is never narrower than its words
  const width = table.offsetWidth;
  table.style.width = "";
  if (width <= narrowestPage) return;
  const size = parseFloat(getComputedStyle(table).fontSize);
  table.style.fontSize = size * narrowestPage / width + "px";
}

// Browsers lay out for paper without running scripts, so charts, tables and what is folded are made ready before.
const unfolded = [];
function beginPrinting() {
  document.documentElement.classList.add("printing");
  unfolded.push(...document.querySelectorAll("details:not([open])"));
  for (const details of unfolded) details.open = true;
  document.querySelectorAll("table").forEach(fitToPage);
  takeInks();
  for (const [chart] of charts) chart.resize(...printedChart);
}

function endPrinting() {
  document.documentElement.classList.remove("printing");
  for (const details of unfolded.splice(0)) details.open = false;
  for (const table of document.querySelectorAll("table")) table.style.fontSize = "";
  takeInks();
  for (const [chart] of charts) chart.resize();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", takeInks);
addEventListener("beforeprint", beginPrinting);
addEventListener("afterprint", endPrinting);
document.documentElement.dataset.ready = "yes";
