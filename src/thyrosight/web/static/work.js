// The reader's actions on the list: read, agree, skip, go on, remove; their name; the scale of an image.

import { answered, confirmed } from "./page/dialogs.js";
import { byId, detailOf, h, icon } from "./page/dom.js";
import { plural } from "./page/format.js";
import { announce, tell } from "./page/messages.js";
import { hasAsked, isSecondReader, readerName, setReaderName, setSecondReader } from "./page/reader.js";
import { download } from "./panel/export-panel.js";
import { asApiError, itemPath, request, sendJson } from "./server/api.js";
import { logReading } from "./review/blind.js";

const MAX_MM = 500;

/** Question -> a length in millimetres; null where none was given. @param {string} label */
async function askScale(label) {
  byId("scale-mm").value = "";
  byId("scale-label").textContent = label;
  if ((await answered("scale-dialog")) !== "yes") return null;
  const mm = byId("scale-mm").valueAsNumber;
  return mm > 0 && mm <= MAX_MM ? mm : null;
}

/** @typedef {import("./server/rows.js").Row} Row */
/** @typedef {import("./review/review.js").Review} Review */
/** @typedef {import("./review/rings.js").Point} Point */
/**
 * @typedef {object} Parts
 * @property {import("./open-frame.js").OpenFrame} here
 * @property {import("./server/queue.js").Queue} queue
 * @property {import("./panel/work-list.js").WorkList} list
 * @property {import("./image/frames.js").Frames} frames
 * @property {import("./image/stage.js").Stage} stage
 * @property {import("./opening.js").Opening} opening
 * @property {import("./review/correcting.js").Correcting} correcting
 */

