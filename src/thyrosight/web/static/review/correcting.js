// From the first change to the saved correction: starting, saving, dropping; the changes themselves are editor.js's.

import { byId } from "../page/dom.js";
import { announce, tell } from "../page/messages.js";
import { confirmed } from "../page/dialogs.js";

export class Correcting {
  /** here: what is open; page: { keepUnsaved, select, drawPanel, pause }, what the rest of the page does about it. */
  constructor(here, editor, page) {
    Object.assign(this, { here, editor, page, numBefore: 0 });
  }

  start() {
    const { here, editor } = this;
    if (!here.reading || editor.isOn) return;
    this.page.pause();
    const finding = here.reading.finding(here.selected);
    this.numBefore = here.reading.past.length;
    editor.start(here.reading, finding && !finding.isRemoved ? here.selected : null);
    byId("stage").focus({ preventScroll: true });
    announce("Correcting. Press question mark for the keys.");
  }

  stop() {
    if (this.editor.isOn) this.editor.stop();
  }

  /** -> was it saved. */
  async save() {
    const { reading, loaded } = this.here;
    if (!reading) return false;
    byId("save-problem").hidden = true;
    try {
      await reading.save();
    } catch (error) {
      byId("save-problem").textContent = `Not saved: ${error.message}`;
      byId("save-problem").hidden = false;
      if (!error.isOffline) tell(`Not saved: ${error.message}`);
      return false;
    }
    loaded.correction = reading.saved ? reading.toCorrection() : null;
    this.page.keepUnsaved();
    announce("Correction saved.");
    return true;
  }

  async finish() {
    if (await this.save()) this.stop();
  }

  /** Back to where things stood when correcting began. */
  cancel() {
    const { here } = this;
    while (here.reading.past.length > this.numBefore && here.reading.undo());
    here.reading.future = [];
    this.stop();
    if (!here.reading.finding(here.selected)) this.page.select(here.reading.findings[0]?.key ?? null);
    announce("Changes dropped.");
  }

  /** Back to what was saved last, descriptors and note too. */
  async discard() {
    const { here } = this;
    const details = "Your outlines, descriptors and note go back to what was saved last.";
    if (!(await confirmed("Discard what you have changed?", details, "Discard"))) return;
    this.stop();
    here.reading.discard(here.loaded.correction);
    if (!here.reading.finding(here.selected)) here.selected = here.reading.findings[0]?.key ?? null;
    this.page.drawPanel();
  }
}
