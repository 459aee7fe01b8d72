// Numbers -> the words on the page. Legend: `_px` source pixels, `_mm` millimetres.

/** Share 0 to 1 -> `12 %`; a dash where there is none. @param {number | null | undefined} share */
export const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(100 * share)} %`);

/** @param {number} low @param {number} high */
export const percentRange = (low, high) => `${Math.round(100 * low)}–${Math.round(100 * high)} %`;

/** @typedef {"longest" | "perpendicular" | "anteroposterior" | "transverse"} LengthName */

/**
 * NoduleSize, the name of a length -> `12.3 mm`, or `87 px` where there are no millimetres.
 * @param {Api.NoduleSize} size
 * @param {LengthName} name
 */
export function length(size, name) {
  const mm = size[`${name}_mm`];
  return mm === null || mm === undefined ? `${Math.round(size[`${name}_px`])} px` : `${mm.toFixed(1)} mm`;
}

/**
 * NoduleSize, two names -> `12.3 × 8.1 mm`.
 * @param {Api.NoduleSize} size
 * @param {LengthName} first
 * @param {LengthName} second
 */
export function extent(size, first, second) {
  const a = size[`${first}_mm`];
  const b = size[`${second}_mm`];
  if (a === null || a === undefined || b === null || b === undefined)
    return `${Math.round(size[`${first}_px`])} × ${Math.round(size[`${second}_px`])} px`;
  return `${a.toFixed(1)} × ${b.toFixed(1)} mm`;
}

/**
 * Two places in source pixels, spacing -> `12.3 mm`, or `87 px` without spacing.
 * @param {[[number, number], [number, number]]} caliper
 * @param {Api.SpacingMm | null | undefined} spacing
 */
export function caliperText([[ax, ay], [bx, by]], spacing) {
  if (!spacing) return `${Math.round(Math.hypot(bx - ax, by - ay))} px`;
  return `${Math.hypot((bx - ax) * spacing.column_mm, (by - ay) * spacing.row_mm).toFixed(1)} mm`;
}

const GIVEN = "given on the page";

/**
 * Whether the file states a scale, of the image or of the part that holds a nodule. A scale that a reader gave can be
 * given anew.
 * @param {Pick<Api.Prediction, "image" | "nodules">} prediction
 */
export const hasOwnScale = ({ image: { spacing, spacing_reason: reason }, nodules }) =>
  spacing ? !reason?.startsWith(GIVEN) : nodules.some(({ size }) => typeof size.longest_mm === "number");

/** NoduleSize -> `54 mm²` or `4 210 px`. @param {Api.NoduleSize} size */
export function area(size) {
  if (size.area_mm2 !== null && size.area_mm2 !== undefined)
    return `${size.area_mm2.toFixed(size.area_mm2 < 10 ? 1 : 0)} mm²`;
  return `${size.area_px.toLocaleString("en").replaceAll(",", "\u202f")} px`;
}

/** Count, word -> `1 nodule`, `2 nodules`. @param {number} count @param {string} word */
export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** Time stamp -> `14:32`, with the day where it is not today. @param {string} stamp */
export function clock(stamp) {
  const time = new Date(stamp);
  if (Number.isNaN(time.getTime())) return "";
  const hours = time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
  const isToday = time.toDateString() === new Date().toDateString();
  return isToday ? hours : `${time.toLocaleDateString([], { day: "numeric", month: "short" })}, ${hours}`;
}

/** @param {string} text */
export const capitalised = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** File name -> the name, quoted as one word for a POSIX shell. @param {string} text */
export const shellWord = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
