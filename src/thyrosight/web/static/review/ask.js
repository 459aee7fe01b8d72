// A place or a box on a frame, a threshold -> the outline that the network draws there.

import { framePath, sendJson } from "../server/api.js";

/**
 * @param {import("./review.js").Review} review
 * @param {import("./editor.js").Question & { threshold: number | null }} question
 * @returns {Promise<{ outline_xy: import("./rings.js").Ring, threshold: number }>}
 */
export function askOutline(review, { point_xy, box, threshold }) {
  const others = review.kept.map(({ ring }) => ring);
  const place = point_xy ? { point_xy } : { box };
  const question = { ...place, ...(threshold === null ? {} : { threshold }), others_xy: others };
  return sendJson("POST", framePath(review.item.id, review.frame, "outline"), question);
}
