// The image on the screen: its place, size and gray window. drawing.js draws outlines above it.
// A source pixel (x, y) has its centre at screen ((x + 0.5) * scale + left, (y + 0.5) * scale + top), in CSS pixels.

import { FULL_WINDOW } from "./picture.js";

/** @typedef {import("../review/rings.js").Ring} Ring */
/** @typedef {import("../review/rings.js").Point} Point */
/** @typedef {import("../review/editor.js").Place} Place */
/** @typedef {import("./picture.js").Picture} Picture */

const MAX_SCALE = 24;
const MAX_FIT = 4;
const MARGIN_PX = 10;
const KEEP_IN_VIEW_PX = 60;

/** Events: `moved` (place or size), `window` (gray window). */
export class Viewer extends EventTarget {
  /** @param {HTMLElement} stage @param {HTMLCanvasElement} canvas */
  constructor(stage, canvas) {
    super();
    this.stage = stage;
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    /** @type {Picture | null} */
    this.picture = null;
    /** @type {Api.PixelBox | null} part of the picture that is fitted; null: all of it */
    this.part = null;
    this.scale = 1;
    this.left = 0;
    this.top = 0;
    this.box = { width: 0, height: 0 };
    this.ratio = 1;
    this.isFitted = true;
    this.keepsPlace = false;
    this.isDrawing = false;
    /** @type {OffscreenCanvas | null} */
    this.map = null;
    /** @type {Ring[]} */
    this.mapRings = [];
    this.mapOpacity = 0.6;
    this.window = { ...FULL_WINDOW };
    new ResizeObserver(() => this.resized()).observe(stage);
    this.resized();
  }

  /**
   * Shows a Picture. With keepsPlace (the next frame of a clip) place and size do not change; else `part` is fitted.
   * @param {Picture | null} picture
   * @param {Api.PixelBox | null} part
   */
  show(picture, part = null) {
    const isSameSize =
      this.picture && picture && this.picture.width === picture.width && this.picture.height === picture.height;
    Object.assign(this, { picture, part, map: null });
    picture?.setWindow(this.window);
    if (picture && !(isSameSize && this.keepsPlace)) this.fit();
    this.draw();
  }

  /**
   * Shows the coloured map inside these rings; null removes the map.
   * @param {OffscreenCanvas | null} map
   * @param {Ring[]} rings
   */
  showMap(map, rings) {
    this.map = map;
    this.mapRings = rings;
    this.draw();
  }

  /** @param {{ width: number, level: number }} window */
  setWindow({ width, level }) {
    this.window = {
      width: Math.round(Math.min(512, Math.max(2, width))),
      level: Math.round(Math.min(255, Math.max(0, level))),
    };
    this.picture?.setWindow(this.window);
    this.draw();
    this.dispatchEvent(new Event("window"));
  }

  /** Fits the ultrasound field, or the whole picture without one, into the stage. */
  fit() {
    const { width, height } = this.box;
    if (!this.picture || !width || !height) return;
    const { x0, y0, x1, y1 } = this.shownPart(this.picture);
    this.scale = this.fitScale(this.picture);
    this.left = (width - (x0 + x1) * this.scale) / 2;
    this.top = (height - (y0 + y1) * this.scale) / 2;
    this.isFitted = true;
    this.placed();
  }

  /** @param {Picture} picture */
  shownPart(picture) {
    return this.part ?? { x0: 0, y0: 0, x1: picture.width, y1: picture.height };
  }

  /** @param {Picture} picture */
  fitScale(picture) {
    const { width, height } = this.box;
    const { x0, y0, x1, y1 } = this.shownPart(picture);
    return Math.min((width - 2 * MARGIN_PX) / (x1 - x0), (height - 2 * MARGIN_PX) / (y1 - y0), MAX_FIT);
  }

  /**
   * Zooms by a factor around one place of the stage, which does not move; without a place, around the middle.
   * @param {number} factor
   * @param {Place} at
   */
  zoom(factor, at = { x: this.box.width / 2, y: this.box.height / 2 }) {
    if (!this.picture) return;
    const smallest = Math.min(1, this.fitScale(this.picture)) / 3;
    const scale = Math.min(MAX_SCALE, Math.max(smallest, this.scale * factor));
    this.left = at.x - ((at.x - this.left) * scale) / this.scale;
    this.top = at.y - ((at.y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.isFitted = false;
    this.placed();
  }

  /** @param {number} dx @param {number} dy */
  pan(dx, dy) {
    if (!this.picture) return;
    this.left += dx;
    this.top += dy;
    this.isFitted = false;
    this.placed();
  }

  /** Brings a box of the image into the middle if a part of it is outside the stage. @param {Api.PixelBox} box */
  reveal({ x0, y0, x1, y1 }) {
    const [left, top] = this.toStage([x0, y0]);
    const [right, bottom] = this.toStage([x1, y1]);
    const { width, height } = this.box;
    if (left >= 0 && top >= 0 && right <= width && bottom <= height) return;
    this.pan(width / 2 - (left + right) / 2, height / 2 - (top + bottom) / 2);
  }

  /** @param {Point} point @returns {Point} */
  toStage([x, y]) {
    return [(x + 0.5) * this.scale + this.left, (y + 0.5) * this.scale + this.top];
  }

  /** @param {Place} at @returns {Point} */
  toImage({ x, y }) {
    return [(x - this.left) / this.scale - 0.5, (y - this.top) / this.scale - 0.5];
  }

  placed() {
    if (!this.picture) return;
    const { width, height } = this.box;
    const [wide, high] = [this.picture.width * this.scale, this.picture.height * this.scale];
    this.left = Math.min(width - KEEP_IN_VIEW_PX, Math.max(KEEP_IN_VIEW_PX - wide, this.left));
    this.top = Math.min(height - KEEP_IN_VIEW_PX, Math.max(KEEP_IN_VIEW_PX - high, this.top));
    this.draw();
    this.dispatchEvent(new Event("moved"));
  }

  resized() {
    const { clientWidth, clientHeight } = this.stage;
    const ratio = window.devicePixelRatio || 1;
    this.box = { width: clientWidth, height: clientHeight };
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    this.ratio = ratio;
    if (this.picture && this.isFitted) this.fit();
    else if (this.picture) this.placed();
  }

  draw() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      this.drawNow();
    });
  }

  drawNow() {
    const { context, ratio } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.picture) return;
    context.setTransform(ratio * this.scale, 0, 0, ratio * this.scale, ratio * this.left, ratio * this.top);
    context.imageSmoothingEnabled = this.scale * ratio < 8;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.picture.canvas, 0, 0);
    if (this.map) this.drawMap(this.map);
  }

  /** @param {OffscreenCanvas} map */
  drawMap(map) {
    const { context } = this;
    context.save();
    context.beginPath();
    for (const ring of this.mapRings) {
      ring.forEach(([x, y], i) => (i ? context.lineTo(x + 0.5, y + 0.5) : context.moveTo(x + 0.5, y + 0.5)));
      context.closePath();
    }
    context.clip("nonzero");
    context.globalAlpha = this.mapOpacity;
    context.drawImage(map, 0, 0);
    context.restore();
  }
}
