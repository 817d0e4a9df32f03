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

/** Traces of parallel coordinates bring their own fonts. */
function inkedTraces(plot) {
  const ink = colour("--ink");
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
  async draw(plot) {
    const { data, layout } = JSON.parse(plot.querySelector("script").textContent);
    plot.replaceChildren();
    const config = { displaylogo: false, responsive: true, displayModeBar: false };
    await Plotly.newPlot(plot, data, deepen(layout, inked(layout)), config);
    inkedTraces(plot);
    plot.dataset.drawn = "yes";
    plot.dispatchEvent(new CustomEvent("drawn"));
  },
  recolour(plot) {
    if (plot.dataset.drawn) { Plotly.relayout(plot, inked(plot.layout)); inkedTraces(plot); }
  },
};

async function drawOne(plot) {
  try { await plots.draw(plot); } catch (error) { plot.textContent = "This figure could not be drawn here: " + error.message; }
}

// One figure after another, so that the first screen can be read while the rest is drawn. Those that need WebGL take
// seconds without a graphics card, so they wait until the reader comes near.
async function drawAll() {
  const near = new IntersectionObserver((seen) => seen.filter((entry) => entry.isIntersecting).forEach((entry) => {
    near.unobserve(entry.target);
    drawOne(entry.target);
  }), { rootMargin: "400px" });
  for (const plot of plots.all()) {
    if (plot.closest("[data-webgl]")) { near.observe(plot); continue; }
    await drawOne(plot);
    await new Promise((resume) => setTimeout(resume));
  }
  document.documentElement.dataset.ready = "yes";
}
dark.addEventListener("change", () => plots.all().forEach(plots.recolour));

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
  } else if (button.closest("th")) {
    const head = button.closest("th");
    tables.sort(head.closest("table"), head.cellIndex, head.getAttribute("aria-sort") === "ascending");
  }
});
document.addEventListener("DOMContentLoaded", drawAll);
