// Groups of shortcuts -> what a key press does, and the help that lists them. The help can switch single keys off.

import { byId, fill, h, targetOf } from "./dom.js";
import { isDialogOpen } from "./dialogs.js";

/** Keys that type nothing: they count in fields, too. */
const EVERYWHERE = ["Ctrl+s", "Ctrl+Enter"];
const OFF_KEY = "thyrosight-single-keys-off";

/**
 * @typedef {object} Shortcut
 * @property {string} [shown] keys as the help shows them; absent where another entry shows them too
 * @property {string} [does] what the help says
 * @property {string[]} match names as `nameOf` gives them
 * @property {(event: KeyboardEvent) => void} run
 * @property {(event: KeyboardEvent) => unknown} [when] whether it counts now
 */
/** @typedef {{ title: string, keys: Shortcut[] }} ShortcutGroup */

/** @param {ShortcutGroup[]} groups */
export function wireKeys(groups) {
  const bindings = groups.flatMap(({ keys }) => keys);
  document.addEventListener("keydown", (event) => {
    const key = nameOf(event);
    if (isDialogOpen() || event.defaultPrevented || (isTyping(event) && !EVERYWHERE.includes(key))) return;
    const binding = bindings.find(({ match, when }) => match.includes(key) && (!when || when(event)));
    if (!binding || (isSingle(key) && localStorage.getItem(OFF_KEY) && key !== "?")) return;
    event.preventDefault();
    binding.run(event);
  });
  leaveChosen();
  drawHelp(groups);
}

/**
 * A select that a person has set by mouse gives the focus back: the next key is meant for the page, and would else
 * choose another word, without a sign.
 */
function leaveChosen() {
  let isByPointer = false;
  addEventListener("pointerdown", () => (isByPointer = true), true);
  addEventListener("keydown", () => (isByPointer = false), true);
  addEventListener("change", (event) => {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    if (isByPointer && targetOf(event).closest("select")) focused?.blur();
  });
}

/**
 * KeyboardEvent -> `Ctrl+z`, `Shift+ArrowLeft`, `?`: Shift is named only where it does not change the character.
 * @param {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">} event
 */
export function nameOf(event) {
  const key =
    event.key.length === 1 ? (event.ctrlKey || event.metaKey ? event.key.toLowerCase() : event.key) : event.key;
  const parts = [];
  if (event.ctrlKey || event.metaKey) parts.push("Ctrl");
  if (event.altKey) parts.push("Alt");
  if (event.shiftKey && (event.key.length > 1 || event.ctrlKey || event.metaKey)) parts.push("Shift");
  return [...parts, key].join("+");
}

/** @param {string} key */
const isSingle = (key) => key.length === 1;

/** Is the key meant for the control that has the focus? @param {KeyboardEvent} event */
function isTyping(event) {
  const target = targetOf(event);
  if (target.closest("textarea, select, [contenteditable]")) return true;
  if (target.closest("input:not([type=checkbox], [type=range])")) return true;
  if (target.closest("input[type=range]")) return /^(Arrow|Home|End|Page)/.test(event.key);
  if (target.closest("button, summary, a, input[type=checkbox]"))
    return event.key === " " || event.key === "Enter" || (event.key.startsWith("Arrow") && !target.closest(".stage"));
  return false;
}

/** @param {ShortcutGroup[]} groups */
function drawHelp(groups) {
  fill(
    byId("help-keys"),
    groups.map(({ title, keys }) =>
      h(
        "section",
        {},
        h("h3", {}, title),
        h(
          "dl",
          { class: "keys" },
          keys
            .filter(({ shown }) => shown)
            .map(({ shown, does }) =>
              h(
                "div",
                {},
                h(
                  "dt",
                  {},
                  /** @type {string} */ (shown).split(" ").map((one) => h("kbd", {}, one)),
                ),
                h("dd", {}, does),
              ),
            ),
        ),
      ),
    ),
  );
  const single = byId("single-keys");
  single.checked = !localStorage.getItem(OFF_KEY);
  single.addEventListener("change", () => {
    if (single.checked) localStorage.removeItem(OFF_KEY);
    else localStorage.setItem(OFF_KEY, "1");
  });
}
