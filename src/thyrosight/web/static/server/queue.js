// The jobs on this server: sends files, follows them until they are done, removes them. panel/queue-list.js shows them.

import { ApiError, asApiError, getJson, pause, request } from "./api.js";
import { chosenImages, parcels } from "./files.js";
import { plural } from "../page/format.js";

const POLL_MS = { busy: 500, patient: 2000 };
const MAX_PAGES = 5;

/** @typedef {{ file: File, name: string, error: string | null }} Sending a file on its way to the server */

/** Events: `changed`; `done` (detail: an item that has just finished); `told` (detail: a line for people). */
export class Queue extends EventTarget {
  constructor() {
    super();
    /** @type {Api.Job[]} */
    this.jobs = [];
    /** @type {Sending[]} */
    this.sending = [];
    this.isLoaded = false;
    this.isPolling = false;
    /** @type {number | null} seconds until a full server is asked again */
    this.wait = null;
  }

  get items() {
    return this.jobs.flatMap((job) => job.items);
  }

  /** @param {string} id */
  item(id) {
    return this.items.find((item) => item.id === id) ?? null;
  }

  get counts() {
    const counts = { queued: this.sending.filter((one) => !one.error).length, running: 0, done: 0, failed: 0 };
    for (const item of this.items) counts[item.state] += 1;
    return counts;
  }

  get isBusy() {
    return this.items.some((item) => item.state === "queued" || item.state === "running");
  }

  /** Loads every job of the server, newest first. A job that is sent or removed meanwhile stays so. */
  async load() {
    const before = new Set(this.jobs.map((job) => job.id));
    const jobs = [];
    /** @type {string | null} */
    let path = "jobs?limit=50";
    for (let page = 0; path && page < MAX_PAGES; page += 1) {
      const answer = await getJson(path);
      jobs.push(...(Array.isArray(answer) ? answer : answer.jobs));
      path = answer.next_offset ? `jobs?limit=50&offset=${answer.next_offset}` : null;
    }
    /** @type {Api.Job[]} */
    const loaded = await Promise.all(jobs.map((job) => (job.items ? job : getJson(`jobs/${job.id}`))));
    const sent = this.jobs.filter((job) => !before.has(job.id) && !loaded.some((other) => other.id === job.id));
    const now = new Set(this.jobs.map((job) => job.id));
    this.jobs = [...sent, ...loaded.filter((job) => now.has(job.id) || !before.has(job.id))];
    this.isLoaded = true;
    this.changed();
    this.poll();
  }

  changed() {
    this.dispatchEvent(new Event("changed"));
  }

  /** @param {string} text */
  tell(text) {
    this.dispatchEvent(new CustomEvent("told", { detail: text }));
  }

  /**
   * Sends files, one job per parcel. A refused parcel is sent file by file, so that each error stands at its file.
   * @param {File[]} files
   */
  async add(files) {
    const { images, numSkipped } = chosenImages(files);
    if (numSkipped) this.tell(`${plural(numSkipped, "file")} left out: not an image.`);
    if (!images.length) return;
    /** @type {Sending[]} */
    const waiting = images.map((file) => ({ file, name: file.name, error: null }));
    this.sending = [...this.sending, ...waiting];
    this.changed();
    for (const parcel of parcels(images)) {
      const entries = waiting.filter((entry) => parcel.includes(entry.file));
      await this.send(entries);
    }
  }

  /** @param {Sending[]} entries */
  async send(entries) {
    const form = new FormData();
    for (const { file } of entries) form.append("files", file, file.name);
    /** @param {number} seconds */
    const onBusy = (seconds) => {
      this.wait = seconds;
      this.changed();
    };
    try {
      const response = await request("jobs", { method: "POST", body: form, onBusy });
      const job = await response.json();
      this.sending = this.sending.filter((entry) => !entries.includes(entry));
      this.jobs = [
        {
          ...job,
          items: job.items.map((/** @type {Api.AcceptedItem} */ item) => ({ error: null, num_frames: null, ...item })),
        },
        ...this.jobs,
      ];
    } catch (error) {
      const { status } = asApiError(error);
      if (entries.length > 1 && (status === 413 || status === 422)) {
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

  /** Follows the jobs that are not finished until they are. */
  async poll() {
    if (this.isPolling) return;
    this.isPolling = true;
    try {
      while (this.isBusy) {
        await pause(document.hidden ? POLL_MS.patient : POLL_MS.busy);
        const open = this.jobs.filter((job) =>
          job.items.some((item) => item.state === "queued" || item.state === "running"),
        );
        for (const job of open) await this.refresh(job);
        this.changed();
      }
    } catch (error) {
      const { isOffline, message } = asApiError(error);
      if (!isOffline) this.tell(message);
    } finally {
      this.isPolling = false;
    }
  }

  /** @param {Api.Job} job */
  async refresh(job) {
    try {
      /** @type {Api.Job} */
      const fresh = await getJson(`jobs/${job.id}`);
      const before = new Map(job.items.map((item) => [item.id, item.state]));
      this.jobs = this.jobs.map((other) => (other.id === job.id ? fresh : other));
      for (const item of fresh.items) {
        if (item.state === "done" && before.get(item.id) !== "done")
          this.dispatchEvent(new CustomEvent("done", { detail: item }));
      }
    } catch (error) {
      if (asApiError(error).status !== 404) throw error;
      this.jobs = this.jobs.filter((other) => other.id !== job.id);
    }
  }

  /** @param {Api.Job} job */
  async remove(job) {
    await request(`jobs/${job.id}`, { method: "DELETE" }).catch((error) => {
      if (error.status !== 404) throw error;
    });
    this.jobs = this.jobs.filter((other) => other.id !== job.id);
    this.changed();
  }
}
