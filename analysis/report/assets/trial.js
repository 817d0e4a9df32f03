// A click on a point, or on a key in the table of all trials, opens that trial; so does the address #trial-KEY.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const dialog = document.querySelector("dialog.trial");
  if (!dialog || typeof DecompressionStream === "undefined") return;
  document.body.append(dialog); // a dialog inside a fold that is closed would not be seen
  const [title, body] = [dialog.querySelector("h2"), dialog.querySelector(".trial-body")];
  const COLOURS = { val_in_domain: "--in", val_cross_domain: "--cross", loss: "--soft-ink" };
  const { unpacked, inked, deepen, CONFIG } = window.reportTools;
  let known = null; // a promise of what the page holds of all trials
  const read = () => (known = known || unpacked(document.getElementById("trials-packed")).then(JSON.parse));

  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function pairs(rows) {
    const list = element("dl");
    for (const [name, value] of rows) list.append(element("dt", name), element("dd", value));
    return list;
  }

  /** The mask as one pixel a line or point, DC in the middle. */
  function drawnMask({ shape: [height, width], bits }) {
    const bytes = atob(bits);
    const strip = height === 1;
    const canvas = element("canvas", "", { width, height, role: "img", class: strip ? "strip" : "strip points" });
    const image = canvas.getContext("2d").createImageData(width, height);
    let kept = 0;
    for (let i = 0; i < width * height; i++) {
      const bit = (bytes.charCodeAt(i >> 3) >> (7 - (i & 7))) & 1;
      kept += bit;
      image.data.set([255 * bit, 255 * bit, 255 * bit, 255], 4 * i);
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    const words = `${kept} of ${width * height} k-space ${strip ? "lines" : "points"} kept, DC in the middle`;
    canvas.setAttribute("aria-label", words);
    return [element("p", words, { class: "small" }), canvas];
  }

  function drawCurves(place, history, words) {
    const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const entries = Object.keys(history);
    const data = entries.map((name) => ({ x: history[name].map((pair) => pair[0]), y: history[name].map((pair) => pair[1]),
      name: words[name], mode: "lines", line: { width: 2, color: ink(COLOURS[name] || "--ink") }, yaxis: name === "loss" ? "y2" : "y" }));
    const axis = (text) => ({ title: { text, standoff: 6 }, automargin: true, zeroline: false });
    const layout = { template: "none", paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false,
      font: { size: 12, family: "system-ui, sans-serif" }, margin: { l: 50, r: 50, t: 10, b: 40 }, showlegend: true,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", font: { size: 11 } }, xaxis: axis("epoch"), yaxis: axis(""),
      yaxis2: { ...axis("loss"), overlaying: "y", side: "right", showgrid: false, tickformat: ".2f", tickmode: "auto" } };
    Plotly.newPlot(place, data, deepen(layout, inked(layout)), CONFIG);
  }

  function commands(key) {
    const search = dialog.dataset.command;
    const lines = [`python run_search.py export RUN --key ${key} --into DIR`, `python run_search.py predict RUN --key ${key} --data DIR`];
    const parts = [element("h3", "Use it, or train it again"), element("pre", lines.join("\n")),
      element("p", `RUN is the folder of this page. To train it again, move RUN/trials/${key} away and give the search's command again: `
        + "it trains what is missing.", { class: "small" })];
    return search ? [...parts, element("pre", search)] : parts;
  }

  async function open(key) {
    const { trials, curves } = await read();
    const trial = trials[key];
    if (!trial || location.hash !== `#trial-${key}`) return;
    title.textContent = `Trial ${key}`;
    const seeds = Object.entries(trials).filter(([, other]) => other.group === trial.group && trial.group >= 0)
      .sort(([, a], [, b]) => a.seed - b.seed);
    const links = element("p", seeds.length > 1 ? "Seeds of its configuration: " : "");
    for (const [name, other] of seeds.length > 1 ? seeds : []) {
      links.append(name === key ? element("b", String(other.seed)) : element("a", String(other.seed), { href: `#trial-${name}` }), " ");
    }
    const left = element("div");
    left.append(pairs(trial.facts), links, ...(trial.mask ? drawnMask(trial.mask) : [element("p", "Its mask is not in this page.", { class: "small" })]));
    const images = [...document.querySelectorAll(`img.trial-${key}`)];
    if (images.length) {
      const row = element("div", "", { class: "pairs" });
      for (const image of images) {
        const figure = element("figure");
        figure.append(element("img", "", { src: image.src, alt: image.alt }), element("figcaption", image.alt, { class: "small" }));
        row.append(figure);
      }
      left.append(row);
    }
    const right = element("div");
    const place = element("div", "", { class: "trial-curve", role: "img", "aria-label": `Learning curve of trial ${key}` });
    const hasHistory = Object.keys(trial.history).length > 0;
    right.append(hasHistory ? place : element("p", "No learning curve was recorded.", { class: "small" }));
    const config = element("details");
    config.append(element("summary", "Configuration, where it differs from the defaults"), pairs(trial.config));
    right.append(config);
    const columns = element("div", "", { class: "panels" });
    columns.append(left, right);
    body.replaceChildren(columns, ...commands(key));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    if (hasHistory && window.Plotly) drawCurves(place, trial.history, curves);
  }

  function follow() {
    const key = location.hash.match(/^#trial-([0-9a-f]+)$/);
    if (key) open(key[1]);
    else if (dialog.open) dialog.close();
  }
  dialog.addEventListener("close", () => {
    if (location.hash.startsWith("#trial-")) history.replaceState(null, "", location.pathname + location.search);
    body.replaceChildren();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); }); // beside it
  window.addEventListener("hashchange", follow);

  /** The key of a point: among its customdata, or in its text. */
  function keyOf(point, trials) {
    const text = [].concat(point.data.text || "")[point.pointNumber] || point.data.text;
    const candidates = [].concat(point.customdata ?? [], String(text ?? "").match(/[0-9a-f]{12}/g) ?? []);
    return candidates.find((name) => Object.hasOwn(trials, name));
  }
  for (const plot of document.querySelectorAll(".plot")) {
    plot.addEventListener("drawn", () => plot.on?.("plotly_click", async ({ points }) => {
      const { trials } = await read();
      const key = points.map((point) => keyOf(point, trials)).find(Boolean);
      if (!key) return;
      plot.tabIndex = -1;
      plot.focus({ preventScroll: true }); // to where the focus returns
      location.hash = `trial-${key}`;
    }));
  }
  for (const cell of document.querySelectorAll("#trials tbody td:first-child")) {
    cell.replaceChildren(element("a", cell.textContent, { href: `#trial-${cell.textContent}` }));
  }
  follow();
});
