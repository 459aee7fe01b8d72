// A person's changes to the outlines of one frame: the chosen nodule, the tool, and the effect of a tool's result.

import { announce, tell } from "../page/messages.js";
import { asApiError } from "../server/api.js";
import { apart, holdsMost, joined, smoothed } from "./masks.js";
import { Points } from "./points.js";
import { ellipse, gapBetween, grown, insideImage, moved } from "./rings.js";
import { KINDS } from "./tools.js";

/** @typedef {import("./rings.js").Ring} Ring */
/** @typedef {import("./rings.js").Point} Point */
/** @typedef {import("./review.js").Review} Review */
/** @typedef {{ x: number, y: number }} Place on the stage, in CSS pixels */
/** @typedef {import("./tools.js").Tool} Tool */
/** @typedef {{ move: (at: Place, event: PointerEvent) => void, end: (at: Place) => void, cancel: () => void }} Drag */
/** @typedef {{ point_xy?: Point, box?: Api.PixelBox }} Question where the network looks again */
/**
 * @typedef {{ scale: number, box: { width: number, height: number }, toImage: (at: Place) => Point }} View of the
 * image: what the editor needs of the viewer
 */
/**
 * @typedef {object} Outside functions of the rest of the page for the editor
 * @property {(review: Review, question: Question & { threshold: number | null }) => Promise<{ outline_xy: Ring,
 *   threshold: number }>} outline the network's outline there
 * @property {(review: Review, from: Point, to: Point) => void} scale two places on a ruler
 */

const BRUSH_PX = { smallest: 1, largest: 60, step: 1.25 };
const THRESHOLD_STEP = 0.1;
const CURSOR_STEP = 4;

/** Events: `changed` (tool, selection of a point, draft), `selected`. The outlines themselves are the Review's. */
export class Editor extends EventTarget {
  /** @param {View} viewer @param {Outside} outside */
  constructor(viewer, outside) {
    super();
    this.viewer = viewer;
    this.outside = outside;
    this.points = new Points(this);
    /** @type {Review} from `start` on */
    this.review = /** @type {any} */ (null);
    /** @type {string | null} key of the finding that is corrected */
    this.key = null;
    this.isOn = false;
    /** @type {Tool} */
    this.tool = "points";
    this.active = -1;
    /** @type {Ring} */
    this.draft = [];
    /** @type {Point | null} the keyboard's cross */
    this.cursor = null;
    /** @type {Point | null} where the mouse is over the image */
    this.pointer = null;
    this.brushPx = 8;
    /** @type {(Question & { key: string, threshold: number }) | null} the last answer of the network */
    this.asked = null;
    this.isAsking = false;
  }

  /** The finding that is corrected. Ask for it only where `key` names one. */
  get finding() {
    return this.review.known(/** @type {string} */ (this.key));
  }

  handles() {
    return this.points.handles();
  }

  /** @param {Review} review @param {string | null} key */
  start(review, key) {
    Object.assign(this, { review, key, isOn: true, tool: key ? "points" : "add", active: -1, draft: [] });
    Object.assign(this, { cursor: null, asked: null });
    this.changed();
  }

  stop() {
    Object.assign(this, { isOn: false, draft: [], active: -1, tool: "points", cursor: null });
    this.changed();
  }

  /** @param {Tool} tool */
  choose(tool) {
    if (tool !== "points" && KINDS[tool].needsNodule && !this.canEdit()) return;
    if (tool === "points" && !this.canEdit()) return;
    const refusal = tool === "points" ? null : KINDS[tool].refusal?.(this.review.prediction);
    if (refusal) return tell(refusal);
    Object.assign(this, { tool, draft: [], active: -1, cursor: null });
    this.changed();
  }

