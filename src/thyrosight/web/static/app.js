// The page: which image is open, and how its parts hear of each other.

import { getJson, onTokenNeeded } from "./server/api.js";
import { byId, h, icon } from "./page/dom.js";
import { announce, tell } from "./page/messages.js";
import { ClipBar } from "./image/clip.js";
import { askToken, confirmed, wireDialogs } from "./page/dialogs.js";
import { Correcting } from "./review/correcting.js";
import { riskThreshold } from "./image/drawing.js";
import { Editor } from "./review/editor.js";
import { showExports, showHolds } from "./panel/export-panel.js";
import { percent, plural } from "./page/format.js";
import { Frames } from "./image/frames.js";
import { wireGestures } from "./image/gestures.js";
import { wireKeys } from "./page/keyboard.js";
import { keyGroups } from "./shortcuts.js";
import { contains } from "./review/rings.js";
import {
  showDigest,
  showFindings,
  showFlags,
  showIdentity,
  showMeasures,
  showProvenance,
  showRisk,
} from "./panel/findings-panel.js";
import { Queue } from "./server/queue.js";
import { QueueList } from "./panel/queue-list.js";
import { Reading, isTouched } from "./review/review.js";
import { wireConnection, wireDrop, wireTheme } from "./shell.js";
import { Stage } from "./image/stage.js";
import { TiradsForm } from "./panel/tirads-form.js";
import { Viewer } from "./image/viewer.js";

const viewer = new Viewer(byId("stage"), byId("canvas"));
const editor = new Editor(viewer);
const queue = new Queue();
const frames = new Frames();
const clip = new ClipBar(byId("clip"));
const tirads = new TiradsForm(byId("tirads"), (level) => showDigest(byId("digest"), here.reading, chosen(), level));
const stage = new Stage(viewer, editor);
const list = new QueueList(byId("jobs"), queue, { choose: (id) => open(queue.item(id)), remove });

/** What is open: { item, frame, reading, selected }; readings with unsaved changes are kept under item/frame. */
const here = { item: null, frame: 0, reading: null, selected: null };
const unsaved = new Map();
const correcting = new Correcting(here, editor, { keepUnsaved, select, drawPanel, pause: () => clip.pause() });
let opening = 0;

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
    if (turn !== opening) return;
    show(item, wanted, loaded, isOther);
    await clip.show(item, wanted);
    frames.prepare(item, wanted, item.num_frames ?? 1, clip.isPlaying);
  } catch (error) {
    if (turn === opening) failToOpen(item, wanted, error);
  } finally {
    clearTimeout(slow);
    if (turn === opening) clip.isLoading = false;
  }
}

/** Without an answer what was open stays open; else the stage says why there is nothing. */
function failToOpen(item, frame, error) {
  if (error.isOffline && here.reading) {
    Object.assign(here, { item: here.reading.item, frame: here.reading.frame });
    list.mark(here.item.id);
    stage.hush();
    clip.show(here.item, here.frame);
    return;
  }
  leave();
  const again = h("button", { type: "button", class: "primary", onclick: () => open(item, frame) }, "Try again");
  const title = error.isOffline ? "The server does not answer" : "This image can't be shown";
  stage.say(title, error.isOffline ? "It is tried again on its own." : error.message, { action: again });
}

const failedWords = (item) => ["This file gave no result", item.error?.message ?? "The server does not say why."];
const waitingWords = (item) => [
  item.state === "running" ? "In work" : "Waiting for its turn",
  item.name,
  { isBusy: true },
];

/** Nothing is open any more: the panel goes, the stage is empty. */
function leave() {
  keepUnsaved();
  here.reading = null;
  here.selected = null;
  byId("panel").hidden = true;
  byId("room").classList.add("no-panel");
  byId("clip").hidden = true;
  clip.pause();
  viewer.show(null);
  redraw();
}

function keepUnsaved() {
  const { reading } = here;
  if (!reading) return;
  const key = `${reading.item.id}/${reading.frame}`;
  if (reading.isChanged) unsaved.set(key, reading);
  else unsaved.delete(key);
}

