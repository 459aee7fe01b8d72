// Frames that are kept: the last ones, as many as memory allows, and those that are likely next.

import assert from "node:assert/strict";
import { test } from "node:test";

import "./browser-stub.js";
import { Frames } from "../../../src/thyrosight/web/static/image/frames.js";

/** A side of the pictures in pixels -> Frames that load at once, and the keys that they asked for. */
function framesOf(side) {
  const frames = new Frames();
  const asked = [];
  frames.fetch = async (item, frame) => {
    asked.push(`${item.id}/${frame}`);
    return { picture: { width: side, height: side } };
  };
  return { frames, asked };
}
const item = (id, state = "done") => ({ id, state });

test("small frames are kept by number, large ones by their pixels, the last one always", async () => {
  for (const [side, kept] of [
    [100, 48],
    [4000, 4],
    [9000, 1],
  ]) {
    const { frames } = framesOf(side);
    for (let index = 0; index < 60; index += 1) await frames.load(item("a"), index);
    assert.deepEqual(
      [...frames.kept.keys()],
      Array.from({ length: kept }, (_, at) => `a/${60 - kept + at}`),
    );
  }
});

test("what is likely next is loaded once, and only where it is done", async () => {
  const { frames, asked } = framesOf(10);
  frames.prepareItems([item("a"), null, item("b", "queued"), item("a")]);
  await frames.load(item("a"), 0);
  assert.deepEqual(asked, ["a/0"]);
});
