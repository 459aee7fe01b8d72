// A correction from start to end: start, save, cancel, discard. The changes themselves are editor.js's.

import { byId } from "../page/dom.js";
import { asApiError } from "../server/api.js";
import { announce, tell } from "../page/messages.js";
import { confirmed } from "../page/dialogs.js";

/**
 * @typedef {object} Here
 * @property {import("./review.js").Review | null} review
 * @property {{ correction: Api.CorrectionIn | null } | null} loaded
 * @property {string | null} selected
 * @property {() => void} keepUnsaved
 */

export class Correcting {
  /**
   * @param {Here} here what is open
   * @param {import("./editor.js").Editor} editor
   * @param {{ select: (key: string | null) => void, drawPanel: () => void, pause: () => void }} page what the rest of
   *   the page does about it
   */
  constructor(here, editor, page) {
    this.here = here;
    this.editor = editor;
    this.page = page;
    this.numBefore = 0;
  }

  start() {
    const { here, editor } = this;
    if (!here.review || editor.isOn) return;
    this.page.pause();
    const finding = here.review.finding(here.selected);
    this.numBefore = here.review.past.length;
    editor.start(here.review, finding && !finding.isRemoved ? here.selected : null);
    byId("stage").focus({ preventScroll: true });
    announce("Correcting. Press question mark for the keys.");
  }

  stop() {
    if (this.editor.isOn) this.editor.stop();
  }

  /** -> whether it was saved. */
  async save() {
    const { review, loaded } = this.here;
    if (!review || !loaded) return false;
    byId("save-problem").hidden = true;
    try {
      await review.save();
    } catch (error) {
      const { message, isOffline } = asApiError(error);
      byId("save-problem").textContent = `Not saved: ${message}`;
      byId("save-problem").hidden = false;
      if (!isOffline) tell(`Not saved: ${message}`);
      return false;
    }
    loaded.correction = review.saved ? review.toCorrection() : null;
    this.here.keepUnsaved();
    announce("Correction saved.");
    return true;
  }

  async finish() {
    if (await this.save()) this.stop();
  }

  /** Back to the outlines from before the correction. */
  cancel() {
    const { review, selected } = this.here;
    if (!review) return;
    while (review.past.length > this.numBefore && review.undo());
    review.future = [];
    this.stop();
    if (!review.finding(selected)) this.page.select(review.findings[0]?.key ?? null);
    announce("Changes dropped.");
  }

  /** Back to the saved correction, with descriptors and note. */
  async discard() {
    const { here } = this;
    const details = "Your outlines, descriptors and note go back to what was saved last.";
    if (!(await confirmed("Discard what you have changed?", details, "Discard"))) return;
    this.stop();
    if (!here.review || !here.loaded) return;
    here.review.discard(here.loaded.correction);
    if (!here.review.finding(here.selected)) here.selected = here.review.findings[0]?.key ?? null;
    this.page.drawPanel();
  }
}
