// The work-list of this server: loads its rows, sends files, follows and removes them, records verdicts of the reader.

import { ApiError, asApiError, getJson, pause, request, sendJson } from "./api.js";
import { chosenImages, folderOf, parcels, pathOf } from "./files.js";
import { readerName } from "../page/reader.js";
import { plural } from "../page/format.js";

const POLL_MS = { busy: 500, patient: 4000, perRow: 2 };
const PAGE = { first: 200, more: 500 };

/** @typedef {import("./rows.js").Row} Row */
/** @typedef {import("./rows.js").Verdict} Verdict */
/** @typedef {{ file: File, name: string, error: string | null, job: { id: string | null, name: string } }} Sending a file on its way to the server */

/** Events: `changed`; `done` (detail: a row that has just finished); `told` (detail: a line for people). */
export class Queue extends EventTarget {
  constructor() {
    super();
    /** @type {Row[]} in the server's order: newest job first, each in its own order */
    this.rows = [];
    /** @type {Map<string, Row>} */
    this.byId = new Map();
    /** @type {Sending[]} */
    this.sending = [];
    this.isLoaded = false;
    this.isPolling = false;
    /** @type {number | null} seconds until a full server is asked again */
    this.wait = null;
    this.turn = 0;
    /** @type {Set<string>} jobs whose rows here are newer than those of a list that is being loaded */
    this.fresh = new Set();
    /** @type {Array<(row: Row) => boolean>} one test per removal: whether the row was removed by it */
    this.gone = [];
  }

  /** @param {string} id */
  item(id) {
    return this.byId.get(id) ?? null;
  }

  get counts() {
    const counts = { queued: this.sending.filter((one) => !one.error).length, running: 0, done: 0, failed: 0 };
    for (const row of this.rows) counts[row.state] += 1;
    return counts;
  }

  /**
   * Loads every row and shows the first page at once. Rows that are sent meanwhile are kept, and rows that are removed
   * meanwhile stay removed.
   */
  async load() {
    const turn = ++this.turn;
    this.fresh = new Set();
    /** @type {Row[]} */
    const rows = [];
    const isFirst = !this.isLoaded;
    for await (const some of this.pages({})) {
      rows.push(...some);
      if (turn !== this.turn) return;
      if (isFirst) this.replace(this.withMeanwhile(rows));
    }
    this.replace(this.withMeanwhile(rows));
    this.poll();
  }

  /** @param {Row[]} loaded */
  withMeanwhile(loaded) {
    const known = loaded.map((row) => (this.fresh.has(row.job_id) ? (this.byId.get(row.id) ?? row) : row));
    const jobs = new Set(loaded.map((row) => row.job_id));
    const sent = this.rows.filter((row) => this.fresh.has(row.job_id) && !jobs.has(row.job_id));
    return this.stillThere([...sent, ...known]);
  }

  /** @param {Row[]} rows */
  stillThere(rows) {
    return this.gone.length ? rows.filter((row) => !this.gone.some((isGone) => isGone(row))) : rows;
  }

  /** @param {Record<string, string>} wanted */
  async *pages(wanted) {
    /** @type {string | null} */
    let cursor = null;
    let limit = PAGE.first;
    do {
      /** @type {Record<string, string>} */
      const place = cursor ? { cursor } : {};
      const query = new URLSearchParams({ ...wanted, who: readerName(), limit: String(limit), ...place });
      /** @type {{ items: Row[], next_cursor: string | null }} */
      const answer = await getJson(`worklist?${query}`);
      yield answer.items;
      cursor = answer.next_cursor;
      limit = PAGE.more;
    } while (cursor);
  }

