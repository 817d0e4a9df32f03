// The filters of the Pareto plots: vendor hides a panel; mask family and temperature hide points and rows of tables, and
// change front, band and star to those of what is shown, where the page holds them.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form.filters")) {
    const panels = [...document.querySelectorAll(`[data-filtered="${form.id}"]`)];
    const said = form.querySelector("output");
    const checked = (name) => new Set([...form.querySelectorAll(`[name="${name}"]:checked`)].map((box) => box.value));
    const bound = (name, otherwise) => {
      const field = form.querySelector(`[name="${name}"]`);
      return field && field.value !== "" ? Number(field.value) : otherwise;
    };

    // customdata of a point: [mask family, temperature or "", key]; full sampling belongs to every family.
    function kept([family, temperature]) {
      if (family !== "full sampling" && !checked("family").has(family)) return false;
      if (temperature === "" || family === "full sampling") return true;
      if (form.querySelector('[name="temperature"]')) return checked("temperature").has(String(temperature));
      return temperature >= bound("from", -Infinity) && temperature <= bound("to", Infinity);
    }

    /** Front, band and star of the configurations shown; the words that say what they are of. */
    function follow(plot, keys, isWhole) {
      const subset = (plot.layout.meta?.subsets || []).find((one) => one.keys.length === keys.size && one.keys.every((key) => keys.has(key)));
      plot.data.forEach((trace, i) => {
        const role = trace.meta?.role;
        if (!role) return;
        trace.meta.whole = trace.meta.whole || { x: trace.x, y: trace.y, text: trace.text };
        const { x, y, text } = isWhole ? trace.meta.whole : subset?.[role] || { x: [], y: [], text: [] };
        Plotly.restyle(plot, role === "star" ? { x: [x], y: [y], text: [text] } : { x: [x], y: [y] }, [i]);
      });
      if (isWhole) return "";
      if (!subset) return "front, band and star are not drawn: they are known of one mask family or temperature at a time";
      return `front${subset.band ? ", band" : " (no band: its curve is not fitted)"} and star are of ${subset.name} alone`;
    }

    function filterTables(vendors) {
      for (const body of document.querySelectorAll("tbody:has(> tr[data-family])")) {
        for (const row of body.rows) {
          const { vendor, family, temperature } = row.dataset;
          row.hidden = !(vendors.has(vendor) && kept([family, temperature === "" ? "" : Number(temperature)]));
        }
        const rows = [...body.rows].filter((row) => !row.hidden).length;
        const place = body.closest(".scroll").previousElementSibling; // the table's title
        const note = place.querySelector(".filtered") || place.insertBefore(document.createElement("span"), place.lastElementChild);
        note.className = "filtered small";
        note.textContent = rows === body.rows.length ? "" : `${rows} of ${body.rows.length} rows: the filters of the first screen hide the others`;
      }
    }

    function apply() {
      const vendors = checked("vendor");
      const words = new Set();
      let [shown, all] = [0, 0];
      for (const panel of panels) {
        const visible = vendors.has(panel.dataset.vendor);
        const plot = panel.querySelector(".plot");
        panel.hidden = !visible;
        if (!plot.dataset.drawn) continue;
        const keys = new Set();
        let isWhole = true;
        plot.data.forEach((trace, i) => {
          if (!trace.meta || !trace.meta.points) return;
          trace.meta.y = trace.meta.y || [...trace.y];
          const keep = trace.customdata.map(kept);
          if (trace.meta.points === "trial") {
            all += keep.length;
            shown += visible ? keep.filter(Boolean).length : 0;
          } else {
            trace.customdata.forEach((about, j) => { if (keep[j]) keys.add(about[2]); else isWhole = false; });
          }
          Plotly.restyle(plot, { y: [trace.meta.y.map((y, j) => (keep[j] ? y : null))] }, [i]);
        });
        const about = follow(plot, keys, isWhole);
        if (visible && about) words.add(about);
        if (visible) Plotly.Plots.resize(plot);
      }
      filterTables(vendors);
      said.value = [`${shown} of ${all} trials shown`, ...words].join("; ");
    }
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply));
    panels.forEach((panel) => panel.querySelector(".plot").addEventListener("drawn", apply));
  }
});
