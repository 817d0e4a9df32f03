// Only in a page that is being watched: load it again every few seconds, at the place where the reader was.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const box = document.querySelector(".live");
  const pause = box.querySelector("input");
  const place = `scroll of ${location.pathname}`;
  // the place is kept to the pixel: neither the browser's own memory nor images that arrive later move it
  history.scrollRestoration = "manual";
  document.documentElement.style.overflowAnchor = "none";
  const kept = sessionStorage.getItem(place);
  if (kept !== null) window.scrollTo({ top: Number(kept), behavior: "instant" });
  pause.checked = sessionStorage.getItem("paused") === "yes";
  pause.addEventListener("change", () => sessionStorage.setItem("paused", pause.checked ? "yes" : "no"));
  setInterval(() => {
    if (pause.checked || document.hidden) return;
    sessionStorage.setItem(place, String(window.scrollY));
    location.reload();
  }, 1000 * Number(box.dataset.seconds));
});
