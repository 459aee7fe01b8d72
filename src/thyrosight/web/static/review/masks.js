// Rings -> new rings, computed on pixels: paint, erase, split, join, keep apart from other nodules.
// A mask is a Uint8Array over a box of whole pixels. A ring holds the pixels on its border, as the server counts them.

import { bounds, insideImage, ringArea, simplified } from "./rings.js";

/** @typedef {import("./rings.js").Ring} Ring */
/** @typedef {import("./rings.js").Point} Point */
/** @typedef {{ x0: number, y0: number, width: number, height: number }} Grid the pixels that a mask covers */
/** @typedef {{ width_px: number, height_px: number }} ImageSize */

const MIN_PIXELS = 16;
const CUT_PX = 1.5;
const KEPT_SHARE = 0.2;
const SMOOTH_STEPS = 2;

/** Rings, margin, image -> the pixels that hold them all. @param {Ring[]} rings @param {number} margin @param {ImageSize} image @returns {Grid} */
export function gridOf(rings, margin, { width_px: width, height_px: height }) {
  const { x0, y0, x1, y1 } = bounds(rings.flat());
  const left = Math.max(0, Math.floor(x0 - margin));
  const top = Math.max(0, Math.floor(y0 - margin));
  const right = Math.min(width - 1, Math.ceil(x1 + margin));
  const bottom = Math.min(height - 1, Math.ceil(y1 + margin));
  return { x0: left, y0: top, width: Math.max(1, right - left + 1), height: Math.max(1, bottom - top + 1) };
}

/** @param {Grid} grid */
const emptyMask = ({ width, height }) => new Uint8Array(width * height);

/** Ring -> its pixels, border pixels included. @param {Ring} ring @param {Grid} grid */
export function maskOf(ring, grid) {
  const mask = emptyMask(grid);
  const points = ring.map(([x, y]) => /** @type {Point} */ ([Math.floor(x + 0.5), Math.floor(y + 0.5)]));
  for (let row = 0; row < grid.height; row += 1) fillRow(mask, grid, points, row);
  points.forEach((start, index) => paintLine(mask, grid, start, points[(index + 1) % points.length]));
  return mask;
}

/** Fills between the crossings of a row (even-odd rule). @param {Uint8Array} mask @param {Grid} grid @param {Ring} points @param {number} row */
function fillRow(mask, grid, points, row) {
  const y = row + grid.y0;
  /** @type {number[]} */
  const crossings = [];
  points.forEach(([ax, ay], index) => {
    const [bx, by] = points[(index + 1) % points.length];
    if (ay > y !== by > y) crossings.push(ax + ((bx - ax) * (y - ay)) / (by - ay));
  });
  crossings.sort((a, b) => a - b);
  for (let i = 0; i + 1 < crossings.length; i += 2) {
    const from = Math.max(0, Math.ceil(crossings[i]) - grid.x0);
    const to = Math.min(grid.width - 1, Math.floor(crossings[i + 1]) - grid.x0);
    if (to >= from) mask.fill(1, row * grid.width + from, row * grid.width + to + 1);
  }
}

/** @param {Uint8Array} mask @param {Grid} grid @param {Point} start @param {Point} end */
function paintLine(mask, grid, [ax, ay], [bx, by]) {
  const steps = Math.max(1, Math.abs(bx - ax), Math.abs(by - ay));
  for (let step = 0; step <= steps; step += 1) {
    const x = Math.round(ax + ((bx - ax) * step) / steps) - grid.x0;
    const y = Math.round(ay + ((by - ay) * step) / steps) - grid.y0;
    if (x >= 0 && y >= 0 && x < grid.width && y < grid.height) mask[y * grid.width + x] = 1;
  }
}

/**
 * Sets every pixel within a radius of a stroke. @param {Uint8Array} mask @param {Grid} grid @param {Ring} stroke
 * @param {number} radius @param {0 | 1} value
 */
function paint(mask, grid, stroke, radius, value) {
  const reach = radius * radius;
  for (let row = 0; row < grid.height; row += 1) {
    for (let column = 0; column < grid.width; column += 1) {
      const at = row * grid.width + column;
      if (mask[at] !== value && squareTo(stroke, column + grid.x0, row + grid.y0) <= reach) mask[at] = value;
    }
  }
}

/** Square of the distance from a pixel to a stroke. @param {Ring} stroke @param {number} x @param {number} y */
function squareTo(stroke, x, y) {
  let best = (stroke[0][0] - x) ** 2 + (stroke[0][1] - y) ** 2;
  for (let i = 1; i < stroke.length; i += 1) {
    const [ax, ay] = stroke[i - 1];
    const [dx, dy] = [stroke[i][0] - ax, stroke[i][1] - ay];
    const square = dx * dx + dy * dy;
    const share = square ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / square)) : 0;
    best = Math.min(best, (ax + share * dx - x) ** 2 + (ay + share * dy - y) ** 2);
  }
  return best;
}

