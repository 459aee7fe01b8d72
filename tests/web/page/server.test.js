// Requests and files: errors with a type, patience with a busy server, what is sent and in which parcels.

import assert from "node:assert/strict";
import { test } from "node:test";

import { answering } from "./browser-stub.js";
import * as api from "../../../src/thyrosight/web/static/server/api.js";
import { chosenImages, parcels } from "../../../src/thyrosight/web/static/server/files.js";
import { Models } from "../../../src/thyrosight/web/static/server/models.js";
import { Queue } from "../../../src/thyrosight/web/static/server/queue.js";

const file = (name, size = 10) => ({ name, size });

test("a refusal has the server's code and words", async () => {
  answering({ status: 409, json: { error: { code: "not_ready", message: "a.png: not finished yet" } } });
  await assert.rejects(api.getJson("items/a/clip"), { status: 409, code: "not_ready", message: "a.png: not finished yet" }); // prettier-ignore
});

test("no answer is offline", async () => {
  globalThis.fetch = async () => {
    throw new TypeError("no route");
  };
  await assert.rejects(api.getJson("health"), (error) => error.isOffline && error.code === "offline");
});

test("a busy server is asked again after the seconds that it names", async () => {
  let tries = 0;
  globalThis.fetch = async () => {
    tries += 1;
    if (tries > 1) return new Response('{"ok": true}');
    return new Response("{}", { status: 503, headers: { "Retry-After": "1" } });
  };
  const waits = [];
  assert.deepEqual(await api.getJson("health", { onBusy: (seconds) => waits.push(seconds) }), { ok: true });
  assert.deepEqual([waits, tries], [[1], 2]);
});

test("ids are escaped in paths", () => {
  assert.equal(api.framePath("a/b", 3, "result"), "items/a%2Fb/frames/3/result");
  assert.equal(api.itemPath("a", "clip"), "items/a/clip");
});

test("any fault becomes one with a line for people", () => {
  const own = new api.ApiError(404, "not_found", "gone");
  assert.equal(api.asApiError(own), own);
  assert.deepEqual([api.asApiError(new Error("oops")).message, api.asApiError("x").isOffline], ["oops", false]);
});

test("what is surely no image is left out, the rest in natural order", () => {
  const { images, numSkipped } = chosenImages(["b10.png", "b9.png", "notes.txt", ".DS_Store", "DICOMDIR", "IM0001"].map((name) => file(name)).concat(file("empty.png", 0))); // prettier-ignore
  assert.deepEqual(images.map(({ name }) => name), ["b9.png", "b10.png", "IM0001"]); // prettier-ignore
  assert.equal(numSkipped, 4);
});

test("parcels hold at most 16 files and 48 MB, a larger file goes alone", () => {
  assert.deepEqual(parcels([]), []);
  const many = Array.from({ length: 33 }, (_, i) => file(`${i}.png`));
  assert.deepEqual(parcels(many).map((one) => one.length), [16, 16, 1]); // prettier-ignore
  const sizes = [30e6, 30e6, 100e6, 1e6].map((size, i) => file(`${i}.png`, size));
  assert.deepEqual(parcels(sizes).map((one) => one.map(({ name }) => name)), [["0.png"], ["1.png"], ["2.png"], ["3.png"]]); // prettier-ignore
});

const row = (id, state = "done", job_id = id) => ({ id, state, job_id, reading: "unread", flags: [] });

test("counts are of all rows and of what is on its way", () => {
  const queue = new Queue();
  queue.replace(["queued", "running", "done", "done", "failed"].map((state, i) => row(String(i), state, "j")));
  queue.sending = [
    { file: file("a"), name: "a", error: null },
    { file: file("b"), name: "b", error: "refused" },
  ];
  assert.deepEqual(queue.counts, { queued: 2, running: 1, done: 2, failed: 1 });
  assert.deepEqual(queue.openJobs, ["j"]);
  assert.equal(queue.item("3").state, "done");
  assert.equal(queue.item("x"), null);
});

