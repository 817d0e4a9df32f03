// The knob: one slider over the rates, or over another setting; mask, profile, images and both scores with their intervals move together.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(".knob")) {
    const families = JSON.parse(box.querySelector("script.states").textContent);
    const [slider, choice, said] = [box.querySelector("input[type=range]"), box.querySelector("select"), box.querySelector("output")];
    const plot = box.querySelector(".plot");
    const low = Number(box.dataset.gauge); // the gauge runs from here to 1
    const at = (value) => `${100 * Math.min(Math.max((value - low) / (1 - low), 0), 1)}%`;

    function gauge(domain, score) {
      const row = box.querySelector(`[data-domain="${domain}"]`);
      row.querySelector("span").textContent = score.text;
      const [bar, dot, mark] = ["i", "b", "u"].map((name) => row.querySelector(name));
      dot.hidden = score.value === null;
      if (score.value !== null) dot.style.left = at(score.value);
      bar.hidden = score.low === null;
      if (score.low !== null) {
        bar.style.left = at(score.low);
        bar.style.width = `calc(${at(score.high)} - ${at(score.low)})`;
      }
      mark.hidden = score.full === null;
      if (score.full !== null) mark.style.left = at(score.full);
    }

    function profile(state) {
      if (!plot || !plot.dataset.drawn || !state.profile) return;
      const update = ["probability", "mask", "lowpass"].map((name) => state.profile[name]);
      Plotly.restyle(plot, { x: update.map(() => state.profile.distance), y: update }, [0, 1, 2]);
    }

    function mark(image, marks) {
      const around = image.parentElement;
      around.querySelectorAll("i").forEach((old) => old.remove());
      for (const box of marks ? marks.boxes : []) {
        const drawn = document.createElement("i");
        drawn.className = box.kind;
        for (const side of ["top", "left", "height", "width"]) drawn.style[side] = `${box[side]}%`;
        around.append(drawn);
      }
      const said = image.closest("figure").querySelector(".says-marks");
      said.textContent = marks ? marks.words : "";
      said.hidden = !said.textContent;
      if (said.textContent) image.alt += `; ${said.textContent}`;
    }

    function turn() {
      const states = families[choice.value];
      const state = states[slider.value];
      said.value = state.name;
      slider.setAttribute("aria-valuetext", state.name);
      gauge("in", state.in_domain);
      gauge("cross", state.cross_domain);
      for (const name of ["probability", "mask"]) {
        const strip = box.querySelector(`img.${name}`);
        if (!strip) continue;
        strip.hidden = !state[name];
        strip.previousElementSibling.hidden = !state[name];
        if (state[name]) { strip.src = state[name]; strip.alt = `${name} of ${state.name}`; }
        strip.classList.toggle("points", Boolean(state.points));
      }
      box.querySelectorAll("img.sampled").forEach((image, i) => {
        const source = state.images && document.getElementById(state.images[i]);
        image.hidden = !source;
        if (source) { image.src = source.src; image.alt = source.alt; }
        mark(image, source && state.marks ? state.marks[i] : null);
      });
      box.querySelector(".likeness").textContent = state.likeness || "";
      profile(state);
    }

    function choose() {
      const states = families[choice.value];
      slider.max = states.length - 1;
      const chosen = states.findIndex((state) => state.chosen);
      slider.value = chosen < 0 ? states.length - 1 : chosen;
      turn();
    }
    slider.addEventListener("input", turn);
    choice.addEventListener("change", choose);
    if (plot) plot.addEventListener("drawn", turn);
    choose();
  }
});
