// The report's figures and tables: draw each figure in the reader's colours, sort tables, save them as CSV.
"use strict";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const [PAPER_WIDTH, PAPER_HEIGHT] = [720, 480]; // pixels: 7.5 x 5 inches
const PAPER = ["#1c2430", "#d5dae1", "#ffffff"]; // ink, lines and cards of a figure that is saved
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Layout keys that carry the page's ink; plotly itself knows no CSS variables. */
function inked(layout, [ink, line, card] = [colour("--ink"), colour("--line"), colour("--card")]) {
  const keys = { "font.color": ink, "hoverlabel.bgcolor": card, "hoverlabel.font.color": ink, "hoverlabel.bordercolor": line,
    "modebar.bgcolor": "rgba(0,0,0,0)", "modebar.color": colour("--soft-ink"), "modebar.activecolor": colour("--focus") };
  for (const axis of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))) {
    keys[`${axis}.gridcolor`] = line;
    keys[`${axis}.linecolor`] = line;
    keys[`${axis}.zerolinecolor`] = line;
  }
  return keys;
}

/** On a telephone a legend that may be as wide as its figure has two entries a line. */
function narrowed(layout, width) {
  if (width < 480 && layout.legend && layout.legend.yref === "container") {
    Object.assign(layout.legend, { entrywidth: 0.5, entrywidthmode: "fraction", font: { size: 9 } });
  }
  return layout;
}

/** A figure whose legend is larger than its axes grows, as on a telephone. */
function grown(plot) {
  const [legend, axes] = [".legend", ".nsewdrag"].map((name) => plot.querySelector(name)?.getBoundingClientRect());
  if (!legend || !axes || plot.layout.height || legend.height <= axes.height) return null;
  plot.style.height = `${plot.clientHeight + legend.height - axes.height + 8}px`;
  return Plotly.Plots.resize(plot);
}

/** Traces of parallel coordinates bring their own fonts. */
function inkedTraces(plot, [ink] = [colour("--ink")]) {
  plot.data.forEach((trace, i) => {
    if (trace.type === "parcoords") {
      Plotly.restyle(plot, { "labelfont.color": ink, "tickfont.color": ink, "rangefont.color": "rgba(0,0,0,0)" }, [i]);
    }
  });
}

function deepen(layout, flat) {
  for (const [path, value] of Object.entries(flat)) {
    const names = path.split(".");
    let at = layout;
    for (const name of names.slice(0, -1)) at = at[name] = at[name] || {};
    at[names[names.length - 1]] = value;
  }
  return layout;
}

