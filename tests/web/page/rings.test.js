// Geometry of outlines, held against what is computed by hand.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as rings from "../../../src/thyrosight/web/static/review/rings.js";

const square = [
  [0, 0],
  [10, 0],
  [10, 10],
  [0, 10],
];
const bowTie = [
  [0, 0],
  [10, 10],
  [10, 0],
  [0, 4],
];

test("area follows the shoelace formula, whichever way round the ring goes", () => {
  assert.equal(rings.ringArea(square), 100);
  assert.equal(rings.ringArea([...square].reverse()), 100);
  assert.equal(rings.ringArea(square.slice(0, 3)), 50);
});

test("boxes overlap by whole pixels", () => {
  const shifted = rings.moved(square, 5, 0);
  assert.equal(rings.boxOverlap(square, square), 1);
  assert.equal(rings.boxOverlap(square, shifted), 66 / (121 + 121 - 66));
  assert.equal(rings.boxOverlap(square, rings.moved(square, 11, 0)), 0);
});

test("a point is inside by the even-odd rule", () => {
  assert.ok(rings.contains(square, [5, 5]));
  assert.ok(!rings.contains(square, [15, 5]));
  assert.ok(!rings.contains(square, [5, -0.1]));
});

test("the nearest point and the nearest side", () => {
  assert.deepEqual(rings.nearestPoint(square, [9, 1]), { index: 1, distance: Math.SQRT2 });
  assert.deepEqual(rings.nearestSide(square, [4, -3]), { index: 0, distance: 3, at: [4, 0] });
  assert.deepEqual(rings.nearestSide(square, [-2, 5]), { index: 3, distance: 2, at: [0, 5] });
});

test("simplified drops what lies on a line and keeps every corner", () => {
  const dense = rings.evened(square, 40);
  assert.equal(dense.length, 40);
  const few = rings.simplified(dense, 0.5);
  assert.deepEqual(new Set(few.map(String)), new Set(square.map(String)));
});

test("simplified returns a copy of a ring that is small already", () => {
  const few = rings.simplified(square, 5);
  assert.deepEqual(few, square);
  assert.notEqual(few[0], square[0]);
});

test("evened leaves no side longer than its share", () => {
  const points = rings.evened(square, 8);
  assert.equal(points.length, 8);
  points.forEach(([x, y], i) => {
    const [nx, ny] = points[(i + 1) % points.length];
    assert.equal(Math.hypot(nx - x, ny - y), 5);
  });
});

test("neighbours follow a dragged point less and less, and across the ring's start", () => {
  const ring = rings.evened(square, 40); // sides of 1, so that 10 % of the ring is 4 points
  const weights = rings.softWeights(ring, 0, 0.1);
  assert.equal(weights[0], 1);
  assert.ok(Math.abs(weights[2] - 0.5) < 1e-12);
  assert.ok(Math.abs(weights[38] - 0.5) < 1e-12);
  assert.equal(weights[4], 0);
  assert.equal(weights[20], 0);
});

test("a ring that crosses itself keeps its largest loop; another comes back as it is", () => {
  assert.equal(rings.untangled(square), square);
  const clean = rings.untangled(bowTie);
  assert.equal(rings.untangled(clean), clean, "no crossing is left");
  assert.ok(rings.ringArea(clean) > 16 && rings.ringArea(clean) < 50);
});

test("an ellipse has its centre, its half axes and 24 points", () => {
  const ring = rings.ellipse([20, 30], 8, 4);
  assert.equal(ring.length, 24);
  const { x0, y0, x1, y1 } = rings.bounds(ring);
  assert.deepEqual([x0, y0, x1, y1].map(Math.round), [12, 26, 28, 34]);
});

test("grown moves outwards whichever way round the ring goes, and ends when nothing is left", () => {
  const ring = rings.ellipse([50, 50], 20, 20);
  for (const one of [ring, [...ring].reverse()]) {
    const { x0, x1 } = rings.bounds(/** @type {any} */ (rings.grown(one, 2)));
    assert.ok(Math.abs(x1 - x0 - 44) < 0.2);
  }
  let shrunk = ring;
  for (let next = ring, steps = 0; next; steps += 1) {
    assert.ok(steps === 0 || rings.ringArea(next) < rings.ringArea(shrunk));
    assert.ok(steps < 20, "nothing is left before the radius is used up");
    shrunk = next;
    next = rings.grown(shrunk, -1);
  }
  assert.ok(rings.ringArea(shrunk) < 40);
});

test("points stay inside the image, to hundredths of a pixel", () => {
  assert.deepEqual(rings.insideImage([[-3, 4.567], [700, 12.344]], 640, 480), [[0, 4.57], [639, 12.34]]); // prettier-ignore
});

test("rings are the same when every point is", () => {
  assert.ok(rings.sameRing(square, [...square]));
  assert.ok(!rings.sameRing(square, square.slice(1)));
  assert.ok(!rings.sameRing(square, rings.moved(square, 0.01, 0)));
});
