// Shows a line of text: a screen reader speaks it, or the banner at the top shows it.

import { byId } from "./dom.js";

const SHOWN_MS = 8000;
let announcing = 0;

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
 * Shows a line at the top of the page for some seconds.
 * @param {string} text
 */
export function tell(text) {
  byId("banner-text").textContent = text;
  byId("banner").className = "banner told";
  byId("banner-retry").hidden = true;
  byId("banner-undo").hidden = !text.includes("Ctrl+Z");
  byId("banner").hidden = false;
  setTimeout(() => byId("banner").classList.contains("told") && (byId("banner").hidden = true), SHOWN_MS);
}
