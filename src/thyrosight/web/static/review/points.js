// Drags, inserts and deletes points of an outline, by pointer and by keys.

import { announce, tell } from "../page/messages.js";
import { bounds, evened, moved, nearestPoint, nearestSide, simplified, softWeights, untangled } from "./rings.js";

/** @typedef {import("./rings.js").Ring} Ring */
/** @typedef {import("./rings.js").Point} Point */
/** @typedef {import("./editor.js").Drag} Drag */
/** @typedef {import("./editor.js").Place} Place */

/** @type {Record<string, number>} by type of pointer */
const REACH_PX = { mouse: 8, pen: 12, touch: 24 };
const MOUSE_REACH_PX = 8;
const HANDLE_TOLERANCE = { smallest: 0.8, share: 0.008 };
const NUM_SIDES = 26;
const MAX_HANDLES = 120;
const SOFT_SHARE = 0.1;

export class Points {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    /** @type {{ of: Ring, points: Ring } | null} */
    this.kept = null;
  }

  /**
   * The points to drag: the ring's own. For the network's outline, or one of many points: fewer points close to the
   * ring.
   */
  handles() {
    const { ring, network } = this.editor.finding;
    if (ring === this.kept?.of) return this.kept.points;
    const { x0, y0, x1, y1 } = bounds(ring);
    const tolerance = Math.max(HANDLE_TOLERANCE.smallest, HANDLE_TOLERANCE.share * Math.hypot(x1 - x0, y1 - y0));
    const isFine = ring === network?.outline_xy || ring.length > MAX_HANDLES;
    this.kept = { of: ring, points: isFine ? evened(simplified(ring, tolerance), NUM_SIDES) : ring };
    return this.kept.points;
  }

  /**
   * Press on the stage -> a drag, or null where no point and no line is near.
   * @param {PointerEvent} event
   * @param {Place} at
   * @returns {Drag | null}
   */
  take(event, at) {
    const { editor } = this;
    if (!editor.canEdit()) return null;
    const point = editor.viewer.toImage(at);
    const reach = (REACH_PX[event.pointerType] ?? MOUSE_REACH_PX) / editor.viewer.scale;
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
   * Drags a point. Its neighbours follow, the nearest most; with Ctrl the point moves alone.
   * @param {number} index
   * @param {boolean} isInserted
   * @returns {Drag}
   */
  dragging(index, isInserted = false) {
    const { editor } = this;
    const { key, ring: before } = editor.finding;
    const points = this.handles();
    const weights = softWeights(points, index, SOFT_SHARE);
    let isMoved = isInserted;
    editor.active = index;
    editor.changed();
    return {
      move: (at, event) => {
        if (!isMoved) editor.review.remember();
        isMoved = true;
        const to = editor.viewer.toImage(at);
        const [dx, dy] = [to[0] - points[index][0], to[1] - points[index][1]];
        const isAlone = event.ctrlKey || event.metaKey;
        editor.setRing(
          points.map(([x, y], i) => (i === index ? to : isAlone ? [x, y] : [x + weights[i] * dx, y + weights[i] * dy])),
        );
      },
      end: () => {
        if (isMoved) this.tidy(before);
      },
      cancel: () => {
        if (isMoved) editor.review.setRing(key, before);
      },
    };
  }

  /**
   * A ring that crosses itself keeps its largest loop, so that the page draws what the server measures. Pixels of another nodule stay with that nodule. @param {Ring} before the ring if nothing is left
   */
  tidy(before) {
    const { editor } = this;
    const { ring } = editor.finding;
    const clean = untangled(ring);
    if (clean !== ring) {
      editor.active = -1;
      tell("The outline crossed itself; its largest part is kept.");
    }
    const free = editor.free(clean);
    if (free !== ring) editor.setRing(free ?? before);
  }

  /** @param {number} index @param {Point} point */
  insertAfter(index, point) {
    this.editor.review.remember();
    const points = this.handles();
    this.editor.setRing([...points.slice(0, index + 1), point, ...points.slice(index + 1)]);
  }

  /** @param {number} index -> whether it was deleted */
  deletePoint(index) {
    const { editor } = this;
    const points = this.handles();
    if (points.length <= 3) {
      tell("An outline needs three points; delete the nodule instead.");
      return false;
    }
    editor.review.remember();
    editor.active = Math.min(index, points.length - 2);
    editor.setRing(points.filter((_, i) => i !== index));
    this.tidy(points);
    announce(`Point deleted; ${points.length - 1} left.`);
    return true;
  }

  /** @param {number} step */
  step(step) {
    const { editor } = this;
    const count = this.handles().length;
    editor.active = editor.active < 0 ? 0 : (editor.active + step + count) % count;
    this.tell();
    editor.changed();
  }

  /** Moves the active point, or the whole outline where none is active. @param {number} dx @param {number} dy */
  nudge(dx, dy) {
    const { editor } = this;
    editor.review.remember();
    const points = this.handles();
    editor.setRing(
      editor.active < 0
        ? moved(points, dx, dy)
        : points.map(([x, y], i) => (i === editor.active ? [x + dx, y + dy] : [x, y])),
    );
    this.tidy(points);
    this.tell();
  }

  insertHere() {
    const { editor } = this;
    if (editor.active < 0) return;
    const points = this.handles();
    const [ax, ay] = points[editor.active];
    const [bx, by] = points[(editor.active + 1) % points.length];
    this.insertAfter(editor.active, [(ax + bx) / 2, (ay + by) / 2]);
    editor.active += 1;
    this.tell();
    editor.changed();
  }

  tell() {
    const { active } = this.editor;
    if (active < 0) return;
    const points = this.handles();
    const [x, y] = points[active] ?? points[0];
    announce(`Point ${active + 1} of ${points.length}, column ${Math.round(x)}, row ${Math.round(y)}`);
  }
}

/** @type {Drag} */
const idle = { move() {}, end() {}, cancel() {} };
