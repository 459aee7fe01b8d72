// Functions of the whole page: it shows whether the server answers, takes dropped files, and is light or dark.

import { connection } from "./server/api.js";
import { byId, detailOf } from "./page/dom.js";
import { announce, notice, tell } from "./page/messages.js";
import { droppedFiles } from "./server/files.js";

/** Shows when the server is away or busy, and calls `start` until it answers. @param {() => Promise<void>} start */
export function wireConnection(start) {
  let timer = 0;
  const check = async () => {
    clearTimeout(timer);
    try {
      await start();
    } catch {
      timer = setTimeout(check, 4000);
    }
  };
  connection.addEventListener("offline", () => {
    notice("The server does not answer. What you see stays; it is tried again on its own.");
    clearTimeout(timer);
    timer = setTimeout(check, 3000);
  });
  connection.addEventListener("online", () => {
    notice("");
    announce("The server answers again.");
  });
  connection.addEventListener("busy", (event) =>
    tell(`The server is busy; next try in ${Math.ceil(detailOf(event))} s.`),
  );
  byId("banner-retry").addEventListener("click", check);
}

/** Files dropped anywhere on the page -> `add`. @param {(files: File[]) => void} add */
export function wireDrop(add) {
  let depth = 0;
  /** @param {DragEvent} event */
  const isFiles = (event) => event.dataTransfer?.types.includes("Files");
  /** @param {number | null} by null: nothing is dragged any more */
  const mark = (by) => {
    depth = by === null ? 0 : Math.max(0, depth + by);
    byId("drop").hidden = depth === 0;
  };
  addEventListener("dragenter", (event) => isFiles(event) && mark(1));
  addEventListener("dragleave", (event) => isFiles(event) && mark(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    mark(null);
    if (event.dataTransfer && isFiles(event)) add(await droppedFiles(event.dataTransfer));
  });
}

/** The page is dark, like reading rooms, until a person chooses light. */
export function wireTheme() {
  const stored = localStorage.getItem("thyrosight-theme");
  if (stored) document.documentElement.dataset.theme = stored;
  byId("theme").addEventListener("click", () => {
    const next = document.documentElement.dataset.theme === "light" ? "dark" : "light";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("thyrosight-theme", next);
  });
}
