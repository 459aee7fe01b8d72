// The queue as a list: one row per item, updated in place, with its state, its error or what was found.

import { asApiError, framePath, getJson, getPicture, itemPath } from "../server/api.js";
import { byId, fill, h, icon, targetOf } from "../page/dom.js";
import { riskClass, riskThreshold } from "../image/drawing.js";
import { capitalised, clock, percent, plural } from "../page/format.js";

/** @typedef {import("../server/queue.js").Queue} Queue */
/** @typedef {import("../server/queue.js").Sending} Sending */
/**
 * @typedef {object} Row one item of the list, updated in place
 * @property {HTMLLIElement} element
 * @property {HTMLButtonElement} button
 * @property {HTMLElement} words
 * @property {HTMLCanvasElement} canvas
 * @property {Api.Item} item
 */

const THUMB = { width: 56, height: 42 };
/** @type {Record<string, number>} by key */
const ROW_STEPS = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 };
const STATE_WORDS = { queued: "waiting", running: "in work", done: "done", failed: "failed" };

export class QueueList {
  /**
   * @param {HTMLElement} parent
   * @param {Queue} queue
   * @param {{ choose: (id: string) => void, remove: (job: Api.Job) => void }} actions
   */
  constructor(parent, queue, { choose, remove }) {
    this.parent = parent;
    this.queue = queue;
    this.choose = choose;
    this.remove = remove;
    /** @type {Map<string, Row>} by item id */
    this.rows = new Map();
    /** @type {string | null} */
    this.chosen = null;
    /** @type {Map<string, Array<string | Node>>} what was found, by item id */
    this.summaries = new Map();
    this.seen = new IntersectionObserver(
      (entries) =>
        entries.forEach((entry) => entry.isIntersecting && this.fill(/** @type {HTMLElement} */ (entry.target))),
      { rootMargin: "120px" },
    );
    queue.addEventListener("changed", () => this.draw());
    parent.addEventListener("keydown", (event) => this.onKey(event));
  }

  draw() {
    const { queue } = this;
    const groups = queue.jobs.map((job) => this.group(job));
    const sending = queue.sending.length
      ? [
          h(
            "li",
            { class: "job" },
            this.sendingHead(),
            h(
              "ul",
              { class: "items" },
              queue.sending.map((entry) => this.sendingRow(entry)),
            ),
          ),
        ]
      : [];
    const focused = this.parent.contains(document.activeElement)
      ? /** @type {HTMLElement} */ (document.activeElement)
      : null;
    fill(this.parent, sending, ...groups);
    focused?.focus({ preventScroll: true });
    this.drawSummary();
  }

  drawSummary() {
    const { queued, running, done, failed } = this.queue.counts;
    const all = queued + running + done + failed;
    byId("queue").classList.toggle("is-empty", all === 0);
    const parts = queued + running ? [`${done + failed} of ${all} done`] : all ? [plural(all, "image")] : [];
    if (failed) parts.push(`${failed} failed`);
    if (this.queue.wait) parts.push(`the server is full, next try in ${Math.ceil(this.queue.wait)} s`);
    byId("queue-summary").textContent = parts.join(" · ") || (this.queue.isLoaded ? "No images yet" : "Loading…");
    const bar = byId("queue-progress");
    bar.hidden = !(queued + running);
    bar.max = Math.max(1, all);
    bar.value = done + failed;
  }

  /** @param {Api.Job} job */
  group(job) {
    const rows = job.items.map((item) => this.row(item));
    const finished = job.items.filter((item) => item.state === "done" || item.state === "failed").length;
    const state =
      finished < job.items.length ? `${finished} of ${job.items.length}` : plural(job.items.length, "image");
    const label = `Remove the ${plural(job.items.length, "image")} of ${clock(job.created)}`;
    const head = h(
      "div",
      { class: "job-head" },
      h("span", {}, `${clock(job.created)} · ${state}`),
      h(
        "button",
        { type: "button", class: "icon-button", "aria-label": label, title: label, onclick: () => this.remove(job) },
        icon("bin"),
      ),
    );
    return h("li", { class: "job" }, head, h("ul", { class: "items" }, rows));
  }

  /** @param {Api.Item} item */
  row(item) {
    const kept = this.rows.get(item.id);
    const row = kept ?? this.newRow(item);
    row.item = item;
    const isChosen = item.id === this.chosen;
    row.button.classList.toggle("is-chosen", isChosen);
    if (isChosen) row.button.setAttribute("aria-current", "true");
    else row.button.removeAttribute("aria-current");
    row.button.dataset.state = item.state;
    fill(row.words, this.wordsOf(item));
    if (item.state === "done" && !this.summaries.has(item.id)) this.seen.observe(row.element);
    return row.element;
  }

  /** @param {Api.Item} item @returns {Row} */
  newRow(item) {
    const canvas = h("canvas", { ...THUMB, class: "thumb" });
    canvas.setAttribute("aria-hidden", "true");
    const words = h("span", { class: "item-words" });
    const name = h("span", { class: "item-name", title: item.name }, item.name);
    const button = h(
      "button",
      { type: "button", class: "item", dataset: { item: item.id }, onclick: () => this.choose(item.id) },
      canvas,
      h("span", { class: "item-text" }, name, words),
    );
    const row = { element: h("li", {}, button), button, words, canvas, item };
    row.element.dataset.item = item.id;
    this.rows.set(item.id, row);
    return row;
  }

  /** @param {Api.Item} item */
  wordsOf(item) {
    if (item.state === "failed") return [h("span", { class: "problem", title: item.error?.message }, faultOf(item))];
    if (item.state === "running") {
      const progress = (item.num_frames ?? 1) > 1 ? `frame ${item.frames_done ?? 0} of ${item.num_frames}` : "in work";
      return [h("span", { class: "spinner", "aria-hidden": "true" }), progress];
    }
    const summary = this.summaries.get(item.id);
    return summary ?? [STATE_WORDS[item.state]];
  }

