// One frame under review: the findings of the network, and a person's changes to each.

import { asApiError, framePath, isAbort, request, sendJson } from "../server/api.js";
import { debounced } from "../page/dom.js";
import { readerName } from "../page/reader.js";
import { withoutNetwork } from "./blind.js";
import { emptyFinding, fail, findingsOf, isTouched, needsMeasure } from "./findings.js";
import { sameRing } from "./rings.js";

/** @typedef {import("./rings.js").Ring} Ring */
/** @typedef {import("./rings.js").Point} Point */
/** @typedef {import("./findings.js").Measures} Measures */
/** @typedef {import("./findings.js").Finding} Finding */
/** @typedef {import("./findings.js").Reading} Reading */
/** @typedef {[Point, Point]} Caliper placed by hand, in source pixels */
/**
 * @typedef {object} Snapshot all that can be undone
 * @property {{ finding: Finding, ring: Ring, isRemoved: boolean, chosen: import("./findings.js").ChosenWords }[]} findings
 * @property {Caliper[]} calipers
 * @property {string} note
 * @property {string} system
 */
/** @typedef {{ finding: Finding, ring: Ring }[]} Asked rings that the server is asked to measure */

const MEASURE_AFTER_MS = 90;
const TYPING_MS = 1500;
const SYSTEM_KEY = "thyrosight-tirads";

/** Events: `outlines` (anything that can be undone changed), `measured`, `saved`, `chosen` (words or note changed). */
export class Review extends EventTarget {
  /**
   * @param {Api.Item} item
   * @param {number} frame
   * @param {Api.Prediction} prediction
   * @param {Reading | null} reading
   */
  constructor(item, frame, prediction, reading) {
    super();
    this.item = item;
    this.frame = frame;
    this.prediction = prediction;
    this.note = reading?.note ?? "";
    this.findings = findingsOf(prediction.nodules, reading);
    /** @type {Caliper[]} */
    this.calipers = reading?.calipers_xy ?? [];
    /** Which TI-RADS rates the nodules: the reading's, else the one that this browser remembers. */
    this.system = systemOf(reading);
    /** @type {string | null} version of the reading that this one is based on, as the server names it */
    this.etag = reading?.etag ?? null;
    this.highestNumber = Math.max(0, (reading?.next_number ?? 1) - 1, ...this.findings.map(({ number }) => number));
    this.saved = reading ? this.asText() : null;
    this.savedSystem = this.system;
    this.untouched = textOf(findingsOf(prediction.nodules, null), "", []);
    /** @type {Snapshot[]} */
    this.past = [];
    /** @type {Snapshot[]} */
    this.future = [];
    /** @type {AbortController | null} */
    this.measuring = null;
    this.measureSoon = debounced(() => this.measure(), MEASURE_AFTER_MS);
    this.typedAt = -Infinity;
    /** The network's part is hidden from the reader. */
    this.isBlind = false;
    /** @type {number | null} the reader's own suspicion, 0 to 1 */
    this.suspicion = null;
    this.seenAt = performance.now();
    if (this.findings.some(needsMeasure)) this.measure();
  }

  get hasCorrection() {
    return this.findings.some((finding) => isTouched(finding) || finding.isRemoved);
  }

  get isChanged() {
    return this.asText() !== (this.saved ?? this.untouched) || this.isRatedAnew;
  }

  /**
   * Whether the saved reading was rated by another TI-RADS. Without a saved reading, the choice of a TI-RADS is no
   * change.
   */
  get isRatedAnew() {
    return this.saved !== null && this.system !== this.savedSystem;
  }

  asText() {
    return textOf(this.findings, this.note, this.calipers);
  }

  /** Findings that are not removed. */
  get kept() {
    return this.findings.filter((finding) => !finding.isRemoved);
  }

  /** @param {string | null} key @returns {Finding | null} */
  finding(key) {
    return this.findings.find((finding) => finding.key === key) ?? null;
  }

  /** Records the present state, so that the next change can be undone. */
  remember() {
    this.past.push(this.snapshot());
    this.future = [];
    this.typedAt = -Infinity;
  }

  /** @returns {Snapshot} */
  snapshot() {
    const findings = this.findings.map((finding) => ({
      finding,
      ring: finding.ring,
      isRemoved: finding.isRemoved,
      chosen: { ...finding.chosen },
    }));
    return { findings, calipers: this.calipers, note: this.note, system: this.system };
  }

