// The second reader's view: the network's result for a frame stays hidden until the reader has outlined or rated it.

import { asApiError, framePath, sendJson } from "../server/api.js";
import { isSecondReader, readerName } from "../page/reader.js";

/** @typedef {import("./review.js").Review} Review */

export const HIDDEN = "hidden until you have outlined or rated";
const NETWORK_FLAGS = new Set(["no_nodule", "several_nodules", "touches_border", "low_probability", "no_outline"]);

/** Whether a frame must be read without the network. @param {any} reading the reader's own, null where there is none */
export const isBlindFor = (reading) => isSecondReader() && !reading;

/** Whether the server hides the network's part of a result. @param {Api.Prediction} prediction */
export const isHidden = (prediction) => prediction.risk_reason === HIDDEN;

/** A prediction -> the same without nodules and risk; the facts on image and field are kept. @param {Api.Prediction} prediction @returns {Api.Prediction} */
export const hiddenResult = (prediction) => ({
  ...prediction,
  nodules: [],
  risk: null,
  risk_reason: HIDDEN,
  flags: prediction.flags.filter(({ code }) => !NETWORK_FLAGS.has(code)),
});

/** The server's measures of an outline -> the same without the network's part. @param {import("./findings.js").Measures} measured */
export const withoutNetwork = (measured) => ({
  ...measured,
  risk: null,
  risk_interval: null,
  risk_interval_reason: null,
  risk_reason: HIDDEN,
  mean_probability: /** @type {any} */ (null),
});

/**
 * Sends one reading to the server's log of readings with and without the network; a failure is shown.
 * @param {Review} review
 * @param {boolean} isShown whether the network was shown
 * @param {number | null} suspicion the reader's own, 0 to 1
 * @param {number} seconds since the image was first seen
 * @returns {Promise<string | null>} why it was not kept
 */
export async function logReading(review, isShown, suspicion, seconds) {
  const outlines = review.kept.map(({ ring }) => ring);
  const reading = {
    reader: readerName() || "unnamed",
    network_shown: isShown,
    outlines_xy: isShown || outlines.length ? outlines : null, // who only rates has not said that there is no nodule
    suspicion,
    seconds: Math.round(10 * seconds) / 10,
  };
  try {
    await sendJson("POST", framePath(review.item.id, review.frame, "study"), reading);
    return null;
  } catch (error) {
    return asApiError(error).message;
  }
}
