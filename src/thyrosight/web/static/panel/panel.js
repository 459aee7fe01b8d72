// The panel next to the image: all of its sections, drawn for the open frame.

import { byId } from "../page/dom.js";
import { showExports, showHolds } from "./export-panel.js";
import { showDigest, showFindings, showFlags, showMeasures, showRisk } from "./findings-panel.js";
import { showIdentity, showProvenance } from "./identity.js";
import { ReadersPanel } from "./readers-panel.js";
import { showRating } from "./rating.js";
import { TiradsForm } from "./tirads-form.js";

/** @typedef {import("../review/rings.js").Ring} Ring */
/**
 * @typedef {object} Shown what is open
 * @property {import("../review/review.js").Review | null} review
 * @property {string | null} selected key of the chosen finding
 * @property {import("../review/findings.js").Finding | null} chosen the chosen finding, unless a person has removed it
 */

export class Panel {
  /**
   * @param {Shown} here
   * @param {import("../server/models.js").Models} models
   * @param {{ select: (key: string) => void, save: () => void, outline: (rings: Ring[]) => void, predictAgain: () => void }} actions
   */
  constructor(here, models, { select, save, outline, predictAgain }) {
    this.models = models;
    this.predictAgain = predictAgain;
    this.here = here;
    this.select = select;
    this.save = save;
    this.readers = new ReadersPanel(byId("readers"), outline);
    /** @type {import("../review/review.js").Review | null} */
    this.drawn = null;
    this.tirads = new TiradsForm(byId("tirads"), (level) => {
      if (here.review) showDigest(byId("digest"), here.review, here.chosen, level);
    });
  }

  /** Draws every section. */
  draw() {
    const { review } = this.here;
    if (!review) return;
    this.drawIdentity();
    showFlags(byId("flags"), review);
    showRating(byId("rating"), review, this.save);
    if (review !== this.drawn) this.readers.show(review, true);
    this.drawn = review;
    showExports(byId("exports"), review, this.save);
    byId("exports").hidden = review.isBlind;
    showProvenance(byId("provenance"), review);
    byId("note").value = review.note;
    this.drawFindings();
    this.drawSaved();
  }

  drawIdentity() {
    const { review } = this.here;
    if (review) showIdentity(byId("identity"), review, this.models, this.predictAgain);
  }

  /** Draws the sections that depend on the outlines and on the choice of a nodule. */
  drawFindings() {
    const { review, selected, chosen } = this.here;
    if (!review) return;
    if (!chosen) showDigest(byId("digest"), review, null, null);
    showRisk(byId("risk"), review, chosen);
    showFindings(byId("findings"), review, selected, this.select);
    const finding = review.finding(selected);
    showMeasures(byId("measures"), finding);
    this.tirads.show(review, finding);
  }

  /** Draws whether there is anything to save, and the note. */
  drawSaved() {
    const { review } = this.here;
    if (!review) return;
    const state = review.isChanged ? "not saved" : review.saved ? "saved" : "nothing changed";
    byId("saved-state").textContent = state;
    byId("saved-state").className = `tag ${review.isChanged ? "missing" : review.saved ? "yours" : ""}`;
    if (byId("note").value !== review.note) byId("note").value = review.note;
    byId("save").disabled = !review.isChanged && !(review.isBlind && review.suspicion !== null);
    byId("discard").disabled = !review.isChanged;
    showHolds(review, this.save);
  }
}
