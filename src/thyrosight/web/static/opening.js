// An item of the list -> its frame on the stage and in the panel, or a text that says why there is no frame.

import { byId, h } from "./page/dom.js";
import { percent, plural } from "./page/format.js";
import { announce, tell } from "./page/messages.js";
import { asApiError } from "./server/api.js";
import { isTouched } from "./review/findings.js";
import { riskThreshold } from "./image/drawing.js";

/** @typedef {import("./review/review.js").Review} Review */
/** @typedef {Parameters<import("./image/stage.js").Stage["say"]>} Words of the stage */
/**
 * @typedef {object} Parts of the page that an opened frame goes to
 * @property {import("./open-frame.js").OpenFrame} here
 * @property {import("./image/frames.js").Frames} frames
 * @property {import("./image/clip.js").ClipBar} clip
 * @property {import("./image/stage.js").Stage} stage
 * @property {import("./image/viewer.js").Viewer} viewer
 * @property {import("./panel/panel.js").Panel} panel
 * @property {import("./review/correcting.js").Correcting} correcting
 * @property {(id: string) => void} mark
 * @property {() => (Api.Item | null)[]} likely the items that are likely to be opened next
 */

const LOADING_AFTER_MS = 150;

export class Opening {
  /** @param {Parts} parts */
  constructor(parts) {
    this.parts = parts;
    this.turn = 0;
    this.slow = 0;
    /** @type {WeakSet<Review>} */
    this.wired = new WeakSet();
  }

  /** @param {Api.Item | null} item @param {number | null} frame null: the first, or the one that is open */
  async open(item, frame = null) {
    if (!item) return;
    const { here, correcting, stage, frames, clip } = this.parts;
    const isOther = item.id !== here.item?.id;
    if (isOther) correcting.stop();
    const wanted = frame ?? (isOther ? 0 : here.frame);
    Object.assign(here, { item, frame: wanted });
    this.parts.mark(item.id);
    const turn = this.newTurn();
    if (item.state !== "done") {
      this.leave();
      stage.say(...(item.state === "failed" ? failedWords(item) : waitingWords(item)));
      return;
    }
    clip.isLoading = true;
    if (isOther || !here.review)
      this.slow = setTimeout(() => stage.say("Loading…", item.name, { isBusy: true }), LOADING_AFTER_MS);
    try {
      const loaded = await frames.load(item, wanted);
      if (turn !== this.turn) return;
      clearTimeout(this.slow);
      this.show(item, wanted, loaded, isOther);
      clip.isLoading = false;
      await clip.show(item, wanted);
      frames.prepare(item, wanted, item.num_frames ?? 1, clip.isPlaying);
      if (!clip.isPlaying) frames.prepareItems(this.parts.likely());
    } catch (error) {
      if (turn === this.turn) this.fail(item, wanted, asApiError(error));
    }
  }

  /** -> the number of this call. An earlier call that still waits is dropped, with its picture and its "Loading…". */
  newTurn() {
    clearTimeout(this.slow);
    this.parts.clip.isLoading = false;
    this.turn += 1;
    return this.turn;
  }

  /**
   * Where the server does not answer, the earlier image stays open; else the stage states why there is no image.
   * @param {Api.Item} item
   * @param {number} frame
   * @param {import("./server/api.js").ApiError} error
   */
  fail(item, frame, error) {
    const { here, stage, clip } = this.parts;
    this.newTurn();
    if (error.isOffline && here.review) {
      const { review } = here;
      Object.assign(here, { item: review.item, frame: review.frame });
      this.parts.mark(review.item.id);
      stage.hush();
      clip.show(review.item, review.frame);
      return;
    }
    this.leave();
    const again = h("button", { type: "button", class: "primary", onclick: () => this.open(item, frame) }, "Try again");
    const title = error.isOffline ? "The server does not answer" : "This image can't be shown";
    stage.say(title, error.isOffline ? "It is tried again on its own." : error.message, { action: again });
  }

