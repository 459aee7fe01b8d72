// A review -> identity of the open image and origin of its result: file, header, model, program.

import { byId, fill, h, targetOf } from "../page/dom.js";
import { hasOwnScale } from "../page/format.js";

/** @typedef {import("../review/review.js").Review} Review */

/**
 * Review -> the head of the panel: the file, what its header states, and the result's model if it is not the chosen
 * model.
 * @param {HTMLElement} parent
 * @param {Review} review
 * @param {import("../server/models.js").Models} models
 * @param {() => void} again lets the chosen model predict it
 */
export function showIdentity(parent, review, models, again) {
  const { image, model } = review.prediction;
  const isNamesake = model.name === models.chosen?.name; // a shipped model that was replaced has the same name
  const facts = [`${image.width_px} × ${image.height_px} px`];
  if (image.num_frames > 1) facts.unshift(`frame ${review.frame + 1} of ${image.num_frames}`);
  if (image.spacing) facts.push(`${image.spacing.column_mm.toFixed(3)} mm per pixel`);
  const isGiven = image.spacing && !hasOwnScale(review.prediction);
  if (isGiven) facts.push(/** @type {string} */ (image.spacing_reason));
  fill(
    parent,
    h("h2", { class: "file", title: review.item.name }, review.item.name),
    h("p", { class: "faint" }, facts.join(" · ")),
    hasOwnScale(review.prediction) ? null : h("p", { class: "small faint" }, isGiven ? "Scale: " : "No millimetres. Set the scale: ", scaleLinks(Boolean(isGiven))), // prettier-ignore
    models.isOther(review.prediction)
      ? h(
          "p",
          { class: "small by-model" },
          `Result by ${model.name}${isNamesake ? ` (${model.id.slice(0, 8)}), another model of the same name` : ""}. `,
          h("button", { type: "button", class: "link small", onclick: again }, `Predict again by ${isNamesake ? "the chosen one" : models.chosen?.name}`), // prettier-ignore
        )
      : null,
  );
}

/** Buttons to give the scale, or to withdraw the given one; the page listens for them. @param {boolean} isGiven */
function scaleLinks(isGiven) {
  const link = (/** @type {string} */ text, /** @type {"ruler" | "typed" | "none"} */ by) => {
    const onclick = (/** @type {MouseEvent} */ event) =>
      targetOf(event).dispatchEvent(new CustomEvent("scale", { detail: by, bubbles: true }));
    return h("button", { type: "button", class: "link small", dataset: { scale: by }, onclick }, text);
  };
  return [link("by the ruler", "ruler"), " · ", link("type it", "typed"), isGiven && " · ", isGiven && link("withdraw", "none")]; // prettier-ignore
}

/** A narrow header has no space for the button that this one replaces. */
const modelsLink = () =>
  h("button", { type: "button", class: "link", onclick: () => byId("served").click() }, "Choose a model");

/** Which network and program it was. @param {HTMLElement} parent @param {Review} review */
export function showProvenance(parent, review) {
  const { model, software_version: software, seconds, with_tta: isMirrored, image } = review.prediction;
  const rows = [
    ["Model", [`${model.name} (${model.id}) `, modelsLink()]],
    ["Program", software],
    ["Time", `${seconds.toFixed(2)} s${isMirrored ? ", averaged with the mirror image and a closer view" : ""}`],
    ["Image SHA-256", image.sha256],
  ];
  fill(
    parent,
    h(
      "details",
      { class: "more" },
      h("summary", {}, "Where this comes from"),
      h(
        "dl",
        { class: "facts" },
        rows.map(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]),
      ),
    ),
  );
}
