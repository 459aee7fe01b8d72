// A nodule that a reader has outlined on one frame of a clip -> the same nodule on the next frame, outlined there.

import { announce, tell } from "./page/messages.js";
import { asApiError } from "./server/api.js";
import { askOutline } from "./review/ask.js";
import { bounds, boxOverlap } from "./review/rings.js";

const ROOM = 0.15;
const SAME = 0.2;

/** @typedef {import("./review/rings.js").Ring} Ring */
/**
 * Saves the frame, opens the next, and asks the network for a nodule in the box of the old outline. Where the network
 * sees none, the outline itself is taken over. The nodule keeps its identity.
 * @param {Pick<import("./work.js").Parts, "here" | "opening" | "correcting">} parts
 */
export async function carryOn({ here, opening, correcting }) {
  const { review, item, selected } = here;
  const finding = review?.finding(selected);
  if (!review || !item || !finding || finding.isRemoved || here.frame + 1 >= (item.num_frames ?? 1)) return;
  if (review.isChanged && !(await correcting.save())) return;
  const { ring, uid, number, chosen } = finding;
  await opening.open(item, here.frame + 1);
  const next = /** @type {import("./review/review.js").Review | null} */ (here.review);
  if (!next || next === review) return;
  const outline = await outlineThere(next, ring);
  const same = next.kept.find((one) => one.uid === uid) ?? next.kept.find((one) => boxOverlap(one.ring, ring) > SAME);
  next.remember();
  const key = same?.key ?? next.append(outline);
  next.setRing(key, outline);
  Object.assign(next.known(key), { uid: uid ?? next.known(key).uid, number, chosen: { ...chosen } });
  here.selected = key;
  correcting.start();
  opening.drawPanel();
  announce(`Nodule ${number} carried to frame ${here.frame + 1}.`);
}

/** @param {import("./review/review.js").Review} review @param {Ring} ring @returns {Promise<Ring>} */
async function outlineThere(review, ring) {
  const { x0, y0, x1, y1 } = bounds(ring);
  const { width_px: width, height_px: height } = review.prediction.image;
  const room = ROOM * Math.max(x1 - x0, y1 - y0);
  const box = {
    x0: Math.max(0, Math.floor(x0 - room)),
    y0: Math.max(0, Math.floor(y0 - room)),
    x1: Math.min(width, Math.ceil(x1 + room) + 1),
    y1: Math.min(height, Math.ceil(y1 + room) + 1),
  };
  try {
    return (await askOutline(review, { box, threshold: null })).outline_xy;
  } catch (error) {
    if (asApiError(error).status !== 404) tell(asApiError(error).message);
    return ring;
  }
}
