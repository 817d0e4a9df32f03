// The filters above the Pareto plots: vendor hides a panel; mask family and temperature hide points.
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

    // customdata of a point: [mask family, temperature or ""]; full sampling belongs to every family.
    function kept([family, temperature]) {
      if (family !== "full sampling" && !checked("family").has(family)) return false;
      if (temperature === "" || family === "full sampling") return true;
      if (form.querySelector('[name="temperature"]')) return checked("temperature").has(String(temperature));
      return temperature >= bound("from", -Infinity) && temperature <= bound("to", Infinity);
    }

    function apply() {
      const vendors = checked("vendor");
      let [shown, all] = [0, 0];
      for (const panel of panels) {
        const visible = vendors.has(panel.dataset.vendor);
        const plot = panel.querySelector(".plot");
        panel.hidden = !visible;
        if (!plot.dataset.drawn) continue;
        plot.data.forEach((trace, i) => {
          if (!trace.meta || !trace.meta.points) return;
          trace.meta.y = trace.meta.y || [...trace.y];
          const keep = trace.customdata.map(kept);
          if (trace.meta.points === "trial") {
            all += keep.length;
            shown += visible ? keep.filter(Boolean).length : 0;
          }
          Plotly.restyle(plot, { y: [trace.meta.y.map((y, j) => (keep[j] ? y : null))] }, [i]);
        });
        if (visible) Plotly.Plots.resize(plot);
      }
      said.value = `${shown} of ${all} trials shown`;
    }
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply));
    panels.forEach((panel) => panel.querySelector(".plot").addEventListener("drawn", apply));
  }
});
