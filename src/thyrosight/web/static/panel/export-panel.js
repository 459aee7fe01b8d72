// A review -> files to download, and the command line that gives the same result of the network.

import { asApiError, getFile, itemPath } from "../server/api.js";
import { byId, fill, h, targetOf } from "../page/dom.js";
import { announce } from "../page/messages.js";
import { shellWord } from "../page/format.js";
import { readerName } from "../page/reader.js";

const KINDS = [
  ["json", "JSON", "everything, for programs"],
  ["csv", "CSV", "one row per nodule"],
  ["png", "PNG", "the picture with outlines"],
  ["report", "Report", "a page that prints on A4"],
  ["seg", "DICOM SEG", "outlines, for the archive"],
  ["sr", "DICOM SR", "measures, for the archive"],
  ["zip", "All (ZIP)", "every file of this image"],
];
/** @type {Record<string, string>} */
const ENDINGS = {
  json: ".json",
  csv: ".csv",
  png: ".png",
  report: ".html",
  seg: "-seg.dcm",
  sr: "-sr.dcm",
  zip: ".zip",
};

/** Files that hold one set of outlines: the person's if any, unless the network's outlines are chosen. */
const ONE_READER = ["png", "seg", "sr"];
let reader = "person";

/** @typedef {import("../review/review.js").Review} Review */

/**
 * Draws the section for a review: buttons, what the files hold, the command.
 * @param {HTMLElement} parent
 * @param {Review} review
 * @param {() => void} saveNow
 */
export function showExports(parent, review, saveNow) {
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const buttons = KINDS.map(([kind, title, about]) => {
    /** @param {MouseEvent} event */
    const onclick = (event) => save(/** @type {HTMLElement} */ (event.currentTarget), review, kind, problem);
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
    command(review),
  );
  showHolds(review, saveNow);
}

function readerChoice() {
  /** @param {Event} event */
  const onchange = (event) => {
    reader = targetOf(event).value;
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

/**
 * Whose results the files hold; drawn again when the correction changes.
 * @param {Review} review
 * @param {() => void} saveNow
 */
export function showHolds(review, saveNow) {
  const line = byId("export-holds");
  if (!line) return;
  byId("export-whose").hidden = !review.saved;
  if (review.isChanged) {
    const button = h("button", { type: "button", class: "link", onclick: saveNow }, "Save them now");
    fill(line, "Your last changes are not saved and not in the files. ", button);
  } else {
    line.textContent = review.saved
      ? "The network's result and your correction, each marked as what it is."
      : "The network's result; you have corrected nothing.";
  }
}

/** Downloads a file from the server to the person's disk -> its name. @param {string} path @param {string} fallbackName */
export async function download(path, fallbackName) {
  const { blob, name } = await getFile(path, fallbackName);
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  return name;
}

/** @param {HTMLElement} button @param {Review} review @param {string} kind @param {HTMLElement} problem */
async function save(button, review, kind, problem) {
  problem.hidden = true;
  button.setAttribute("aria-busy", "true");
  try {
    const stem = review.item.name.replace(/\.[^.]*$/, "") || "thyrosight";
    const path = itemPath(review.item.id, `export/${kind}${questionOf(review, kind)}`);
    const name = await download(path, `${stem}${ENDINGS[kind]}`);
    announce(`${name} saved.`);
  } catch (error) {
    problem.textContent = `${button.firstChild?.textContent}: ${asApiError(error).message}`;
    problem.hidden = false;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/**
 * The query of an export: whose outlines, and for a picture of a clip which frame. `who` asks for the network's and the
 * reader's own outlines; without it the server would add the newest reading of anybody.
 * @param {Pick<Review, "saved" | "frame" | "prediction">} review
 * @param {string} kind
 */
export function questionOf(review, kind) {
  const question = new URLSearchParams({ who: readerName() });
  if (ONE_READER.includes(kind) && review.saved) question.set("reader", reader);
  if (kind === "png" && review.prediction.image.num_frames > 1) question.set("frame", String(review.frame));
  return `?${question}`;
}

/**
 * Review -> the command that gives the network's result for this file.
 * @param {Pick<Review, "item" | "frame" | "prediction">} review
 */
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

/** @param {Review} review */
function command(review) {
  const text = commandOf(review);
  /** @param {MouseEvent} event */
  const onclick = async (event) => {
    const button = /** @type {HTMLElement} */ (event.currentTarget);
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection()?.selectAllChildren(byId("command"));
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
      `With the model ${review.prediction.model.name}. Your correction is not part of it.`,
    ),
  );
}
