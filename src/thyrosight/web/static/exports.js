// Files to take away, and the command line that gives the network's result once more.

import { getFile, itemPath } from "./api.js";
import { announce, byId, fill, h } from "./dom.js";
import { shellWord } from "./format.js";

const KINDS = [
  ["json", "JSON", "everything, for programs"],
  ["csv", "CSV", "one row an image"],
  ["png", "PNG", "the picture with outlines"],
  ["report", "Report", "a page that prints on A4"],
  ["seg", "DICOM SEG", "outlines, for the archive"],
  ["sr", "DICOM SR", "measures, for the archive"],
  ["zip", "All (ZIP)", "every file of this image"],
];
const ENDINGS = { json: ".json", csv: ".csv", png: ".png", report: ".html", seg: "-seg.dcm", sr: "-sr.dcm", zip: ".zip" };

/** Draws the section for a reading: buttons, what they hold, the command. */
export function showExports(parent, reading, saveNow) {
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const buttons = KINDS.map(([kind, title, about]) =>
    h("button", { type: "button", class: "export", dataset: { kind, key: `export-${kind}` }, onclick: (event) => save(event.currentTarget, reading, kind, problem) }, h("strong", {}, title), h("span", {}, about)),
  );
  fill(parent, h("h3", {}, "Export"), h("p", { class: "small faint", id: "export-holds" }), h("div", { class: "exports" }, buttons), problem, command(reading));
  showHolds(reading, saveNow);
}

/** Whose results the files hold: told again whenever the correction changes. */
export function showHolds(reading, saveNow) {
  const line = byId("export-holds");
  if (!line) return;
  if (reading.isChanged) {
    fill(line, "Your last changes are not saved and not in the files. ", h("button", { type: "button", class: "link", onclick: saveNow }, "Save them now"));
  } else {
    line.textContent = reading.saved ? "The network's result and your correction, each marked as what it is." : "The network's result; you have corrected nothing.";
  }
}

async function save(button, reading, kind, problem) {
  problem.hidden = true;
  button.setAttribute("aria-busy", "true");
  try {
    const stem = reading.item.name.replace(/\.[^.]*$/, "") || "thyrosight";
    const { blob, name } = await getFile(itemPath(reading.item.id, `export/${kind}`), `${stem}${ENDINGS[kind]}`);
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

/** Reading -> the command that gives the network's result for this file. */
export function commandOf({ item, frame, prediction }) {
  const parts = ["thyrosight predict", shellWord(item.name.startsWith("-") ? `./${item.name}` : item.name), "--out results"];
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
    h("div", { class: "command-line" }, h("code", { id: "command", tabIndex: 0 }, text), h("button", { type: "button", class: "small-button", onclick, "aria-label": "Copy the command" }, "Copy")),
    h("p", { class: "small faint" }, `With the model ${reading.prediction.model.name}. Your correction is not part of it.`),
  );
}
