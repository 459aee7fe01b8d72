// Shows a line of text: a screen reader speaks it, or the banner shows it.

import { byId } from "./dom.js";

const SHOWN_MS = 8000;
let announcing = 0;
let hiding = 0;
/** The notice that stays until it is taken back; "" where there is none. */
let lasting = "";

/**
 * A screen reader speaks the text when it is next idle. Of several texts within 150 ms it speaks the last.
 * @param {string} text
 */
export function announce(text) {
  clearTimeout(announcing);
  announcing = setTimeout(() => {
    byId("live").textContent = text;
  }, 150);
}

/**
 * Shows a line for some seconds; then the lasting notice is back, where there is one.
 * @param {string} text
 */
export function tell(text) {
  clearTimeout(hiding);
  show(text, "told");
  byId("banner-undo").hidden = !text.includes("Ctrl+Z");
  hiding = setTimeout(showLasting, SHOWN_MS);
}

/** Shows a notice at the top of the page until it is taken back by "". @param {string} text */
export function notice(text) {
  lasting = text;
  const isTold = byId("banner").classList.contains("told") && !byId("banner").hidden;
  if (text || !isTold) showLasting();
}

function showLasting() {
  clearTimeout(hiding);
  show(lasting, "offline");
  byId("banner").hidden = !lasting;
}

/** @param {string} text @param {"told" | "offline"} kind */
function show(text, kind) {
  byId("banner-text").textContent = text;
  byId("banner").className = `banner ${kind}`;
  byId("banner-retry").hidden = kind === "told";
  byId("banner-undo").hidden = true;
  byId("banner").hidden = false;
}
