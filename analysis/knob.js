// The knob: one slider over the rates; mask, profile, images and both AUCs with their intervals move together.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(".knob")) {
    const families = JSON.parse(box.querySelector("script.states").textContent);
    const [slider, choice, said] = [box.querySelector("input[type=range]"), box.querySelector("select"), box.querySelector("output")];
    const plot = box.querySelector(".plot");
    const at = (auc) => `${100 * Math.min(Math.max((auc - 0.4) / 0.6, 0), 1)}%`; // the gauge runs from 0.4 to 1

    function gauge(domain, auc) {
      const row = box.querySelector(`[data-domain="${domain}"]`);
      row.querySelector("span").textContent = auc.text;
      const [bar, dot, mark] = ["i", "b", "u"].map((name) => row.querySelector(name));
      dot.hidden = auc.value === null;
      if (auc.value !== null) dot.style.left = at(auc.value);
      bar.hidden = auc.low === null;
      if (auc.low !== null) {
        bar.style.left = at(auc.low);
        bar.style.width = `calc(${at(auc.high)} - ${at(auc.low)})`;
      }
      mark.hidden = auc.full === null;
      if (auc.full !== null) mark.style.left = at(auc.full);
    }

    function profile(state) {
      if (!plot || !plot.dataset.drawn || !state.profile) return;
      const update = ["probability", "mask", "lowpass"].map((name) => state.profile[name]);
      Plotly.restyle(plot, { x: update.map(() => state.profile.distance), y: update }, [0, 1, 2]);
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
        strip.hidden = !state[name];
        strip.previousElementSibling.hidden = !state[name];
        if (state[name]) { strip.src = state[name]; strip.alt = `${name} of ${state.name}`; }
        strip.classList.toggle("points", Boolean(state.points));
      }
      box.querySelectorAll("img.sampled").forEach((image, i) => {
        const source = state.images && document.getElementById(state.images[i]);
        image.hidden = !source;
        if (source) { image.src = source.src; image.alt = source.alt; }
      });
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
