// A correction from start to end: start, save, cancel, discard, and the choice when another version was saved
// meanwhile.

import { byId } from "../page/dom.js";
import { asApiError, framePath, getJson } from "../server/api.js";
import { announce, tell } from "../page/messages.js";
import { readerName } from "../page/reader.js";
import { answered, confirmed } from "../page/dialogs.js";

/**
 * @typedef {object} Here
 * @property {import("./review.js").Review | null} review
 * @property {{ correction: any } | null} loaded
 * @property {string | null} selected
 * @property {() => void} keepUnsaved
 */
/** @typedef {import("./findings.js").Reading} Reading */

export class Correcting {
  /**
   * @param {Here} here what is open
   * @param {import("./editor.js").Editor} editor
   * @param {{ select: (key: string | null) => void, drawPanel: () => void, pause: () => void,
   *   saved: (item: Api.Item) => Promise<void>, mayGoOn: () => Promise<boolean>,
   *   reveal: (review: import("./review.js").Review) => Promise<void> }} page functions of the rest of the page
   */
  constructor(here, editor, page) {
    this.here = here;
    this.editor = editor;
    this.page = page;
    /** @type {import("./review.js").Snapshot | null} state when the correction was started */
    this.before = null;
    this.numBefore = 0;
    /** @type {Promise<boolean>} the last save */
    this.saving = Promise.resolve(true);
  }

  /** @param {import("./editor.js").Tool | null} tool */
  start(tool = null) {
    const { here, editor } = this;
    if (!here.review) return;
    if (!editor.isOn) {
      this.page.pause();
      const finding = here.review.finding(here.selected);
      this.numBefore = here.review.past.length;
      this.before = here.review.snapshot();
      editor.start(here.review, finding && !finding.isRemoved ? here.selected : null);
      byId("stage").focus({ preventScroll: true });
      announce("Correcting. Press question mark for the keys.");
    }
    if (tool) editor.choose(tool);
  }

  stop() {
    if (this.editor.isOn) this.editor.stop();
  }

  /** -> whether it was saved. Saves run one after the other, so that none conflicts with the one before. */
  save() {
    this.saving = this.saving.then(
      () => this.saveNow(),
      () => this.saveNow(),
    );
    return this.saving;
  }

  async saveNow() {
    const { review, loaded } = this.here;
    if (!review || !loaded || !(await this.page.mayGoOn())) return false;
    byId("save-problem").hidden = true;
    if (review.isBlind && !review.kept.length && review.suspicion === null) {
      tell("Outline a nodule, or rate your suspicion, first.");
      return false;
    }
    try {
      if (!review.isBlind || review.kept.length) loaded.correction = await review.save();
    } catch (error) {
      const { status, message, isOffline, detail } = asApiError(error);
      if (status === 409 && detail) return this.settle(review, detail);
      if (status === 428) return this.settle(review, await this.savedMeanwhile(review));
      byId("save-problem").textContent = `Not saved: ${message}`;
      byId("save-problem").hidden = false;
      if (!isOffline) tell(`Not saved: ${message}`);
      return false;
    }
    this.here.keepUnsaved();
    announce("Saved.");
    if (review.isBlind) await this.page.reveal(review); // then the row of the list may say what was hidden
    await this.page.saved(review.item);
    return true;
  }

