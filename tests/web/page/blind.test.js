// The second reader's readings for a study: what goes into the log, and what the reader has not said.

import assert from "node:assert/strict";
import { test } from "node:test";

import { answering } from "./browser-stub.js";
import { logReading } from "../../../src/thyrosight/web/static/review/blind.js";

const RING = [[10, 10], [30, 10], [30, 30]]; // prettier-ignore
const reviewOf = (...rings) => ({ item: { id: "a" }, frame: 0, kept: rings.map((ring) => ({ ring })) });

test("who only rates has outlined nothing: the log must not say that they saw no nodule", async () => {
  for (const [review, isShown, outlines] of [
    [reviewOf(), false, null],
    [reviewOf(RING), false, [RING]],
    [reviewOf(RING), true, [RING]],
    [reviewOf(), true, []], // every outline of the network was removed
  ]) {
    const asked = answering({ status: 204 });
    assert.equal(await logReading(review, isShown, 0.7, 12.34), null);
    const { path, body } = asked[0];
    assert.equal(path, "/api/v1/items/a/frames/0/study");
    assert.deepEqual(body, {
      reader: "unnamed",
      network_shown: isShown,
      outlines_xy: outlines,
      suspicion: 0.7,
      seconds: 12.3,
    });
  }
});
