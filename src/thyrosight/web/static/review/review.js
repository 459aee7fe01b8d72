// One frame's findings: what the network found and what a person made of it, kept apart.
// A finding is { key, number, network, ring, isRemoved, measured, failure, chosen }:
//   network  the Nodule of the prediction, null for one that the person added
//   ring     the person's outline; the network's own points until it is touched
//   measured what the server says of a touched ring: { size, risk, risk_interval, mean_probability, signs }
//   chosen   TI-RADS descriptors that the person set, by name

import { framePath, request, sendJson } from "../server/api.js";
import { debounced } from "../page/dom.js";
import { boxOverlap, sameRing } from "./rings.js";

const MEASURE_AFTER_MS = 90;
const SAME_NODULE = 0.1;

/** Events: `outlines` (points changed), `measured`, `saved`, `chosen` (descriptors or note changed). */
export class Reading extends EventTarget {
  constructor(item, frame, prediction, correction) {
    super();
    Object.assign(this, { item, frame, prediction, note: correction?.note ?? "" });
    this.findings = findingsOf(prediction.nodules, correction);
    this.saved = correction ? this.asText() : null;
    this.untouched = textOf(findingsOf(prediction.nodules, null), "");
    this.past = [];
    this.future = [];
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

  finding(key) {
    return this.findings.find((finding) => finding.key === key) ?? null;
  }

  /** Remembers where things stand, so that the next change can be undone. */
  remember() {
    this.past.push(this.snapshot());
    this.future = [];
  }

  snapshot() {
    return this.findings.map(({ key, ring, isRemoved }) => ({ key, ring, isRemoved, finding: this.finding(key) }));
  }

  setRing(key, ring) {
    const finding = this.finding(key);
    finding.ring = ring;
    finding.isRemoved = false;
    this.changed();
  }

  add(ring) {
    this.remember();
    const key = `added-${Date.now()}-${this.findings.length}`;
    const number = Math.max(0, ...this.findings.map((finding) => finding.number)) + 1;
    this.findings = [...this.findings, emptyFinding(key, number, null, ring)];
    this.changed();
    return key;
  }

  remove(key) {
    this.remember();
    const finding = this.finding(key);
    if (finding.network) finding.isRemoved = true;
    else this.findings = this.findings.filter((other) => other !== finding);
    this.changed();
  }

  /** Back to the network's outline: of one finding. */
  revert(key) {
    this.remember();
    const finding = this.finding(key);
    finding.ring = finding.network.outline_xy;
    finding.isRemoved = false;
    this.changed();
  }

  /** Back to what is saved, or to the network's result where nothing is. */
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

  choose(key, name, value) {
    const finding = this.finding(key);
    if (value === null) delete finding.chosen[name];
    else finding.chosen[name] = value;
    this.dispatchEvent(new Event("chosen"));
  }

  setNote(text) {
    this.note = text;
    this.dispatchEvent(new Event("chosen"));
  }

  /** Asks the server for the measures of every touched ring that it has not measured yet; the last question wins. */
  async measure() {
    this.measuring?.abort();
    this.measuring = new AbortController();
    const { signal } = this.measuring;
    const asked = this.findings.filter(needsMeasure).map((finding) => ({ finding, ring: finding.ring }));
    try {
      if (asked.length) await this.measureAll(asked, signal);
    } catch (error) {
      if (error.name === "AbortError") return;
      fail(asked, error);
    }
    this.dispatchEvent(new Event("measured"));
  }

  /** All at once; where one is refused, one by one, so that the fault stays with its outline. */
  async measureAll(asked, signal) {
    const path = framePath(this.item.id, this.frame, "measure");
    try {
      const answers = await sendJson("POST", path, { outlines_xy: asked.map(({ ring }) => ring) }, { signal });
      asked.forEach(({ finding, ring }, index) =>
        Object.assign(finding, { measured: answers[index], measuredRing: ring, failure: null }),
      );
    } catch (error) {
      if (error.name === "AbortError" || error.status !== 422) throw error;
      if (asked.length === 1) fail(asked, error);
      else for (const one of asked) await this.measureAll([one], signal);
    }
  }

  /** -> the correction as the server keeps it. */
  toCorrection() {
    const kept = this.findings.filter((finding) => !finding.isRemoved);
    const descriptors = kept.map((finding) => finding.chosen);
    const correction = { outlines_xy: kept.map((finding) => finding.ring) };
    if (descriptors.some((chosen) => Object.keys(chosen).length)) {
      correction.descriptors = descriptors;
      correction.system = localStorage.getItem("thyrosight-tirads") ?? "acr";
    }
    if (this.note.trim()) correction.note = this.note.trim();
    return correction;
  }

  async save() {
    const text = this.asText();
    const path = framePath(this.item.id, this.frame, "correction");
    if (text !== this.untouched) await sendJson("PUT", path, this.toCorrection());
    else if (this.saved) await request(path, { method: "DELETE" }).catch(ignoreMissing);
    this.saved = text === this.untouched ? null : text;
    this.dispatchEvent(new Event("saved"));
  }

  close() {
    this.measuring?.abort();
  }
}

/** What a finding's ring measures: the person's where it is touched, the network's otherwise; null while unknown. */
export function current(finding) {
  if (!isTouched(finding)) return finding.network;
  return finding.measuredRing === finding.ring ? finding.measured : null;
}

/** As `current`, but the last known while the server measures: for text that should not flicker. */
export const lastKnown = (finding) => (isTouched(finding) ? (finding.measured ?? finding.network) : finding.network);

export const isTouched = (finding) => !finding.network || !sameRing(finding.ring, finding.network.outline_xy);

const needsMeasure = (finding) => !finding.isRemoved && isTouched(finding) && finding.measuredRing !== finding.ring;

function fail(asked, error) {
  for (const { finding, ring } of asked)
    Object.assign(finding, { measured: null, measuredRing: ring, failure: error.message });
}

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

/** The network's nodules and a saved correction -> findings: each saved outline beside the nodule that it overlaps most. */
function findingsOf(nodules, correction) {
  const findings = nodules.map((nodule) =>
    emptyFinding(`network-${nodule.number}`, nodule.number, nodule, nodule.outline_xy),
  );
  if (!correction) return findings;
  const free = new Set(findings);
  const added = [];
  correction.outlines_xy.forEach((ring, index) => {
    const finding =
      bestMatch(free, ring) ?? emptyFinding(`saved-${index}`, findings.length + added.length + 1, null, ring);
    if (!free.delete(finding)) added.push(finding);
    finding.ring = finding.network && sameRing(ring, finding.network.outline_xy) ? finding.network.outline_xy : ring;
    finding.chosen = { ...(correction.descriptors?.[index] ?? {}) };
    const measured = correction.measures?.[index];
    if (measured && isTouched(finding)) Object.assign(finding, { measured, measuredRing: ring });
  });
  for (const finding of free) finding.isRemoved = true;
  return [...findings, ...added];
}

function bestMatch(free, ring) {
  const overlaps = [...free].map((finding) => [boxOverlap(finding.network.outline_xy, ring), finding]);
  const [overlap, finding] = overlaps.reduce((best, pair) => (pair[0] > best[0] ? pair : best), [0, null]);
  return overlap > SAME_NODULE ? finding : null;
}

function textOf(findings, note) {
  const kept = findings.filter((finding) => !finding.isRemoved);
  return JSON.stringify([kept.map((finding) => [finding.ring, Object.entries(finding.chosen).sort()]), note.trim()]);
}

function ignoreMissing(error) {
  if (error.status !== 404) throw error;
}
