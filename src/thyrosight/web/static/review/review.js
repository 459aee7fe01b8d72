// One frame under review: the findings of the network, and next to each what a person made of it.

import { asApiError, framePath, isAbort, request, sendJson } from "../server/api.js";
import { debounced } from "../page/dom.js";
import { boxOverlap, sameRing } from "./rings.js";

/** @typedef {import("./rings.js").Ring} Ring */
/**
 * @typedef {Pick<Api.Nodule, "size" | "mean_probability" | "risk" | "risk_interval" | "risk_interval_reason" |
 * "signs">} Measures of one outline: the network's or a person's
 */
/** @typedef {Record<string, any>} ChosenWords TI-RADS descriptors that the person set, by name */
/**
 * @typedef {object} Finding one nodule of the frame
 * @property {string} key
 * @property {number} number
 * @property {Api.Nodule | null} network the prediction's nodule; null for one that the person added
 * @property {Ring} ring the person's outline; the network's own points until it is touched
 * @property {boolean} isRemoved
 * @property {Measures | null} measured the server's measures of a touched ring
 * @property {Ring | null} measuredRing the ring that `measured` is of
 * @property {string | null} failure why the ring was not measured
 * @property {ChosenWords} chosen
 */
/** @typedef {{ key: string, ring: Ring, isRemoved: boolean, finding: Finding }[]} Snapshot */
/** @typedef {{ finding: Finding, ring: Ring }[]} Asked rings that the server is asked to measure */

const MEASURE_AFTER_MS = 90;
const SAME_NODULE = 0.1;

/** Events: `outlines` (points changed), `measured`, `saved`, `chosen` (descriptors or note changed). */
export class Review extends EventTarget {
  /**
   * @param {Api.Item} item
   * @param {number} frame
   * @param {Api.Prediction} prediction
   * @param {Api.CorrectionIn | Api.Correction | null} correction
   */
  constructor(item, frame, prediction, correction) {
    super();
    this.item = item;
    this.frame = frame;
    this.prediction = prediction;
    this.note = correction?.note ?? "";
    this.findings = findingsOf(prediction.nodules, correction);
    this.saved = correction ? this.asText() : null;
    /** @type {string | null} of the saved correction: what If-Match must hold to replace it */
    this.etag = correction && "etag" in correction ? correction.etag : null;
    this.untouched = textOf(findingsOf(prediction.nodules, null), "");
    /** @type {Snapshot[]} */
    this.past = [];
    /** @type {Snapshot[]} */
    this.future = [];
    /** @type {AbortController | null} */
    this.measuring = null;
    this.measureSoon = debounced(() => this.measure(), MEASURE_AFTER_MS);
    if (this.findings.some(needsMeasure)) this.measure();
  }

  get hasCorrection() {
    return this.findings.some((finding) => isTouched(finding) || finding.isRemoved);
  }

  get isChanged() {
    return this.asText() !== (this.saved ?? this.untouched);
  }

  asText() {
    return textOf(this.findings, this.note);
  }

  /** @param {string | null} key @returns {Finding | null} */
  finding(key) {
    return this.findings.find((finding) => finding.key === key) ?? null;
  }

  /** Records the present outlines, so that the next change can be undone. */
  remember() {
    this.past.push(this.snapshot());
    this.future = [];
  }

  /** @returns {Snapshot} */
  snapshot() {
    return this.findings.map((finding) => ({
      key: finding.key,
      ring: finding.ring,
      isRemoved: finding.isRemoved,
      finding,
    }));
  }

  /** A finding that is known to be there. @param {string} key */
  known(key) {
    return /** @type {Finding} */ (this.finding(key));
  }

  /** @param {string} key @param {Ring} ring */
  setRing(key, ring) {
    const finding = this.known(key);
    finding.ring = ring;
    finding.isRemoved = false;
    this.changed();
  }

  /** @param {Ring} ring @returns {string} its key */
  add(ring) {
    this.remember();
    const key = `added-${Date.now()}-${this.findings.length}`;
    const number = Math.max(0, ...this.findings.map((finding) => finding.number)) + 1;
    this.findings = [...this.findings, emptyFinding(key, number, null, ring)];
    this.changed();
    return key;
  }