/** A packed text of the page (gzip in base64). */
async function unpacked(element) {
  const letters = atob(element.textContent);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

const TOO_OLD = "This browser is too old to draw figures (it has no DecompressionStream); every number is in the tables.";
const CONFIG = { displaylogo: false, responsive: true, displayModeBar: false };
const texts = new Map(); // plot -> its figure as JSON, until it is drawn

/** The layout of a saved figure: dark ink on white whatever the page looks like, its title, and the mark of a phantom. */
function printed(plot) {
  const section = plot.closest("section");
  const before = [...(section?.querySelectorAll("h3") || [])].filter((head) => !head.closest("figure, .table-top")
    && head.compareDocumentPosition(plot) & Node.DOCUMENT_POSITION_FOLLOWING).at(-1); // as "Trained on GE", "On test patients"
  const heads = [section?.querySelector("h2"), before, plot.closest("figure")?.querySelector("h3")];
  const [first, ...rest] = heads.filter(Boolean).map((head) => head.textContent.trim().replaceAll("<", "&lt;"));
  const mark = document.documentElement.dataset.mark;
  const warning = mark ? `<br>synthetic cohort (${mark.toLowerCase()}): no evidence about patients` : "";
  const text = `<b>${first || plot.id}</b><br>${rest.join("; ")}${warning}`;
  const layout = deepen(structuredClone(plot.layout), { ...inked(plot.layout, PAPER), paper_bgcolor: "#ffffff", updatemenus: [] });
  const margin = layout.margin || {};
  if (layout.showlegend === false) { // a legend above the axes grows with its entries, so the title is part of it
    layout.title = { text, x: 0.05, xanchor: "left", y: 1, yanchor: "top", yref: "container", pad: { t: 14 }, font: { size: 13 } };
    layout.margin = { ...margin, t: (margin.t || 0) + (mark ? 62 : 46) };
  } else {
    layout.legend = { ...layout.legend, title: { text, side: "top", font: { size: 13 } } };
    layout.margin = { ...margin, b: 52 };
  }
  if (mark) {
    layout.annotations = [...(layout.annotations || []), { text: mark, xref: "paper", yref: "paper", x: 0.5, y: 0.5, textangle: -20,
      showarrow: false, font: { size: 40, color: "rgba(214,40,60,0.4)" } }];
  }
  return layout;
}

const plots = {
  all: () => [...document.querySelectorAll(".plot")],
  async read(plot) {
    const script = plot.querySelector("script");
    if (!script || texts.has(plot)) return;
    const text = await unpacked(script);
    if (!plot.dataset.drawn) texts.set(plot, text);
  },
  /** Draw at once what has been read. */
  draw(plot, inks) {
    try {
      const { data, layout } = JSON.parse(texts.get(plot));
      texts.delete(plot);
      plot.replaceChildren();
      plot.dataset.drawn = "yes";
      const drawn = Plotly.newPlot(plot, data, deepen(narrowed(layout, plot.clientWidth), inked(layout, inks)), CONFIG);
      inkedTraces(plot, inks);
      plot.dispatchEvent(new CustomEvent("drawn"));
      return drawn.then(() => grown(plot));
    } catch (error) {
      plot.textContent = "This figure could not be drawn here: " + error.message;
    }
  },
  recolour(plot) {
    if (plot.dataset.drawn) { Plotly.relayout(plot, inked(plot.layout)); inkedTraces(plot); }
  },
};

const isFolded = (element) => element.closest("details:not([open])") !== null;
const needsWebgl = (plot) => plot.closest("[data-webgl]") !== null;

async function drawOne(plot) {
  await plots.read(plot);
  if (texts.has(plot) && !plot.dataset.drawn) await plots.draw(plot);
}

// Figures that need WebGL take seconds without a graphics card, so they wait until the reader comes near.
const near = new IntersectionObserver((seen) => seen.filter((entry) => entry.isIntersecting).forEach((entry) => {
  near.unobserve(entry.target);
  drawOne(entry.target);
}), { rootMargin: "400px" });

/** What is to be seen below an element, one figure after another, so that the page can be read meanwhile. */
async function drawWithin(element) {
  const top = new Map([...element.querySelectorAll(".plot")].map((plot) => [plot, plot.getBoundingClientRect().top]));
  for (const plot of [...top.keys()].sort((a, b) => top.get(a) - top.get(b))) {
    if (isFolded(plot)) continue;
    if (plot.dataset.drawn) { Plotly.Plots.resize(plot); continue; }
    if (needsWebgl(plot)) { near.observe(plot); continue; }
    await drawOne(plot);
    await new Promise((resume) => setTimeout(resume));
  }
}

let loaded = null; // a promise of plotly

async function load() {
  const script = document.createElement("script");
  script.textContent = await unpacked(document.getElementById("plotly-packed"));
  document.head.append(script);
}

async function begin() {
  openTarget();
  if (typeof DecompressionStream === "undefined") {
    plots.all().forEach((plot) => { plot.textContent = TOO_OLD; });
  } else {
    loaded = load();
    await loaded;
    await drawWithin(document);
  }
  document.documentElement.dataset.ready = "yes";
  if (loaded) await Promise.all(plots.all().map(plots.read)); // so that they can be drawn at once for paper
  document.documentElement.dataset.read = "yes";
}

/** The anchor of the address, and all that it is folded into. */
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  const folded = target.querySelector(":scope > details");
  if (folded) folded.open = true;
  target.scrollIntoView();
}

document.addEventListener("toggle", async (event) => {
  if (!event.target.open || !loaded || "print" in document.documentElement.dataset) return;
  await loaded;
  drawWithin(event.target);
}, true);
window.addEventListener("hashchange", openTarget);
dark.addEventListener("change", () => plots.all().forEach(plots.recolour));

