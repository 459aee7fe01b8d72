// The queue as a list: rows that are kept and updated in place, each with its state, its fault or what was found.

import { framePath, getJson, getPicture, itemPath } from "../server/api.js";
import { byId, fill, h, icon } from "../page/dom.js";
import { riskClass, riskThreshold } from "../image/drawing.js";
import { capitalised, clock, percent, plural } from "../page/format.js";

const THUMB = { width: 56, height: 42 };
const STATE_WORDS = { queued: "waiting", running: "in work", done: "done", failed: "failed" };

export class QueueList {
  constructor(parent, queue, { choose, remove }) {
    Object.assign(this, { parent, queue, choose, remove, rows: new Map(), chosen: null, summaries: new Map() });
    this.seen = new IntersectionObserver(
      (entries) => entries.forEach((entry) => entry.isIntersecting && this.fill(entry.target)),
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
    const focused = this.parent.contains(document.activeElement) ? document.activeElement : null;
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
    const row = { element: h("li", {}, button), button, words, canvas };
    row.element.dataset.item = item.id;
    this.rows.set(item.id, row);
    return row;
  }

  wordsOf(item) {
    if (item.state === "failed") return [h("span", { class: "problem", title: item.error?.message }, faultOf(item))];
    if (item.state === "running") {
      const progress = item.num_frames > 1 ? `frame ${item.frames_done ?? 0} of ${item.num_frames}` : "in work";
      return [h("span", { class: "spinner", "aria-hidden": "true" }), progress];
    }
    const summary = this.summaries.get(item.id);
    return summary ?? [STATE_WORDS[item.state]];
  }

  /** A row that has come into sight -> its picture and what was found, asked for once. */
  async fill(element) {
    this.seen.unobserve(element);
    const { item, canvas, words } = this.rows.get(element.dataset.item);
    if (this.summaries.has(item.id)) return;
    this.summaries.set(item.id, [STATE_WORDS.done]);
    try {
      const clip = item.num_frames > 1 ? await getJson(itemPath(item.id, "clip")) : null;
      const frame = clip ? (clip.largest_frame ?? Math.floor((item.num_frames - 1) / 2)) : 0;
      const prediction = await getJson(framePath(item.id, frame, "result"));
      this.summaries.set(item.id, summaryOf(item, prediction, clip));
      fill(words, this.summaries.get(item.id));
      drawThumb(canvas, await getPicture(framePath(item.id, frame, "image.png")), prediction.field_of_view);
    } catch (error) {
      if (error.isOffline) this.summaries.delete(item.id);
    }
  }

  sendingHead() {
    return h(
      "div",
      { class: "job-head" },
      h("span", {}, this.queue.sending.some((entry) => !entry.error) ? "Sending" : "Not sent"),
    );
  }

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

  mark(itemId) {
    this.chosen = itemId;
    for (const item of this.queue.items) if (this.rows.has(item.id)) this.row(item);
    this.rows.get(itemId)?.button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** The item that is a number of rows from the chosen one; null at the end. */
  neighbour(step) {
    const { items } = this.queue;
    const index = items.findIndex((item) => item.id === this.chosen);
    return items[index < 0 ? 0 : index + step]?.id ?? null;
  }

  onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const button = event.target.closest("button.item");
    if (!step || !button) return;
    event.preventDefault();
    const buttons = [...this.parent.querySelectorAll("button.item")];
    const next = buttons[buttons.indexOf(button) + step];
    next?.focus();
    next?.click();
  }
}

/** The fault without the file's name, which stands above it. */
function faultOf({ name, error }) {
  const text = error?.message ?? "failed";
  return capitalised(text.startsWith(`${name}: `) ? text.slice(name.length + 2) : text);
}

/** What was found in a file: of a clip, over all its frames. */
function summaryOf(item, prediction, clip) {
  const { nodules } = prediction;
  const highest = nodules.reduce((most, nodule) => (nodule.risk > most ? nodule.risk : most), null);
  const risk = clip ? clip.risk : nodules.length ? highest : prediction.risk;
  const found = nodules.length ? plural(nodules.length, "nodule") : "no nodule found";
  const parts = [clip ? `${item.num_frames} frames` : found];
  if (risk === null) return [parts.join(" · ")];
  return [
    `${parts.join(" · ")} · `,
    h("span", { class: `risk-word ${riskClass(risk, riskThreshold(prediction))}` }, percent(risk)),
  ];
}

/** The ultrasound field, cut to the thumbnail's shape. */
function drawThumb(canvas, bitmap, field) {
  const [width, height] = [field.x1 - field.x0, field.y1 - field.y0];
  const scale = Math.max(canvas.width / width, canvas.height / height);
  const [w, hgt] = [canvas.width / scale, canvas.height / scale];
  const context = canvas.getContext("2d");
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
