// The page: connects its parts. opening.js opens an image, open-frame.js holds what is open.

import { askToken, confirmed, wireDialogs } from "./page/dialogs.js";
import { byId, detailOf, h, icon, targetOf } from "./page/dom.js";
import { plural } from "./page/format.js";
import { wireKeys } from "./page/keyboard.js";
import { announce, tell } from "./page/messages.js";
import { asApiError, getJson, learnServer, onTokenNeeded } from "./server/api.js";
import { Queue } from "./server/queue.js";
import { askOutline } from "./review/ask.js";
import { Correcting } from "./review/correcting.js";
import { Editor } from "./review/editor.js";
import { contains } from "./review/rings.js";
import { ClipBar } from "./image/clip.js";
import { Frames } from "./image/frames.js";
import { wireGestures } from "./image/gestures.js";
import { Stage } from "./image/stage.js";
import { Viewer } from "./image/viewer.js";
import { Panel } from "./panel/panel.js";
import { QueueList } from "./panel/queue-list.js";
import { OpenFrame } from "./open-frame.js";
import { Opening } from "./opening.js";
import { wireConnection, wireDrop, wireTheme } from "./shell.js";
import { keyGroups } from "./shortcuts.js";

const viewer = new Viewer(byId("stage"), byId("canvas"));
const editor = new Editor(viewer, { outline: askOutline, scale: () => {} });
const queue = new Queue();
const frames = new Frames();
const clip = new ClipBar(byId("clip"));
const stage = new Stage(viewer, editor);
const list = new QueueList(byId("jobs"), queue, { choose: (id) => open(queue.item(id)), remove });

const here = new OpenFrame();
const correcting = new Correcting(here, editor, {
  select,
  drawPanel: () => opening.drawPanel(),
  pause: () => clip.pause(),
  saved: () => {},
});
const panel = new Panel(here, { select, save: () => correcting.save() });
const mark = (/** @type {string} */ id) => list.mark(id);
const opening = new Opening({ here, frames, clip, stage, viewer, panel, correcting, mark });
/** @param {Api.Item | null} item @param {number | null} frame */
const open = (item, frame = null) => opening.open(item, frame);

/** @param {string | null} key */
function select(key) {
  here.selected = key;
  if (editor.isOn) editor.select(key);
  const finding = here.review?.finding(key);
  if (finding) stage.reveal(finding);
  panel.drawFindings();
  opening.redraw();
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
    opening.leave();
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
  byId("banner-undo").addEventListener("click", () => correcting.undo());
  stage.addEventListener("map", () => opening.showMap());
  stage.addEventListener("redraw", () => opening.redraw());
  editor.addEventListener("changed", () => opening.redraw());
  editor.addEventListener("selected", (event) => {
    here.selected = detailOf(event);
    panel.drawFindings();
  });
  clip.addEventListener("frame", (event) => open(here.item, detailOf(event)));
  wireGestures(byId("stage"), viewer, {
    take: (event, at) => editor.take(event, at),
    hover: (at) => editor.hover(at),
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
  await learnServer();
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
  opening.leave();
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