  /** Closes the image: the panel disappears, the stage is empty. */
  leave() {
    const { here, clip, viewer } = this.parts;
    here.close();
    byId("panel").hidden = true;
    byId("room").classList.add("no-panel");
    byId("clip").hidden = true;
    clip.pause();
    viewer.show(null);
    this.redraw();
  }

  /**
   * @param {Api.Item} item
   * @param {number} frame
   * @param {import("./image/frames.js").LoadedFrame} loaded
   * @param {boolean} isOther whether another item was open before
   */
  show(item, frame, loaded, isOther) {
    const { here, clip, stage, viewer, correcting } = this.parts;
    if (!isOther) correcting.stop();
    const review = here.show(item, frame, loaded, isOther);
    this.wire(review);
    stage.hush();
    clip.colourFrom(riskThreshold(loaded.prediction));
    viewer.keepsPlace = !isOther;
    viewer.show(loaded.picture, loaded.prediction.field_of_view);
    byId("panel").hidden = false;
    byId("room").classList.remove("no-panel");
    if (isOther) byId("panel").scrollTop = 0;
    this.drawPanel();
    this.showMap();
    byId("stage").setAttribute("aria-label", stageLabel(review));
    if (!clip.isPlaying) announce(stageLabel(review));
  }

  /** @param {Review} review */
  wire(review) {
    if (this.wired.has(review)) return;
    this.wired.add(review);
    const { here, panel } = this.parts;
    const ifHere = (/** @type {() => void} */ call) => () => review === here.review && call();
    const findings = () => {
      this.redraw();
      panel.drawFindings();
      panel.drawSaved();
    };
    review.addEventListener("outlines", ifHere(findings));
    review.addEventListener(
      "measured",
      ifHere(() => {
        panel.drawFindings();
        this.redraw();
        this.announceMeasures();
      }),
    );
    review.addEventListener("chosen", ifHere(() => panel.drawSaved())); // prettier-ignore
    const isSaved = () => {
      findings();
      panel.readers.show(review, false);
    };
    review.addEventListener("saved", ifHere(isSaved));
  }

  announceMeasures() {
    const { here, correcting } = this.parts;
    const finding = here.review?.finding(here.selected);
    if (!finding?.measured || !isTouched(finding) || !correcting.editor.isOn) return;
    const { size, risk } = finding.measured;
    const longest =
      size.longest_mm === null ? `${Math.round(size.longest_px)} pixels` : `${size.longest_mm.toFixed(1)} millimetres`;
    const words = `Longest ${longest}${risk === null ? "" : `, risk ${percent(risk)}`}`;
    byId("stage").setAttribute("aria-description", words);
  }

  drawPanel() {
    this.parts.panel.draw();
    this.redraw();
  }

  redraw() {
    const { here, stage } = this.parts;
    stage.draw(here.review, here.selected);
  }

  async showMap() {
    const { here, stage, frames } = this.parts;
    const { item, frame, review } = here;
    const isWanted = stage.shown.map && review && !review.isBlind && item;
    const map = isWanted ? await frames.map(item, frame).catch(() => null) : null;
    if (review !== here.review) return;
    stage.setMap(map, review);
    if (isWanted && !map) tell("This model has no malignancy map.");
  }
}

/** @param {Api.Item} item @returns {Words} */
const failedWords = (item) => ["This file gave no result", item.error?.message ?? "The server does not say why."];
/** @param {Api.Item} item @returns {Words} */
const waitingWords = (item) => [
  item.state === "running" ? "In work" : "Waiting for its turn",
  item.name,
  { isBusy: true },
];

/** @param {Review} review */
function stageLabel({ item, findings }) {
  const count = findings.filter((finding) => !finding.isRemoved).length;
  return `${item.name}: ${count ? plural(count, "nodule") : "no nodule found"}`;
}