  /** @param {string} key */
  remove(key) {
    this.remember();
    const finding = this.known(key);
    if (finding.network) finding.isRemoved = true;
    else this.findings = this.findings.filter((other) => other !== finding);
    this.changed();
  }

  /** Back to the network's outline, of a finding that has one. @param {string} key */
  revert(key) {
    this.remember();
    const finding = this.known(key);
    finding.ring = /** @type {Api.Nodule} */ (finding.network).outline_xy;
    finding.isRemoved = false;
    this.changed();
  }

  /** Back to what is saved, or to the network's result where nothing is. @param {Api.CorrectionIn | null} correction */
  discard(correction) {
    this.findings = findingsOf(this.prediction.nodules, correction);
    this.note = correction?.note ?? "";
    this.past = [];
    this.future = [];
    this.changed();
  }

  undo() {
    return this.step(this.past, this.future);
  }

  redo() {
    return this.step(this.future, this.past);
  }

  /** @param {Snapshot[]} from @param {Snapshot[]} to */
  step(from, to) {
    const snapshot = from.pop();
    if (!snapshot) return false;
    to.push(this.snapshot());
    this.findings = snapshot.map(({ finding, ring, isRemoved }) => Object.assign(finding, { ring, isRemoved }));
    this.changed();
    return true;
  }

  changed() {
    this.dispatchEvent(new Event("outlines"));
    this.measureSoon();
  }

  /** @param {string} key @param {string} name @param {string | string[] | null} value null takes the choice back */
  choose(key, name, value) {
    const finding = this.known(key);
    if (value === null) delete finding.chosen[name];
    else finding.chosen[name] = value;
    this.dispatchEvent(new Event("chosen"));
  }

  /** @param {string} text */
  setNote(text) {
    this.note = text;
    this.dispatchEvent(new Event("chosen"));
  }

  /** Asks the server for measures of every touched ring without them; a later request aborts an earlier one. */
  async measure() {
    this.measuring?.abort();
    this.measuring = new AbortController();
    const { signal } = this.measuring;
    const asked = this.findings.filter(needsMeasure).map((finding) => ({ finding, ring: finding.ring }));
    try {
      if (asked.length) await this.measureAll(asked, signal);
    } catch (error) {
      if (isAbort(error)) return;
      fail(asked, error);
    }
    this.dispatchEvent(new Event("measured"));
  }

  /**
   * Measures all rings at once; where one is refused, each on its own, so that the error stays with its outline.
   * @param {Asked} asked
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  async measureAll(asked, signal) {
    const path = framePath(this.item.id, this.frame, "measure");
    try {
      const answers = await sendJson("POST", path, { outlines_xy: asked.map(({ ring }) => ring) }, { signal });
      asked.forEach(({ finding, ring }, index) =>
        Object.assign(finding, { measured: answers[index], measuredRing: ring, failure: null }),
      );
    } catch (error) {
      if (isAbort(error) || asApiError(error).status !== 422) throw error;
      if (asked.length === 1) fail(asked, error);
      else for (const one of asked) await this.measureAll([one], signal);
    }
  }

  /** -> the correction as the server stores it. @returns {Api.CorrectionIn} */
  toCorrection() {
    const kept = this.findings.filter((finding) => !finding.isRemoved);
    const descriptors = kept.map((finding) => finding.chosen);
    /** @type {Api.CorrectionIn} */
    const correction = { outlines_xy: kept.map((finding) => finding.ring) };
    if (descriptors.some((chosen) => Object.keys(chosen).length)) {
      correction.descriptors = descriptors;
      correction.system = /** @type {Api.CorrectionIn["system"]} */ (
        localStorage.getItem("thyrosight-tirads") ?? "acr"
      );
    }
    if (this.note.trim()) correction.note = this.note.trim();
    return correction;
  }

