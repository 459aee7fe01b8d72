// The work-list: groups with their names, rows with state, flags, risk and level; filter, sort, search; by mouse and
// keys.

import { framePath, getJson, getPicture } from "../server/api.js";
import { EVERYTHING, chosenRows, entriesOf, nextUnread } from "../server/rows.js";
import { isSecondReader, readerName } from "../page/reader.js";
import { byId, debounced, fill, h, icon, targetOf } from "../page/dom.js";
import { riskClass } from "../image/drawing.js";
import { capitalised, clock, percent, plural } from "../page/format.js";
import { VirtualList } from "./virtual-list.js";

/** @typedef {import("../server/queue.js").Queue} Queue */
/** @typedef {import("../server/queue.js").Sending} Sending */
/** @typedef {import("../server/rows.js").Row} Row */
/** @typedef {import("../server/rows.js").Head} Head */
/** @typedef {import("../server/rows.js").Entry} Entry */

const HEIGHTS = { head: 34, row: 54 };
const THUMB = { width: 52, height: 40 };
const MAX_SENDING = 6;
const WANTED_KEY = "thyrosight-list";
const PLACE_KEY = "thyrosight-place";
/** @type {Record<string, number>} by key */
const ROW_STEPS = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity, PageDown: 8, PageUp: -8 };
const STATE_WORDS = { queued: "waiting", running: "in work", done: "done", failed: "failed" };
/** @type {Record<string, [mark: string, words: string]>} */
const READINGS = {
  unread: ["", "not read"],
  read: ["✓", "read"],
  agreed: ["✓✓", "agreed"],
  corrected: ["✎", "corrected"],
  skipped: ["→", "skipped"],
};

export class WorkList {
  /**
   * @param {Queue} queue
   * @param {{ choose: (row: Row) => void, removeJob: (id: string, rows: Row[]) => void, removeItem: (row: Row) => void }} actions
   */
  constructor(queue, actions) {
    this.queue = queue;
    this.actions = actions;
    this.parent = byId("jobs");
    /** @type {import("../server/rows.js").Wanted} */
    this.wanted = { ...EVERYTHING, ...JSON.parse(sessionStorage.getItem(WANTED_KEY) ?? "{}") };
    this.threshold = 0.5;
    /** @type {string | null} */
    this.chosen = null;
    this.isListed = false;
    /** @type {Row[]} the rows that the reader wants, in order */
    this.rows = [];
    /** @type {Map<string, number>} rows of each job, whatever is wanted */
    this.sizes = new Map();
    /** @type {Map<string, Promise<ImageBitmap | null>>} small pictures, the last used at the end */
    this.thumbs = new Map();
    this.virtual = new VirtualList(this.parent, byId("rows"), {
      height: (/** @type {Head | Entry} */ entry) => HEIGHTS[entry.kind],
      key: (/** @type {Head | Entry} */ entry) => entry.key,
      draw: (/** @type {Head | Entry} */ entry, /** @type {HTMLElement | null} */ element) =>
        entry.kind === "head" ? this.drawHead(entry, element) : this.drawRow(entry.row, element),
    });
    queue.addEventListener("changed", () => this.draw());
    this.parent.addEventListener("keydown", (event) => this.onKey(event));
    this.wireFilters();
  }

  wireFilters() {
    for (const name of /** @type {const} */ (["state", "risk", "level", "sort"])) {
      const select = byId(`list-${name}`);
      select.value = this.wanted[name];
      select.addEventListener("change", () => this.want({ [name]: select.value }));
    }
    const search = byId("list-search");
    search.value = this.wanted.search;
    search.addEventListener(
      "input",
      debounced(() => this.want({ search: search.value }), 60),
    );
    byId("list-all").addEventListener("click", () => this.want({ ...EVERYTHING, sort: this.wanted.sort }));
  }

  /** @param {Partial<import("../server/rows.js").Wanted>} change */
  want(change) {
    this.wanted = { ...this.wanted, ...change };
    sessionStorage.setItem(WANTED_KEY, JSON.stringify(this.wanted));
    for (const name of /** @type {const} */ (["state", "risk", "level", "sort"]))
      byId(`list-${name}`).value = this.wanted[name];
    if (byId("list-search").value !== this.wanted.search) byId("list-search").value = this.wanted.search;
    this.draw();
    this.parent.scrollTop = 0;
    this.reveal();
  }

