// The words of the glossary, explained where they stand: under the pointer, with the keyboard's focus, on a tap.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const list = document.getElementById("glossary");
  if (!list) return;
  const meanings = new Map(); // spelling, as it is written in a sentence or at its start -> the element that explains it
  for (const term of list.querySelectorAll("dt")) {
    for (const spelling of term.dataset.spellings.split("|")) {
      meanings.set(spelling, term.nextElementSibling);
      meanings.set(spelling[0].toUpperCase() + spelling.slice(1), term.nextElementSibling);
    }
  }
  const longest = [...meanings.keys()].filter((spelling) => spelling !== "R").sort((a, b) => b.length - a.length);
  const escaped = longest.map((spelling) => spelling.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const words = new RegExp(`(?<![\\w-])(?:${escaped.join("|")}|R(?= = ))(?![\\w-])`, "g");

  /** Mark the words of a text that this part of the page has not explained yet. */
  function mark(text, explained) {
    const pieces = [];
    let end = 0;
    for (const match of text.data.matchAll(words)) {
      const meaning = meanings.get(match[0]);
      if (explained.has(meaning)) continue;
      explained.add(meaning);
      const word = document.createElement("dfn");
      word.textContent = match[0];
      word.tabIndex = 0;
      explain(word, meaning);
      pieces.push(text.data.slice(end, match.index), word);
      end = match.index + match[0].length;
    }
    if (pieces.length) text.replaceWith(...pieces, text.data.slice(end));
  }

  function explain(element, meaning) {
    element.dataset.term = meaning.id;
    element.setAttribute("aria-describedby", meaning.id);
  }

  const parts = new Map(); // a section, or a vendor on the first screen -> what is explained in it
  for (const paragraph of document.querySelectorAll("main p")) {
    const part = paragraph.closest(".of-vendor, section");
    if (!part || paragraph.closest("summary, figcaption")) continue;
    if (!parts.has(part)) parts.set(part, new Set());
    const texts = [...paragraph.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
    texts.forEach((text) => mark(text, parts.get(part)));
  }
  for (const head of document.querySelectorAll("th button")) { // a button of its own already
    const [match] = head.textContent.matchAll(words);
    if (match) explain(head, meanings.get(match[0]));
  }

  const box = document.createElement("div");
  box.className = "meaning";
  box.hidden = true;
  document.body.append(box);
  let shown = null;

  function show(element) {
    shown = element;
    box.textContent = document.getElementById(element.dataset.term).textContent;
    box.hidden = false;
    const at = element.getBoundingClientRect();
    const room = document.documentElement.clientWidth - box.offsetWidth - 8;
    const below = at.bottom + 4 + box.offsetHeight <= innerHeight || at.top < box.offsetHeight + 4;
    box.style.left = `${scrollX + Math.max(8, Math.min(at.left, room))}px`;
    box.style.top = `${scrollY + (below ? at.bottom + 4 : at.top - 4 - box.offsetHeight)}px`;
  }

  function hide() {
    shown = null;
    box.hidden = true;
  }

  const termOf = (target) => (target instanceof Element ? target.closest("[data-term]") : null);
  document.addEventListener("pointerover", (event) => { if (termOf(event.target)) show(termOf(event.target)); });
  document.addEventListener("pointerout", (event) => {
    const left = termOf(event.target) || (event.target === box ? shown : null);
    const isStill = event.relatedTarget === box || termOf(event.relatedTarget) === left || document.activeElement === left;
    if (left && left === shown && !isStill) hide();
  });
  document.addEventListener("focusin", (event) => { if (termOf(event.target)) show(termOf(event.target)); });
  document.addEventListener("focusout", (event) => { if (termOf(event.target) === shown) hide(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
});
