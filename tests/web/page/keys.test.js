// Keys: what a press is called, and that no two shortcuts can want the same press at the same time.

import assert from "node:assert/strict";
import { test } from "node:test";

import "./browser-stub.js";
import { nameOf, wireKeys } from "../../../src/thyrosight/web/static/page/keyboard.js";
import { keyGroups } from "../../../src/thyrosight/web/static/shortcuts.js";

const press = (key, held = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

test("shift is named only where it does not make another character", () => {
  assert.equal(nameOf(press("?", { shiftKey: true })), "?");
  assert.equal(nameOf(press("Delete", { shiftKey: true })), "Shift+Delete");
  assert.equal(nameOf(press("Z", { ctrlKey: true, shiftKey: true })), "Ctrl+Shift+z");
  assert.equal(nameOf(press("s", { metaKey: true })), "Ctrl+s");
  assert.equal(nameOf(press("x", { altKey: true })), "Alt+x");
});

/** The table with an editor that is on or off, as if an image of a clip were open. */
function shortcuts(isOn, called = []) {
  const recorder = (name) =>
    new Proxy({}, { get: (_, method) => (...values) => called.push([name, method, ...values]) }); // prettier-ignore
  const editor = Object.assign(Object.create(recorder("editor")), {
    isOn,
    key: "network-1",
    tool: "points",
    active: -1,
  });
  const viewer = Object.assign(Object.create(recorder("viewer")), { scale: 2, window: { width: 256, level: 128 } });
  const parts = { here: { review: {} }, editor, viewer, clip: { count: 5, step: (by) => called.push(["clip", by]) } };
  const others = {
    stage: recorder("stage"),
    list: recorder("list"),
    queue: recorder("queue"),
    correcting: recorder("correcting"),
  };
  const open = () => {};
  return keyGroups({ ...parts, ...others, open, step: (by) => called.push(["step", by]) }).flatMap(({ keys }) => keys);
}

test("in either mode a press has one meaning", () => {
  const event = { target: { closest: () => true } };
  for (const isOn of [false, true]) {
    const names = shortcuts(isOn)
      .filter(({ when }) => !when || when(event))
      .flatMap(({ match }) => match);
    assert.deepEqual(names.filter((name, index) => names.indexOf(name) !== index), []); // prettier-ignore
  }
});

test("arrows move the image, and the outline while correcting", () => {
  const event = { key: "ArrowLeft", target: { closest: () => true } };
  for (const [isOn, expected] of [
    [false, ["viewer", "pan", 40, -0]],
    [true, ["editor", "nudge", -1, 0]],
  ]) {
    const called = [];
    const [shortcut] = shortcuts(isOn, called).filter(({ match, when }) => match.includes("ArrowLeft") && when(event));
    shortcut.run(event);
    assert.deepEqual(called, [expected]);
  }
});

test("comma and point step through frames, and through points while correcting", () => {
  for (const [isOn, expected] of [
    [false, ["clip", 1]],
    [true, ["editor", "stepPoint", 1]],
  ]) {
    const called = [];
    const [shortcut] = shortcuts(isOn, called).filter(({ match, when }) => match.includes(".") && when({}));
    shortcut.run({});
    assert.deepEqual(called, [expected]);
  }
});

/** Handlers of the page's keys -> what they called for a press of a key in an element of this tag. */
function pressed(key, held, tag) {
  const called = [];
  document.addEventListener = (_, handler) => (document.onkey = handler);
  document.querySelector = () => null;
  globalThis.addEventListener = () => {};
  document.getElementById("help-keys").replaceChildren = () => {};
  document.getElementById("single-keys").addEventListener = () => {};
  const keys = ["s", "Ctrl+s", "Ctrl+Enter", "Ctrl+z"].map((name) => ({ match: [name], run: () => called.push(name) }));
  document.createElement = () => ({ append() {} });
  wireKeys([{ title: "", keys }]);
  const target = { closest: (selector) => selector.split(/[ ,:]/).includes(tag) };
  document.onkey({ ...press(key, held), target, preventDefault() {} });
  return called;
}

test("a note that is being written is saved by the keys that save; letters and undo are the note's", () => {
  const ctrl = { ctrlKey: true };
  for (const tag of ["textarea", "select", "input"]) {
    assert.deepEqual(pressed("s", ctrl, tag), ["Ctrl+s"]);
    assert.deepEqual(pressed("Enter", ctrl, tag), ["Ctrl+Enter"]);
    assert.deepEqual(pressed("s", {}, tag), []);
    assert.deepEqual(pressed("z", ctrl, tag), []);
  }
  assert.deepEqual(pressed("s", {}, "body"), ["s"]);
});