// On paper every fold is open, every figure drawn dark on white in the paper's width, and every table as narrow as it.
const print = { opened: [], narrowed: [], legends: new Map() };
const legendOf = (plot) => (plot.layout.legend ? { legend: structuredClone(plot.layout.legend) } : {});
window.addEventListener("beforeprint", () => {
  const root = document.documentElement;
  if ("print" in root.dataset) return;
  root.dataset.print = "yes";
  print.opened = [...document.querySelectorAll("details:not([open])")];
  print.opened.forEach((details) => { details.open = true; });
  for (const plot of plots.all()) {
    if (texts.has(plot)) plots.draw(plot, PAPER);
    if (!plot.dataset.drawn) continue;
    print.legends.set(plot, legendOf(plot));
    const width = plot.clientWidth;
    Plotly.relayout(plot, { ...inked(plot.layout, PAPER), width, ...narrowed(legendOf(plot), width) });
    inkedTraces(plot, PAPER);
  }
  const isCut = (inside) => inside.scrollWidth > inside.parentElement.clientWidth;
  print.narrowed = [...document.querySelectorAll(".scroll > *")].filter(isCut);
  const share = (inside) => Math.min(1, inside.parentElement.clientWidth / inside.scrollWidth);
  for (const inside of print.narrowed) {
    if (share(inside) < 0.75) inside.dataset.steep = "yes"; // heads stand upright
    inside.style.zoom = share(inside);
  }
});
window.addEventListener("afterprint", () => {
  delete document.documentElement.dataset.print;
  print.opened.forEach((details) => { details.open = false; });
  print.narrowed.forEach((inside) => { inside.style.zoom = ""; delete inside.dataset.steep; });
  plots.all().filter((plot) => plot.dataset.drawn).forEach((plot) => {
    Plotly.relayout(plot, { ...inked(plot.layout), width: null, autosize: true, ...print.legends.get(plot) });
    inkedTraces(plot);
  });
});

const tables = {
  value(cell) { return cell.dataset.v !== undefined ? cell.dataset.v : cell.textContent; },
  /** Numbers before text, missing last in either direction. */
  sort(table, column, descending) {
    const body = table.tBodies[0];
    const key = (row) => tables.value(row.cells[column]);
    const rows = [...body.rows].map((row, i) => [row, key(row), i]);
    rows.sort(([, a, i], [, b, j]) => {
      if (a === "" || b === "") return (a === "") - (b === "") || i - j;
      const [x, y] = [Number(a), Number(b)];
      const order = Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
      return (descending ? -order : order) || i - j;
    });
    body.append(...rows.map(([row]) => row));
    [...table.tHead.rows[0].cells].forEach((cell, i) => {
      if (i === column) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
  },
  /** RFC 4180; a text that a spreadsheet would run as a formula gets a quote before it. */
  csv(table) {
    const cell = (text) => {
      const number = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text);
      const plain = /^[=+\-@\t\r\n]/.test(text) && !number ? "'" + text : text;
      return /[",\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
    };
    const line = (cells, read) => [...cells].map((c) => cell(read(c))).join(",");
    return [line(table.tHead.rows[0].cells, (c) => c.dataset.v || c.textContent),
      ...[...table.tBodies[0].rows].map((row) => line(row.cells, tables.value))].join("\r\n") + "\r\n";
  },
};

function save(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.save === "svg") {
    const plot = document.getElementById(button.dataset.of);
    const height = Math.max(PAPER_HEIGHT, plot.layout.height || plot.clientHeight);
    Plotly.downloadImage({ data: plot.data, layout: printed(plot) }, { format: "svg", filename: plot.id, width: PAPER_WIDTH, height });
  } else if (button.dataset.save === "csv") {
    save(`${button.dataset.of}.csv`, tables.csv(document.getElementById(button.dataset.of)), "text/csv");
  } else if ("unfold" in button.dataset) {
    const folded = [...document.querySelectorAll("details.folded")];
    const open = folded.some((details) => !details.open);
    folded.forEach((details) => { details.open = open; });
    button.textContent = open ? "Close all sections" : "Open all sections";
  } else if (button.closest("th")) {
    const head = button.closest("th");
    tables.sort(head.closest("table"), head.cellIndex, head.getAttribute("aria-sort") === "ascending");
  }
});
window.reportTools = { unpacked, inked, deepen, CONFIG }; // for the panel of a trial
document.addEventListener("DOMContentLoaded", begin);
