// The page: makes its parts and connects them. opening.js opens an image; work.js holds the reader's actions on the
// list.

import { askToken, wireDialogs } from "./page/dialogs.js";
import { byId, detailOf, h, targetOf } from "./page/dom.js";
import { wireKeys } from "./page/keyboard.js";
import { announce } from "./page/messages.js";
import { asApiError, connection, getJson, onTokenNeeded } from "./server/api.js";
import { Models } from "./server/models.js";
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
import { ModelsDialog } from "./panel/models-dialog.js";
import { Panel } from "./panel/panel.js";
import { WorkList } from "./panel/work-list.js";
import { OpenFrame } from "./open-frame.js";
import { Opening } from "./opening.js";
import { wireConnection, wireDrop, wireTheme } from "./shell.js";
import { keyGroups } from "./shortcuts.js";
import { Work } from "./work.js";

const viewer = new Viewer(byId("stage"), byId("canvas"));
const editor = new Editor(viewer, {
  outline: askOutline,
  scale: (review, from, to) => work.setScale(review, from, to),
});
const queue = new Queue();
const models = new Models();
new ModelsDialog(models, () => work.readAgain());
const frames = new Frames();
const clip = new ClipBar(byId("clip"));
const stage = new Stage(viewer, editor);
const list = new WorkList(queue, {
  choose: (row) => open(row),
  removeJob: (id, rows) => work.removeJob(id, rows),
  removeItem: (row) => work.removeItem(row),
});

const here = new OpenFrame();
/** @type {Correcting} */
const correcting = new Correcting(here, editor, {
  select,
  drawPanel: () => opening.drawPanel(),
  pause: () => clip.pause(),
  mayGoOn: () => work.nameKnown(),
  reveal: (review) => work.reveal(review),
  saved: (item) => queue.follow(item.id),
});
const panel = new Panel(here, models, {
  select,
  predictAgain: () => work.predictAgain(models),
  save: () => correcting.save(),
  outline: (rings) => stage.showOthers(rings),
});
const mark = (/** @type {string} */ id) => {
  list.mark(id);
  work.drawVerdicts();
};
const likely = () => [list.nextUnread(), list.neighbour(1)];
/** @type {Opening} */
const opening = new Opening({ here, frames, clip, stage, viewer, panel, correcting, mark, likely });
/** @type {Work} */
const work = new Work({ here, queue, list, frames, stage, opening, correcting });
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

// Wiring.

function wireFiles() {
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
  byId("identity").addEventListener("scale", (event) => {
    if (detailOf(event) === "typed") work.typeScale();
    else if (detailOf(event) === "none") work.withdrawScale();
    else correcting.start("ruler");
  });
  models.addEventListener("changed", () => {
    list.threshold = models.threshold;
    list.draw();
    panel.drawIdentity();
  });
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

/** Loads the server's model and list, at the start and when the server answers again. */
async function start() {
  /** @type {Api.Health} */
  const health = await getJson("health");
  models.took(health.model);
  const loading = queue.load();
  await new Promise((resolve) => {
    queue.addEventListener("changed", resolve, { once: true });
    loading.then(resolve, resolve);
  });
  if (list.keptPlace && !queue.item(list.keptPlace)) await loading; // the item may be on a later page
  const first = here.review ? null : (queue.item(here.item?.id ?? "") ?? list.place());
  if (first) await open(first);
  await loading;
  if (!here.item && !queue.rows.length) work.welcome();
}

async function main() {
  onTokenNeeded(askToken);
  wireDialogs();
  wireTheme();
  wireFiles();
  wireDrop((files) => queue.add(files));
  wirePanel();
  wireConnection(start);
  connection.addEventListener("online", () => here.review?.measureAgain());
  byId("help").addEventListener("click", () => byId("help-dialog").showModal());
  wireKeys(keyGroups({ here, viewer, editor, clip, stage, list, open, step, correcting, work }));
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