  /** @param {Row[]} rows */
  replace(rows) {
    this.rows = [...rows];
    this.byId = new Map(rows.map((row) => [row.id, row]));
    this.isLoaded = true;
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("changed"));
  }

  /** @param {string} text */
  tell(text) {
    this.dispatchEvent(new CustomEvent("told", { detail: text }));
  }

  /**
   * Sends files. The files of a folder form one group with its name, in its order. A refused parcel is sent file by
   * file, so that each error is shown at its file.
   * @param {File[]} files
   */
  async add(files) {
    const { images, numSkipped } = chosenImages(files);
    if (numSkipped) this.tell(`${plural(numSkipped, "file")} left out: not an image.`);
    if (!images.length) return;
    const job = { id: null, name: folderOf(images) };
    /** @type {Sending[]} */
    const waiting = images.map((file) => ({ file, name: file.name, error: null, job }));
    this.sending = [...this.sending, ...waiting];
    this.changed();
    for (const parcel of parcels(images)) {
      const wanted = new Set(parcel);
      await this.send(waiting.filter((entry) => wanted.has(entry.file)));
    }
  }

  /** @param {Sending[]} entries */
  async send(entries) {
    const { job } = entries[0];
    const form = new FormData();
    for (const { file } of entries) form.append("files", file, pathOf(file));
    /** @param {number} seconds */
    const onBusy = (seconds) => {
      this.wait = seconds;
      this.changed();
    };
    const path = job.id ? `jobs/${job.id}/files` : `jobs${job.name ? `?name=${encodeURIComponent(job.name)}` : ""}`;
    try {
      const response = await request(path, { method: "POST", body: form, onBusy });
      job.id = (await response.json()).id;
      const sent = new Set(entries);
      this.sending = this.sending.filter((entry) => !sent.has(entry));
      await this.refresh(/** @type {string} */ (job.id));
    } catch (error) {
      const { status } = asApiError(error);
      if (entries.length > 1 && (status === 413 || status === 415 || status === 422)) {
        for (const entry of entries) await this.send([entry]);
        return;
      }
      for (const entry of entries) entry.error = error instanceof ApiError ? error.message : "It could not be sent.";
    } finally {
      this.wait = null;
    }
    this.changed();
    this.poll();
  }

  /** @param {Sending} entry */
  dismiss(entry) {
    this.sending = this.sending.filter((other) => other !== entry);
    this.changed();
  }

  /** @param {Sending} entry */
  async retry(entry) {
    entry.error = null;
    this.changed();
    await this.send([entry]);
  }

  /** Jobs with rows that are not finished. */
  get openJobs() {
    const open = this.rows.filter(({ state }) => state === "queued" || state === "running");
    return [...new Set(open.map((row) => row.job_id))];
  }

  /** Asks for the unfinished jobs until they are finished; the more rows, the less often. */
  async poll() {
    if (this.isPolling) return;
    this.isPolling = true;
    try {
      for (let open = this.openJobs; open.length; open = this.openJobs) {
        const wanted = new Set(open);
        const size = this.rows.filter((row) => wanted.has(row.job_id)).length;
        await pause(document.hidden ? POLL_MS.patient : Math.max(POLL_MS.busy, POLL_MS.perRow * size));
        for (const id of open) await this.refresh(id);
        this.changed();
      }
    } catch (error) {
      const { isOffline, message } = asApiError(error);
      if (!isOffline) this.tell(message);
    } finally {
      this.isPolling = false;
    }
  }

  /** The rows of one job as they are now. @param {string} jobId */
  async refresh(jobId) {
    /** @type {Row[]} */
    const answered = [];
    try {
      for await (const some of this.pages({ job: jobId })) answered.push(...some);
    } catch (error) {
      if (asApiError(error).status !== 404) throw error;
    }
    const fresh = this.stillThere(answered);
    this.fresh.add(jobId);
    const before = new Map(this.rows.filter((row) => row.job_id === jobId).map((row) => [row.id, row.state]));
    const at = this.rows.findIndex((row) => row.job_id === jobId);
    const others = this.rows.filter((row) => row.job_id !== jobId);
    others.splice(Math.max(0, at), 0, ...fresh);
    this.rows = others;
    for (const id of before.keys()) this.byId.delete(id);
    for (const row of fresh) this.byId.set(row.id, row);
    for (const row of fresh) {
      if (row.state === "done" && before.get(row.id) !== "done")
        this.dispatchEvent(new CustomEvent("done", { detail: row }));
    }
  }

  /** The row of one item as it is now, with what the reader has just saved. @param {string} id */
  async follow(id) {
    const row = this.byId.get(id);
    if (!row) return;
    const query = new URLSearchParams({ who: readerName(), item: id });
    try {
      const { items } = await getJson(`worklist?${query}`);
      const now = items.find((/** @type {Row} */ one) => one.id === id);
      if (now) this.note(id, now);
    } catch (error) {
      if (!asApiError(error).isOffline) this.tell(asApiError(error).message);
    }
  }

  /** Sends the reader's verdict on an item, given by one key. A corrected item stays corrected, as on the server. @param {Row} row @param {Verdict} verdict */
  async judge(row, verdict) {
    await sendJson("PUT", `items/${encodeURIComponent(row.id)}/verdict`, { who: readerName(), verdict });
    this.note(row.id, { reading: row.reading === "corrected" ? "corrected" : verdict });
  }

  /** @param {string} id @param {Partial<Row>} change */
  note(id, change) {
    const row = this.byId.get(id);
    if (!row) return;
    Object.assign(row, change);
    this.changed();
  }

  /** @param {string} path of the job or of the item @param {(row: Row) => boolean} isGone */
  async remove(path, isGone) {
    await request(path, { method: "DELETE" }).catch((error) => {
      if (error.status !== 404) throw error;
    });
    this.gone.push(isGone);
    this.replace(this.rows.filter((row) => !isGone(row)));
  }

  /** @param {string} id */
  removeJob(id) {
    return this.remove(`jobs/${encodeURIComponent(id)}`, (row) => row.job_id === id);
  }

  /** @param {string} id */
  removeItem(id) {
    return this.remove(`items/${encodeURIComponent(id)}`, (row) => row.id === id);
  }
}
