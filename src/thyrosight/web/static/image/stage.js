// The stage: tools, sliders and overlays around the viewer, and what it says where there is no image to show.

import { byId, fill, h } from "../page/dom.js";
import { drawReading, scaleBar } from "./drawing.js";
import { bounds } from "../review/rings.js";

const STEPS = ["network", "yours", "both"];
const HINTS = {
  points: "Drag a point (with Ctrl: it alone). Press on the line to insert one, Alt and click to delete one.",
  draw: "Draw once round the nodule: the line replaces this outline.",
  add: "Draw once round the new nodule, or press Enter for an ellipse.",
};
const TOUCH_HINTS = {
  points: "Drag a point. Press on the line to insert one.",
  draw: HINTS.draw,
  add: "Draw once round the new nodule.",
};

/** Events: `map` (the map is wanted or not any more), `redraw`. */
export class Stage extends EventTarget {
  constructor(viewer, editor) {
    super();
    Object.assign(this, { viewer, editor, reading: null });
    this.shown = { outlines: true, calipers: true, map: false, opacity: 0.9, compare: "both", isVisible: true, editor };
    this.wireTools();
    this.wireSliders();
    viewer.addEventListener("moved", () => this.dispatchEvent(new Event("redraw")));
    viewer.addEventListener("window", () => this.drawSliders());
    editor.addEventListener("changed", () => this.drawTools());
  }

  /** Draws the lines of a reading; what else depends on place and size follows. */
  draw(reading, selected) {
    this.reading = reading;
    this.shown.selected = selected;
    drawReading(byId("lines"), this.viewer, reading, this.shown);
    byId("zoom-text").textContent = `${Math.round(this.viewer.scale * 100)} %`;
    this.drawScaleBar();
    this.drawTools();
    if (this.viewer.map) this.viewer.showMap(this.viewer.map, this.mapRings());
  }

  drawScaleBar() {
    const bar = scaleBar(this.viewer, this.reading?.prediction.image.spacing);
    byId("scale-bar").hidden = !bar;
    if (!bar) return;
    byId("scale-text").textContent = `${bar.mm} mm`;
    byId("scale-line").style.width = `${bar.px}px`;
  }

  drawTools() {
    const { editor, reading } = this;
    const hasImage = reading !== null;
    byId("view-tools").hidden = editor.isOn;
    byId("edit-tools").hidden = !editor.isOn;
    byId("compare").hidden = !reading?.hasCorrection;
    for (const name of ["outlines", "calipers", "map"])
      byId(`show-${name}`).setAttribute("aria-pressed", String(this.shown[name]));
    for (const button of byId("compare").children)
      button.setAttribute("aria-pressed", String(button.dataset.compare === this.shown.compare));
    for (const id of ["show-outlines", "show-calipers", "show-map", "correct"]) byId(id).disabled = !hasImage;
    document.body.classList.toggle("has-image", hasImage);
    byId("stage").classList.toggle("is-editing", editor.isOn);
    byId("stage").dataset.tool = editor.isOn ? editor.tool : "";
    byId("edit-hint").hidden = !editor.isOn;
    if (editor.isOn) this.drawEditTools();
  }

  drawEditTools() {
    const { editor, reading } = this;
    const finding = reading?.finding(editor.key);
    for (const button of document.querySelectorAll("[data-tool]")) {
      if (button.tagName !== "BUTTON") continue;
      button.setAttribute("aria-pressed", String(button.dataset.tool === editor.tool));
      button.disabled = button.dataset.tool !== "add" && !finding;
    }
    byId("undo").disabled = !reading?.past.length;
    byId("redo").disabled = !reading?.future.length;
    byId("delete-nodule").disabled = !finding || finding.isRemoved;
    byId("revert").disabled = !finding?.network || (finding.ring === finding.network.outline_xy && !finding.isRemoved);
    const hints = matchMedia("(pointer: coarse)").matches ? TOUCH_HINTS : HINTS;
    byId("edit-hint").textContent = hints[editor.tool];
  }

  wireTools() {
    for (const name of ["outlines", "calipers", "map"])
      byId(`show-${name}`).addEventListener("click", () => this.toggle(name));
    for (const button of byId("compare").children)
      button.addEventListener("click", () => this.compare(button.dataset.compare));
    for (const button of document.querySelectorAll("#edit-tools [data-tool]"))
      button.addEventListener("click", () => this.editor.choose(button.dataset.tool));
    byId("undo").addEventListener("click", () => this.editor.undo());
    byId("redo").addEventListener("click", () => this.editor.undo(true));
    byId("delete-nodule").addEventListener("click", () => this.editor.deleteNodule());
    byId("revert").addEventListener("click", () => this.editor.revert());
    byId("zoom-in").addEventListener("click", () => this.viewer.zoom(1.25));
    byId("zoom-out").addEventListener("click", () => this.viewer.zoom(0.8));
    byId("fit").addEventListener("click", () => this.viewer.fit());
  }

  toggle(name) {
    this.shown[name] = !this.shown[name];
    if (name === "map") this.dispatchEvent(new Event("map"));
    this.dispatchEvent(new Event("redraw"));
  }

  compare(which) {
    this.shown.compare = which;
    this.dispatchEvent(new Event("redraw"));
  }

  nextCompare() {
    this.compare(STEPS[(STEPS.indexOf(this.shown.compare) + 1) % STEPS.length]);
  }

  wireSliders() {
    byId("opacity").addEventListener("input", (event) => {
      this.shown.opacity = event.target.valueAsNumber / 100;
      this.viewer.mapOpacity = 0.66 * this.shown.opacity;
      this.viewer.draw();
      this.dispatchEvent(new Event("redraw"));
    });
    byId("window-width").addEventListener("input", (event) =>
      this.viewer.setWindow({ ...this.viewer.window, width: event.target.valueAsNumber }),
    );
    byId("window-level").addEventListener("input", (event) =>
      this.viewer.setWindow({ ...this.viewer.window, level: event.target.valueAsNumber }),
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

  setMap(map, reading) {
    this.reading = reading;
    this.viewer.showMap(map, this.mapRings());
    byId("map-legend").hidden = !map;
  }

  /** The map counts under the outlines in force; it is shown there alone. */
  mapRings() {
    return (this.reading?.findings ?? []).filter((finding) => !finding.isRemoved).map((finding) => finding.ring);
  }

  reveal(finding) {
    this.viewer.reveal(bounds(finding.ring));
  }

  /** What stands where no image is: a title, a line, perhaps a way on. */
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