  /** A row that has come into sight -> its picture and what was found, asked for once. @param {HTMLElement} element */
  async fill(element) {
    this.seen.unobserve(element);
    const row = this.rows.get(element.dataset.item ?? "");
    if (!row || this.summaries.has(row.item.id)) return;
    const { item, canvas, words } = row;
    const count = item.num_frames ?? 1;
    this.summaries.set(item.id, [STATE_WORDS.done]);
    try {
      /** @type {Api.ClipSummary | null} */
      const clip = count > 1 ? await getJson(itemPath(item.id, "clip")) : null;
      const frame = clip ? (clip.largest_frame ?? Math.floor((count - 1) / 2)) : 0;
      /** @type {Api.Prediction} */
      const prediction = await getJson(framePath(item.id, frame, "result"));
      const summary = summaryOf(item, prediction, clip);
      this.summaries.set(item.id, summary);
      fill(words, summary);
      drawThumb(canvas, await getPicture(framePath(item.id, frame, "image.png")), prediction.field_of_view);
    } catch (error) {
      if (asApiError(error).isOffline) this.summaries.delete(item.id);
    }
  }

  sendingHead() {
    return h(
      "div",
      { class: "job-head" },
      h("span", {}, this.queue.sending.some((entry) => !entry.error) ? "Sending" : "Not sent"),
    );
  }

  /** @param {Sending} entry */
  sendingRow(entry) {
    const { queue } = this;
    const words = entry.error
      ? [
          h("span", { class: "problem" }, entry.error),
          h(
            "span",
            { class: "row-actions" },
            h("button", { type: "button", class: "link", onclick: () => queue.retry(entry) }, "Try again"),
            h("button", { type: "button", class: "link", onclick: () => queue.dismiss(entry) }, "Dismiss"),
          ),
        ]
      : [h("span", { class: "spinner", "aria-hidden": "true" }), "sending"];
    return h(
      "li",
      {},
      h(
        "div",
        { class: "item is-sending" },
        h("span", { class: "thumb" }),
        h(
          "span",
          { class: "item-text" },
          h("span", { class: "item-name" }, entry.name),
          h("span", { class: "item-words" }, words),
        ),
      ),
    );
  }

  /** @param {string} itemId */
  mark(itemId) {
    this.chosen = itemId;
    for (const item of this.queue.items) if (this.rows.has(item.id)) this.row(item);
    this.rows.get(itemId)?.button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** The item that is a number of rows from the chosen one; null at the end. @param {number} step */
  neighbour(step) {
    const { items } = this.queue;
    const index = items.findIndex((item) => item.id === this.chosen);
    return items[index < 0 ? 0 : index + step]?.id ?? null;
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const step = ROW_STEPS[event.key];
    const button = targetOf(event).closest("button.item");
    if (!step || !button) return;
    event.preventDefault();
    /** @type {HTMLElement[]} */
    const buttons = [...this.parent.querySelectorAll(/** @type {"button"} */ ("button.item"))];
    const next = buttons[buttons.indexOf(/** @type {HTMLElement} */ (button)) + step];
    next?.focus();
    next?.click();
  }
}

/** The fault without the file's name, which stands above it. @param {Api.Item} item */
function faultOf({ name, error }) {
  const text = error?.message ?? "failed";
  return capitalised(text.startsWith(`${name}: `) ? text.slice(name.length + 2) : text);
}

/**
 * What was found in a file: of a clip, over all its frames.
 * @param {Api.Item} item
 * @param {Api.Prediction} prediction
 * @param {Api.ClipSummary | null} clip
 * @returns {Array<string | Node>}
 */
function summaryOf(item, prediction, clip) {
  const { nodules, flags } = prediction;
  const risk = clip ? clip.risk : highestRisk(nodules);
  const found = nodules.length ? plural(nodules.length, "nodule") : "no nodule found";
  const words = clip ? `${item.num_frames} frames` : found;
  const told = risk === null ? null : h("span", { class: `risk-word ${riskClass(risk, riskThreshold(prediction))}` }, percent(risk)); // prettier-ignore
  const title = flags.map(({ message }) => capitalised(message)).join("\n");
  const mark = flags.length ? h("span", { class: "flag-mark", title }, icon("flag"), h("span", { class: "sr" }, title)) : null; // prettier-ignore
  return [words, told ? " · " : "", told ?? "", mark ?? ""];
}

/** Nodules -> their highest risk; null where none has one. @param {Api.Nodule[]} nodules */
function highestRisk(nodules) {
  const risks = nodules.map(({ risk }) => risk).filter((risk) => risk !== null);
  return risks.length ? Math.max(...risks) : null;
}

/**
 * The ultrasound field, cut to the thumbnail's shape.
 * @param {HTMLCanvasElement} canvas
 * @param {ImageBitmap} bitmap
 * @param {Api.PixelBox} field
 */
function drawThumb(canvas, bitmap, field) {
  const [width, height] = [field.x1 - field.x0, field.y1 - field.y0];
  const scale = Math.max(canvas.width / width, canvas.height / height);
  const [w, hgt] = [canvas.width / scale, canvas.height / scale];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingQuality = "high";
  context.drawImage(
    bitmap,
    field.x0 + (width - w) / 2,
    field.y0 + (height - hgt) / 2,
    w,
    hgt,
    0,
    0,
    canvas.width,
    canvas.height,
  );
  bitmap.close();
  canvas.classList.add("is-drawn");
}
