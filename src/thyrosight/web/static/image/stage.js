// The stage: tools, sliders and overlays around the viewer, and a text where there is no image.

import { byId, fill, h, targetOf } from "../page/dom.js";
import { drawReview, scaleBar } from "./drawing.js";
import { bounds } from "../review/rings.js";
import { KINDS } from "../review/tools.js";

/** @typedef {import("../review/review.js").Review} Review */
/** @typedef {import("./drawing.js").Shown} Shown */
/** @typedef {{ action?: Node | null, isBusy?: boolean, mark?: Node | null }} Extras of the text where there is no image */

/** @type {Array<Shown["compare"]>} */
const STEPS = ["network", "yours", "both"];
const TOGGLES = /** @type {const} */ (["outlines", "calipers", "map"]);
const HINT = "Drag a point (with Ctrl: it alone). Press on the line to insert one, Alt and click to delete one.";
const TOUCH_HINT = "Drag a point. Press on the line to insert one.";

/** @param {string} selector @returns {NodeListOf<HTMLButtonElement>} */
const buttonsOf = (selector) => document.querySelectorAll(selector);

/** Events: `map` (the malignancy map was switched on or off), `redraw`. */
export class Stage extends EventTarget {
  /** @param {import("./viewer.js").Viewer} viewer @param {import("../review/editor.js").Editor} editor */
  constructor(viewer, editor) {
    super();
    this.viewer = viewer;
    this.editor = editor;
    /** @type {Review | null} */
    this.review = null;
    /** @type {Shown} */
    this.shown = {
      outlines: true,
      calipers: true,
      map: false,
      opacity: 0.9,
      compare: "both",
      isVisible: true,
      editor,
      selected: null,
      others: [],
    };
    this.wireTools();
    this.wireSliders();
    viewer.addEventListener("moved", () => this.dispatchEvent(new Event("redraw")));
    viewer.addEventListener("window", () => this.drawSliders());
    editor.addEventListener("changed", () => this.drawTools());
  }

  /**
   * Draws the lines of a review, then everything else that depends on the image's place and size.
   * @param {Review | null} review
   * @param {string | null} selected
   */
  draw(review, selected) {
    this.review = review;
    this.shown.selected = selected;
    drawReview(byId("lines"), this.viewer, review, this.shown);
    byId("zoom-text").textContent = `${Math.round(this.viewer.scale * 100)} %`;
    this.drawScaleBar();
    this.drawTools();
    if (this.viewer.map) this.viewer.showMap(this.viewer.map, this.mapRings());
  }

  drawScaleBar() {
    const bar = scaleBar(this.viewer, this.review?.prediction.image.spacing);
    byId("scale-bar").hidden = !bar;
    if (!bar) return;
    byId("scale-text").textContent = `${bar.mm} mm`;
    byId("scale-line").style.width = `${bar.px}px`;
  }

  drawTools() {
    const { editor, review } = this;
    const hasImage = review !== null;
    byId("view-tools").hidden = editor.isOn;
    byId("edit-tools").hidden = !editor.isOn;
    byId("compare").hidden = !review?.hasCorrection;
    for (const name of TOGGLES) byId(`show-${name}`).setAttribute("aria-pressed", String(this.shown[name]));
    for (const button of buttonsOf("#compare button"))
      button.setAttribute("aria-pressed", String(button.dataset.compare === this.shown.compare));
    for (const id of /** @type {const} */ (["show-outlines", "show-calipers", "show-map", "correct"]))
      byId(id).disabled = !review || (id === "show-map" && review.isBlind);
    document.body.classList.toggle("has-image", hasImage);
    byId("stage").classList.toggle("is-editing", editor.isOn);
    byId("stage").dataset.tool = editor.isOn ? editor.tool : "";
    byId("edit-head").hidden = !editor.isOn;
    if (editor.isOn) this.drawEditTools();
  }

  drawEditTools() {
    const { editor, review } = this;
    const finding = review?.finding(editor.key);
    for (const button of buttonsOf("button[data-tool]")) {
      const name = button.dataset.tool ?? "";
      button.setAttribute("aria-pressed", String(name === editor.tool));
      button.disabled = !editor.canEdit() && (name === "points" || Boolean(KINDS[name].needsNodule));
    }
    for (const id of /** @type {const} */ (["join", "smooth"])) byId(id).disabled = !editor.canEdit();
    byId("join").disabled = !editor.canEdit() || (review?.kept.length ?? 0) < 2;
    byId("undo").disabled = !review?.past.length;
    byId("redo").disabled = !review?.future.length;
    byId("delete-nodule").disabled = !finding || finding.isRemoved;
    byId("revert").disabled = !finding?.network || (finding.ring === finding.network.outline_xy && !finding.isRemoved);
    const isCoarse = matchMedia("(pointer: coarse)").matches;
    const hint = editor.tool === "points" ? (isCoarse ? TOUCH_HINT : HINT) : KINDS[editor.tool].hint;
    byId("edit-hint").textContent = editor.isAsking ? "The network looks there…" : hint;
    this.drawAmount();
  }

