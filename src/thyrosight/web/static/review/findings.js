// The network's nodules and a person's saved reading -> findings: each nodule with the person's changes.

import { asApiError } from "../server/api.js";
import { boxOverlap, sameRing } from "./rings.js";

/** @typedef {import("./rings.js").Ring} Ring */
/**
 * @typedef {Pick<Api.Nodule, "size" | "mean_probability" | "risk" | "risk_interval" | "risk_interval_reason" |
 * "signs"> & { risk_reason?: string | null }} Measures of one outline: the network's or a person's
 */
/** @typedef {Record<string, any>} ChosenWords TI-RADS descriptors that the person set, by name */
/** @typedef {"hand" | "click" | "box"} DrawnWith */
/**
 * @typedef {object} Finding one nodule of the frame
 * @property {string} key
 * @property {string | null} uid its identity for life, given by the server; null until it is saved
 * @property {number} number
 * @property {Api.Nodule | null} network the prediction's nodule; null for one that the person added
 * @property {Ring} ring the person's outline; the network's own points until it is touched
 * @property {boolean} isRemoved
 * @property {Measures | null} measured the server's measures of a touched ring
 * @property {Ring | null} measuredRing the ring that `measured` is of
 * @property {string | null} failure why the ring was not measured
 * @property {ChosenWords} chosen
 * @property {DrawnWith} drawnWith
 * @property {string} note of this nodule, as an examination keeps it
 */
/** @typedef {any} Reading a reading as the server keeps it, or as the page sends it */

const SAME_NODULE = 0.1;

/**
 * @param {string} key
 * @param {number} number
 * @param {Api.Nodule | null} network
 * @param {Ring} ring
 * @returns {Finding}
 */
export function emptyFinding(key, number, network, ring) {
  return {
    key,
    uid: /** @type {any} */ (network)?.uid ?? null,
    number,
    network,
    ring,
    isRemoved: false,
    measured: null,
    measuredRing: null,
    failure: null,
    chosen: {},
    drawnWith: "hand",
    note: "",
  };
}

/**
 * The network's nodules and a saved reading -> findings. A saved outline with a UID belongs to the nodule with this
 * UID; without a UID, to the nodule whose box it overlaps most. A nodule that gets no saved outline is marked as
 * removed. If there is no reading, no nodule is removed.
 * @param {Api.Nodule[]} nodules
 * @param {Reading | null} reading
 */
export function findingsOf(nodules, reading) {
  const findings = nodules.map((nodule) =>
    emptyFinding(`network-${nodule.number}`, nodule.number, nodule, nodule.outline_xy),
  );
  if (!reading) return findings;
  const free = new Set(findings);
  /** @type {Finding[]} */
  const added = [];
  savedOutlines(reading).forEach((saved, index) => {
    const found = matchOf(free, saved);
    const number = saved.number ?? findings.length + added.length + 1;
    const finding = found ?? emptyFinding(`saved-${saved.uid ?? index}`, number, null, saved.ring);
    if (!free.delete(finding)) added.push(finding);
    if (saved.uid) Object.assign(finding, { uid: saved.uid, number });
    finding.ring =
      finding.network && sameRing(saved.ring, finding.network.outline_xy) ? finding.network.outline_xy : saved.ring;
    finding.chosen = { ...(saved.descriptors ?? {}) };
    Object.assign(finding, { drawnWith: saved.drawnWith, note: saved.note });
    if (saved.measures && isTouched(finding))
      Object.assign(finding, { measured: saved.measures, measuredRing: finding.ring });
  });
  for (const finding of free) finding.isRemoved = true;
  return [...findings, ...added].sort((a, b) => a.number - b.number);
}

/**
 * @typedef {object} Saved one outline of a saved reading
 * @property {string | null} uid
 * @property {number | null} number
 * @property {Ring} ring
 * @property {ChosenWords | null} descriptors
 * @property {Measures | null} measures
 * @property {DrawnWith} drawnWith
 * @property {string} note
 */

/** @param {Reading} reading @returns {Saved[]} */
function savedOutlines(reading) {
  const measures = reading.measures ?? [];
  if (reading.findings?.length)
    return reading.findings.map((/** @type {any} */ one, /** @type {number} */ index) => ({
      uid: one.uid ?? null,
      number: one.number ?? null,
      ring: one.outline_xy,
      descriptors: one.descriptors ?? null,
      measures: measures[index] ?? one.nodule ?? null,
      drawnWith: one.drawn_with ?? "hand",
      note: one.note ?? "",
    }));
  return (reading.outlines_xy ?? []).map((/** @type {Ring} */ ring, /** @type {number} */ index) => ({
    uid: null,
    number: null,
    ring,
    descriptors: reading.descriptors?.[index] ?? null,
    measures: measures[index] ?? null,
    drawnWith: "hand",
    note: "",
  }));
}

/** @param {Set<Finding>} free findings of the network @param {Saved} saved @returns {Finding | null} */
function matchOf(free, { uid, ring }) {
  if (uid) return [...free].find((finding) => finding.uid === uid) ?? null;
  /** @type {{ overlap: number, finding: Finding | null }} */
  let best = { overlap: SAME_NODULE, finding: null };
  for (const finding of free) {
    const overlap = finding.network ? boxOverlap(finding.network.outline_xy, ring) : 0;
    if (overlap > best.overlap) best = { overlap, finding };
  }
  return best.finding;
}

/** Whether an outline is no longer the network's own. @param {Finding} finding */
export const isTouched = (finding) => !finding.network || !sameRing(finding.ring, finding.network.outline_xy);

/** @param {Finding} finding */
export const needsMeasure = (finding) =>
  !finding.isRemoved && isTouched(finding) && finding.measuredRing !== finding.ring;

/**
 * Measures of a finding's ring: the server's for a ring that a person changed, else the network's; null while not
 * known.
 * @param {Finding} finding
 * @returns {Measures | null}
 */
export function current(finding) {
  if (!isTouched(finding)) return finding.network;
  return finding.measuredRing === finding.ring ? finding.measured : null;
}

/**
 * As `current`, but while the server computes, the last known measures: for text that must not flicker. Null where the
 * server refused the outline, because the network's measures belong to another outline.
 * @param {Finding} finding
 * @returns {Measures | null}
 */
export function lastKnown(finding) {
  if (!isTouched(finding)) return finding.network;
  const isRefused = finding.failure !== null && finding.measuredRing === finding.ring;
  return isRefused ? null : (finding.measured ?? finding.network);
}

/** Rings that could not be measured -> the reason is stored with each. @param {{ finding: Finding, ring: Ring }[]} asked @param {unknown} error */
export function fail(asked, error) {
  const { message } = asApiError(error);
  for (const { finding, ring } of asked)
    Object.assign(finding, { measured: null, measuredRing: ring, failure: message });
}
