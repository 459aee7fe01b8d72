// The bar of a clip: slider, play, a track of the frames with a nodule, the frame with the largest section.

import { asApiError, getJson, itemPath } from "../server/api.js";
import { byId, svg, targetOf } from "../page/dom.js";
import { percent } from "../page/format.js";
import { riskClass } from "./drawing.js";

const FRAMES_PER_SECOND = 12;

/** Events: `frame` (detail: index of the frame, from 0). */
export class ClipBar extends EventTarget {
  /** @param {HTMLElement} parent */
  constructor(parent) {
    super();
    this.parent = parent;
    /** @type {Api.Item | null} */
    this.item = null;
    this.frame = 0;
    this.count = 1;
    /** @type {Api.ClipSummary | null} */
    this.summary = null;
    this.threshold = 0.5;
    this.timer = 0;
    this.isLoading = false;
    byId("play").addEventListener("click", () => this.toggle());
    byId("frame").addEventListener("input", (event) => this.go(targetOf(event).valueAsNumber));
    byId("frame-back").addEventListener("click", () => this.step(-1));
    byId("frame-on").addEventListener("click", () => this.step(1));
    byId("largest").addEventListener("click", () => this.go(this.summary?.largest_frame ?? this.frame));
  }

  /** Item with its number of frames -> the bar, hidden for a still. @param {Api.Item} item @param {number} frame */
  async show(item, frame) {
    const isOther = item.id !== this.item?.id;
    const count = item.num_frames ?? 1;
    this.parent.hidden = count < 2;
    if (isOther) this.pause();
    Object.assign(this, { item, count, frame });
    if (isOther) this.summary = null;
    this.draw();
    if (!isOther || count < 2) return;
    try {
      /** @type {Api.ClipSummary} */
      const summary = await getJson(itemPath(item.id, "clip"));
      if (this.item?.id === item.id) this.summary = summary;
    } catch (error) {
      const { status, isOffline } = asApiError(error);
      if (status !== 404 && status !== 409 && !isOffline) throw error;
    }
    this.draw();
  }

  /** The risk from which a frame is drawn as high: the model's operating point. @param {number} threshold */
  colourFrom(threshold) {
    if (threshold === this.threshold) return;
    this.threshold = threshold;
    this.draw();
  }

  draw() {
    const slider = byId("frame");
    slider.max = String(this.count - 1);
    slider.value = String(this.frame);
    slider.setAttribute("aria-valuetext", `frame ${this.frame + 1} of ${this.count}`);
    byId("frame-text").textContent = `${this.frame + 1} / ${this.count}`;
    byId("largest").hidden = this.summary?.largest_frame === null || this.summary?.largest_frame === undefined;
    byId("clip-words").textContent = this.summary ? wordsOf(this.summary) : "";
    drawTrack(byId("track"), this);
  }

  /** @param {number} frame */
  go(frame) {
    const next = Math.min(this.count - 1, Math.max(0, frame));
    if (next === this.frame) return;
    this.frame = next;
    this.draw();
    this.dispatchEvent(new CustomEvent("frame", { detail: next }));
  }

  /** @param {number} by */
  step(by) {
    this.pause();
    this.go(this.frame + by);
  }

  get isPlaying() {
    return this.timer !== 0;
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  play() {
    if (this.count < 2) return;
    this.setButton(true);
    this.timer = setInterval(() => {
      if (!this.isLoading) this.go(this.frame === this.count - 1 ? 0 : this.frame + 1);
    }, 1000 / FRAMES_PER_SECOND);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = 0;
    this.setButton(false);
  }

  /** @param {boolean} isPlaying */
  setButton(isPlaying) {
    byId("play").setAttribute("aria-label", isPlaying ? "Pause" : "Play");
    byId("play").classList.toggle("is-playing", isPlaying);
  }
}

/** @param {Api.ClipSummary} summary */
function wordsOf({ num_frames: all, num_frames_with_nodule: some, risk, risk_spread: spread }) {
  const parts = [`nodule in ${some} of ${all} frames`];
  if (spread)
    parts.push(`risk over frames ${percent(risk)} (${Math.round(100 * spread.minimum)}–${percent(spread.maximum)})`);
  return parts.join(" · ");
}

/**
 * One stroke per frame with a nodule: its colour shows the risk, its height the size of the section.
 * @param {SVGSVGElement} track
 * @param {ClipBar} bar
 */
function drawTrack(track, { summary, count, frame, threshold }) {
  const largest = Math.max(1, ...(summary?.frames ?? []).map((one) => one.area_px ?? 0));
  const bars = (summary?.frames ?? [])
    .filter((one) => one.num_nodules > 0)
    .map((one) => {
      const height = 3 + (11 * (one.area_px ?? 0)) / largest;
      return svg("rect", {
        x: one.frame_index + 0.1,
        width: 0.8,
        y: 14 - height,
        height,
        class: riskClass(one.risk, threshold),
      });
    });
  track.setAttribute("viewBox", `0 0 ${count} 14`);
  track.replaceChildren(...bars, svg("rect", { x: frame, y: 0, width: 1, height: 14, class: "now" }));
}
