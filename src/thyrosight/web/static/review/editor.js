// Presses and keys -> a changed outline: drag, insert and delete points, draw it anew, add and delete nodules.

import { announce } from "../page/messages.js";
import {
  bounds,
  ellipse,
  evened,
  grown,
  insideImage,
  moved,
  nearestPoint,
  nearestSide,
  ringArea,
  simplified,
  softWeights,
  untangled,
} from "./rings.js";

/** @typedef {import("./rings.js").Ring} Ring */
/** @typedef {import("./rings.js").Point} Point */
/** @typedef {import("./review.js").Review} Review */
/** @typedef {{ x: number, y: number }} Place on the stage, in CSS pixels */
/** @typedef {"points" | "draw" | "add"} Tool */
/** @typedef {{ move: (at: Place, event: PointerEvent) => void, end: (at: Place) => void, cancel: () => void }} Drag */
/**
 * @typedef {{ scale: number, box: { width: number, height: number }, toImage: (at: Place) => Point }} View of the
 * image: what the editor needs of the viewer
 */

/** @type {Record<string, number>} by type of pointer */
const REACH_PX = { mouse: 8, pen: 12, touch: 24 };
const MOUSE_REACH_PX = 8;
const MIN_AREA_PX = 16;
const HANDLE_TOLERANCE = { smallest: 0.8, share: 0.008 };
const FREEHAND_TOLERANCE_PX = 1.2;
const NUM_SIDES = 26;
const MAX_HANDLES = 120;
const SOFT_SHARE = 0.1;

/** Events: `changed` (tool, selection of a point, draft). The outlines themselves are the Review's. */
export class Editor extends EventTarget {
  /** @param {View} viewer */
  constructor(viewer) {
    super();
    this.viewer = viewer;
    /** @type {Review} from `start` on */
    this.review = /** @type {any} */ (null);
    /** @type {string | null} of the finding that is corrected */
    this.key = null;
    this.isOn = false;
    /** @type {Tool} */
    this.tool = "points";
    this.active = -1;
    /** @type {Ring} */
    this.draft = [];
    /** @type {{ of: Ring, points: Ring } | null} */
    this.kept = null;
  }

  /** The finding that is corrected; read only where there is one. */
  get finding() {
    return this.review.known(/** @type {string} */ (this.key));
  }

  /** @param {Review} review @param {string | null} key */
  start(review, key) {
    Object.assign(this, { review, key, isOn: true, tool: key ? "points" : "add", active: -1, draft: [] });
    this.changed();
  }

  stop() {
    Object.assign(this, { isOn: false, draft: [], active: -1, tool: "points" });
    this.changed();
  }

  /** @param {Tool} tool */
  choose(tool) {
    Object.assign(this, { tool, draft: [], active: -1 });
    this.changed();
  }

