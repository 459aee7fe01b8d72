// A line of text -> said by a screen reader, or shown in the banner at the top.

import { byId } from "./dom.js";

const SHOWN_MS = 8000;
let announcing = 0;

/**
 * Text -> said by a screen reader when it is next idle; the last one within a moment wins.
 * @param {string} text
 */
export function announce(text) {
  clearTimeout(announcing);
  announcing = setTimeout(() => {
    byId("live").textContent = text;
  }, 150);
}

/**
 * A line at the top of the page for some seconds.
 * @param {string} text
 */
export function tell(text) {
  byId("banner-text").textContent = text;
  byId("banner").className = "banner told";
  byId("banner-retry").hidden = true;
  byId("banner").hidden = false;
  setTimeout(() => byId("banner").classList.contains("told") && (byId("banner").hidden = true), SHOWN_MS);
}
