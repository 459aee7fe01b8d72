// A frame's review: outlines touched, undone, measured, saved, and matched with a saved correction.

import assert from "node:assert/strict";
import { test } from "node:test";

import { answering } from "./browser-stub.js";
import { OpenFrame } from "../../../src/thyrosight/web/static/open-frame.js";
import { current, isTouched, lastKnown } from "../../../src/thyrosight/web/static/review/findings.js";
import { Review } from "../../../src/thyrosight/web/static/review/review.js";
import { moved } from "../../../src/thyrosight/web/static/review/rings.js";

const RING = [[10, 10], [30, 10], [30, 30], [10, 30]]; // prettier-ignore
const FAR = moved(RING, 100, 0);
const item = { id: "a", name: "a.png" };

const nodule = (number, outline_xy, risk = 0.5) => ({ number, outline_xy, risk, size: {} });
/** A review that asks the server for measures only where the test wants it. */
function reviewOf(correction = null, { isMeasured = false } = {}) {
  const review = new Review(item, 0, { nodules: [nodule(1, RING), nodule(2, FAR)] }, correction);
  if (!isMeasured) review.measureSoon = () => {};
  return review;
}
const measure = (risk) => ({ size: {}, risk });
const untilMeasured = (review) =>
  new Promise((resolve) => review.addEventListener("measured", resolve, { once: true }));

test("a new review has the network's outlines and nothing to save", () => {
  const review = reviewOf();
  assert.deepEqual(
    review.findings.map(({ key, ring }) => [key, ring]),
    [
      ["network-1", RING],
      ["network-2", FAR],
    ],
  );
  assert.equal(review.isChanged, false);
  assert.equal(review.hasCorrection, false);
});

test("undo and redo go through outlines, additions and removals one by one", () => {
  const review = reviewOf();
  review.remember();
  review.setRing("network-1", moved(RING, 1, 0));
  const key = review.add(moved(RING, 50, 50));
  review.remove("network-2");
  review.remove(key);
  const kept = () => review.findings.filter((finding) => !finding.isRemoved).map((finding) => finding.key);
  assert.deepEqual(kept(), ["network-1"]);
  review.undo();
  assert.deepEqual(kept(), ["network-1", key]);
  review.undo();
  assert.deepEqual(kept(), ["network-1", "network-2", key]);
  review.undo();
  review.undo();
  assert.equal(review.isChanged, false);
  assert.equal(review.undo(), false, "there is nothing before the start");
  for (let step = 0; step < 4; step += 1) assert.equal(review.redo(), true);
  assert.deepEqual(kept(), ["network-1"]);
  assert.equal(review.redo(), false);
});

test("a new change forgets what could be redone", () => {
  const review = reviewOf();
  review.remove("network-1");
  review.undo();
  review.remove("network-2");
  assert.equal(review.redo(), false);
});

test("revert gives the network's outline back", () => {
  const review = reviewOf();
  review.setRing("network-1", FAR);
  assert.ok(isTouched(review.finding("network-1")));
  review.revert("network-1");
  assert.ok(!isTouched(review.finding("network-1")));
});

test("a saved outline goes to the nodule that it overlaps most; what is left is removed or added", () => {
  const own = moved(FAR, 2, 0);
  const extra = moved(RING, 0, 200);
  const review = reviewOf({ outlines_xy: [own, extra], measures: [measure(0.1), measure(0.2)], note: "n" });
  const [first, second, third] = review.findings;
  assert.equal(first.isRemoved, true);
  assert.deepEqual([second.key, second.ring, current(second).risk], ["network-2", own, 0.1]);
  assert.deepEqual([third.network, third.number, current(third).risk], [null, 3, 0.2]);
  assert.equal(review.isChanged, false, "what is saved is no change");
  assert.equal(review.note, "n");
});

test("touched rings are measured together; numbers of an older ring count no more", async () => {
  const asked = answering({ json: [measure(0.9)] });
  const review = reviewOf(null, { isMeasured: true });
  const ring = moved(RING, 1, 1);
  review.setRing("network-1", ring);
  const finding = review.finding("network-1");
  assert.equal(current(finding), null);
  assert.equal(lastKnown(finding).risk, 0.5, "the network's, until the server has answered");
  await untilMeasured(review);
  assert.deepEqual(asked, [
    {
      method: "POST",
      path: "/api/v1/items/a/frames/0/measure",
      body: { outlines_xy: [ring], others_xy: [FAR] },
    },
  ]);
  assert.equal(current(finding).risk, 0.9);
  review.close();
});