  draw() {
    const { queue, wanted } = this;
    this.rows = chosenRows(queue.rows, wanted, this.threshold);
    this.isListed = this.rows.some((row) => row.id === this.chosen);
    this.sizes.clear();
    for (const { job_id: job } of queue.rows) this.sizes.set(job, (this.sizes.get(job) ?? 0) + 1);
    this.virtual.show(entriesOf(this.rows, wanted.sort === "order"));
    const shown = [...queue.sending.filter(({ error }) => error), ...queue.sending.filter(({ error }) => !error)];
    fill(
      byId("sending"),
      shown.slice(0, MAX_SENDING).map((entry) => this.sendingRow(entry)),
      shown.length > MAX_SENDING ? h("li", { class: "faint small" }, `and ${shown.length - MAX_SENDING} more`) : null,
    );
    this.drawSummary();
  }

  drawSummary() {
    const { queued, running, done, failed } = this.queue.counts;
    const all = queued + running + done + failed;
    byId("queue").classList.toggle("is-empty", all === 0);
    const parts = queued + running ? [`${done + failed} of ${all} done`] : all ? [plural(all, "image")] : [];
    const unread = this.queue.rows.filter((row) => row.state === "done" && row.reading === "unread").length;
    if (all && done) parts.push(unread ? `${unread} not read` : "all read");
    if (failed) parts.push(`${failed} failed`);
    if (all && this.rows.length < this.queue.rows.length) parts.push(`${this.rows.length} shown`);
    if (this.queue.wait) parts.push(`the server is full, next try in ${Math.ceil(this.queue.wait)} s`);
    const text = parts.join(" · ") || (this.queue.isLoaded ? "No images yet" : "Loading…");
    if (byId("queue-summary").textContent !== text) byId("queue-summary").textContent = text;
    byId("list-all").hidden = this.rows.length === this.queue.rows.length;
    const bar = byId("queue-progress");
    bar.hidden = !(queued + running);
    bar.max = Math.max(1, all);
    bar.value = done + failed;
  }

  /** @param {Head} head @param {HTMLElement | null} element */
  drawHead({ job, name, created, rows }, element) {
    const finished = rows.filter(({ state }) => state === "done" || state === "failed").length;
    const count = finished < rows.length ? `${finished} of ${rows.length}` : String(rows.length);
    const title = name || clock(created) || "Images";
    const made = element ?? h("li", { class: "job-head" });
    const size = this.sizes.get(job) ?? rows.length;
    const text = `${title} ${count} ${size}`;
    if (made.dataset.text === text) return made;
    made.dataset.text = text;
    const label = `Remove the ${plural(size, "image")} of ${title}`;
    const remove = () => {
      const all = this.queue.rows.filter((row) => row.job_id === job);
      this.actions.removeJob(job, all);
    };
    const bin = { type: "button", class: "icon-button", "aria-label": label, title: label, onclick: remove };
    return fill(
      made,
      h("span", { class: "job-name", title: name || null }, title),
      h("span", { class: "faint" }, count),
      h("button", bin, icon("bin")),
    );
  }

  /** @param {Row} row @param {HTMLElement | null} element */
  drawRow(row, element) {
    const isChosen = row.id === this.chosen;
    const text = [row.state, row.reading, row.flags.join(" "), row.risk, row.level, row.num_nodules, row.said_by, row.frames_done, row.readers.join(), row.error?.message, isChosen, row.id === this.tabbable, this.threshold].join("|"); // prettier-ignore
    if (element?.dataset.text === text) return element;
    const made = element ?? this.newRow(row);
    made.dataset.text = text;
    const button = /** @type {HTMLButtonElement} */ (made.firstElementChild);
    button.classList.toggle("is-chosen", isChosen);
    if (isChosen) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    button.tabIndex = row.id === this.tabbable ? 0 : -1; // one stop of Tab; arrows go from row to row
    Object.assign(button.dataset, { state: row.state, reading: row.reading });
    fill(/** @type {HTMLElement} */ (button.querySelector(".item-words")), wordsOf(row, this.threshold));
    fill(/** @type {HTMLElement} */ (button.querySelector(".reading")), readingMark(row));
    if (row.state === "done") this.drawThumb(row, /** @type {HTMLCanvasElement} */ (button.firstElementChild));
    return made;
  }