/** Mask -> its connected parts, the largest first. @param {Uint8Array} mask @param {Grid} grid */
export function partsOf(mask, { width, height }) {
  const left = mask.slice();
  /** @type {{ mask: Uint8Array, size: number }[]} */
  const parts = [];
  for (let seed = left.indexOf(1); seed >= 0; seed = left.indexOf(1, seed)) {
    const part = new Uint8Array(mask.length);
    const todo = [seed];
    left[seed] = 0;
    let size = 0;
    while (todo.length) {
      const at = /** @type {number} */ (todo.pop());
      part[at] = 1;
      size += 1;
      const [x, y] = [at % width, Math.floor(at / width)];
      for (const [nx, ny] of [
        [x - 1, y],
        [x + 1, y],
        [x, y - 1],
        [x, y + 1],
      ]) {
        // prettier-ignore
        const next = ny * width + nx;
        if (nx >= 0 && ny >= 0 && nx < width && ny < height && left[next]) {
          left[next] = 0;
          todo.push(next);
        }
      }
    }
    parts.push({ mask: part, size });
  }
  return parts.sort((a, b) => b.size - a.size);
}

/** Steps to the eight neighbours of a pixel, clockwise from the right. */
const AROUND = [[1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1], [0, -1], [1, -1]]; // prettier-ignore

/** One connected part -> the ring through the centres of its border pixels (Moore's tracing). @param {Uint8Array} mask @param {Grid} grid @returns {Ring} */
export function traced(mask, { x0, y0, width, height }) {
  const isIn = (/** @type {number} */ x, /** @type {number} */ y) =>
    x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] === 1;
  const start = mask.indexOf(1);
  let [x, y] = [start % width, Math.floor(start / width)];
  const first = [x, y];
  let from = 5;
  /** @type {Ring} */
  const ring = [];
  for (let count = 0; count < 4 * mask.length; count += 1) {
    ring.push([x + x0, y + y0]);
    const turn = AROUND.findIndex((_, k) => {
      const [dx, dy] = AROUND[(from + k) % 8];
      return isIn(x + dx, y + dy);
    });
    if (turn < 0) break;
    const heading = (from + turn) % 8;
    x += AROUND[heading][0];
    y += AROUND[heading][1];
    from = (heading + 6) % 8;
    if (x === first[0] && y === first[1]) break;
  }
  return ring;
}

/** The largest part of a mask -> a smooth ring; null where hardly anything is left. @param {Uint8Array} mask @param {Grid} grid */
function ringFrom(mask, grid) {
  const [largest] = partsOf(mask, grid);
  return largest && largest.size >= MIN_PIXELS ? ringOfPart(largest.mask, grid) : null;
}

/** @param {Uint8Array} part @param {Grid} grid */
const ringOfPart = (part, grid) => simplified(averaged(traced(part, grid), SMOOTH_STEPS), 0.4);

/** Each point becomes half itself plus a quarter of each neighbour; this is repeated `times` times. @param {Ring} ring @param {number} times @returns {Ring} */
function averaged(ring, times) {
  let now = ring;
  for (let time = 0; time < times; time += 1) {
    now = now.map(([x, y], i) => {
      const [ax, ay] = now[(i + now.length - 1) % now.length];
      const [bx, by] = now[(i + 1) % now.length];
      return [(ax + 2 * x + bx) / 4, (ay + 2 * y + by) / 4];
    });
  }
  return now;
}

/** Ring, stroke, radius -> the ring with the stroke painted to it; null where they don't meet. @param {Ring} ring @param {Ring} stroke @param {number} radius @param {ImageSize} image */
export function painted(ring, stroke, radius, image) {
  const grid = gridOf([ring, stroke], radius + 2, image);
  const before = maskOf(ring, grid);
  const mask = before.slice();
  paint(mask, grid, stroke, radius, 1);
  const [largest] = partsOf(mask, grid);
  return largest.mask.some((one, at) => one !== before[at]) ? ringFrom(mask, grid) : null;
}

/** Ring, stroke, radius -> the largest part that is left; null where nothing is left. @param {Ring} ring @param {Ring} stroke @param {number} radius @param {ImageSize} image */
export function erased(ring, stroke, radius, image) {
  const grid = gridOf([ring], 2, image);
  const mask = maskOf(ring, grid);
  paint(mask, grid, stroke, radius, 0);
  return ringFrom(mask, grid);
}

/** Ring, a line across it -> its two parts, the larger first; null where the line does not divide the ring. @param {Ring} ring @param {Point} from @param {Point} to @param {ImageSize} image @returns {[Ring, Ring] | null} */
export function split(ring, from, to, image) {
  const grid = gridOf([ring], 2, image);
  const mask = maskOf(ring, grid);
  paint(mask, grid, [from, to], CUT_PX, 0);
  const [first, second] = partsOf(mask, grid);
  if (!second || second.size < MIN_PIXELS) return null;
  return [ringOfPart(first.mask, grid), ringOfPart(second.mask, grid)];
}

/** Two rings -> one ring around both; a gap between them is closed where they are nearest. @param {Ring} first @param {Ring} second @param {ImageSize} image */
export function joined(first, second, image) {
  const grid = gridOf([first, second], 2, image);
  const mask = maskOf(first, grid);
  const other = maskOf(second, grid);
  const bridge = maskOf(bridgeOf(first, second), grid);
  mask.forEach((_, at) => (mask[at] |= other[at] | bridge[at]));
  return ringFrom(mask, grid);
}

