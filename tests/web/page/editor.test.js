// The editor: what its tools make of the nodules of a frame, and what they refuse.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import "./browser-stub.js";
import { Editor } from "../../../src/thyrosight/web/static/review/editor.js";
import { Review } from "../../../src/thyrosight/web/static/review/review.js";
import { ellipse } from "../../../src/thyrosight/web/static/review/rings.js";
import { KINDS } from "../../../src/thyrosight/web/static/review/tools.js";

mock.timers.enable({ apis: ["setTimeout"] });

/** Rings of nodules -> an editor on their frame, at the first of them, and what it asks of the network. */
function editorOn(rings) {
  const image = { width_px: 300, height_px: 200 };
  const nodules = rings.map((outline_xy, index) => ({ number: index + 1, outline_xy, risk: 0.5, size: {} }));
  const review = new Review({ id: "a", name: "a.png" }, 0, { image, nodules }, null);
  review.measureSoon = () => {};
  const questions = [];
  const outline = async (_, question) => {
    questions.push(question);
    return { outline_xy: ellipse([250, 150], 10, 10), threshold: 0.5 };
  };
  const view = { scale: 1, box: { width: 300, height: 200 }, toImage: ({ x, y }) => [x, y] };
  const editor = new Editor(view, { outline, scale: () => {} });
  editor.start(review, "network-1");
  return { editor, review, questions };
}
const kept = (review) => review.kept.map(({ number }) => number);
const [LEFT, RIGHT] = [40, 200].map((x) => ellipse([x, 100], 25, 25));

test("two nodules that don't touch are joined into one, which keeps its number", () => {
  const { editor, review } = editorOn([LEFT, RIGHT]);
  editor.join();
  assert.deepEqual(kept(review), [1]);
  review.undo();
  assert.deepEqual(kept(review), [1, 2]);
});

test("the nearest nodule is joined, also where the box of a farther one is as near", () => {
  const large = ellipse([100, 100], 80, 60);
  const [far, near] = [ellipse([174, 157], 5, 5), ellipse([163, 149], 5, 5)];
  const { editor, review } = editorOn([large, far, near]);
  editor.join();
  assert.deepEqual(kept(review), [1, 2], "the farther one is another nodule still");
});

test("a line that misses the nodule splits nothing, and a box outside the image asks nothing", () => {
  const { editor, review, questions } = editorOn([LEFT]);
  const before = review.asText();
  for (const [from, to] of [
    [
      [200, 0],
      [200, 190],
    ],
    [
      [40, 0],
      [40, 60],
    ],
    [
      [40, 100],
      [40, 100],
    ],
  ]) {
    // prettier-ignore
    const drag = KINDS.split.drag(editor, { x: from[0], y: from[1] });
    drag.end({ x: to[0], y: to[1] });
    editor.draft = [];
    assert.equal(review.asText(), before);
  }
  const drag = KINDS.ask.drag(editor, { x: 310, y: 20 });
  drag.end({ x: 400, y: 90 });
  assert.deepEqual(questions, []);
  KINDS.ask.drag(editor, { x: 250, y: 150 }).end({ x: 390, y: 290 });
  assert.deepEqual(questions[0].box, { x0: 250, y0: 150, x1: 300, y1: 200 }, "no more than the image");
});

test("both ends of a caliper are on the image", () => {
  const { editor, review } = editorOn([LEFT]);
  editor.addCaliper([-20, 50.004], [320, 50]);
  assert.deepEqual(review.calipers, [[[0, 50], [299, 50]]]); // prettier-ignore
});

test("what a tool refuses is shown, not only spoken", () => {
  const { editor } = editorOn([LEFT]);
  const told = () => document.getElementById("banner-text").textContent;
  KINDS.brush.press(editor, [250, 20]);
  assert.equal(told(), "The brush has to start at the nodule.");
  KINDS.split.drag(editor, { x: 200, y: 0 }).end({ x: 200, y: 190 });
  assert.equal(told(), "The line has to cross the nodule.");
  editor.join();
  assert.equal(told(), "There is no other nodule to join with.");
});

test("a scale that the file states is not asked for; one that a reader gave is", () => {
  for (const [spacing, reason, tool] of [
    [null, "the file does not say", "ruler"],
    [{ row_mm: 0.1, column_mm: 0.1 }, "given on the page by Ann", "ruler"],
    [{ row_mm: 0.1, column_mm: 0.1 }, null, "points"],
  ]) {
    const { editor, review } = editorOn([LEFT]);
    Object.assign(review.prediction.image, { spacing, spacing_reason: reason });
    editor.choose("ruler");
    assert.equal(editor.tool, tool);
  }
  const { editor, review } = editorOn([LEFT]); // of several regions, the one with the nodule states a scale
  review.prediction.nodules[0].size = { longest_mm: 5 };
  editor.choose("ruler");
  assert.equal(editor.tool, "points");
});
