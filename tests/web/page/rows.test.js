// The work-list's rows: which are wanted, in which order, what comes next; and which of them are drawn.

import assert from "node:assert/strict";
import { test } from "node:test";

import "./browser-stub.js";
import { indexAt } from "../../../src/thyrosight/web/static/panel/virtual-list.js";
import { EVERYTHING, chosenRows, entriesOf, nextUnread } from "../../../src/thyrosight/web/static/server/rows.js";

const base = { state: "done", reading: "unread", flags: [], risk: null, level: null, num_nodules: 1, job_id: "j", job_name: "ward 3" }; // prettier-ignore
const rows = [
  { ...base, id: "a", name: "scan 10.png", risk: 0.2, level: "TR3", teaches: 0.4 },
  { ...base, id: "b", name: "scan 2.png", risk: 0.9, level: "TR4-TR5", reading: "agreed", teaches: 1.9 },
  { ...base, id: "c", name: "clip.dcm", num_nodules: 0, flags: ["no_nodule"], teaches: 1.2, job_id: "k", job_name: "" },
  { ...base, id: "d", name: "broken.png", state: "failed", num_nodules: null, job_id: "k", job_name: "" },
];
const ids = (wanted) =>
  chosenRows(rows, { ...EVERYTHING, ...wanted }, 0.5)
    .map(({ id }) => id)
    .join("");

test("rows are filtered by state, risk, level and words of their names and groups", () => {
  assert.equal(ids({}), "abcd");
  assert.equal(ids({ state: "unread" }), "ac", "as the summary counts: a file that failed is none to read");
  assert.equal(ids({ state: "agreed" }), "b");
  assert.equal(ids({ state: "flagged" }), "c");
  assert.equal(ids({ state: "failed" }), "d");
  assert.equal(ids({ risk: "high" }), "b");
  assert.equal(ids({ risk: "low" }), "a");
  assert.equal(ids({ risk: "none" }), "c");
  assert.equal(ids({ level: "TR5" }), "b");
  assert.equal(ids({ search: "WARD scan" }), "ab");
  assert.equal(ids({ search: "scan", risk: "high" }), "b");
});

test("a row that has just left what is wanted keeps its place, so that the next one is the one after it", () => {
  const read = rows.map((row) => (row.id === "b" ? { ...row, reading: "read" } : row));
  const around = chosenRows(read, { ...EVERYTHING, state: "unread" }, 0.5, "b");
  assert.deepEqual(around.map(({ id }) => id).join(""), "abc");
  assert.equal(nextUnread(around, "b").id, "c");
});

test("rows are sorted by name as people count, by risk, and by what they teach", () => {
  assert.equal(ids({ sort: "name" }), "dcba");
  assert.equal(ids({ sort: "risk" }), "bacd");

  assert.equal(ids({ sort: "teaches" }), "cadb", "what is read teaches no more");
  assert.deepEqual(rows.map(({ id }) => id).join(""), "abcd", "the rows themselves stay in order");
});

test("each job is a group with its head, where the order is theirs", () => {
  const kinds = (isGrouped) => entriesOf(rows, isGrouped).map(({ key }) => key);
  assert.deepEqual(kinds(true), ["job j", "a", "b", "job k", "c", "d"]);
  assert.deepEqual(kinds(false), ["a", "b", "c", "d"]);
});

test("the next unread one comes after the open one, then from the start; never the open one or one that failed", () => {
  assert.equal(nextUnread(rows, "a").id, "c");
  assert.equal(nextUnread(rows, "c").id, "a");
  assert.equal(nextUnread([rows[0], rows[1]], "a"), null);
  assert.equal(nextUnread([rows[3]], null), null);
});

test("the row at a place is found by halves", () => {
  const tops = [0, 30, 84, 138, 168];
  assert.deepEqual([-5, 0, 29, 30, 100, 167, 999].map((place) => indexAt(tops, place)), [0, 0, 0, 1, 2, 3, 3]); // prettier-ignore
  assert.equal(indexAt([0], 50), 0);
});