  /** The value that < and > change: the size of the brush, or the threshold of the network's outline. */
  drawAmount() {
    const { editor } = this;
    const kind = editor.tool === "points" ? undefined : KINDS[editor.tool].amount;
    byId("amount").hidden = !kind || (kind === "threshold" && !editor.asked);
    byId("amount-text").textContent =
      kind === "size"
        ? `Brush ${Math.round(2 * editor.brushPx)} px`
        : `From ${Math.round(100 * (editor.asked?.threshold ?? 0.5))} %`;
  }

  wireTools() {
    for (const name of TOGGLES) byId(`show-${name}`).addEventListener("click", () => this.toggle(name));
    for (const button of buttonsOf("#compare button"))
      button.addEventListener("click", () => this.compare(/** @type {Shown["compare"]} */ (button.dataset.compare)));
    for (const button of buttonsOf("#edit-tools [data-tool]"))
      button.addEventListener("click", () =>
        this.editor.choose(/** @type {typeof this.editor.tool} */ (button.dataset.tool)),
      );
    byId("undo").addEventListener("click", () => this.editor.undo());
    byId("join").addEventListener("click", () => this.editor.join());
    byId("smooth").addEventListener("click", () => this.editor.smooth());
    byId("amount-less").addEventListener("click", () => this.editor.amount(-1));
    byId("amount-more").addEventListener("click", () => this.editor.amount(1));
    byId("redo").addEventListener("click", () => this.editor.undo(true));
    byId("delete-nodule").addEventListener("click", () => this.editor.deleteNodule());
    byId("revert").addEventListener("click", () => this.editor.revert());
    byId("zoom-in").addEventListener("click", () => this.viewer.zoom(1.25));
    byId("zoom-out").addEventListener("click", () => this.viewer.zoom(0.8));
    byId("fit").addEventListener("click", () => this.viewer.fit());
  }

  /** @param {"outlines" | "calipers" | "map"} name */
  toggle(name) {
    this.shown[name] = !this.shown[name];
    if (name === "map") this.dispatchEvent(new Event("map"));
    this.dispatchEvent(new Event("redraw"));
  }

  /** @param {Shown["compare"]} which */
  compare(which) {
    this.shown.compare = which;
    this.dispatchEvent(new Event("redraw"));
  }

  nextCompare() {
    this.compare(STEPS[(STEPS.indexOf(this.shown.compare) + 1) % STEPS.length]);
  }

  wireSliders() {
    byId("opacity").addEventListener("input", (event) => {
      this.shown.opacity = targetOf(event).valueAsNumber / 100;
      this.viewer.mapOpacity = 0.66 * this.shown.opacity;
      this.viewer.draw();
      this.dispatchEvent(new Event("redraw"));
    });
    byId("window-width").addEventListener("input", (event) =>
      this.viewer.setWindow({ ...this.viewer.window, width: targetOf(event).valueAsNumber }),
    );
    byId("window-level").addEventListener("input", (event) =>
      this.viewer.setWindow({ ...this.viewer.window, level: targetOf(event).valueAsNumber }),
    );
    byId("window-reset").addEventListener("click", () => this.resetWindow());
  }

  resetWindow() {
    this.viewer.setWindow({ width: 256, level: 128 });
  }

  drawSliders() {
    const { width, level } = this.viewer.window;
    byId("window-width").value = String(width);
    byId("window-level").value = String(level);
  }

  /** @param {OffscreenCanvas | null} map @param {Review | null} review */
  setMap(map, review) {
    this.review = review;
    this.viewer.showMap(map, this.mapRings());
    byId("map-legend").hidden = !map;
  }

  /** The rings inside which the map is shown: a nodule's risk comes only from the map inside its outline. */
  mapRings() {
    return (this.review?.findings ?? []).filter((finding) => !finding.isRemoved).map((finding) => finding.ring);
  }

  /** Outlines of another reader. @param {import("../review/rings.js").Ring[]} rings */
  showOthers(rings) {
    this.shown.others = rings;
    this.dispatchEvent(new Event("redraw"));
  }

  /** @param {import("../review/findings.js").Finding} finding */
  reveal(finding) {
    this.viewer.reveal(bounds(finding.ring));
  }

  /**
   * Text where there is no image: a title, a line, and a button if given.
   * @param {string} title
   * @param {string} text
   * @param {Extras} extras
   */
  say(title, text, { action = null, isBusy = false, mark = null } = {}) {
    byId("state").hidden = false;
    fill(
      byId("state"),
      h(
        "div",
        { class: "state-card" },
        isBusy ? h("span", { class: "spinner large", "aria-hidden": "true" }) : mark,
        h("p", { class: "state-title" }, title),
        text ? h("p", { class: "faint" }, text) : null,
        action,
      ),
    );
    byId("stage").setAttribute("aria-label", title);
  }

  hush() {
    byId("state").hidden = true;
    fill(byId("state"));
  }
}
