// The tools of a reader: what each does at a press of the pointer, or of Enter at the keyboard's cross.

import { announce, tell } from "../page/messages.js";
import { erased, painted, split } from "./masks.js";
import { hasOwnScale } from "../page/format.js";
import { bounds, ringArea, simplified, untangled } from "./rings.js";

/** @typedef {import("./rings.js").Ring} Ring */
/** @typedef {import("./rings.js").Point} Point */
/** @typedef {import("./editor.js").Editor} Editor */
/** @typedef {import("./editor.js").Drag} Drag */
/** @typedef {import("./editor.js").Place} Place */
/**
 * @typedef {object} ToolKind
 * @property {string} hint
 * @property {boolean} [needsNodule] works on the chosen outline
 * @property {"size" | "threshold"} [amount] what < and > change
 * @property {(prediction: Api.Prediction) => string | null} [refusal] why it is not offered for this image
 * @property {(editor: Editor, at: Place) => Drag} drag
 * @property {(editor: Editor, point: Point) => void} press Enter at the cross
 */
/** @typedef {"points" | keyof typeof TOOLS} Tool */

const MIN_AREA_PX = 16;
const FREEHAND_TOLERANCE_PX = 1.2;
const CLICK_PX = 5;
const CLOSE_PX = 12;
const MIN_BOX_PX = 6;

/** A line in one stroke -> `finish` with its points. @param {(editor: Editor, stroke: Ring) => void} finish */
const stroking = (finish) => (/** @type {Editor} */ editor, /** @type {Place} */ start) => {
  editor.draft = [editor.viewer.toImage(start)];
  editor.changed();
  return {
    move: (/** @type {Place} */ at) => {
      editor.draft = [...editor.draft, editor.viewer.toImage(at)];
      editor.changed();
    },
    end: () => {
      const stroke = editor.draft;
      editor.draft = [];
      finish(editor, stroke);
      editor.changed();
    },
    cancel: () => editor.dropDraft(),
  };
};

/**
 * Two places, by two clicks or by one drag -> `finish`.
 * @param {(editor: Editor, from: Point, to: Point) => void} finish
 */
const pairing = (finish) => ({
  /** @param {Editor} editor @param {Place} start @returns {Drag} */
  drag(editor, start) {
    const isSecond = editor.draft.length > 0;
    const from = editor.draft[0] ?? editor.viewer.toImage(start);
    editor.draft = [from, editor.viewer.toImage(start)];
    editor.changed();
    return {
      move: (at) => {
        editor.draft = [from, editor.viewer.toImage(at)];
        editor.changed();
      },
      end: (at) => {
        const isClick = Math.hypot(at.x - start.x, at.y - start.y) < CLICK_PX;
        if (isClick && !isSecond) {
          editor.draft = [from];
          announce("First place set.");
        } else {
          editor.draft = [];
          finish(editor, from, editor.viewer.toImage(at));
        }
        editor.changed();
      },
      cancel: () => editor.dropDraft(),
    };
  },
  /** @param {Editor} editor @param {Point} point */
  press(editor, point) {
    const [from] = editor.draft;
    editor.draft = from ? [] : [point];
    if (from) finish(editor, from, point);
    else announce("First place set.");
    editor.changed();
  },
});

/** A closed line -> an outline; null where it is too small. @param {Editor} editor @param {Ring} stroke */
function closed(editor, stroke) {
  const clean =
    stroke.length > 2 ? untangled(simplified(stroke, FREEHAND_TOLERANCE_PX / Math.max(1, editor.viewer.scale))) : [];
  if (clean.length >= 3 && ringArea(clean) >= MIN_AREA_PX) return clean;
  tell("Too small for an outline: draw once round the nodule.");
  return null;
}

/** @param {Editor} editor @param {Ring} stroke */
function redraw(editor, stroke) {
  const ring = closed(editor, stroke);
  if (!ring) return;
  editor.tool = "points";
  if (editor.put(ring)) announce("Outline drawn anew.");
}

/** @param {Editor} editor @param {Ring} stroke */
function add(editor, stroke) {
  const ring = closed(editor, stroke);
  if (ring) editor.addRing(ring, "hand");
}

/**
 * Changes the chosen outline by a stroke of the brush.
 * @param {typeof painted} change
 * @param {string} nothing the message where nothing changes
 */
const brushing = (change, nothing) => (/** @type {Editor} */ editor, /** @type {Ring} */ stroke) => {
  const { ring } = editor.finding;
  const changed = change(ring, thinned(stroke, 1), editor.brushPx, editor.review.prediction.image);
  if (changed) editor.put(changed);
  else tell(nothing);
};

/** A stroke with points that are at least this many pixels apart. @param {Ring} stroke @param {number} apart */
function thinned(stroke, apart) {
  /** @type {Ring} */
  const kept = [];
  for (const [x, y] of stroke) {
    const last = kept.at(-1);
    if (!last || Math.hypot(x - last[0], y - last[1]) >= apart) kept.push([x, y]);
  }
  return kept;
}

const paintStroke = brushing(painted, "The brush has to start at the nodule.");
const eraseStroke = brushing(erased, "That would leave nothing: delete the nodule instead.");

