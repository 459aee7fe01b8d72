// Around everything: the banner, the server's comings and goings, files dropped on the page, light and dark.

import { connection } from "./server/api.js";
import { byId } from "./page/dom.js";
import { announce, tell } from "./page/messages.js";
import { droppedFiles } from "./server/files.js";

/** Says when the server is away or busy, and calls `start` until it is back. */
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
    byId("banner-text").textContent = "The server does not answer. What you see stays; it is tried again on its own.";
    byId("banner").className = "banner offline";
    byId("banner-retry").hidden = false;
    byId("banner").hidden = false;
    clearTimeout(timer);
    timer = setTimeout(check, 3000);
  });
  connection.addEventListener("online", () => {
    byId("banner").hidden = true;
    announce("The server answers again.");
  });
  connection.addEventListener("busy", (event) => tell(`The server is busy; next try in ${Math.ceil(event.detail)} s.`));
  byId("banner-retry").addEventListener("click", check);
}

/** Files dropped anywhere on the page -> `add`. */
export function wireDrop(add) {
  let depth = 0;
  const isFiles = (event) => event.dataTransfer?.types.includes("Files");
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
    if (isFiles(event)) add(await droppedFiles(event.dataTransfer));
  });
}

/** Dark, as reading rooms are, until a person says otherwise. */
export function wireTheme() {
  const stored = localStorage.getItem("thyrosight-theme");
  if (stored) document.documentElement.dataset.theme = stored;
  byId("theme").addEventListener("click", () => {
    const next = document.documentElement.dataset.theme === "light" ? "dark" : "light";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("thyrosight-theme", next);
  });
}