export class Work {
  /** @param {Parts} parts */
  constructor(parts) {
    this.parts = parts;
    this.isJudging = false;
    const { queue } = parts;
    queue.addEventListener("done", (event) => this.finished(detailOf(event)));
    queue.addEventListener("changed", () => this.listChanged());
    queue.addEventListener("told", (event) => tell(detailOf(event)));
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-verdict]")))
      button.addEventListener("click", () => this.judge(/** @type {any} */ (button.dataset.verdict)));
    byId("export-all").addEventListener("click", () => this.exportAll());
    byId("next-unread").addEventListener("click", () => this.goOn());
    byId("reader").addEventListener("click", () => this.askName());
    this.showName();
  }

  /** The row of the open item, as it is now. */
  get row() {
    return this.parts.queue.item(this.parts.here.item?.id ?? "");
  }

  /** @param {Row} row */
  finished(row) {
    const { here, opening } = this.parts;
    announce(`${row.name} is done.`);
    if (!here.item || (here.item.id === row.id && !here.review)) opening.open(row);
  }

  listChanged() {
    const { here, queue, opening } = this.parts;
    const { row } = this;
    if (row && !here.review && row.state !== here.item?.state) opening.open(row);
    if (!queue.rows.length && !queue.sending.length && !here.item && queue.isLoaded) this.welcome();
    this.drawVerdicts();
  }

  /** Shows the reader's verdict on the open image. */
  drawVerdicts() {
    const { row } = this;
    const isDone = row?.state === "done";
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-verdict]"))) {
      button.disabled = !isDone;
      button.setAttribute("aria-pressed", String(isDone && row?.reading === button.dataset.verdict));
    }
  }

  /**
   * One key: saves changes, records the reader's verdict on the open image, then opens the next unread one.
   * @param {import("./server/rows.js").Verdict} verdict
   */
  async judge(verdict) {
    const { here, correcting, queue } = this.parts;
    const { row } = this;
    if (!row || !here.review || this.isJudging) return;
    this.isJudging = true;
    try {
      if (!(await this.nameKnown())) return;
      const { isBlind, isChanged } = here.review;
      if (isBlind && verdict !== "skipped") {
        await correcting.save(); // then the network's result is shown; a second press records the verdict
        return;
      }
      if (isChanged && verdict !== "skipped" && !(await correcting.save())) return;
      correcting.stop();
      await this.logShown();
      const next = this.parts.list.nextUnread(); // before the row may leave a filtered list
      await queue.judge(row, verdict);
      announce(`${row.name}: ${verdict}.`);
      this.goOn(next);
    } catch (error) {
      tell(asApiError(error).message);
    } finally {
      this.isJudging = false;
    }
  }

  /** Logs a second reader's reading with the network shown. */
  async logShown() {
    const { review, revealed } = this.parts.here;
    if (!review || !isSecondReader() || !revealed.has(`${review.item.id}/${review.frame}`)) return;
    const problem = await logReading(review, true, review.suspicion, (performance.now() - review.seenAt) / 1000);
    if (problem) tell(`Not in the log of readings: ${problem}`);
  }

  /** The second reader has read without the network: logs the reading and shows the network's result. @param {Review} review */
  async reveal(review) {
    const { here, opening, correcting } = this.parts;
    const seconds = (performance.now() - review.seenAt) / 1000;
    const problem = await logReading(review, false, review.suspicion, seconds);
    if (problem) tell(`Not in the log of readings: ${problem}`);
    if (review !== here.review) return;
    correcting.stop();
    here.reveal();
    this.parts.frames.forget(review.item); // the server shows now what it had hidden
    const { suspicion } = review;
    here.review = null;
    await opening.open(this.row, review.frame);
    /** @type {Review | null} */ (here.review)?.rate(suspicion);
    opening.drawPanel();
  }

  /** Opens the next image that is not read. */
  goOn(next = this.parts.list.nextUnread()) {
    if (next) this.parts.opening.open(next);
    else tell("All images of this list are read.");
  }

  /** Asks for the reader's name, once per browser -> whether the reader goes on. */
  async nameKnown() {
    return hasAsked() || (await this.askName());
  }

  /** -> whether there was an answer, even an empty name. */
  async askName() {
    byId("reader-name").value = readerName();
    byId("second-reader").checked = isSecondReader();
    const before = [readerName(), isSecondReader()].join();
    const isFirst = !hasAsked();
    if ((await answered("name-dialog")) !== "yes") return false;
    setReaderName(byId("reader-name").value);
    setSecondReader(byId("second-reader").checked);
    this.showName();
    if ([readerName(), isSecondReader()].join() !== before && !isFirst) await this.changeReader();
    return true;
  }

  /** After a change of reader, the open frame is loaded with that reader's reading, unless it holds changes. */
  async changeReader() {
    const { here, frames, queue, opening } = this.parts;
    frames.kept.clear();
    await queue.load();
    if (this.row && here.review && !here.review.isChanged) {
      here.close();
      await opening.open(this.row, here.frame);
    }
  }

  showName() {
    byId("reader").textContent = `${readerName() || "Reader"}${isSecondReader() ? " · second reader" : ""}`;
  }

  /**
   * Two places on a ruler -> asks for the millimetres between them; the server measures anew.
   * @param {Review} review
   * @param {Point} from
   * @param {Point} to
   */
  async setScale(review, from, to) {
    const length_px = Math.hypot(to[0] - from[0], to[1] - from[1]);
    if (length_px < 2) return;
    const mm = await askScale(`Millimetres between the marks, ${Math.round(length_px)} pixels`);
    if (mm) await this.keepScale(review, mm / length_px);
  }

  /** Asks for the scale itself, as a header or a log states it. */
  async typeScale() {
    const { review } = this.parts.here;
    const mm = review && (await askScale("Millimetres per pixel"));
    if (review && mm) await this.keepScale(review, mm);
  }

  /** @param {Review} review @param {number} mm per pixel */
  keepScale(review, mm) {
    const given = { row_mm: mm, column_mm: mm, who: readerName() };
    return this.workAgain(review, () => sendJson("PUT", itemPath(review.item.id, "spacing"), given));
  }

  /** Withdraws the given scale: sizes are in pixels again. */
  async withdrawScale() {
    const { review } = this.parts.here;
    if (!review) return;
    await this.workAgain(review, () => request(itemPath(review.item.id, "spacing"), { method: "DELETE" }));
  }

  /** The chosen model predicts the open image again. @param {import("./server/models.js").Models} models */
  async predictAgain(models) {
    const { review } = this.parts.here;
    if (review) await this.workAgain(review, () => models.predictAgain({ items: [review.item.id] }));
  }

  /** Loads the list again after items of it were queued again; their results that are shown are outdated. */
  async readAgain() {
    const { frames, queue, here, opening, correcting } = this.parts;
    if (here.review?.isChanged) await correcting.save();
    frames.kept.clear();
    await queue.load();
    if (!this.row || this.row.state === "done") return;
    correcting.stop();
    opening.leave();
    await opening.open(this.row);
  }

  /** The open image is predicted again: it is saved first, then closed, and opened when the result is there. @param {Review} review @param {() => Promise<unknown>} ask */
  async workAgain(review, ask) {
    const { here, correcting, queue, opening, frames } = this.parts;
    if (review !== here.review) return;
    if (review.isChanged && !(await correcting.save())) return;
    try {
      await ask();
    } catch (error) {
      tell(asApiError(error).message);
      return;
    }
    correcting.stop();
    frames.forget(review.item);
    await queue.follow(review.item.id);
    opening.leave();
    await opening.open(this.row);
    queue.poll();
  }

  /** Downloads the readings as a set for training. */
  async exportAll() {
    try {
      announce(`${await download("training-set", "readings.zip")} saved.`);
    } catch (error) {
      tell(asApiError(error).message);
    }
  }

  /** @param {string} id @param {Row[]} rows */
  async removeJob(id, rows) {
    const what = rows.length === 1 ? rows[0].name : plural(rows.length, "image");
    await this.remove(what, rows, () => this.parts.queue.removeJob(id));
  }

  /** @param {Row} row */
  removeItem(row) {
    return this.remove(row.name, [row], () => this.parts.queue.removeItem(row.id));
  }

  /** @param {string} what @param {Row[]} rows @param {() => Promise<void>} send */
  async remove(what, rows, send) {
    const { here, frames, correcting, opening, list, queue } = this.parts;
    if (!(await confirmed(`Remove ${what}?`, "Results and readings go with it, from the server too.", "Remove")))
      return;
    const isOpen = rows.some((row) => row.id === here.item?.id);
    const next = isOpen ? (list.neighbour(1) ?? list.neighbour(-1)) : null;
    try {
      await send();
    } catch (error) {
      tell(asApiError(error).message);
      return;
    }
    for (const row of rows) frames.forget(row);
    if (!isOpen) return;
    correcting.stop();
    opening.leave();
    for (const row of rows) here.forget(row);
    const still = (next && queue.item(next.id)) ?? queue.rows.find((row) => row.state === "done") ?? null;
    if (still) opening.open(still);
    else this.welcome();
  }

  /** The empty page, which explains how to start. */
  welcome() {
    const press = (/** @type {"file-input" | "folder-input"} */ id) => () => byId(id).click();
    const add = h("button", { type: "button", class: "primary", onclick: press("file-input") }, "Choose images");
    const folder = h("button", { type: "button", class: "small-button", onclick: press("folder-input") }, "Choose a folder"); // prettier-ignore
    const what = "DICOM, PNG, JPEG, TIFF, BMP; clips too. They go to this server and nowhere else.";
    this.parts.stage.say("Drop thyroid ultrasound here", what, {
      action: h("div", { class: "row" }, add, folder),
      mark: icon("image"),
    });
  }
}