  /** @param {string | null} key */
  select(key) {
    if (key === this.key) return;
    Object.assign(this, { key, active: -1, draft: [] });
    if (!this.canEdit()) this.tool = "add";
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("changed"));
  }

  canEdit() {
    return this.isOn && this.review.finding(this.key) !== null && !this.finding.isRemoved;
  }

  dropDraft() {
    this.draft = [];
    this.changed();
  }

  /** Escape: drops the draft, else the chosen point, else the tool -> whether there was one of these. */
  stepOut() {
    if (this.draft.length) this.draft = [];
    else if (this.active >= 0) this.active = -1;
    else if (this.tool !== "points" && this.canEdit()) this.tool = "points";
    else return false;
    this.cursor = null;
    this.changed();
    return true;
  }

  /**
   * Press on the stage -> a drag, or null where the press is not for the editor.
   * @param {PointerEvent} event
   * @param {Place} at
   * @returns {Drag | null}
   */
  take(event, at) {
    if (!this.isOn || event.button !== 0) return null;
    return this.tool === "points" ? this.points.take(event, at) : KINDS[this.tool].drag(this, at);
  }

  /** The mouse moves over the image without a press. @param {Place} at */
  hover(at) {
    if (!this.isOn || (this.tool !== "brush" && this.tool !== "eraser")) return;
    Object.assign(this, { pointer: this.viewer.toImage(at), cursor: null });
    this.changed();
  }

  // What tools do with an outline.

  /** @param {Ring} points */
  setRing(points) {
    const { width_px: width, height_px: height } = this.review.prediction.image;
    this.review.setRing(this.finding.key, insideImage(points, width, height));
  }

  /**
   * A ring -> the same without the pixels of other nodules; null where hardly anything is left.
   * @param {Ring} ring
   * @param {string | null} key of the nodule that it is of
   */
  free(ring, key = this.key) {
    const { image } = this.review.prediction;
    const inside = insideImage(ring, image.width_px, image.height_px);
    const others = this.review.kept.filter((finding) => finding.key !== key).map((finding) => finding.ring);
    const { ring: rest, isCut } = apart(inside, others, image);
    if (isCut) tell(rest ? "Cut where another nodule lies." : "There is another nodule already: join them (J), or correct it."); // prettier-ignore
    return isCut ? rest : ring;
  }

  /** The chosen nodule gets a new outline -> whether it was taken. @param {Ring} ring */
  put(ring) {
    const free = this.free(ring);
    if (!free) return false;
    this.review.remember();
    this.active = -1;
    this.setRing(free);
    return true;
  }

  /** @param {Ring} ring @param {import("./findings.js").DrawnWith} drawnWith -> whether it was taken */
  addRing(ring, drawnWith) {
    const { width_px: width, height_px: height } = this.review.prediction.image;
    const free = this.free(ring, null);
    if (!free) return false;
    this.key = this.review.add(insideImage(free, width, height), drawnWith);
    if (this.tool !== "ask") this.tool = "points";
    announce(`Nodule ${this.finding.number} added.`);
    this.dispatchEvent(new CustomEvent("selected", { detail: this.key }));
    return true;
  }

  /** Adds an ellipse in the middle of the stage, or at the cross: a way to add a nodule without a pointer. */
  addEllipse() {
    const { width, height } = this.viewer.box;
    const centre = this.cursor ?? this.viewer.toImage({ x: width / 2, y: height / 2 });
    const half = (0.12 * Math.min(width, height)) / this.viewer.scale;
    this.addRing(ellipse(centre, half * 1.3, half), "hand");
    this.changed();
  }

  /** The larger part keeps number and identity, the other is a new nodule. @param {[Ring, Ring]} parts */
  splitInto([larger, smaller]) {
    const { key, number } = this.finding;
    this.review.remember();
    this.setRing(larger);
    const other = this.review.append(smaller);
    this.review.known(other).chosen = { ...this.review.known(key).chosen };
    this.tool = "points";
    announce(`Nodule ${number} is two now; the smaller part is nodule ${this.review.known(other).number}.`);
    this.dispatchEvent(new CustomEvent("selected", { detail: key }));
  }

  /**
   * Joins the chosen nodule with the nearest other; it keeps its number. Refused where a third nodule is between them.
   */
  join() {
    if (!this.canEdit()) return;
    const { image } = this.review.prediction;
    const { ring, number } = this.finding;
    const others = this.review.kept.filter((finding) => finding.key !== this.key);
    if (!others.length) {
      tell("There is no other nodule to join with.");
      return;
    }
    const gaps = others.map((other) => gapBetween(ring, other.ring));
    const nearest = others[gaps.indexOf(Math.min(...gaps))];
    const whole = joined(ring, nearest.ring, image);
    const third = others.filter((finding) => finding !== nearest).map((finding) => finding.ring);
    const { ring: free, isCut } = whole ? apart(whole, third, image) : { ring: null, isCut: false };
    const joint = isCut ? free : whole;
    if (!joint || ![ring, nearest.ring].every((part) => holdsMost(joint, part, image))) {
      tell("They can't be joined: another nodule lies between them.");
      return;
    }
    this.review.remember();
    this.review.takeAway(nearest.key);
    this.active = -1;
    this.setRing(joint);
    announce(`Nodules ${number} and ${nearest.number} are nodule ${number} now.`);
    this.changed();
  }

  smooth() {
    if (this.canEdit() && this.put(smoothed(this.finding.ring, this.review.prediction.image))) announce("Smoothed.");
    this.changed();
  }

  /** @param {number} pixels */
  grow(pixels) {
    const ring = this.canEdit() ? grown(this.handles(), pixels) : null;
    if (ring && this.put(ring)) announce(pixels > 0 ? "Outline larger by one pixel." : "Outline smaller by one pixel.");
  }

  deleteNodule() {
    if (!this.canEdit() || !this.key) return;
    const { number } = this.finding;
    this.review.remove(this.key);
    const next = this.review.kept[0];
    Object.assign(this, { key: next?.key ?? null, active: -1, tool: next ? "points" : "add" });
    announce(`Nodule ${number} deleted.`);
    this.dispatchEvent(new CustomEvent("selected", { detail: this.key }));
    this.changed();
  }

  revert() {
    const finding = this.review.finding(this.key);
    if (!finding?.network) return;
    this.active = -1;
    this.review.revert(finding.key);
    announce("The network's outline is back.");
    this.changed();
  }

  undo(isForward = false) {
    const isDone = isForward ? this.review.redo() : this.review.undo();
    Object.assign(this, { active: -1, draft: [], asked: null });
    if (!this.review.finding(this.key)) {
      this.key = this.review.kept[0]?.key ?? null;
      this.dispatchEvent(new CustomEvent("selected", { detail: this.key }));
    }
    if (!this.canEdit() && this.tool === "points") this.tool = "add";
    announce(isDone ? (isForward ? "Done again." : "Undone.") : "Nothing more.");
    this.changed();
  }

  /** @param {Point} from @param {Point} to */
  addCaliper(from, to) {
    if (Math.hypot(to[0] - from[0], to[1] - from[1]) < 1) return;
    const { width_px: width, height_px: height } = this.review.prediction.image;
    const [start, end] = insideImage([from, to], width, height);
    this.review.setCalipers([...this.review.calipers, [start, end]]);
    announce("Caliper placed.");
  }

  /** @param {Point} from @param {Point} to */
  measureScale(from, to) {
    this.outside.scale(this.review, from, to);
  }

  // Asks the network for an outline at a place.

  /** @param {Question} question */
  async ask(question) {
    await this.answer(question, null, (ring, threshold) => {
      const inside = question.point_xy ?? centreOf(/** @type {Api.PixelBox} */ (question.box));
      if (!this.addRing(ring, question.box ? "box" : "click")) return;
      this.asked = { ...question, key: /** @type {string} */ (this.key), threshold };
      announce(`Outlined at column ${Math.round(inside[0])}, row ${Math.round(inside[1])}.`);
    });
  }

  /** Asks again for the last outline, with another threshold. @param {number} by */
  async askWider(by) {
    const { asked } = this;
    if (!asked || asked.key !== this.key) return;
    const threshold = Math.min(0.95, Math.max(0.05, asked.threshold - by * THRESHOLD_STEP));
    await this.answer(asked, threshold, (ring) => {
      if (this.put(ring)) this.asked = { ...asked, threshold };
    });
  }

  /**
   * @param {Question} question
   * @param {number | null} threshold
   * @param {(ring: Ring, threshold: number) => void} take
   */
  async answer({ point_xy, box }, threshold, take) {
    if (this.isAsking) return;
    const { review } = this;
    this.isAsking = true;
    this.changed();
    try {
      const answer = await this.outside.outline(review, { point_xy, box, threshold });
      if (this.isOn && review === this.review) take(answer.outline_xy, answer.threshold ?? threshold);
    } catch (error) {
      tell(asApiError(error).message);
    } finally {
      this.isAsking = false;
      this.changed();
    }
  }

  // By keys.

  /** Arrows: move the point or the outline with the tool `points`, else the cross. @param {number} dx @param {number} dy */
  nudge(dx, dy) {
    if (this.tool === "points") {
      if (this.canEdit()) this.points.nudge(dx, dy);
      return;
    }
    const { width, height } = this.viewer.box;
    const at = this.cursor ?? this.viewer.toImage({ x: width / 2, y: height / 2 });
    const { width_px: wide, height_px: high } = this.review.prediction.image;
    [this.cursor] = insideImage(moved([at], CURSOR_STEP * dx, CURSOR_STEP * dy), wide, high);
    announce(`Column ${Math.round(this.cursor[0])}, row ${Math.round(this.cursor[1])}`);
    this.changed();
  }

  /** @param {number} by */
  stepPoint(by) {
    if (this.canEdit()) this.points.step(by);
  }

  insertHere() {
    if (this.canEdit()) this.points.insertHere();
  }

  /** Enter: uses the tool at the cross, or in the middle of the stage where there is no cross. */
  press() {
    if (this.tool === "points") return;
    const { width, height } = this.viewer.box;
    KINDS[this.tool].press(this, this.cursor ?? this.viewer.toImage({ x: width / 2, y: height / 2 }));
    this.changed();
  }

  /**
   * Delete: removes the last place of the draft; without a draft, the last caliper or the chosen point, by the tool.
   */
  deleteActive() {
    if (this.draft.length) this.draft = this.draft.slice(0, -1);
    else if (this.tool === "caliper" && this.review.calipers.length)
      this.review.setCalipers(this.review.calipers.slice(0, -1));
    else if (this.tool === "points" && this.canEdit() && this.active >= 0) this.points.deletePoint(this.active);
    this.changed();
  }

  /** < and >: change the size of the brush, or the threshold of the network's outline. @param {number} by */
  amount(by) {
    if (this.tool === "ask") this.askWider(by);
    else if (this.tool === "brush" || this.tool === "eraser") {
      const { smallest, largest, step } = BRUSH_PX;
      this.brushPx = Math.min(largest, Math.max(smallest, this.brushPx * step ** by));
      announce(`Brush of ${Math.round(2 * this.brushPx)} pixels.`);
      this.changed();
    }
  }
}

/** @param {Api.PixelBox} box @returns {Point} */
const centreOf = ({ x0, y0, x1, y1 }) => [(x0 + x1) / 2, (y0 + y1) / 2];
