// Dialogs: the token, a question with two answers, the help. Native <dialog>: focus is kept inside and given back.

import { byId } from "./dom.js";

/** Asks for the server's token: (was the last one refused?) -> the token, null where the person gives up. */
export function askToken(wasRefused) {
  const dialog = byId("token-dialog");
  byId("token-problem").hidden = !wasRefused;
  byId("token").value = "";
  return answer(dialog, () => byId("token").value.trim() || null);
}

/** Question, what is done, its button -> true or false. */
export function confirmed(question, details, action) {
  byId("confirm-title").textContent = question;
  byId("confirm-text").textContent = details;
  byId("confirm-yes").textContent = action;
  return answer(byId("confirm-dialog"), () => true).then(Boolean);
}

function answer(dialog, value) {
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? value() : null), { once: true });
    dialog.showModal();
  });
}

export function wireDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close("");
      const value = event.target.closest("[data-answer]")?.dataset.answer;
      if (value !== undefined && event.target.closest("button").type === "button") dialog.close(value);
    });
  }
}

export const isDialogOpen = () => document.querySelector("dialog[open]") !== null;