function show(item, frame, loaded, isOther) {
  keepUnsaved();
  if (!isOther) correcting.stop();
  here.reading = unsaved.get(`${item.id}/${frame}`) ?? new Reading(item, frame, loaded.prediction, loaded.correction);
  here.loaded = loaded;
  wireReading(here.reading);
  const kept = here.reading.finding(here.selected);
  here.selected =
    (!isOther && kept ? here.selected : here.reading.findings.find((finding) => !finding.isRemoved)?.key) ?? null;
  stage.hush();
  clip.colourFrom(riskThreshold(loaded.prediction));
  viewer.keepsPlace = !isOther;
  viewer.show(loaded.picture, loaded.prediction.field_of_view);
  byId("panel").hidden = false;
  byId("room").classList.remove("no-panel");
  if (isOther) byId("panel").scrollTop = 0;
  drawPanel();
  showMap();
  byId("stage").setAttribute("aria-label", stageLabel(here.reading));
  if (!clip.isPlaying) announce(stageLabel(here.reading));
}

function stageLabel({ item, prediction }) {
  const count = prediction.nodules.length;
  const risk = prediction.risk === null ? "" : `, image risk ${percent(prediction.risk)}`;
  return `${item.name}: ${count ? plural(count, "nodule") : "no nodule found"}${risk}`;
}

const wired = new WeakSet();

function wireReading(reading) {
  if (wired.has(reading)) return;
  wired.add(reading);
  const ifHere = (call) => () => reading === here.reading && call();
  reading.addEventListener(
    "outlines",
    ifHere(() => {
      redraw();
      drawFindings();
      drawSaved();
    }),
  );
  reading.addEventListener(
    "measured",
    ifHere(() => {
      drawFindings();
      redraw();
      announceMeasures();
    }),
  );
  reading.addEventListener("chosen", ifHere(drawSaved));
  reading.addEventListener("saved", ifHere(drawSaved));
}

function announceMeasures() {
  const finding = here.reading.finding(here.selected);
  if (!finding?.measured || !isTouched(finding) || !editor.isOn) return;
  const { size, risk } = finding.measured;
  const longest =
    size.longest_mm === null ? `${Math.round(size.longest_px)} pixels` : `${size.longest_mm.toFixed(1)} millimetres`;
  byId("stage").setAttribute("aria-description", `Longest ${longest}${risk === null ? "" : `, risk ${percent(risk)}`}`);
}

function drawPanel() {
  const { reading } = here;
  showIdentity(byId("identity"), reading);
  showFlags(byId("flags"), reading);
  showExports(byId("exports"), reading, () => correcting.save());
  showProvenance(byId("provenance"), reading);
  byId("note").value = reading.note;
  drawFindings();
  drawSaved();
  redraw();
}

function drawFindings() {
  const { reading, selected } = here;
  const finding = reading.finding(selected);
  if (!chosen()) showDigest(byId("digest"), reading, null, null);
  showRisk(byId("risk"), reading, chosen());
  showFindings(byId("findings"), reading, selected, select);
  showMeasures(byId("measures"), reading, finding);
  tirads.show(reading, finding);
}

/** The chosen finding; null where there is none, or a person has removed it. */
function chosen() {
  const finding = here.reading.finding(here.selected);
  return finding && !finding.isRemoved ? finding : null;
}

function drawSaved() {
  const { reading } = here;
  const state = reading.isChanged ? "not saved" : reading.saved ? "saved" : "nothing changed";
  byId("saved-state").textContent = state;
  byId("saved-state").className = `tag ${reading.isChanged ? "missing" : reading.saved ? "yours" : ""}`;
  byId("save").disabled = !reading.isChanged;
  byId("discard").disabled = !reading.isChanged;
  showHolds(reading, () => correcting.save());
}

function redraw() {
  stage.draw(here.reading, here.selected);
}

function select(key) {
  here.selected = key;
  if (editor.isOn) editor.select(key);
  const finding = here.reading.finding(key);
  if (finding) stage.reveal(finding);
  drawFindings();
  redraw();
}

