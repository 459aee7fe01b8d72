// Keys: one table for what they do and for the help that lists them. Single keys can be switched off in the help.

import { byId, fill, h } from "./dom.js";
import { isDialogOpen } from "./dialogs.js";

const OFF_KEY = "thyrosight-single-keys-off";

/** Groups of [keys as shown, what they do, keys as matched, action(event), when]. */
export function wireKeys(groups) {
  const bindings = groups.flatMap(({ keys }) => keys);
  document.addEventListener("keydown", (event) => {
    if (isDialogOpen() || event.defaultPrevented || isTyping(event)) return;
    const key = nameOf(event);
    const binding = bindings.find(({ match, when }) => match.includes(key) && (!when || when(event)));
    if (!binding || (isSingle(key) && localStorage.getItem(OFF_KEY) && key !== "?")) return;
    event.preventDefault();
    binding.run(event);
  });
  drawHelp(groups);
}

/** KeyboardEvent -> `Ctrl+z`, `Shift+ArrowLeft`, `?`: shift is named only where it does not make another character. */
function nameOf(event) {
  const key =
    event.key.length === 1 ? (event.ctrlKey || event.metaKey ? event.key.toLowerCase() : event.key) : event.key;
  const parts = [];
  if (event.ctrlKey || event.metaKey) parts.push("Ctrl");
  if (event.altKey) parts.push("Alt");
  if (event.shiftKey && (event.key.length > 1 || event.ctrlKey || event.metaKey)) parts.push("Shift");
  return [...parts, key].join("+");
}

const isSingle = (key) => key.length === 1;

/** Is the key meant for the control that has the focus? */
function isTyping(event) {
  const target = event.target;
  if (target.closest("textarea, select, [contenteditable]")) return true;
  if (target.closest("input:not([type=checkbox], [type=range])")) return true;
  if (target.closest("input[type=range]")) return /^(Arrow|Home|End|Page)/.test(event.key);
  if (target.closest("button, summary, a, input[type=checkbox]"))
    return event.key === " " || event.key === "Enter" || (event.key.startsWith("Arrow") && !target.closest(".stage"));
  return false;
}

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
                  shown.split(" ").map((one) => h("kbd", {}, one)),
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