/** Whether a ring holds at least half of another ring's pixels. @param {Ring} ring @param {Ring} part @param {ImageSize} image */
export function holdsMost(ring, part, image) {
  const grid = gridOf([part], 2, image);
  const mask = maskOf(ring, grid);
  const wanted = maskOf(part, grid);
  const count = (/** @type {(at: number) => unknown} */ isIt) => wanted.reduce((sum, one, at) => sum + (one && isIt(at) ? 1 : 0), 0); // prettier-ignore
  return 2 * count((at) => mask[at]) >= count(() => true);
}

/** @param {Ring} first @param {Ring} second @returns {Ring} */
function bridgeOf(first, second) {
  const near = (/** @type {Point} */ [x, y], /** @type {Ring} */ ring) =>
    Math.sqrt(Math.min(...ring.map(([px, py]) => (px - x) ** 2 + (py - y) ** 2)));
  const gap = Math.min(...first.map((point) => near(point, second)));
  const width = 0.2 * Math.sqrt(Math.min(ringArea(first), ringArea(second)));
  const ends = [...first.filter((p) => near(p, second) <= gap + width), ...second.filter((p) => near(p, first) <= gap + width)]; // prettier-ignore
  return hull(ends);
}

/** Points -> their convex hull (Andrew 1979). @param {Ring} points @returns {Ring} */
export function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (/** @type {Ring} */ ordered) => {
    /** @type {Ring} */
    const chain = [];
    for (const [x, y] of ordered) {
      for (; chain.length > 1; chain.pop()) {
        const [[ax, ay], [bx, by]] = chain.slice(-2);
        if ((bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0) break;
      }
      chain.push([x, y]);
    }
    return chain.slice(0, -1);
  };
  const ring = [...half(sorted), ...half(sorted.toReversed())];
  return ring.length ? ring : points;
}

/**
 * Ring, other nodules -> the ring without their pixels, at a distance of one pixel; `ring` is null where too little is
 * left.
 * @param {Ring} ring
 * @param {Ring[]} others
 * @param {ImageSize} image
 * @returns {{ ring: Ring | null, isCut: boolean }}
 */
export function apart(ring, others, image) {
  const grid = gridOf([ring], 2, image);
  const mask = maskOf(ring, grid);
  const before = mask.reduce((sum, one) => sum + one, 0);
  let isCut = false;
  for (const other of others) {
    const taken = maskOf(other, grid);
    if (!mask.some((one, at) => one && taken[at])) continue;
    isCut = true;
    mask.forEach((one, at) => {
      if (one && isNear(taken, grid, at)) mask[at] = 0;
    });
  }
  if (!isCut) return { ring, isCut };
  const [largest] = partsOf(mask, grid);
  const isEnough = largest && largest.size >= Math.max(MIN_PIXELS, KEPT_SHARE * before);
  return { ring: isEnough ? ringOfPart(largest.mask, grid) : null, isCut };
}

/** Whether a pixel of the mask is here or next to here. @param {Uint8Array} mask @param {Grid} grid @param {number} at */
function isNear(mask, { width, height }, at) {
  const [x, y] = [at % width, Math.floor(at / width)];
  for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row += 1)
    for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column += 1)
      if (mask[row * width + column]) return true;
  return false;
}

/**
 * Ring -> the same without its small corners: points at equal steps, averaged with their neighbours, of equal area.
 * @param {Ring} ring
 * @param {ImageSize} image
 * @returns {Ring}
 */
export function smoothed(ring, { width_px: width, height_px: height }) {
  const even = spaced(ring, 96);
  const soft = averaged(even, 12);
  const scale = Math.sqrt(ringArea(ring) / Math.max(1, ringArea(soft)));
  const [cx, cy] = [0, 1].map((axis) => soft.reduce((sum, point) => sum + point[axis], 0) / soft.length);
  const grown = soft.map(([x, y]) => /** @type {Point} */ ([cx + scale * (x - cx), cy + scale * (y - cy)]));
  return insideImage(simplified(grown, 0.3), width, height);
}

/** Ring -> this many points at equal steps along it. @param {Ring} ring @param {number} count @returns {Ring} */
function spaced(ring, count) {
  const lengths = ring.map(([x, y], i) => {
    const [nx, ny] = ring[(i + 1) % ring.length];
    return Math.hypot(nx - x, ny - y);
  });
  const step = lengths.reduce((sum, length) => sum + length, 0) / count;
  /** @type {Ring} */
  const points = [];
  let side = 0;
  let gone = 0;
  for (let i = 0; i < count; i += 1) {
    while (side < ring.length - 1 && i * step > gone + lengths[side]) {
      gone += lengths[side];
      side += 1;
    }
    const share = lengths[side] ? Math.min(1, (i * step - gone) / lengths[side]) : 0;
    const [[x, y], [nx, ny]] = [ring[side], ring[(side + 1) % ring.length]];
    points.push([x + share * (nx - x), y + share * (ny - y)]);
  }
  return points;
}