  /** @param {Snapshot} snapshot */
  restore({ findings, calipers, note, system }) {
    this.findings = findings.map(({ finding, ring, isRemoved, chosen }) =>
      Object.assign(finding, { ring, isRemoved, chosen: { ...chosen } }),
    );
    Object.assign(this, { calipers, note, system });
    this.changed();
  }

  /** The finding with this key, which must exist. @param {string} key */
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

  /**
   * A nodule that a person adds; a number is never given twice.
   * @param {Ring} ring
   * @param {import("./findings.js").DrawnWith} drawnWith
   * @returns {string} its key
   */
  add(ring, drawnWith = "hand") {
    this.remember();
    return this.append(ring, drawnWith);
  }

  /** As `add`, where `remember` was already called for the whole change. @param {Ring} ring @param {import("./findings.js").DrawnWith} drawnWith */
  append(ring, drawnWith = "hand") {
    this.highestNumber += 1;
    const key = `added-${this.highestNumber}-${Date.now()}`;
    this.findings = [...this.findings, { ...emptyFinding(key, this.highestNumber, null, ring), drawnWith }];
    this.changed();
    return key;
  }

  /** @param {string} key */
  remove(key) {
    this.remember();
    this.takeAway(key);
  }

  /** As `remove`, where `remember` was already called for the whole change. @param {string} key */
  takeAway(key) {
    const finding = this.known(key);
    if (finding.network) finding.isRemoved = true;
    else this.findings = this.findings.filter((other) => other !== finding);
    this.changed();
  }

  /** Restores the network's outline of a finding that has one. @param {string} key */
  revert(key) {
    this.remember();
    const finding = this.known(key);
    finding.ring = /** @type {Api.Nodule} */ (finding.network).outline_xy;
    finding.isRemoved = false;
    this.changed();
  }

  /** @param {Caliper[]} calipers */
  setCalipers(calipers) {
    this.remember();
    this.calipers = calipers;
    this.changed();
  }

  /** Restores the saved reading, or the network's result if nothing is saved; it can be undone. @param {Reading | null} reading */
  discard(reading) {
    this.remember();
    this.findings = findingsOf(this.prediction.nodules, reading);
    this.note = reading?.note ?? "";
    this.calipers = reading?.calipers_xy ?? [];
    this.system = systemOf(reading);
    this.changed();
  }

  /**
   * Replaces this reading by another one as its basis; undo brings back the person's changes.
   * @param {Reading} reading
   */
  takeOver(reading) {
    this.discard(reading);
    this.etag = reading.etag ?? null;
    this.saved = this.asText();
    this.savedSystem = this.system;
    this.dispatchEvent(new Event("saved"));
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
    this.restore(snapshot);
    return true;
  }

  changed() {
    this.dispatchEvent(new Event("outlines"));
    this.measureSoon();
  }

  /** @param {string} key @param {import("./findings.js").ChosenWords} words by descriptor; null takes a choice back */
  choose(key, words) {
    this.remember();
    const finding = this.known(key);
    const chosen = Object.entries({ ...finding.chosen, ...words }).filter(([, value]) => value !== null);
    finding.chosen = Object.fromEntries(chosen);
    this.dispatchEvent(new Event("chosen"));
  }

  /** Rates by another TI-RADS; this browser remembers it for images without a reading. @param {string} system */
  rateBy(system) {
    this.remember();
    this.system = system;
    localStorage.setItem(SYSTEM_KEY, system);
    this.dispatchEvent(new Event("chosen"));
  }

  /** @param {number | null} suspicion 0 to 1 */
  rate(suspicion) {
    this.suspicion = suspicion;
    this.dispatchEvent(new Event("chosen"));
  }

  /** Words that are typed without a pause are undone in one step. @param {string} text */
  setNote(text) {
    const now = Date.now();
    if (now - this.typedAt > TYPING_MS) this.remember();
    this.typedAt = now;
    this.note = text;
    this.dispatchEvent(new Event("chosen"));
  }

  /** Asks the server to measure each changed or new outline that has no measures yet; aborts the request before. */
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

  /** Asks again where measuring failed. */
  measureAgain() {
    for (const finding of this.findings) if (finding.failure) finding.measuredRing = null;
    return this.measure();
  }

