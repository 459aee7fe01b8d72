// Geometry of outlines: closed rings of points [x, y] in source pixels, whose centres are at whole numbers.

/** @typedef {[number, number]} Point column, row */
/** @typedef {Point[]} Ring closed: the last point is joined to the first */

/**
 * Ring -> its area by the shoelace formula, without sign.
 * @param {Ring} ring
 */
export function ringArea(ring) {
  let twice = 0;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1)
    twice += ring[j][0] * ring[i][1] - ring[i][0] * ring[j][1];
  return Math.abs(twice) / 2;
}

/**
 * Points -> { x0, y0, x1, y1 }.
 * @param {Ring} points
 */
export function bounds(points) {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  return { x0: Math.min(...xs), y0: Math.min(...ys), x1: Math.max(...xs), y1: Math.max(...ys) };
}

/**
 * Two rings -> the boxes' intersection over union, 0 to 1.
 * @param {Ring} first
 * @param {Ring} second
 */
export function boxOverlap(first, second) {
  const a = bounds(first);
  const b = bounds(second);
  const width = Math.min(a.x1, b.x1) - Math.max(a.x0, b.x0) + 1;
  const height = Math.min(a.y1, b.y1) - Math.max(a.y0, b.y0) + 1;
  if (width <= 0 || height <= 0) return 0;
  /** @param {ReturnType<typeof bounds>} box */
  const size = (box) => (box.x1 - box.x0 + 1) * (box.y1 - box.y0 + 1);
  return (width * height) / (size(a) + size(b) - width * height);
}

/** @param {Ring} a @param {Ring} b */
export const sameRing = (a, b) => a.length === b.length && a.every(([x, y], i) => x === b[i][0] && y === b[i][1]);

/**
 * Ring, point -> whether the point is inside (even-odd rule).
 * @param {Ring} ring
 * @param {Point} point
 */
export function contains(ring, [x, y]) {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
    const [xi, yi] = ring[i];
    const [xj, yj] = ring[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/**
 * Ring, point -> { index, distance } of the ring's nearest point.
 * @param {Ring} ring
 * @param {Point} point
 */
export function nearestPoint(ring, [x, y]) {
  let best = { index: -1, distance: Infinity };
  ring.forEach(([px, py], index) => {
    const distance = Math.hypot(px - x, py - y);
    if (distance < best.distance) best = { index, distance };
  });
  return best;
}

/**
 * Ring, point -> { index, distance, at }: the nearest place on the ring, on the side that starts at index.
 * @param {Ring} ring
 * @param {Point} point
 */
export function nearestSide(ring, point) {
  /** @type {{ index: number, distance: number, at: Point }} */
  let best = { index: -1, distance: Infinity, at: point };
  ring.forEach((start, index) => {
    const at = closestOnSide(start, ring[(index + 1) % ring.length], point);
    const distance = Math.hypot(at[0] - point[0], at[1] - point[1]);
    if (distance < best.distance) best = { index, distance, at };
  });
  return best;
}

/** Two rings -> the least distance between their lines. @param {Ring} first @param {Ring} second */
export function gapBetween(first, second) {
  const from = (/** @type {Ring} */ points, /** @type {Ring} */ ring) =>
    points.reduce((least, point) => Math.min(least, nearestSide(ring, point).distance), Infinity);
  return Math.min(from(first, second), from(second, first));
}

/** @param {Point} start @param {Point} end @param {Point} point @returns {Point} */
function closestOnSide([ax, ay], [bx, by], [x, y]) {
  const square = (bx - ax) ** 2 + (by - ay) ** 2;
  const share = square === 0 ? 0 : Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / square));
  return [ax + share * (bx - ax), ay + share * (by - ay)];
}

/**
 * Ring, tolerance in pixels -> a ring of fewer points, every dropped point within the tolerance (Douglas and Peucker
 * 1973).
 * @param {Ring} ring
 * @param {number} tolerance
 * @returns {Ring}
 */
export function simplified(ring, tolerance) {
  if (ring.length < 5) return ring.map((point) => [...point]);
  const far = farthestFrom(ring, 0);
  const first = simplifiedLine(ring.slice(0, far + 1), tolerance);
  const second = simplifiedLine([...ring.slice(far), ring[0]], tolerance);
  const kept = [...first.slice(0, -1), ...second.slice(0, -1)];
  return (kept.length < 3 ? ring : kept).map((point) => [...point]);
}

/** @param {Ring} ring @param {number} start */
function farthestFrom(ring, start) {
  const [x, y] = ring[start];
  const distances = ring.map(([px, py]) => Math.hypot(px - x, py - y));
  return distances.indexOf(Math.max(...distances));
}

/** @param {Ring} line @param {number} tolerance @returns {Ring} */
function simplifiedLine(line, tolerance) {
  const last = line.length - 1;
  let worst = { index: -1, distance: tolerance };
  for (let i = 1; i < last; i += 1) {
    const at = closestOnSide(line[0], line[last], line[i]);
    const distance = Math.hypot(at[0] - line[i][0], at[1] - line[i][1]);
    if (distance > worst.distance) worst = { index: i, distance };
  }
  if (worst.index < 0) return [line[0], line[last]];
  return [
    ...simplifiedLine(line.slice(0, worst.index + 1), tolerance).slice(0, -1),
    ...simplifiedLine(line.slice(worst.index), tolerance),
  ];
}

/** @param {Ring} ring */
const sideLengths = (ring) =>
  ring.map(([x, y], i) => Math.hypot(ring[(i + 1) % ring.length][0] - x, ring[(i + 1) % ring.length][1] - y));