  async save() {
    const text = this.asText();
    const path = framePath(this.item.id, this.frame, "correction");
    /** @type {Record<string, string>} */
    const seen = this.etag ? { "If-Match": this.etag } : {};
    if (text !== this.untouched) {
      const headers = { "Content-Type": "application/json", ...seen };
      const kept = await sendJson("PUT", path, this.toCorrection(), { headers });
      this.etag = kept.etag ?? null;
    } else if (this.saved) {
      await request(path, { method: "DELETE", headers: seen }).catch(ignoreMissing);
      this.etag = null;
    }
    this.saved = text === this.untouched ? null : text;
    this.dispatchEvent(new Event("saved"));
  }

  close() {
    this.measuring?.abort();
  }
}

/**
 * Measures of a finding's ring: the person's where it is touched, else the network's; null while not known.
 * @param {Finding} finding
 * @returns {Measures | null}
 */
export function current(finding) {
  if (!isTouched(finding)) return finding.network;
  return finding.measuredRing === finding.ring ? finding.measured : null;
}

/**
 * As `current`, but the last known measures while the server computes: for text that must not flicker.
 * @param {Finding} finding
 * @returns {Measures | null}
 */
export const lastKnown = (finding) => (isTouched(finding) ? (finding.measured ?? finding.network) : finding.network);

/** @param {Finding} finding */
export const isTouched = (finding) => !finding.network || !sameRing(finding.ring, finding.network.outline_xy);

/** @param {Finding} finding */
const needsMeasure = (finding) => !finding.isRemoved && isTouched(finding) && finding.measuredRing !== finding.ring;

/** @param {Asked} asked @param {unknown} error */
function fail(asked, error) {
  const { message } = asApiError(error);
  for (const { finding, ring } of asked)
    Object.assign(finding, { measured: null, measuredRing: ring, failure: message });
}

/**
 * @param {string} key
 * @param {number} number
 * @param {Api.Nodule | null} network
 * @param {Ring} ring
 * @returns {Finding}
 */
function emptyFinding(key, number, network, ring) {
  return {
    key,
    number,
    network,
    ring,
    isRemoved: false,
    measured: null,
    measuredRing: null,
    failure: null,
    chosen: {},
  };
}

/**
 * The network's nodules and a saved correction -> findings: each saved outline with the nodule that it overlaps most.
 * @param {Api.Nodule[]} nodules
 * @param {Api.CorrectionIn | Api.Correction | null} correction
 */
function findingsOf(nodules, correction) {
  const findings = nodules.map((nodule) =>
    emptyFinding(`network-${nodule.number}`, nodule.number, nodule, nodule.outline_xy),
  );
  if (!correction) return findings;
  const free = new Set(findings);
  /** @type {Finding[]} */
  const added = [];
  (correction.outlines_xy ?? []).forEach((ring, index) => {
    const finding =
      bestMatch(free, ring) ?? emptyFinding(`saved-${index}`, findings.length + added.length + 1, null, ring);
    if (!free.delete(finding)) added.push(finding);
    finding.ring = finding.network && sameRing(ring, finding.network.outline_xy) ? finding.network.outline_xy : ring;
    finding.chosen = { ...(correction.descriptors?.[index] ?? {}) };
    const measured = "measures" in correction ? /** @type {Measures | undefined} */ (correction.measures[index]) : null;
    if (measured && isTouched(finding)) Object.assign(finding, { measured, measuredRing: ring });
  });
  for (const finding of free) finding.isRemoved = true;
  return [...findings, ...added];
}

/** @param {Set<Finding>} free findings of the network @param {Ring} ring */
function bestMatch(free, ring) {
  /** @type {{ overlap: number, finding: Finding | null }} */
  let best = { overlap: SAME_NODULE, finding: null };
  for (const finding of free) {
    const overlap = finding.network ? boxOverlap(finding.network.outline_xy, ring) : 0;
    if (overlap > best.overlap) best = { overlap, finding };
  }
  return best.finding;
}

/** @param {Finding[]} findings @param {string} note */
function textOf(findings, note) {
  const kept = findings.filter((finding) => !finding.isRemoved);
  return JSON.stringify([kept.map((finding) => [finding.ring, Object.entries(finding.chosen).sort()]), note.trim()]);
}

/** @param {unknown} error */
function ignoreMissing(error) {
  if (asApiError(error).status !== 404) throw error;
}