test("where one outline is refused, the fault stays with it", async () => {
  const refused = { status: 422, json: { error: { code: "outside_field", message: "outline 1: outside" } } };
  answering(refused, { json: [measure(0.3)] }, refused);
  const review = reviewOf(null, { isMeasured: true });
  review.setRing("network-1", moved(RING, 1, 0));
  review.setRing("network-2", moved(FAR, 1, 0));
  await untilMeasured(review);
  const [first, second] = review.findings;
  assert.deepEqual([current(first)?.risk, first.failure], [0.3, null]);
  assert.deepEqual([current(second), second.failure], [null, "outline 1: outside"]);
  assert.equal(lastKnown(second), null, "the network's measures are those of another outline");
});

test("saving sends outlines, words and note; back at the network's result it deletes the correction", async () => {
  const review = reviewOf();
  review.choose("network-1", { composition: "spongiform" });
  review.setNote(" seen ");
  const asked = answering({ json: { etag: '"v1"' } }, { status: 204 });
  await review.save();
  assert.deepEqual(asked[0].method, "PUT");
  const finding = { uid: null, outline_xy: RING, descriptors: {}, drawn_with: "hand", note: "" };
  assert.deepEqual(asked[0].body, {
    findings: [
      { ...finding, descriptors: { composition: "spongiform" } },
      { ...finding, outline_xy: FAR },
    ],
    calipers_xy: [],
    system: "acr",
    note: "seen",
    who: "",
  });
  assert.equal(review.isChanged, false);
  review.choose("network-1", { composition: null });
  review.setNote("");
  await review.save();
  assert.equal(asked[1].method, "DELETE");
  assert.equal(asked[1].headers["If-Match"], '"v1"', "the version that it goes on from");
  assert.equal(review.saved, null);
});

test("an open frame keeps reviews with unsaved changes, and the choice within an item", () => {
  const here = new OpenFrame();
  const loaded = { prediction: { nodules: [nodule(1, RING), nodule(2, FAR)] }, correction: null };
  here.item = item;
  const first = here.show(item, 0, loaded, true);
  assert.equal(here.selected, "network-1");
  here.selected = "network-2";
  here.show(item, 1, loaded, false);
  assert.equal(here.selected, "network-2");
  assert.equal(here.hasUnsaved, false);
  here.review.setNote("mine");
  const second = here.review;
  assert.notEqual(here.show(item, 0, loaded, false), first, "a review without changes is made anew");
  assert.equal(here.hasUnsaved, true);
  assert.equal(here.show(item, 1, loaded, false), second, "one with changes is still there");
  here.close();
  assert.equal(here.chosen, null);
  here.forget(item);
  assert.deepEqual([here.item, here.hasUnsaved], [null, false]);
});

test("a saved nodule is the network's of the same UID, whatever its outline overlaps", () => {
  const prediction = {
    nodules: [
      { ...nodule(1, RING), uid: "2.25.1" },
      { ...nodule(2, FAR), uid: "2.25.2" },
    ],
  };
  const findings = [
    { uid: "2.25.2", number: 2, outline_xy: RING, descriptors: { shape: "taller-than-wide" }, note: "of two" },
    { uid: "2.25.9", number: 5, outline_xy: moved(FAR, 3, 0), descriptors: null },
  ];
  const review = new Review(item, 0, prediction, { findings, note: "", next_number: 7, etag: '"v3"' });
  assert.deepEqual(
    review.findings.map(({ uid, number, isRemoved }) => [uid, number, isRemoved]),
    [
      ["2.25.1", 1, true],
      ["2.25.2", 2, false],
      ["2.25.9", 5, false],
    ],
  );
  review.measureSoon = () => {};
  review.close();
  const key = review.add(moved(RING, 60, 60));
  assert.equal(review.finding(key).number, 7, "numbers below were given to nodules that are gone");
  review.undo();
  assert.equal(review.finding(review.add(RING)).number, 8, "a number is never given twice");
  const sent = review.toReading().findings;
  assert.deepEqual(
    sent.map(({ uid, note }) => [uid, note]),
    [
      ["2.25.2", "of two"],
      ["2.25.9", ""],
      [null, ""],
    ],
  );
});

test("identities come back to the nodules that they are of, in whatever order the page holds them", async () => {
  const prediction = { nodules: [{ ...nodule(2, RING), uid: "2.25.2" }] };
  const review = new Review(item, 0, prediction, null);
  review.measureSoon = () => {};
  const [carried, drawn] = [moved(RING, 200, 0), moved(RING, 0, 200)];
  const key = review.append(carried); // from the frame before, where it is nodule 1
  Object.assign(review.known(key), { uid: "2.25.1", number: 1 });
  const other = review.append(drawn);
  const kept = (uid, number, outline_xy) => ({ uid, number, outline_xy });
  const findings = [kept("2.25.1", 1, carried), kept("2.25.2", 2, RING), kept("2.25.9", 6, drawn)];
  answering({ json: { findings, next_number: 7, etag: '"v1"' } });
  const saving = review.save();
  review.setRing(other, moved(drawn, 1, 0)); // the answer is of what was sent
  await saving;
  const said = review.findings.map(({ uid, number }) => [uid, number]);
  assert.deepEqual(said, [["2.25.2", 2], ["2.25.1", 1], ["2.25.9", 6]]); // prettier-ignore
  review.close();
});

