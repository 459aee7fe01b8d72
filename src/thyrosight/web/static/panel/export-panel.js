// Files to take away, and the command line that gives the network's result once more.

import { getFile, itemPath } from "../server/api.js";
import { byId, fill, h } from "../page/dom.js";
import { announce } from "../page/messages.js";
import { shellWord } from "../page/format.js";

const KINDS = [
  ["json", "JSON", "everything, for programs"],
  ["csv", "CSV", "one row an image"],
  ["png", "PNG", "the picture with outlines"],
  ["report", "Report", "a page that prints on A4"],
  ["seg", "DICOM SEG", "outlines, for the archive"],
  ["sr", "DICOM SR", "measures, for the archive"],
  ["zip", "All (ZIP)", "every file of this image"],
];
const ENDINGS = {
  json: ".json",
  csv: ".csv",
  png: ".png",
  report: ".html",
  seg: "-seg.dcm",
  sr: "-sr.dcm",
  zip: ".zip",
};

/** One outline a file: these hold the person's where there is one, unless the network's is asked for. */
const ONE_READER = ["png", "seg", "sr"];
let reader = "person";

/** Draws the section for a reading: buttons, what they hold, the command. */
export function showExports(parent, reading, saveNow) {
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const buttons = KINDS.map(([kind, title, about]) => {
    const onclick = (event) => save(event.currentTarget, reading, kind, problem);
    const content = [h("strong", {}, title), h("span", {}, about)];
    return h("button", { type: "button", class: "export", dataset: { kind, key: `export-${kind}` }, onclick }, content);
  });
  fill(
    parent,
    h("h3", {}, "Export"),
    h("p", { class: "small faint", id: "export-holds" }),
    readerChoice(),
    h("div", { class: "exports" }, buttons),
    problem,
    command(reading),
  );
  showHolds(reading, saveNow);
}

function readerChoice() {
  const onchange = (event) => {
    reader = event.target.value;
  };
  const options = [
    h("option", { value: "person", selected: reader === "person" }, "yours"),
    h("option", { value: "network", selected: reader === "network" }, "the network's"),
  ];
  const select = h("select", { class: "quiet", id: "export-reader", onchange }, options);
  return h(
    "div",
    { class: "section-head", id: "export-whose", hidden: true },
    h("label", { class: "small", htmlFor: "export-reader" }, "Outlines in PNG, SEG and SR"),
    select,
  );
}

/** Whose results the files hold: told again whenever the correction changes. */
export function showHolds(reading, saveNow) {
  const line = byId("export-holds");
  if (!line) return;
  byId("export-whose").hidden = !reading.saved;
  if (reading.isChanged) {
    const button = h("button", { type: "button", class: "link", onclick: saveNow }, "Save them now");
    fill(line, "Your last changes are not saved and not in the files. ", button);
  } else {
    line.textContent = reading.saved
      ? "The network's result and your correction, each marked as what it is."
      : "The network's result; you have corrected nothing.";
  }
}

async function save(button, reading, kind, problem) {
  problem.hidden = true;
  button.setAttribute("aria-busy", "true");
  try {
    const stem = reading.item.name.replace(/\.[^.]*$/, "") || "thyrosight";
    const path = itemPath(reading.item.id, `export/${kind}${questionOf(reading, kind)}`);
    const { blob, name } = await getFile(path, `${stem}${ENDINGS[kind]}`);
    const url = URL.createObjectURL(blob);
    h("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    announce(`${name} saved.`);
  } catch (error) {
    problem.textContent = `${button.firstChild.textContent}: ${error.message}`;
    problem.hidden = false;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** What an export is asked beside its kind: whose outlines, and for a picture of a clip which frame. */
function questionOf(reading, kind) {
  const question = new URLSearchParams();
  if (ONE_READER.includes(kind) && reading.saved) question.set("reader", reader);
  if (kind === "png" && reading.prediction.image.num_frames > 1) question.set("frame", String(reading.frame));
  return question.size ? `?${question}` : "";
}

/** Reading -> the command that gives the network's result for this file. */
export function commandOf({ item, frame, prediction }) {
  const parts = [
    "thyrosight predict",
    shellWord(item.name.startsWith("-") ? `./${item.name}` : item.name),
    "--out results",
  ];
  if (prediction.image.num_frames > 1) parts.push(`--frame ${frame}`);
  if (prediction.with_tta) parts.push("--tta");
  return parts.join(" ");
}

function command(reading) {
  const text = commandOf(reading);
  const onclick = async (event) => {
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(byId("command"));
      announce("Selected; copy it with the keyboard.");
      return;
    }
    button.textContent = "Copied";
    announce("Command copied.");
    setTimeout(() => {
      button.textContent = "Copy";
    }, 1600);
  };
  return h(
    "div",
    { class: "command" },
    h("h4", {}, "The same on the command line"),
    h(
      "div",
      { class: "command-line" },
      h(
        "code",
        { id: "command" },
        text.split(/(?<= )(?=\S)/).map((word) => h("span", {}, word)),
      ),
      h("button", { type: "button", class: "small-button", onclick, "aria-label": "Copy the command" }, "Copy"),
    ),
    h(
      "p",
      { class: "small faint" },
      `With the model ${reading.prediction.model.name}. Your correction is not part of it.`,
    ),
  );
}