test("a job that is sent while the list is on its way stays, one that is removed does not come back", async () => {
  const queue = new Queue();
  queue.replace([row("old"), row("removed")]);
  globalThis.fetch = async (url, { method = "GET" } = {}) => {
    if (method === "DELETE") return new Response(null, { status: 204 });
    const job = new URL(url).searchParams.get("job");
    if (job) return new Response(JSON.stringify({ items: [row("sent")], next_cursor: null }));
    await queue.refresh("sent");
    await queue.removeJob("removed");
    const items = [row("other"), row("old"), row("removed")];
    return new Response(JSON.stringify({ items, next_cursor: null }));
  };
  await queue.load();
  assert.deepEqual(queue.rows.map(({ id }) => id), ["sent", "other", "old"]); // prettier-ignore
});

test("the list comes in pages, the first is shown at once", async () => {
  const queue = new Queue();
  const asked = answering({ json: { items: [row("a")], next_cursor: "1" } }, { json: { items: [row("b")], next_cursor: null } }); // prettier-ignore
  const shown = [];
  queue.addEventListener("changed", () => shown.push(queue.rows.length));
  await queue.load();
  assert.deepEqual(shown, [1, 2, 2]);
  assert.equal(asked.length, 2);
});

test("an item that has just been finished is told once; a job that is gone is forgotten", async () => {
  const queue = new Queue();
  queue.replace([row("0", "running", "j"), row("1")]);
  const done = [];
  queue.addEventListener("done", (event) => done.push(event.detail.id));
  const finished = { items: [row("0", "done", "j")], next_cursor: null };
  answering(
    { json: finished },
    { json: finished },
    { status: 404, json: { error: { code: "not_found", message: "" } } },
  );
  await queue.refresh("j");
  await queue.refresh("j");
  assert.deepEqual(done, ["0"]);
  await queue.refresh("j");
  assert.deepEqual(queue.rows.map(({ id }) => id), ["1"]); // prettier-ignore
});

test("a folder is one group with its name; its files are sent to it in their order, with their paths", async () => {
  const queue = new Queue();
  const posts = [];
  globalThis.fetch = async (url, { method = "GET", body = null } = {}) => {
    const { pathname, search } = new URL(url);
    if (method === "POST") {
      posts.push([pathname + search, body.getAll("files").map(({ name }) => name)]);
      return new Response(JSON.stringify({ id: "j" }), { status: 202 });
    }
    return new Response(JSON.stringify({ items: [], next_cursor: null }));
  };
  const names = Array.from({ length: 20 }, (_, i) => `${i}.png`).reverse();
  const files = names.map((name) => Object.assign(new File(["x"], name), { webkitRelativePath: `ward 3/${name}` }));
  await queue.add(files);
  assert.deepEqual(posts.map(([path, { length }]) => [path, length]), [["/api/v1/jobs?name=ward%203", 16], ["/api/v1/jobs/j/files", 4]]); // prettier-ignore
  assert.deepEqual(posts[0][1].slice(0, 2), ["ward 3/0.png", "ward 3/1.png"]);
});

test("what a reader has corrected stays so, whatever they say by a key; another row takes the word", async () => {
  const queue = new Queue();
  queue.replace([{ ...row("a"), reading: "corrected" }, row("b")]);
  answering(...Array(8).fill({ json: {} }));
  for (const verdict of ["skipped", "agreed", "read", "unread"]) {
    for (const id of ["a", "b"]) await queue.judge(queue.item(id), verdict);
    assert.deepEqual([queue.item("a").reading, queue.item("b").reading], ["corrected", verdict]);
  }
});

test("the list calls a risk high by the model that is chosen now", async () => {
  const models = new Models();
  assert.equal(models.threshold, 0.5);
  answering({ json: { id: "b", operating_points: [{ threshold: 0.31 }] } });
  await models.choose("b");
  assert.equal(models.threshold, 0.31);
});
