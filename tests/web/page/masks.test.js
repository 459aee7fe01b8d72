// Outlines by way of pixels: painted, erased, split, joined, kept apart, smoothed.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as masks from "../../../src/thyrosight/web/static/review/masks.js";
import { contains, ellipse, ringArea } from "../../../src/thyrosight/web/static/review/rings.js";

const image = { width_px: 200, height_px: 160 };
const square = [[20, 20], [60, 20], [60, 60], [20, 60]]; // prettier-ignore
const sum = (mask) => mask.reduce((total, one) => total + one, 0);
const maskIn = (ring, others = []) => masks.maskOf(ring, masks.gridOf([ring, ...others], 3, image));

test("a mask holds the pixels on the border, as the server fills an outline", () => {
  assert.equal(sum(maskIn(square)), 41 * 41);
  assert.equal(sum(maskIn([[3, 3], [5, 3], [5, 5]])), 6); // prettier-ignore
});

test("a traced mask is the same mask again", () => {
  for (const ring of [square, ellipse([80, 80], 30, 17), ellipse([40, 50], 4, 9)]) {
    const grid = masks.gridOf([ring], 3, image);
    const mask = masks.maskOf(ring, grid);
    assert.deepEqual(masks.maskOf(masks.traced(mask, grid), grid), mask);
  }
});

test("painting adds what the stroke covers, and nothing that does not touch the nodule", () => {
  const ring = masks.painted(square, [[60, 40], [80, 40]], 6, image); // prettier-ignore
  assert.ok(contains(ring, [82, 40]));
  assert.ok(!contains(ring, [82, 50]));
  assert.ok(Math.abs(ringArea(ring) - (1600 + 12 * 22)) < 60);
  assert.equal(masks.painted(square, [[150, 120]], 5, image), null);
});

test("erasing keeps the largest part; erasing all leaves none", () => {
  const ring = masks.erased(square, [[50, 0], [50, 80]], 3, image); // prettier-ignore
  assert.ok(contains(ring, [30, 40]));
  assert.ok(!contains(ring, [57, 40]));
  assert.equal(masks.erased(square, [[20, 40], [60, 40]], 40, image), null); // prettier-ignore
});

test("a line across a nodule parts it, a line beside it does not", () => {
  const [first, second] = masks.split(square, [35, 0], [35, 90], image);
  assert.ok(contains(first, [50, 40]) && contains(second, [25, 40]));
  assert.equal(sum(maskIn(first, [second]).map((one, at) => one & maskIn(second, [first])[at])), 0);
  assert.equal(masks.split(square, [90, 0], [90, 90], image), null);
});

test("joined rings are one, also across a gap", () => {
  const right = [[70, 30], [90, 30], [90, 50], [70, 50]]; // prettier-ignore
  const ring = masks.joined(square, right, image);
  for (const point of [[40, 40], [80, 40], [65, 40]]) assert.ok(contains(ring, point), String(point)); // prettier-ignore
  assert.ok(!contains(ring, [65, 22]));
});

test("what holds most of a nodule is told from what has lost it", () => {
  assert.ok(masks.holdsMost(square, [[30, 30], [50, 30], [50, 50]], image)); // prettier-ignore
  assert.ok(masks.holdsMost(square, [[30, 30], [65, 30], [65, 50], [30, 50]], image)); // prettier-ignore
  assert.ok(!masks.holdsMost(square, [[55, 30], [90, 30], [90, 50], [55, 50]], image)); // prettier-ignore
});

test("an outline is cut where another nodule lies, and refused where hardly anything is left", () => {
  assert.deepEqual(masks.apart(square, [[[100, 100], [120, 100], [110, 120]]], image), { ring: square, isCut: false }); // prettier-ignore
  const other = [[50, 10], [90, 10], [90, 70], [50, 70]]; // prettier-ignore
  const { ring, isCut } = masks.apart(square, [other], image);
  assert.ok(isCut);
  const [mine, taken] = [maskIn(ring, [other]), masks.maskOf(other, masks.gridOf([ring, other], 3, image))];
  assert.equal(sum(mine.map((one, at) => one & taken[at])), 0);
  assert.equal(masks.apart(square, [[[10, 10], [70, 10], [70, 70], [10, 70]]], image).ring, null); // prettier-ignore
});

test("smoothing takes corners away and keeps the area", () => {
  const jagged = ellipse([100, 80], 40, 30, 60).map(([x, y], i) => [x + (i % 2 ? 3 : -3), y]);
  const ring = masks.smoothed(jagged, image);
  assert.ok(Math.abs(ringArea(ring) / ringArea(jagged) - 1) < 0.02);
  const corners = (points) => points.filter(([x, y], i) => {
    const [[ax, ay], [bx, by]] = [points.at(i - 1), points[(i + 1) % points.length]];
    return (x - ax) * (bx - x) + (y - ay) * (by - y) < 0;
  }).length; // prettier-ignore
  assert.ok(corners(jagged) > 10);
  assert.equal(corners(ring), 0);
});
