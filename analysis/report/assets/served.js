// Only in a page that is served: ask whether something has changed, and load the page again at the reader's place.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const bar = document.querySelector(".served");
  const pause = bar.querySelector("input");
  const said = bar.querySelector("output");
  const field = document.querySelector(".notes textarea");
  const place = `place in ${location.pathname}`;
  const folds = () => [...document.querySelectorAll("main > section > details")];
  history.scrollRestoration = "manual";
  document.documentElement.style.overflowAnchor = "none";

  function remember() {
    const open = folds().flatMap((fold, i) => (fold.open ? [i] : []));
    sessionStorage.setItem(place, JSON.stringify({ top: window.scrollY, open }));
  }

  const kept = JSON.parse(sessionStorage.getItem(place) || "null");
  sessionStorage.removeItem(place);
  if (kept) {
    folds().forEach((fold, i) => { fold.open = kept.open.includes(i); });
    window.scrollTo({ top: kept.top, behavior: "instant" });
  }
  pause.checked = sessionStorage.getItem("paused") === "yes";
  pause.addEventListener("change", () => sessionStorage.setItem("paused", pause.checked ? "yes" : "no"));

  // what is being written or picked must not be lost to a reload
  const isTouched = () => (field && field.value !== field.defaultValue) || document.querySelector("[name=run]:checked") !== null;
  window.addEventListener("beforeunload", (event) => {
    if (field && field.value !== field.defaultValue && !field.form.dataset.sent) event.preventDefault();
  });
  if (field) field.form.addEventListener("submit", () => { field.form.dataset.sent = "yes"; remember(); });

  async function look() {
    if (document.hidden) return;
    try {
      const answer = await fetch(bar.dataset.question, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const now = await answer.json();
      const isNew = now.version !== bar.dataset.version;
      said.value = now.busy ? "being analysed again …" : "";
      if (!isNew) return;
      if (pause.checked || isTouched()) { said.value = "there is something new: load the page again to see it"; return; }
      remember();
      location.reload();
    } catch {
      said.value = "the server does not answer";
    }
  }
  setInterval(look, 1000 * Number(bar.dataset.seconds));
});