/** The next nodule, round and round. */
function step(by) {
  const { findings } = here.reading ?? { findings: [] };
  if (!findings.length) return;
  const index = findings.findIndex((finding) => finding.key === here.selected);
  select(findings[(index + by + findings.length) % findings.length].key);
  announce(`Nodule ${here.reading.finding(here.selected).number}`);
}

async function showMap() {
  const { item, frame, reading } = here;
  const isWanted = stage.shown.map && reading;
  const map = isWanted ? await frames.map(item, frame).catch(() => null) : null;
  if (reading !== here.reading) return;
  stage.setMap(map, reading);
  if (isWanted && !map) announce("This model has no malignancy map.");
}

async function remove(job) {
  const what = job.items.length === 1 ? job.items[0].name : plural(job.items.length, "image");
  if (!(await confirmed(`Remove ${what}?`, "Results and corrections go with it, from the server too.", "Remove")))
    return;
  try {
    await queue.remove(job);
  } catch (error) {
    tell(error.message);
    return;
  }
  for (const item of job.items) frames.forget(item);
  if (job.items.some((item) => item.id === here.item?.id)) {
    correcting.stop();
    Object.assign(here.reading ?? {}, { saved: null });
    leave();
    for (const item of job.items)
      for (const key of unsaved.keys()) if (key.startsWith(`${item.id}/`)) unsaved.delete(key);
    here.item = null;
    const next = queue.items.find((item) => item.state === "done");
    if (next) open(next);
    else welcome();
  }
}

/** The empty page: what to do. */
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
    const item = event.detail;
    announce(`${item.name} is done.`);
    if (!here.item || (here.item.id === item.id && !here.reading)) open(item);
  });
  queue.addEventListener("changed", () => {
    const item = here.item && queue.item(here.item.id);
    if (item && !here.reading && item.state !== here.item.state) open(item);
    if (!queue.items.length && !here.item && queue.isLoaded) welcome();
  });
  queue.addEventListener("told", (event) => tell(event.detail));
  for (const [button, input] of [
    ["add-files", "file-input"],
    ["add-folder", "folder-input"],
  ]) {
    byId(button).addEventListener("click", () => byId(input).click());
    byId(input).addEventListener("change", (event) => {
      queue.add([...event.target.files]);
      event.target.value = "";
    });
  }
}

function wirePanel() {
  byId("note").addEventListener("input", (event) => here.reading?.setNote(event.target.value));
  byId("save").addEventListener("click", () => correcting.save());
  byId("discard").addEventListener("click", () => correcting.discard());
  byId("correct").addEventListener("click", () => correcting.start());
  byId("edit-save").addEventListener("click", () => correcting.finish());
  byId("edit-cancel").addEventListener("click", () => correcting.cancel());
  stage.addEventListener("map", showMap);
  stage.addEventListener("redraw", redraw);
  editor.addEventListener("changed", redraw);
  editor.addEventListener("selected", (event) => {
    here.selected = event.detail;
    drawFindings();
  });
  clip.addEventListener("frame", (event) => open(here.item, event.detail));
  wireGestures(byId("stage"), viewer, {
    take: (event, at) => editor.take(event, at),
    click: (at) => {
      const point = viewer.toImage(at);
      const hit = here.reading?.findings.find((finding) => !finding.isRemoved && contains(finding.ring, point));
      if (hit) select(hit.key);
    },
    secondPress: () => !editor.isOn && viewer.fit(),
  });
  addEventListener("beforeunload", (event) => {
    if (here.reading?.isChanged || unsaved.size) event.preventDefault();
  });
}

/** Asks the server who it is and what it holds; also after it was away. */
async function start() {
  const health = await getJson("health");
  byId("served").textContent = `${health.model.name} · version ${health.version}`;
  byId("served").title = `Model ${health.model.id}. ${health.model.risk_meaning}`;
  await queue.load();
  if (here.reading) return;
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
    if (error.isOffline)
      stage.say("The server does not answer", "Is thyrosight serve still running? It is tried again on its own.");
    else
      stage.say("The server refuses", error.message, {
        action: h("button", { type: "button", class: "primary", onclick: () => location.reload() }, "Try again"),
      });
  }
}

main();
