// Pointer and wheel on the stage -> zoom, pan, window and level, unless the editor takes the press.

import { targetOf } from "../page/dom.js";

const CLICK_PX = 4;
const WHEEL_STEP = 0.0016;

/** @typedef {import("../review/editor.js").Place} Place */
/** @typedef {import("../review/editor.js").Drag} Drag */
/**
 * @typedef {object} Meanings of presses on the stage
 * @property {(event: PointerEvent, at: Place) => Drag | null} take the editor's drag, or null where the press is not
 *   its own
 * @property {(at: Place) => void} hover
 * @property {(at: Place) => void} click
 * @property {(at: Place) => void} secondPress
 */

/**
 * Wires the stage.
 * @param {HTMLElement} stage
 * @param {import("./viewer.js").Viewer} viewer
 * @param {Meanings} meanings
 */
export function wireGestures(stage, viewer, { take, hover, click, secondPress }) {
  /** @type {Map<number, Place>} */
  const pointers = new Map();
  /** @type {Drag | null} */
  let drag = null;
  /** @type {(Place & { size: number }) | null} */
  let pinch = null;

  /** @param {MouseEvent} event @returns {Place} */
  const placeOf = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  /** @param {Place} start @returns {Drag} */
  const panning = (start) => {
    let last = start;
    let isClick = true;
    return {
      move(at) {
        if (Math.hypot(at.x - start.x, at.y - start.y) > CLICK_PX) isClick = false;
        if (!isClick) viewer.pan(at.x - last.x, at.y - last.y);
        last = at;
      },
      end() {
        if (isClick) click(start);
      },
      cancel() {},
    };
  };

  /** @param {Place} start @returns {Drag} */
  const windowing = (start) => {
    const { width, level } = viewer.window;
    /** @param {Place} at */
    const move = (at) => viewer.setWindow({ width: width + (at.x - start.x), level: level - (at.y - start.y) * 0.5 });
    return { move, end() {}, cancel() {} };
  };

  const pinchOf = () => {
    const [a, b] = [...pointers.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, size: Math.hypot(a.x - b.x, a.y - b.y) };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (!viewer.picture || targetOf(event).closest("button, input, label")) return;
    const at = placeOf(event);
    pointers.set(event.pointerId, at);
    stage.setPointerCapture(event.pointerId);
    if (pointers.size === 2) {
      drag?.cancel();
      drag = null;
      pinch = pinchOf();
      return;
    }
    if (pointers.size > 2) return;
    const wantsWindow = event.button === 2 || (event.button === 0 && event.shiftKey);
    const wantsPan = event.button === 1;
    drag = wantsWindow ? windowing(at) : ((wantsPan ? null : take(event, at)) ?? panning(at));
    stage.classList.add("is-dragging");
  });

  stage.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) {
      if (event.pointerType === "mouse") hover(placeOf(event));
      return;
    }
    const at = placeOf(event);
    pointers.set(event.pointerId, at);
    if (pinch && pointers.size >= 2) {
      const next = pinchOf();
      viewer.pan(next.x - pinch.x, next.y - pinch.y);
      if (pinch.size > 0) viewer.zoom(next.size / pinch.size, next);
      pinch = next;
      return;
    }
    drag?.move(at, event);
  });

  /** @param {PointerEvent} event @param {boolean} isCancelled */
  const finish = (event, isCancelled) => {
    if (!pointers.delete(event.pointerId)) return;
    if (pointers.size < 2) pinch = null;
    if (isCancelled) drag?.cancel();
    else drag?.end(placeOf(event));
    drag = null;
    if (!pointers.size) stage.classList.remove("is-dragging");
  };
  stage.addEventListener("pointerup", (event) => finish(event, false));
  stage.addEventListener("pointercancel", (event) => finish(event, true));
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("dblclick", (event) => {
    if (!targetOf(event).closest("button, input, label")) secondPress(placeOf(event));
  });
  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 30 : 1;
      const speed = event.ctrlKey ? 6 : 1;
      viewer.zoom(Math.exp(-Math.max(-300, Math.min(300, event.deltaY * lines)) * WHEEL_STEP * speed), placeOf(event));
    },
    { passive: false },
  );
}
