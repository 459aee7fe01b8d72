// The page: opens images, draws what is open, and connects its parts. open-frame.js holds what is open.

import { askToken, confirmed, wireDialogs } from "./page/dialogs.js";
import { byId, detailOf, h, icon, targetOf } from "./page/dom.js";
import { percent, plural } from "./page/format.js";
import { wireKeys } from "./page/keyboard.js";
import { announce, tell } from "./page/messages.js";
import { asApiError, getJson, onTokenNeeded } from "./server/api.js";
import { Queue } from "./server/queue.js";
import { Correcting } from "./review/correcting.js";
import { Editor } from "./review/editor.js";
import { isTouched } from "./review/review.js";
import { contains } from "./review/rings.js";
import { ClipBar } from "./image/clip.js";
import { riskThreshold } from "./image/drawing.js";
import { Frames } from "./image/frames.js";
import { wireGestures } from "./image/gestures.js";
import { Stage } from "./image/stage.js";
import { Viewer } from "./image/viewer.js";
import { Panel } from "./panel/panel.js";
import { QueueList } from "./panel/queue-list.js";
import { OpenFrame } from "./open-frame.js";
import { wireConnection, wireDrop, wireTheme } from "./shell.js";
import { keyGroups } from "./shortcuts.js";

const viewer = new Viewer(byId("stage"), byId("canvas"));
const editor = new Editor(viewer);
const queue = new Queue();
const frames = new Frames();
const clip = new ClipBar(byId("clip"));
const stage = new Stage(viewer, editor);
const list = new QueueList(byId("jobs"), queue, { choose: (id) => open(queue.item(id)), remove });

const here = new OpenFrame();
const correcting = new Correcting(here, editor, { select, drawPanel, pause: () => clip.pause() });
const panel = new Panel(here, { select, save: () => correcting.save() });
let opening = 0;

/** @typedef {import("./review/review.js").Review} Review */
/** @typedef {Parameters<Stage["say"]>} Words of the stage */

/** @param {Api.Item | null} item @param {number | null} frame null: the first, or the one that is open */
async function open(item, frame = null) {
  if (!item) return;
  const isOther = item.id !== here.item?.id;
  if (isOther) correcting.stop();
  const wanted = frame ?? (isOther ? 0 : here.frame);
  Object.assign(here, { item, frame: wanted });
  list.mark(item.id);
  if (item.state !== "done") {
    leave();
    stage.say(...(item.state === "failed" ? failedWords(item) : waitingWords(item)));
    return;
  }
  const turn = ++opening;
  clip.isLoading = true;
  const slow = setTimeout(() => isOther && stage.say("Loading…", item.name, { isBusy: true }), 150);
  try {
    const loaded = await frames.load(item, wanted);
    clearTimeout(slow);
    if (turn !== opening) return;
    show(item, wanted, loaded, isOther);
    await clip.show(item, wanted);
    frames.prepare(item, wanted, item.num_frames ?? 1, clip.isPlaying);
  } catch (error) {
    if (turn === opening) failToOpen(item, wanted, asApiError(error));
  } finally {
    clearTimeout(slow);
    if (turn === opening) clip.isLoading = false;
  }
}

/**
 * Without an answer the earlier image stays open; else the stage states why there is none.
 * @param {Api.Item} item
 * @param {number} frame
 * @param {import("./server/api.js").ApiError} error
 */
function failToOpen(item, frame, error) {
  if (error.isOffline && here.review) {
    const { review } = here;
    Object.assign(here, { item: review.item, frame: review.frame });
    list.mark(review.item.id);
    stage.hush();
    clip.show(review.item, review.frame);
    return;
  }
  leave();
  const again = h("button", { type: "button", class: "primary", onclick: () => open(item, frame) }, "Try again");
  const title = error.isOffline ? "The server does not answer" : "This image can't be shown";
  stage.say(title, error.isOffline ? "It is tried again on its own." : error.message, { action: again });
}

/** @param {Api.Item} item @returns {Words} */
const failedWords = (item) => ["This file gave no result", item.error?.message ?? "The server does not say why."];
/** @param {Api.Item} item @returns {Words} */
const waitingWords = (item) => [
  item.state === "running" ? "In work" : "Waiting for its turn",
  item.name,
  { isBusy: true },
];