  /**
   * Somebody saved another version since this one was opened: both are shown, and the person chooses. Their version
   * stays in the server's history in any case. Where the person takes that version, undo brings back the version of
   * this page.
   * @param {import("./review.js").Review} review
   * @param {Api.ErrorFault[]} detail
   * @returns {Promise<boolean>}
   */
  async settle(review, detail) {
    /** @type {Reading} */
    const theirs = /** @type {any} */ (detail.find(({ where }) => where === "theirs")?.reading ?? null);
    const mine = `${review.kept.length === 1 ? "1 nodule" : `${review.kept.length} nodules`}, not saved yet`;
    const answer = await answered("conflict-dialog", {
      "conflict-theirs": theirs ? wordsOf(theirs) : "removed",
      "conflict-mine": mine,
    });
    if (review !== this.here.review || !this.here.loaded) return false;
    if (answer === "mine") {
      review.etag = theirs?.etag ?? null;
      return this.saveNow();
    }
    if (answer === "theirs") {
      this.stop();
      if (theirs) review.takeOver(theirs);
      else Object.assign(review, { etag: null, saved: null });
      this.here.loaded.correction = theirs;
      this.page.drawPanel();
      tell("The other reading is open. Ctrl+Z brings yours back.");
      return false;
    }
    byId("save-problem").textContent = "Not saved: another reading was saved since this one was opened.";
    byId("save-problem").hidden = false;
    return false;
  }

  /** Where the frame was opened without a reading and one was saved since: that one. @param {import("./review.js").Review} review */
  async savedMeanwhile({ item, frame }) {
    const path = `${framePath(item.id, frame, "correction")}?who=${encodeURIComponent(readerName())}`;
    return [{ where: "theirs", fault: "saved meanwhile", reading: await getJson(path) }];
  }

  /** The tools are closed at once. Where saving fails, the changes stay, unsaved. */
  async finish() {
    this.stop();
    await this.save();
  }

  get hasChanges() {
    return (this.here.review?.past.length ?? 0) > this.numBefore;
  }

  /** Escape: leaves a correction without changes; asks first where there are changes. */
  async escape() {
    if (!this.hasChanges) {
      this.stop();
      return;
    }
    const details = "They can be had back with Ctrl+Z. Save keeps them.";
    if (await confirmed("Drop these changes?", details, "Drop")) this.cancel();
  }

  /** Restores the outlines from before the correction; Ctrl+Z brings the changes back. */
  cancel() {
    const { review, selected } = this.here;
    if (!review || !this.before) return;
    const isChanged = this.hasChanges;
    if (isChanged) {
      review.remember();
      review.restore(this.before);
    }
    this.stop();
    if (!review.finding(selected)) this.page.select(review.findings[0]?.key ?? null);
    this.page.drawPanel();
    if (isChanged) tell("Changes dropped. Ctrl+Z brings them back.");
  }

  /** One step back or forward, also where no tool is open. @param {boolean} isForward */
  undo(isForward = false) {
    const { here, editor } = this;
    if (!here.review) return;
    if (editor.isOn) editor.undo(isForward);
    else {
      const isDone = isForward ? here.review.redo() : here.review.undo();
      announce(isDone ? (isForward ? "Done again." : "Undone.") : "Nothing more.");
    }
    if (!here.review.finding(here.selected)) here.selected = here.review.findings[0]?.key ?? null;
    this.page.drawPanel();
  }

  /** Restores the saved reading, with descriptors and note; Ctrl+Z brings the changes back. */
  async discard() {
    const { here } = this;
    const details = "Outlines, descriptors and note go back to what was saved last. Ctrl+Z undoes it.";
    if (!(await confirmed("Discard what you have changed?", details, "Discard"))) return;
    this.stop();
    if (!here.review || !here.loaded) return;
    here.review.discard(here.loaded.correction);
    if (!here.review.finding(here.selected)) here.selected = here.review.findings[0]?.key ?? null;
    this.page.drawPanel();
  }
}

/** Who saved what, and when. @param {Reading} reading */
function wordsOf(reading) {
  const count = reading.findings?.length ?? reading.outlines_xy?.length ?? 0;
  const who = reading.who || "somebody without a name";
  const at = reading.saved_at ? `, ${new Date(reading.saved_at).toLocaleTimeString()}` : "";
  const note = reading.note ? `; note: ${reading.note}` : "";
  return `${count === 1 ? "1 nodule" : `${count} nodules`}, by ${who}${at}${note}`;
}
