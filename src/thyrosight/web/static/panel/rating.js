// The second reader's own suspicion; the page asks for it before and after it shows the network's result.

import { fill, h, targetOf } from "../page/dom.js";
import { isSecondReader } from "../page/reader.js";

/**
 * @param {HTMLElement} parent
 * @param {import("../review/review.js").Review} review
 * @param {() => void} save
 */
export function showRating(parent, review, save) {
  parent.hidden = !isSecondReader();
  if (parent.hidden) return;
  const shown = h("output", { htmlFor: "suspicion" }, textOf(review.suspicion));
  const button = h("button", { type: "button", class: "small-button", onclick: save }, "Done: show the network");
  /** @param {Event} event */
  const oninput = (event) => {
    review.rate(targetOf(event).valueAsNumber / 100);
    shown.textContent = textOf(review.suspicion);
  };
  const value = Math.round(100 * (review.suspicion ?? 0.5));
  const slider = h("input", { type: "range", id: "suspicion", min: "0", max: "100", value, oninput });
  fill(
    parent,
    h("div", { class: "section-head" }, h("h3", {}, "Your suspicion of cancer"), shown),
    h("label", { class: "sr", htmlFor: "suspicion" }, "Suspicion of cancer, per cent"),
    slider,
    review.isBlind
      ? [h("p", { class: "small faint" }, "The network is hidden until you have outlined or rated."), button]
      : null,
  );
}

/** @param {number | null} suspicion */
const textOf = (suspicion) => (suspicion === null ? "not rated" : `${Math.round(100 * suspicion)} %`);
