// Dialogs: the token, a question with two answers, the help. A native <dialog> holds the focus and returns it.

import { byId, targetOf } from "./dom.js";

/**
 * Asks for the server's token -> the token; null where the person cancels.
 * @param {boolean} wasRefused the last one that was given
 * @returns {Promise<string | null>}
 */
export function askToken(wasRefused) {
  const dialog = byId("token-dialog");
  byId("token-problem").hidden = !wasRefused;
  byId("token").value = "";
  return answer(dialog, () => byId("token").value.trim() || null);
}

/**
 * Question, details, text of the button -> whether the person agrees.
 * @param {string} question
 * @param {string} details
 * @param {string} action
 */
export function confirmed(question, details, action) {
  byId("confirm-title").textContent = question;
  byId("confirm-text").textContent = details;
  byId("confirm-yes").textContent = action;
  return answer(byId("confirm-dialog"), () => true).then(Boolean);
}

/**
 * A dialog of index.html, texts for its elements -> the value of the button that was pressed, null where none was.
 * @param {"conflict-dialog" | "scale-dialog" | "name-dialog"} id
 * @param {Record<string, string>} texts
 * @returns {Promise<string | null>}
 */
export function answered(id, texts = {}) {
  const dialog = byId(id);
  for (const [name, text] of Object.entries(texts)) byId(name).textContent = text;
  return new Promise((resolve) => {
    dialog.returnValue = "";
    whenClosed(dialog, () => resolve(dialog.returnValue || null));
    dialog.showModal();
  });
}

/**
 * @template V
 * @param {HTMLDialogElement} dialog
 * @param {() => V} value
 * @returns {Promise<V | null>}
 */
function answer(dialog, value) {
  return new Promise((resolve) => {
    dialog.returnValue = "";
    whenClosed(dialog, () => resolve(dialog.returnValue === "yes" ? value() : null));
    dialog.showModal();
  });
}

/**
 * Calls back when the dialog is closed. The event `close` comes late: where the dialog is open again by then, the event
 * belongs to the earlier question and is ignored.
 * @param {HTMLDialogElement} dialog
 * @param {() => void} then
 */
function whenClosed(dialog, then) {
  const closed = () => {
    if (dialog.open) return;
    dialog.removeEventListener("close", closed);
    then();
  };
  dialog.addEventListener("close", closed);
}

/** A press outside a dialog closes it; so does a button with data-answer. */
export function wireDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      const target = targetOf(event);
      if (event.target === dialog) dialog.close("");
      const value = /** @type {HTMLElement | null} */ (target.closest("[data-answer]"))?.dataset.answer;
      if (value !== undefined && target.closest("button")?.type === "button") dialog.close(value);
    });
  }
}

export const isDialogOpen = () => document.querySelector("dialog[open]") !== null;