  /** @param {Row} row */
  newRow(row) {
    const canvas = h("canvas", { ...THUMB, class: "thumb" });
    canvas.setAttribute("aria-hidden", "true");
    const open = () => this.actions.choose(this.queue.item(row.id) ?? row);
    const remove = () => this.actions.removeItem(this.queue.item(row.id) ?? row);
    const name = h("span", { class: "item-name", title: row.path ?? row.name }, row.name);
    const button = h(
      "button",
      { type: "button", class: "item", dataset: { item: row.id }, onclick: open },
      canvas,
      h("span", { class: "item-text" }, name, h("span", { class: "reading" }), h("span", { class: "item-words" })),
    );
    const label = `Remove ${row.name}`;
    const bin = h("button", { type: "button", class: "icon-button row-bin", tabIndex: -1, "aria-label": label, title: `${label} (Shift Delete)`, onclick: remove }, icon("bin")); // prettier-ignore
    return h("li", { class: "list-row" }, button, bin);
  }

  /** @param {Row} row @param {HTMLCanvasElement} canvas */
  async drawThumb(row, canvas) {
    if (canvas.dataset.drawn) return;
    canvas.dataset.drawn = "1";
    const kept = this.thumbs.get(row.id) ?? loadThumb(row);
    this.thumbs.delete(row.id);
    this.thumbs.set(row.id, kept);
    while (this.thumbs.size > 300) {
      const [id, oldest] = /** @type {[string, Promise<ImageBitmap | null>]} */ (this.thumbs.entries().next().value);
      this.thumbs.delete(id);
      oldest.then((bitmap) => bitmap?.close());
    }
    const bitmap = await kept.catch(() => null);
    if (bitmap?.width) canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  }

  /** @param {Sending} entry */
  sendingRow(entry) {
    const { queue } = this;
    const link = (/** @type {string} */ text, /** @type {() => void} */ onclick) => h("button", { type: "button", class: "link", onclick }, text); // prettier-ignore
    const words = entry.error
      ? [h("span", { class: "problem" }, entry.error), h("span", { class: "row-actions" }, link("Try again", () => queue.retry(entry)), link("Dismiss", () => queue.dismiss(entry)))] // prettier-ignore
      : [h("span", { class: "spinner", "aria-hidden": "true" }), "sending"];
    return h("li", { class: "item is-sending" }, h("span", { class: "item-text" }, h("span", { class: "item-name" }, entry.name), h("span", { class: "item-words" }, words))); // prettier-ignore
  }

  /** @param {string} itemId */
  mark(itemId) {
    this.chosen = itemId;
    sessionStorage.setItem(PLACE_KEY, itemId);
    localStorage.setItem(PLACE_KEY, itemId);
    this.reveal();
  }

  /** The row that Tab goes to: the chosen row, or the first row if that one is not listed. */
  get tabbable() {
    return this.isListed ? this.chosen : (this.rows[0]?.id ?? null);
  }

  reveal() {
    this.isListed = this.rows.some((row) => row.id === this.chosen);
    this.virtual.draw();
    this.virtual.reveal(this.virtual.entries.findIndex((entry) => entry.key === this.chosen));
  }

  /** The item that was open last in this tab; without one, in this browser. */
  get keptPlace() {
    return sessionStorage.getItem(PLACE_KEY) ?? localStorage.getItem(PLACE_KEY);
  }

  /** The row where the reader stopped; if it is gone, the first row that is done. */
  place() {
    const id = this.keptPlace ?? "";
    return this.queue.item(id) ?? this.rows.find((row) => row.state === "done") ?? this.queue.rows.find((row) => row.state === "done") ?? null; // prettier-ignore
  }

  /** The listed rows, with the chosen row at its place even where the filter no longer lists it. */
  get around() {
    if (this.isListed) return this.rows;
    return chosenRows(this.queue.rows, this.wanted, this.threshold, this.chosen);
  }

  /** The row that is `step` rows after the chosen one; null at the end. @param {number} step */
  neighbour(step) {
    const rows = this.around;
    const index = rows.findIndex((row) => row.id === this.chosen);
    return rows[index < 0 ? 0 : index + step] ?? null;
  }