  /** @param {string | null} key */
  select(key) {
    if (key === this.key) return;
    Object.assign(this, { key, active: -1, draft: [] });
    if (!key) this.tool = "add";
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("changed"));
  }

  /** The points to drag: those of a touched ring; of the network's fine outline a few, each within a pixel of it. */
  handles() {
    const { ring, network } = this.finding;
    if (ring === this.kept?.of) return this.kept.points;
    const { x0, y0, x1, y1 } = bounds(ring);
    const tolerance = Math.max(HANDLE_TOLERANCE.smallest, HANDLE_TOLERANCE.share * Math.hypot(x1 - x0, y1 - y0));
    const isFine = ring === network?.outline_xy || ring.length > MAX_HANDLES;
    this.kept = { of: ring, points: isFine ? evened(simplified(ring, tolerance), NUM_SIDES) : ring };
    return this.kept.points;
  }

  /** @param {Ring} points */
  setRing(points) {
    const { width_px: width, height_px: height } = this.review.prediction.image;
    this.review.setRing(this.finding.key, insideImage(points, width, height));
  }

  /**
   * Press on the stage -> a drag, or null where the press is not the editor's.
   * @param {PointerEvent} event
   * @param {Place} at
   * @returns {Drag | null}
   */
  take(event, at) {
    if (!this.isOn || event.button !== 0) return null;
    if (this.tool !== "points") return this.drawing(at);
    const finding = this.review.finding(this.key);
    if (!finding || finding.isRemoved) return null;
    const point = this.viewer.toImage(at);
    const reach = (REACH_PX[event.pointerType] ?? MOUSE_REACH_PX) / this.viewer.scale;
    const near = nearestPoint(this.handles(), point);
    if (near.distance <= reach) {
      if (event.altKey) return this.deletePoint(near.index) ? idle : null;
      return this.dragging(near.index);
    }
    const side = nearestSide(this.handles(), point);
    if (side.distance > reach * 0.7) return null;
    this.insertAfter(side.index, side.at);
    return this.dragging(side.index + 1, true);
  }

  /**
   * Drags a point. Its neighbours follow, less with distance; with Ctrl it moves alone.
   * @param {number} index
   * @param {boolean} isInserted
   * @returns {Drag}
   */
  dragging(index, isInserted = false) {
    const { key, ring: before } = this.finding;
    const points = this.handles();
    const weights = softWeights(points, index, SOFT_SHARE);
    let isMoved = isInserted;
    this.active = index;
    this.changed();
    return {
      move: (at, event) => {
        if (!isMoved) this.review.remember();
        isMoved = true;
        const to = this.viewer.toImage(at);
        const [dx, dy] = [to[0] - points[index][0], to[1] - points[index][1]];
        const isAlone = event.ctrlKey || event.metaKey;
        this.setRing(
          points.map(([x, y], i) => (i === index ? to : isAlone ? [x, y] : [x + weights[i] * dx, y + weights[i] * dy])),
        );
      },
      end: () => {
        if (isMoved) this.tidy();
      },
      cancel: () => {
        if (isMoved) this.review.setRing(key, before);
      },
    };
  }

  /** A ring that crosses itself keeps its largest loop, so that the page draws what the server measures. */
  tidy() {
    const { ring } = this.finding;
    const clean = untangled(ring);
    if (clean === ring) return;
    this.active = -1;
    this.setRing(clean);
    announce("The outline crossed itself; its largest part is kept.");
  }

  /** @param {Place} start @returns {Drag} */
  drawing(start) {
    this.draft = [this.viewer.toImage(start)];
    return {
      move: (at) => {
        this.draft = [...this.draft, this.viewer.toImage(at)];
        this.changed();
      },
      end: () => this.finishDrawing(),
      cancel: () => {
        this.draft = [];
        this.changed();
      },
    };
  }

  finishDrawing() {
    const clean =
      this.draft.length > 2
        ? untangled(simplified(this.draft, FREEHAND_TOLERANCE_PX / Math.min(1, this.viewer.scale)))
        : [];
    const isAdding = this.tool === "add";
    Object.assign(this, { draft: [], active: -1 });
    if (clean.length < 3 || ringArea(clean) < MIN_AREA_PX) {
      announce("Too small for an outline: draw once round the nodule.");
      this.changed();
      return;
    }
    this.tool = "points";
    if (isAdding) {
      this.addRing(clean);
    } else {
      this.review.remember();
      this.setRing(clean);
      announce("Outline drawn anew.");
    }
    this.changed();
  }

  /** @param {Ring} points */
  addRing(points) {
    const { width_px: width, height_px: height } = this.review.prediction.image;
    this.key = this.review.add(insideImage(points, width, height));
    this.tool = "points";
    announce(`Nodule ${this.finding.number} added.`);
    this.dispatchEvent(new CustomEvent("selected", { detail: this.key }));
  }

  /** Adds an ellipse in the middle of the stage: the way to add a nodule without a pointer. */
  addEllipse() {
    const { width, height } = this.viewer.box;
    const centre = this.viewer.toImage({ x: width / 2, y: height / 2 });
    const half = (0.12 * Math.min(width, height)) / this.viewer.scale;
    this.addRing(ellipse(centre, half * 1.3, half));
    this.changed();
  }

  deleteNodule() {
    if (!this.key) return;
    const { number } = this.finding;
    this.review.remove(this.key);
    const next = this.review.findings.find((finding) => !finding.isRemoved);
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
    this.active = -1;
    if (!this.review.finding(this.key)) {
      this.key = this.review.findings[0]?.key ?? null;
      this.dispatchEvent(new CustomEvent("selected", { detail: this.key }));
    }
    announce(isDone ? (isForward ? "Done again." : "Undone.") : "Nothing more.");
    this.changed();
  }

  /** @param {number} index @param {Point} point */
  insertAfter(index, point) {
    this.review.remember();
    const points = this.handles();
    this.setRing([...points.slice(0, index + 1), point, ...points.slice(index + 1)]);
  }

  /** @param {number} index -> whether it was deleted */
  deletePoint(index) {
    const points = this.handles();
    if (points.length <= 3) {
      announce("An outline needs three points; delete the nodule instead.");
      return false;
    }
    this.review.remember();
    this.active = Math.min(index, points.length - 2);
    this.setRing(points.filter((_, i) => i !== index));
    this.tidy();
    announce(`Point deleted; ${points.length - 1} left.`);
    return true;
  }

  // By keys.

  /** @param {number} step */
  stepPoint(step) {
    if (!this.canEdit()) return;
    const count = this.handles().length;
    this.active = this.active < 0 ? 0 : (this.active + step + count) % count;
    this.tellPoint();
    this.changed();
  }

  /** Moves the active point, or the whole outline where none is active. @param {number} dx @param {number} dy */
  nudge(dx, dy) {
    if (!this.canEdit()) return;
    this.review.remember();
    const points = this.handles();
    this.setRing(
      this.active < 0
        ? moved(points, dx, dy)
        : points.map(([x, y], i) => (i === this.active ? [x + dx, y + dy] : [x, y])),
    );
    this.tidy();
    this.tellPoint();
  }

  insertHere() {
    if (!this.canEdit() || this.active < 0) return;
    const points = this.handles();
    const [ax, ay] = points[this.active];
    const [bx, by] = points[(this.active + 1) % points.length];
    this.insertAfter(this.active, [(ax + bx) / 2, (ay + by) / 2]);
    this.active += 1;
    this.tellPoint();
    this.changed();
  }

  deleteActive() {
    if (this.canEdit() && this.active >= 0) this.deletePoint(this.active);
  }

  /** @param {number} pixels */
  grow(pixels) {
    if (!this.canEdit()) return;
    const ring = grown(this.handles(), pixels);
    if (!ring) return;
    this.review.remember();
    this.setRing(ring);
    announce(pixels > 0 ? "Outline larger by one pixel." : "Outline smaller by one pixel.");
  }

  canEdit() {
    return this.isOn && this.key !== null && !this.finding.isRemoved;
  }

  tellPoint() {
    if (this.active < 0) return;
    const points = this.handles();
    const [x, y] = points[this.active] ?? points[0];
    announce(`Point ${this.active + 1} of ${points.length}, column ${Math.round(x)}, row ${Math.round(y)}`);
  }
}

/** @type {Drag} */
const idle = { move() {}, end() {}, cancel() {} };