/** @param {Editor} editor @param {Point} from @param {Point} to */
function cut(editor, from, to) {
  const parts = split(editor.finding.ring, from, to, editor.review.prediction.image);
  if (!parts) {
    tell("The line has to cross the nodule.");
    return;
  }
  editor.splitInto(parts);
}

/** A vertex per click; the first one again, or Enter at the same place, closes the polygon. @param {Editor} editor @param {Point} point */
function vertex(editor, point) {
  const [first] = editor.draft;
  const last = editor.draft.at(-1);
  const near = (/** @type {Point | undefined} */ other) =>
    other && Math.hypot(point[0] - other[0], point[1] - other[1]) * editor.viewer.scale < CLOSE_PX;
  if (editor.draft.length > 2 && (near(first) || near(last))) {
    const ring = editor.draft;
    editor.draft = [];
    const clean = closed(editor, ring);
    if (clean && editor.tool === "draw") redraw(editor, clean);
    else if (clean) editor.addRing(clean, "hand");
  } else if (!near(last)) {
    editor.draft = [...editor.draft, point];
  }
  editor.changed();
}

/** @param {Editor} editor @param {Point} from @param {Point} to */
function askInBox(editor, from, to) {
  const { x0, y0, x1, y1 } = bounds([from, to]);
  const { width_px: width, height_px: height } = editor.review.prediction.image;
  const [left, top] = [Math.max(0, Math.floor(x0)), Math.max(0, Math.floor(y0))];
  const [right, bottom] = [Math.min(width, Math.ceil(x1) + 1), Math.min(height, Math.ceil(y1) + 1)];
  if (left >= right || top >= bottom) tell("The box has to lie on the image.");
  else editor.ask({ box: { x0: left, y0: top, x1: right, y1: bottom } });
}

/** A click asks the network at a place, a drag asks it in a box. @param {Editor} editor @param {Place} start @returns {Drag} */
function asking(editor, start) {
  const from = editor.viewer.toImage(start);
  return {
    move: (at) => {
      const [x, y] = editor.viewer.toImage(at);
      editor.draft = [from, [x, from[1]], [x, y], [from[0], y], from];
      editor.changed();
    },
    end: (at) => {
      editor.draft = [];
      if (Math.hypot(at.x - start.x, at.y - start.y) < MIN_BOX_PX) editor.ask({ point_xy: from });
      else askInBox(editor, from, editor.viewer.toImage(at));
      editor.changed();
    },
    cancel: () => editor.dropDraft(),
  };
}

/** @param {(editor: Editor, point: Point) => void} press */
const clicking = (press) => (/** @type {Editor} */ editor) => ({
  move() {},
  end: (/** @type {Place} */ at) => press(editor, editor.viewer.toImage(at)),
  cancel() {},
});

const dab = (/** @type {(editor: Editor, stroke: Ring) => void} */ brush) =>
  (/** @type {Editor} */ editor, /** @type {Point} */ point) => brush(editor, [point]); // prettier-ignore

const inTheMiddle = (/** @type {Editor} */ editor) => editor.addEllipse();

export const TOOLS = {
  draw: {
    hint: "Draw once round the nodule: the line replaces this outline.",
    needsNodule: true,
    drag: stroking(redraw),
    press: vertex,
  },
  add: {
    hint: "Draw once round the new nodule, or press Enter for an ellipse.",
    drag: stroking(add),
    press: inTheMiddle,
  },
  polygon: {
    hint: "Click from corner to corner; the first one again closes it. Backspace takes the last one back.",
    drag: clicking(vertex),
    press: vertex,
  },
  ask: {
    hint: "Click inside a nodule, or drag a box round it: the network outlines it. < and > make it tighter or wider.",
    amount: "threshold",
    drag: asking,
    press: (/** @type {Editor} */ editor, /** @type {Point} */ point) => editor.ask({ point_xy: point }),
  },
  brush: {
    hint: "Paint to make the nodule larger. < and > change the brush.",
    needsNodule: true,
    amount: "size",
    drag: stroking(paintStroke),
    press: dab(paintStroke),
  },
  eraser: {
    hint: "Paint to take away from the nodule. < and > change the eraser.",
    needsNodule: true,
    amount: "size",
    drag: stroking(eraseStroke),
    press: dab(eraseStroke),
  },
  split: { hint: "Draw a line across the nodule: it becomes two.", needsNodule: true, ...pairing(cut) },
  caliper: {
    hint: "Two places, by two clicks or one drag. Delete takes the last caliper away.",
    ...pairing((editor, from, to) => editor.addCaliper(from, to)),
  },
  ruler: {
    hint: "Two marks of the ruler on the image, then how many millimetres lie between them.",
    refusal: (/** @type {Api.Prediction} */ prediction) =>
      hasOwnScale(prediction) ? "The file states its scale, which is not replaced." : null,
    ...pairing((editor, from, to) => editor.measureScale(from, to)),
  },
};

/** @type {Record<string, ToolKind>} */
export const KINDS = /** @type {any} */ (TOOLS);