  nextUnread() {
    return nextUnread(this.around, this.chosen);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const step = ROW_STEPS[event.key];
    if (!step || !targetOf(event).closest("button.item")) return;
    event.preventDefault();
    const index = this.rows.findIndex((row) => row.id === this.chosen);
    const next = this.rows[Math.min(this.rows.length - 1, Math.max(0, index + step))];
    if (!next) return;
    this.actions.choose(next);
    /** @type {HTMLElement | null} */ (this.parent.querySelector(`[data-item="${CSS.escape(next.id)}"]`))?.focus();
  }
}

/** A short text on the findings. @param {Row} row @param {number} threshold */
function wordsOf(row, threshold) {
  if (row.state === "failed") return [h("span", { class: "problem", title: row.error?.message }, faultOf(row))];
  if (row.state === "running") {
    const progress = (row.num_frames ?? 1) > 1 ? `frame ${row.frames_done ?? 0} of ${row.num_frames}` : "in work";
    return [h("span", { class: "spinner", "aria-hidden": "true" }), progress];
  }
  if (row.state !== "done") return [STATE_WORDS[row.state]];
  if (row.num_nodules === null) return ["hidden"];
  if (isSecondReader() && row.reading === "unread") return ["not read"];
  const isClip = (row.num_frames ?? 1) > 1;
  const count = row.num_nodules ?? 0;
  const found = isClip ? `${row.num_frames} frames` : count ? plural(count, "nodule") : "no nodule found";
  const shownLevel = row.level?.replace(/ to TR/, "–");
  const level = row.level ? h("span", { class: row.is_level_proposed ? "list-level is-proposed" : "list-level", title: row.is_level_proposed ? "proposed by measures" : null }, shownLevel ?? "") : null; // prettier-ignore
  const risk =
    row.risk === null ? null : h("span", { class: `risk-word ${riskClass(row.risk, threshold)}` }, percent(row.risk));
  const isOthers = row.said_by !== null && row.said_by !== readerName();
  const other = row.said_by || "an unnamed reader";
  const by = isOthers ? h("span", { title: `${other}'s reading` }, ` · by ${other}`) : null;
  return [found, risk && " · ", risk, level && " · ", level, by];
}

/** The reader's verdict. @param {Row} row */
function readingMark(row) {
  const { reading, state, readers } = row;
  const [sign, words] = READINGS[reading] ?? READINGS.unread;
  const others =
    readers.length > 1 ? h("span", { class: "faint", title: readers.join(", ") }, String(readers.length)) : null;
  const isHidden = isSecondReader() && reading === "unread";
  const flags = (isHidden ? [] : row.flags).map((code) => capitalised(code.replaceAll("_", " "))).join(", ");
  const flagMark = flags
    ? h("span", { class: "flag-mark", title: flags }, icon("flag"), h("span", { class: "sr" }, flags))
    : null;
  if (state !== "done") return [];
  return [flagMark, h("span", { class: `mark ${reading}`, "aria-hidden": "true", title: words }, sign), h("span", { class: "sr" }, `, ${words}`), others]; // prettier-ignore
}

/** The fault without the file's name, which is shown above it. @param {Api.Item} item */
function faultOf({ name, error }) {
  const text = error?.message ?? "failed";
  return capitalised(text.startsWith(`${name}: `) ? text.slice(name.length + 2) : text);
}

/** The ultrasound field of an item, cut to the thumbnail's shape. @param {Row} row */
async function loadThumb(row) {
  const count = row.num_frames ?? 1;
  const frame = count > 1 ? Math.floor((count - 1) / 2) : 0;
  const [prediction, picture] = await Promise.all([
    /** @type {Promise<Api.Prediction>} */ (getJson(framePath(row.id, frame, "result"))),
    getPicture(framePath(row.id, frame, "image.png")),
  ]);
  const { x0, y0, x1, y1 } = prediction.field_of_view;
  const scale = Math.max(THUMB.width / (x1 - x0), THUMB.height / (y1 - y0));
  const [width, height] = [THUMB.width / scale, THUMB.height / scale];
  const left = x0 + (x1 - x0 - width) / 2;
  const top = y0 + (y1 - y0 - height) / 2;
  const size = { resizeWidth: THUMB.width, resizeHeight: THUMB.height, resizeQuality: /** @type {const} */ ("high") };
  const small = await createImageBitmap(picture, Math.round(left), Math.round(top), Math.max(1, Math.round(width)), Math.max(1, Math.round(height)), size); // prettier-ignore
  picture.close();
  return small;
}