  /**
   * Measures all rings at once. Where one is refused, each is measured alone, so that the error stays with its outline.
   * @param {Asked} asked
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  async measureAll(asked, signal) {
    const path = framePath(this.item.id, this.frame, "measure");
    const rings = asked.map(({ ring }) => ring);
    try {
      const answers = await sendJson("POST", path, { outlines_xy: rings, ...this.othersThan(asked) }, { signal });
      asked.forEach(({ finding, ring }, index) => {
        const measured = this.isBlind ? withoutNetwork(answers[index]) : answers[index];
        Object.assign(finding, { measured, measuredRing: ring, failure: null });
      });
    } catch (error) {
      if (isAbort(error) || asApiError(error).status !== 422) throw error;
      if (asked.length === 1) fail(asked, error);
      else for (const one of asked) await this.measureAll([one], signal);
    }
  }

  /** The other outlines of the frame, because another nodule must not count as tissue around a nodule. @param {Asked} asked */
  othersThan(asked) {
    const rings = this.kept.filter((finding) => !asked.some((one) => one.finding === finding)).map(({ ring }) => ring);
    return { others_xy: rings };
  }

  /** -> the reading as the server stores it. @returns {any} */
  toReading() {
    const { kept } = this;
    const note = this.note.trim();
    const own = { system: this.system, note, calipers_xy: this.calipers, who: readerName() };
    // Outlines drawn without the network: the server finds which nodule each of them is.
    if (this.isBlind) return { outlines_xy: kept.map(({ ring }) => ring), descriptors: kept.map(({ chosen }) => chosen), ...own }; // prettier-ignore
    const findings = kept.map((finding) => ({
      uid: finding.uid,
      outline_xy: finding.ring,
      descriptors: finding.chosen,
      drawn_with: finding.drawnWith,
      note: finding.note,
    }));
    return { findings, ...own };
  }

  /**
   * -> the reading as the server stores it; null where there is nothing to store. ApiError 409: another was saved
   * since.
   */
  async save() {
    const text = this.asText();
    const { system } = this;
    const path = framePath(this.item.id, this.frame, "correction");
    /** @type {Record<string, string>} */
    const headers = this.etag ? { "If-Match": this.etag } : {};
    let kept = null;
    if (text !== this.untouched || this.isRatedAnew || this.isBlind) {
      const sent = this.kept.map((finding) => ({ finding, ring: finding.ring }));
      kept = await sendJson("PUT", path, this.toReading(), { headers });
      this.took(sent, kept);
    } else if (this.saved) {
      const who = readerName();
      await request(`${path}?who=${encodeURIComponent(who)}`, { method: "DELETE", headers }).catch(ignoreMissing);
    }
    this.etag = kept?.etag ?? null;
    this.saved = kept ? text : null;
    this.savedSystem = system;
    this.dispatchEvent(new Event("saved"));
    return kept;
  }

  /**
   * Takes over the identities, numbers and measures that the server gave to the findings sent. The server answers in
   * the order of the numbers, not in that of the page: a nodule is found again by its identity, a new one by its outline.
   * @param {Asked} sent
   * @param {Reading} kept
   */
  took(sent, kept) {
    const left = [...(kept?.findings ?? [])];
    /** @param {Asked[number]} asked @param {(one: any) => boolean} isIt */
    const take = ({ finding, ring }, isIt) => {
      const at = left.findIndex(isIt);
      const [one] = at < 0 ? [] : left.splice(at, 1);
      if (one) Object.assign(finding, { uid: one.uid, number: one.number });
      if (one?.nodule && !this.isBlind) Object.assign(finding, { measured: one.nodule, measuredRing: ring, failure: null }); // prettier-ignore
    };
    const isNew = sent.map(({ finding }) => !finding.uid);
    sent.forEach((asked, index) => isNew[index] || take(asked, (one) => one.uid === asked.finding.uid));
    sent.forEach((asked, index) => isNew[index] && take(asked, (one) => sameRing(one.outline_xy, asked.ring)));
    this.highestNumber = Math.max(this.highestNumber, (kept?.next_number ?? 1) - 1);
  }

  close() {
    this.measuring?.abort();
  }
}

/** The values that count as changes. @param {Finding[]} findings @param {string} note @param {Caliper[]} calipers */
function textOf(findings, note, calipers) {
  const kept = findings.filter((finding) => !finding.isRemoved);
  const told = kept.map((finding) => [finding.ring, Object.entries(finding.chosen).sort(), finding.note]);
  return JSON.stringify([told, note.trim(), calipers]);
}

/** @param {Reading | null} reading @returns {string} */
const systemOf = (reading) => reading?.system ?? localStorage.getItem(SYSTEM_KEY) ?? "acr";

/** @param {unknown} error */
function ignoreMissing(error) {
  if (asApiError(error).status !== 404) throw error;
  return null;
}