/** Closes the image: the panel disappears, the stage is empty. */
function leave() {
  here.close();
  byId("panel").hidden = true;
  byId("room").classList.add("no-panel");
  byId("clip").hidden = true;
  clip.pause();
  viewer.show(null);
  redraw();
}

/**
 * @param {Api.Item} item
 * @param {number} frame
 * @param {import("./image/frames.js").LoadedFrame} loaded
 * @param {boolean} isOther whether another item was open before
 */
function show(item, frame, loaded, isOther) {
  if (!isOther) correcting.stop();
  const review = here.show(item, frame, loaded, isOther);
  wireReview(review);
  stage.hush();
  clip.colourFrom(riskThreshold(loaded.prediction));
  viewer.keepsPlace = !isOther;
  viewer.show(loaded.picture, loaded.prediction.field_of_view);
  byId("panel").hidden = false;
  byId("room").classList.remove("no-panel");
  if (isOther) byId("panel").scrollTop = 0;
  drawPanel();
  showMap();
  byId("stage").setAttribute("aria-label", stageLabel(review));
  if (!clip.isPlaying) announce(stageLabel(review));
}

/** @param {Review} review */
function stageLabel({ item, prediction }) {
  const count = prediction.nodules.length;
  const risk = prediction.risk === null ? "" : `, image risk ${percent(prediction.risk)}`;
  return `${item.name}: ${count ? plural(count, "nodule") : "no nodule found"}${risk}`;
}

/** @type {WeakSet<Review>} */
const wired = new WeakSet();

/** @param {Review} review */
function wireReview(review) {
  if (wired.has(review)) return;
  wired.add(review);
  const ifHere = (/** @type {() => void} */ call) => () => review === here.review && call();
  review.addEventListener(
    "outlines",
    ifHere(() => {
      redraw();
      panel.drawFindings();
      panel.drawSaved();
    }),
  );
  review.addEventListener(
    "measured",
    ifHere(() => {
      panel.drawFindings();
      redraw();
      announceMeasures();
    }),
  );
  review.addEventListener(
    "chosen",
    ifHere(() => panel.drawSaved()),
  );
  review.addEventListener(
    "saved",
    ifHere(() => panel.drawSaved()),
  );
}

function announceMeasures() {
  const finding = here.review?.finding(here.selected);
  if (!finding?.measured || !isTouched(finding) || !editor.isOn) return;
  const { size, risk } = finding.measured;
  const longest =
    size.longest_mm === null ? `${Math.round(size.longest_px)} pixels` : `${size.longest_mm.toFixed(1)} millimetres`;
  byId("stage").setAttribute("aria-description", `Longest ${longest}${risk === null ? "" : `, risk ${percent(risk)}`}`);
}

function drawPanel() {
  panel.draw();
  redraw();
}

function redraw() {
  stage.draw(here.review, here.selected);
}

/** @param {string | null} key */
function select(key) {
  here.selected = key;
  if (editor.isOn) editor.select(key);
  const finding = here.review?.finding(key);
  if (finding) stage.reveal(finding);
  panel.drawFindings();
  redraw();
}

/** Chooses the next nodule; after the last comes the first. @param {number} by */
function step(by) {
  const findings = here.review?.findings ?? [];
  if (!findings.length) return;
  const index = findings.findIndex((finding) => finding.key === here.selected);
  const next = findings[(index + by + findings.length) % findings.length];
  select(next.key);
  announce(`Nodule ${next.number}`);
}

async function showMap() {
  const { item, frame, review } = here;
  const isWanted = stage.shown.map && review && item;
  const map = isWanted ? await frames.map(item, frame).catch(() => null) : null;
  if (review !== here.review) return;
  stage.setMap(map, review);
  if (isWanted && !map) announce("This model has no malignancy map.");
}

/** @param {Api.Job} job */
async function remove(job) {
  const what = job.items.length === 1 ? job.items[0].name : plural(job.items.length, "image");
  if (!(await confirmed(`Remove ${what}?`, "Results and corrections go with it, from the server too.", "Remove")))
    return;
  try {
    await queue.remove(job);
  } catch (error) {
    tell(asApiError(error).message);
    return;
  }
  for (const item of job.items) frames.forget(item);
  if (job.items.some((item) => item.id === here.item?.id)) {
    correcting.stop();
    Object.assign(here.review ?? {}, { saved: null });
    leave();
    for (const item of job.items) here.forget(item);
    const next = queue.items.find((item) => item.state === "done");
    if (next) open(next);
    else welcome();
  }
}

