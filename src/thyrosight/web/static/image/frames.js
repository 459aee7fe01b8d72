// Item, frame -> prediction, picture, correction, map from the server. The frames used last are kept, for clips.

import { asApiError, framePath, getJson, getPicture } from "../server/api.js";
import { readerName } from "../page/reader.js";
import { Picture, colouredMap } from "./picture.js";

const KEPT = { frames: 48, pixels: 64e6 };

/**
 * @typedef {object} LoadedFrame
 * @property {Api.Prediction} prediction
 * @property {Picture} picture
 * @property {any} correction the reading of this reader, null where there is none
 * @property {Promise<OffscreenCanvas | null> | null} map requested when it is first shown
 */

export class Frames {
  constructor() {
    /** @type {Map<string, { loading: Promise<LoadedFrame>, pixels: number }>} by ITEM/FRAME, the last used at the end */
    this.kept = new Map();
  }

  /**
   * Item, frame -> { prediction, picture, correction }, which is kept while it is among the last frames and pixels KEPT.
   * @param {Api.Item} item
   * @param {number} frame
   */
  load(item, frame) {
    const key = `${item.id}/${frame}`;
    const kept = this.kept.get(key);
    if (kept) {
      this.kept.delete(key);
      this.kept.set(key, kept);
      return kept.loading;
    }
    const made = { loading: this.fetch(item, frame), pixels: 0 };
    this.kept.set(key, made);
    made.loading.then(
      ({ picture }) => {
        made.pixels = picture.width * picture.height;
        this.trim();
      },
      () => this.kept.delete(key),
    );
    return made.loading;
  }

  /** Drops what was used longest ago; the last one stays, whatever its size. */
  trim() {
    let [frames, pixels] = [0, 0];
    for (const [key, one] of [...this.kept].reverse()) {
      frames += 1;
      pixels += one.pixels;
      if (frames > 1 && (frames > KEPT.frames || pixels > KEPT.pixels)) this.kept.delete(key);
    }
  }

  /** @param {Api.Item} item @param {number} frame @returns {Promise<LoadedFrame>} */
  async fetch(item, frame) {
    const [prediction, bitmap, correction] = await Promise.all([
      getJson(framePath(item.id, frame, "result")),
      getPicture(framePath(item.id, frame, "image.png")),
      readingOf(item, frame),
    ]);
    return { prediction, picture: new Picture(bitmap), correction, map: null };
  }

  /**
   * -> the coloured malignancy map of a loaded frame; null where the model has none.
   * @param {Api.Item} item
   * @param {number} frame
   */
  async map(item, frame) {
    const loaded = await this.load(item, frame);
    loaded.map ??= getPicture(framePath(item.id, frame, "malignancy_map.png"))
      .then(colouredMap)
      .catch((error) => {
        const { status } = asApiError(error);
        if (status === 404 || status === 409) return null;
        loaded.map = null;
        throw error;
      });
    return loaded.map;
  }

  /**
   * Requests the frames that are likely next.
   * @param {Api.Item} item
   * @param {number} frame
   * @param {number} count
   * @param {boolean} isPlaying
   */
  prepare(item, frame, count, isPlaying) {
    const steps = isPlaying ? [1, 2, 3, 4, 5, 6] : [1, 2, -1];
    for (const step of steps) {
      const next = isPlaying ? (frame + step) % count : frame + step;
      if (next >= 0 && next < count) this.load(item, next).catch(() => {});
    }
  }

  /** Requests the first frames of these items. @param {(Api.Item | null)[]} items */
  prepareItems(items) {
    for (const item of items) if (item?.state === "done") this.load(item, 0).catch(() => {});
  }

  /** @param {Api.Item} item */
  forget(item) {
    for (const key of this.kept.keys()) if (key.startsWith(`${item.id}/`)) this.kept.delete(key);
  }
}

/** The reading that this reader has saved; null where there is none. @param {Api.Item} item @param {number} frame */
async function readingOf(item, frame) {
  const path = `${framePath(item.id, frame, "correction")}?who=${encodeURIComponent(readerName())}`;
  try {
    return await getJson(path);
  } catch (error) {
    if (asApiError(error).code === "no_correction") return null;
    throw error;
  }
}