test("a note on a nodule is no less than an outline: a reading that holds one is not withdrawn by saving", async () => {
  const findings = [
    { uid: null, number: 1, outline_xy: RING, note: "was biopsied" },
    { number: 2, outline_xy: FAR },
  ];
  const review = reviewOf({ findings, note: "", next_number: 3, etag: '"v1"' });
  const asked = answering({ json: { etag: '"v2"' } });
  await review.save();
  assert.equal(asked[0].method, "PUT");
  review.close();
});

test("undo reaches descriptors, calipers and notes; typing without a pause is one step", () => {
  const review = reviewOf();
  review.setNote("m");
  review.setNote("ma");
  review.choose("network-1", { shape: "taller-than-wide" });
  review.setCalipers([[[1, 1], [5, 5]]]); // prettier-ignore
  assert.ok(review.isChanged);
  review.undo();
  assert.deepEqual(review.calipers, []);
  review.undo();
  assert.deepEqual(review.finding("network-1").chosen, {});
  review.undo();
  assert.equal(review.note, "");
  assert.equal(review.isChanged, false);
  while (review.redo());
  assert.deepEqual([review.note, review.finding("network-1").chosen.shape, review.calipers.length], ["ma", "taller-than-wide", 1]); // prettier-ignore
});

test("what is discarded, and what another reading replaces, can be had back", () => {
  const review = reviewOf();
  review.setNote("mine");
  review.takeOver({ outlines_xy: [RING, FAR], note: "theirs", etag: '"v2"' });
  assert.deepEqual([review.note, review.etag, review.isChanged], ["theirs", '"v2"', false]);
  review.undo();
  assert.deepEqual([review.note, review.isChanged], ["mine", true]);
});

test("another TI-RADS for a saved reading is a change: what is saved was rated by the one before", async () => {
  const review = reviewOf({ outlines_xy: [RING, FAR], note: "n", system: "eu", etag: '"v1"' });
  assert.equal(review.system, "eu", "the reading's, whatever this browser remembers");
  review.rateBy("acr");
  assert.ok(review.isChanged);
  review.undo();
  assert.deepEqual([review.system, review.isChanged], ["eu", false]);
  review.rateBy("k");
  const asked = answering({ json: { etag: '"v2"' } });
  await review.save();
  assert.deepEqual([asked[0].method, asked[0].body.system, review.isChanged], ["PUT", "k", false]);
  const next = reviewOf();
  assert.equal(next.system, "k", "as this browser remembers it");
  next.rateBy("acr");
  assert.equal(next.isChanged, false, "of an image without a reading nothing is kept");
});

test("what could not be measured without the server is measured when it is back, or when it is saved", async () => {
  const review = reviewOf();
  review.remember();
  const ring = moved(RING, 1, 1);
  review.setRing("network-1", ring);
  globalThis.fetch = async () => {
    throw new TypeError("no network");
  };
  await review.measure();
  const [finding] = review.findings;
  assert.deepEqual([finding.failure, lastKnown(finding)], ["The server does not answer.", null]);
  answering({ json: [measure(0.3)] });
  await review.measureAgain();
  assert.deepEqual([finding.failure, current(finding)], [null, measure(0.3)]);
  Object.assign(finding, { measured: null, measuredRing: ring, failure: "The server does not answer." });
  const kept = { findings: [{ uid: "2.25.1", number: 1, outline_xy: ring, nodule: measure(0.4) }] };
  answering({ json: kept });
  await review.save();
  assert.deepEqual([finding.uid, finding.failure, current(finding)], ["2.25.1", null, measure(0.4)]);
});

test("a kept review that could not be measured asks again when its frame is opened", async () => {
  const open = new OpenFrame();
  const loaded = { prediction: { nodules: [nodule(1, RING)] }, correction: null };
  const review = open.show(item, 0, loaded, true);
  review.setRing("network-1", moved(RING, 1, 1));
  review.findings[0].failure = "The server does not answer.";
  open.close();
  const asked = answering({ json: [measure(0.3)] });
  assert.equal(open.show(item, 0, loaded, true), review);
  await untilMeasured(review);
  assert.equal(asked[0].path, "/api/v1/items/a/frames/0/measure");
  assert.deepEqual(current(review.findings[0]), measure(0.3));
});

test("several words are confirmed by one press, and undone by one", () => {
  const review = reviewOf();
  review.choose("network-1", { margin: "smooth" });
  review.choose("network-1", { composition: "spongiform", shape: "wider-than-tall", margin: null });
  assert.deepEqual(review.findings[0].chosen, { composition: "spongiform", shape: "wider-than-tall" });
  review.undo();
  assert.deepEqual(review.findings[0].chosen, { margin: "smooth" });
});
