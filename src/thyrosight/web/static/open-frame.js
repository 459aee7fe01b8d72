// What is open: an item, one of its frames, its review, the chosen finding. Also keeps all unsaved reviews.

import { hiddenResult, isBlindFor, isHidden } from "./review/blind.js";
import { Review } from "./review/review.js";

/** @typedef {import("./image/frames.js").LoadedFrame} LoadedFrame */

export class OpenFrame {
  constructor() {
    /** @type {Api.Item | null} */
    this.item = null;
    this.frame = 0;
    /** @type {Review | null} null where the frame has no result to show */
    this.review = null;
    /** @type {LoadedFrame | null} */
    this.loaded = null;
    /** @type {string | null} key of the chosen finding */
    this.selected = null;
    /** @type {Map<string, Review>} by ITEM/FRAME */
    this.unsaved = new Map();
    /** @type {Set<string>} ITEM/FRAME that the second reader has outlined or rated */
    this.revealed = new Set();
  }

  /** The chosen finding; null where there is none, or a person has removed it. */
  get chosen() {
    const finding = this.review?.finding(this.selected);
    return finding && !finding.isRemoved ? finding : null;
  }

  get hasUnsaved() {
    return this.review?.isChanged || this.unsaved.size > 0;
  }

  /**
   * Opens a loaded frame. The chosen finding stays chosen if the frame is of the same item and has it.
   * @param {Api.Item} item
   * @param {number} frame
   * @param {LoadedFrame} loaded
   * @param {boolean} isOther whether another item was open before
   */
  show(item, frame, loaded, isOther) {
    this.keepUnsaved();
    this.loaded = loaded;
    const kept = this.unsaved.get(`${item.id}/${frame}`);
    const isRevealed = this.revealed.has(`${item.id}/${frame}`);
    const isBlind = isHidden(loaded.prediction) || (isBlindFor(loaded.correction) && !isRevealed);
    const prediction = isBlind ? hiddenResult(loaded.prediction) : loaded.prediction;
    kept?.measureAgain();
    this.review = kept ?? new Review(item, frame, prediction, loaded.correction);
    if (!kept && isBlind) this.review.isBlind = true;
    const isKept = !isOther && this.review.finding(this.selected);
    if (!isKept) this.selected = this.review.findings.find((finding) => !finding.isRemoved)?.key ?? null;
    return this.review;
  }

  /** Records that the second reader has read the open frame, so that the network's result may be shown. */
  reveal() {
    if (!this.review) return;
    const key = `${this.review.item.id}/${this.review.frame}`;
    this.revealed.add(key);
    this.unsaved.delete(key);
  }

  /** Closes the frame. */
  close() {
    this.keepUnsaved();
    this.review = null;
    this.selected = null;
  }

  keepUnsaved() {
    const { review } = this;
    if (!review) return;
    const key = `${review.item.id}/${review.frame}`;
    if (review.isChanged) this.unsaved.set(key, review);
    else this.unsaved.delete(key);
  }

  /** Forgets an item that was removed. @param {Api.Item} item */
  forget(item) {
    for (const key of this.unsaved.keys()) if (key.startsWith(`${item.id}/`)) this.unsaved.delete(key);
    if (this.item?.id === item.id) this.item = null;
  }
}
