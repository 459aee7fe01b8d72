// Frames as the server has them: prediction, picture, correction, map; the last ones are kept so that a clip plays.

import { framePath, getJson, getPicture } from "../server/api.js";
import { Picture, colouredMap } from "./picture.js";

const KEPT = 48;

export class Frames {
  constructor() {
    this.kept = new Map();
  }

  /** Item, frame -> { prediction, picture, correction }; asked for once while it is kept. */
  load(item, frame) {
    const key = `${item.id}/${frame}`;
    const kept = this.kept.get(key);
    if (kept) {
      this.kept.delete(key);
      this.kept.set(key, kept);
      return kept;
    }
    const loading = this.fetch(item, frame);
    this.kept.set(key, loading);
    loading.catch(() => this.kept.delete(key));
    while (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
    return loading;
  }

  async fetch(item, frame) {
    const [prediction, bitmap, correction] = await Promise.all([
      getJson(framePath(item.id, frame, "result")),
      getPicture(framePath(item.id, frame, "image.png")),
      getJson(framePath(item.id, frame, "correction")),
    ]);
    return { prediction, picture: new Picture(bitmap), correction, map: null };
  }

  /** -> the coloured malignancy map of a loaded frame; null where the model has none. */
  async map(item, frame) {
    const loaded = await this.load(item, frame);
    loaded.map ??= getPicture(framePath(item.id, frame, "malignancy_map.png"))
      .then(colouredMap)
      .catch((error) => {
        if (error.status === 404 || error.status === 409) return null;
        loaded.map = null;
        throw error;
      });
    return loaded.map;
  }

  /** The frames that are likely next. */
  prepare(item, frame, count, isPlaying) {
    const steps = isPlaying ? [1, 2, 3, 4, 5, 6] : [1, 2, -1];
    for (const step of steps) {
      const next = isPlaying ? (frame + step) % count : frame + step;
      if (next >= 0 && next < count) this.load(item, next).catch(() => {});
    }
  }

  forget(item) {
    for (const key of this.kept.keys()) if (key.startsWith(`${item.id}/`)) this.kept.delete(key);
  }
}