/** The empty page, which says how to start. */
function welcome() {
  const add = h(
    "button",
    { type: "button", class: "primary", onclick: () => byId("file-input").click() },
    "Choose images",
  );
  const folder = h(
    "button",
    { type: "button", class: "small-button", onclick: () => byId("folder-input").click() },
    "Choose a folder",
  );
  const what = "DICOM, PNG, JPEG, TIFF, BMP; clips too. They go to this server and nowhere else.";
  stage.say("Drop thyroid ultrasound here", what, {
    action: h("div", { class: "row" }, add, folder),
    mark: icon("image"),
  });
}

// Wiring.

function wireQueue() {
  queue.addEventListener("done", (event) => {
    const item = detailOf(event);
    announce(`${item.name} is done.`);
    if (!here.item || (here.item.id === item.id && !here.review)) open(item);
  });
  queue.addEventListener("changed", () => {
    const item = queue.item(here.item?.id ?? "");
    if (item && !here.review && item.state !== here.item?.state) open(item);
    if (!queue.items.length && !here.item && queue.isLoaded) welcome();
  });
  queue.addEventListener("told", (event) => tell(detailOf(event)));
  for (const [button, input] of /** @type {const} */ ([
    ["add-files", "file-input"],
    ["add-folder", "folder-input"],
  ])) {
    byId(button).addEventListener("click", () => byId(input).click());
    byId(input).addEventListener("change", () => {
      queue.add([...(byId(input).files ?? [])]);
      byId(input).value = "";
    });
  }
}

function wirePanel() {
  byId("note").addEventListener("input", (event) => here.review?.setNote(targetOf(event).value));
  byId("save").addEventListener("click", () => correcting.save());
  byId("discard").addEventListener("click", () => correcting.discard());
  byId("correct").addEventListener("click", () => correcting.start());
  byId("edit-save").addEventListener("click", () => correcting.finish());
  byId("edit-cancel").addEventListener("click", () => correcting.cancel());
  stage.addEventListener("map", showMap);
  stage.addEventListener("redraw", redraw);
  editor.addEventListener("changed", redraw);
  editor.addEventListener("selected", (event) => {
    here.selected = detailOf(event);
    panel.drawFindings();
  });
  clip.addEventListener("frame", (event) => open(here.item, detailOf(event)));
  wireGestures(byId("stage"), viewer, {
    take: (event, at) => editor.take(event, at),
    click: (at) => {
      const point = viewer.toImage(at);
      const hit = here.review?.findings.find((finding) => !finding.isRemoved && contains(finding.ring, point));
      if (hit) select(hit.key);
    },
    secondPress: () => {
      if (!editor.isOn) viewer.fit();
    },
  });
  addEventListener("beforeunload", (event) => {
    if (here.hasUnsaved) event.preventDefault();
  });
}

/** Loads model and jobs of the server; also after it was away. */
async function start() {
  /** @type {Api.Health} */
  const health = await getJson("health");
  byId("served").textContent = `${health.model.name} · version ${health.version}`;
  byId("served").title = `Model ${health.model.id}. ${health.model.risk_meaning}`;
  await queue.load();
  if (here.review) return;
  const first = here.item ? queue.item(here.item.id) : queue.items.find((item) => item.state === "done");
  if (first) await open(first);
  else if (!queue.items.length) welcome();
}

async function main() {
  onTokenNeeded(askToken);
  wireDialogs();
  wireTheme();
  wireQueue();
  wireDrop((files) => queue.add(files));
  wirePanel();
  wireConnection(start);
  byId("help").addEventListener("click", () => byId("help-dialog").showModal());
  wireKeys(keyGroups({ here, viewer, editor, clip, stage, list, queue, open, step, correcting }));
  leave();
  stage.say("Loading…", "", { isBusy: true });
  try {
    await start();
  } catch (error) {
    const { isOffline, message } = asApiError(error);
    if (isOffline)
      stage.say("The server does not answer", "Is thyrosight serve still running? It is tried again on its own.");
    else
      stage.say("The server refuses", message, {
        action: h("button", { type: "button", class: "primary", onclick: () => location.reload() }, "Try again"),
      });
  }
}

main();
