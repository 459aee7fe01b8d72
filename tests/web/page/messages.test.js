// Lines for people: the last one told is shown for its whole time, and a lasting notice comes back after it.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import "./browser-stub.js";
import { notice, tell } from "../../../src/thyrosight/web/static/page/messages.js";

mock.timers.enable({ apis: ["setTimeout"] });
const banner = document.getElementById("banner");
banner.classList = { contains: (name) => banner.className.split(" ").includes(name) };
const shown = () => (banner.hidden ? null : document.getElementById("banner-text").textContent);

test("an earlier line does not take a later one away", () => {
  tell("Cut where another nodule lies.");
  mock.timers.tick(7000);
  tell("Changes dropped. Ctrl+Z brings them back.");
  assert.equal(document.getElementById("banner-undo").hidden, false);
  mock.timers.tick(7000);
  assert.equal(shown(), "Changes dropped. Ctrl+Z brings them back.");
  mock.timers.tick(1000);
  assert.equal(shown(), null);
});

test("the server is away until it is back, whatever is told meanwhile", () => {
  notice("The server does not answer.");
  tell("Not saved.");
  assert.equal(shown(), "Not saved.");
  mock.timers.tick(8000);
  assert.equal(shown(), "The server does not answer.");
  mock.timers.tick(60_000);
  assert.equal(shown(), "The server does not answer.");
  notice("");
  assert.equal(shown(), null);
});

test("a line that is told stays its time when the server is back", () => {
  notice("The server does not answer.");
  tell("Too small for an outline: draw once round the nodule.");
  notice("");
  assert.equal(shown(), "Too small for an outline: draw once round the nodule.");
  mock.timers.tick(8000);
  assert.equal(shown(), null);
});