/**
 * Ring, number -> the same ring with points added, so that no side is longer than the ring's length / numSides.
 * @param {Ring} ring
 * @param {number} numSides
 * @returns {Ring}
 */
export function evened(ring, numSides) {
  const lengths = sideLengths(ring);
  const longest = lengths.reduce((sum, length) => sum + length, 0) / numSides;
  return ring.flatMap(([x, y], i) => {
    const [nx, ny] = ring[(i + 1) % ring.length];
    const count = Math.max(1, Math.ceil(lengths[i] / longest));
    return Array.from(
      { length: count },
      (_, step) => /** @type {Point} */ ([x + ((nx - x) * step) / count, y + ((ny - y) * step) / count]),
    );
  });
}

/**
 * Ring, a point, share of the ring's length -> how much each point follows this point: 1 at the point, 0 from that
 * share on.
 * @param {Ring} ring
 * @param {number} index
 * @param {number} share
 */
export function softWeights(ring, index, share) {
  const lengths = sideLengths(ring);
  const whole = lengths.reduce((sum, length) => sum + length, 0);
  /** @type {number[]} */
  const along = [];
  lengths.reduce((sum, length, i) => {
    along[i] = sum;
    return sum + length;
  }, 0);
  return along.map((at) => {
    const gap = Math.abs(at - along[index]);
    const part = Math.min(gap, whole - gap) / (share * whole);
    return part >= 1 ? 0 : Math.cos((part * Math.PI) / 2) ** 2;
  });
}

/**
 * Ring that may cross itself -> its largest loop; a ring that does not cross itself comes back as it is.
 * @param {Ring} ring
 * @returns {Ring}
 */
export function untangled(ring) {
  let current = ring;
  for (let round = 0; round < 200; round += 1) {
    const crossing = firstCrossing(current);
    if (!crossing) return current;
    const { i, j, at } = crossing;
    const loop = [at, ...current.slice(i + 1, j + 1)];
    const rest = [...current.slice(0, i + 1), at, ...current.slice(j + 1)];
    current = ringArea(loop) > ringArea(rest) ? loop : rest;
  }
  return current;
}

/** @param {Ring} ring */
function firstCrossing(ring) {
  const count = ring.length;
  for (let i = 0; i < count; i += 1) {
    for (let j = i + 2; j < count; j += 1) {
      if (i === 0 && j === count - 1) continue;
      const at = crossingOf(ring[i], ring[(i + 1) % count], ring[j], ring[(j + 1) % count]);
      if (at) return { i, j, at };
    }
  }
  return null;
}

/** @param {Point} a @param {Point} b @param {Point} c @param {Point} d @returns {Point | null} */
function crossingOf([ax, ay], [bx, by], [cx, cy], [dx, dy]) {
  const determinant = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx);
  if (determinant === 0) return null;
  const s = ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)) / determinant;
  const t = ((cx - ax) * (by - ay) - (cy - ay) * (bx - ax)) / determinant;
  return s > 0 && s < 1 && t > 0 && t < 1 ? [ax + s * (bx - ax), ay + s * (by - ay)] : null;
}

/**
 * Centre, half axes -> a ring of `count` points.
 * @param {Point} centre
 * @param {number} halfWidth
 * @param {number} halfHeight
 * @returns {Ring}
 */
export function ellipse([x, y], halfWidth, halfHeight, count = 24) {
  return Array.from({ length: count }, (_, i) => {
    const angle = (2 * Math.PI * i) / count;
    return [x + halfWidth * Math.cos(angle), y + halfHeight * Math.sin(angle)];
  });
}

/** @param {Ring} ring @param {number} dx @param {number} dy @returns {Ring} */
export const moved = (ring, dx, dy) => ring.map(([x, y]) => [x + dx, y + dy]);

/**
 * Ring, pixels -> the ring with each point moved outwards by this many pixels (inwards if negative); null if nothing is
 * left.
 * @param {Ring} ring
 * @param {number} pixels
 * @returns {Ring | null}
 */
export function grown(ring, pixels) {
  const count = ring.length;
  const turn = Math.sign(signedArea(ring));
  /** @type {Ring} */
  const result = ring.map((point, i) => {
    const [ax, ay] = ring[(i + count - 1) % count];
    const [bx, by] = ring[(i + 1) % count];
    const size = Math.hypot(bx - ax, by - ay) || 1;
    return [point[0] + (turn * pixels * (by - ay)) / size, point[1] - (turn * pixels * (bx - ax)) / size];
  });
  const clean = untangled(result);
  const isInsideOut = pixels < 0 && ringArea(clean) >= ringArea(ring);
  return clean.length < 3 || ringArea(clean) < 9 || isInsideOut ? null : clean;
}

/** @param {Ring} ring */
function signedArea(ring) {
  return (
    ring.reduce((sum, [x, y], i) => {
      const [nx, ny] = ring[(i + 1) % ring.length];
      return sum + x * ny - nx * y;
    }, 0) / 2
  );
}

/**
 * Ring, image size -> the ring with its points inside the image, to hundredths of a pixel.
 * @param {Ring} ring
 * @param {number} width
 * @param {number} height
 * @returns {Ring}
 */
export function insideImage(ring, width, height) {
  /** @param {number} value @param {number} limit */
  const clamp = (value, limit) => Math.round(100 * Math.min(limit - 1, Math.max(0, value))) / 100;
  return ring.map(([x, y]) => [clamp(x, width), clamp(y, height)]);
}
