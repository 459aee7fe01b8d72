// Findings -> lines over the image: outlines, calipers, numbers, the editor's points, in pixels of the stage.
// The network's outlines are solid, amber or cyan by risk; a person's are dashed and pink. Both can be shown at once.

import { svg } from "../page/dom.js";
import { caliperText, length } from "../page/format.js";
import { current, isTouched } from "../review/findings.js";

/** @typedef {import("../review/rings.js").Ring} Ring */
/** @typedef {import("../review/rings.js").Point} Point */
/** @typedef {import("../review/review.js").Review} Review */
/** @typedef {import("../review/findings.js").Finding} Finding */
/** @typedef {import("../review/editor.js").Editor} Editor */
/** @typedef {import("./viewer.js").Viewer} Viewer */
/**
 * @typedef {object} Shown what is drawn of a review
 * @property {boolean} outlines
 * @property {boolean} calipers
 * @property {boolean} map
 * @property {number} opacity
 * @property {"network" | "yours" | "both"} compare whose outlines
 * @property {boolean} isVisible
 * @property {Editor} editor
 * @property {string | null} selected key of the chosen finding
 * @property {Ring[]} others outlines of another reader
 */

const CROSS_PX = 5;
const SCALE_BAR_SHARE = 0.25;

/**
 * Prediction -> the risk from which the page calls it high: its first operating point, or 0.5 without one.
 * @param {Pick<Api.Prediction, "operating_points">} prediction
 */
export const riskThreshold = (prediction) => prediction.operating_points[0]?.threshold ?? 0.5;

/** Risk -> the CSS class of its colour. @param {number | null | undefined} risk @param {number} threshold */
export const riskClass = (risk, threshold) =>
  risk === null || risk === undefined ? "none" : risk >= threshold ? "high" : "low";

/**
 * Draws everything of a review.
 * @param {SVGElement} layer
 * @param {Viewer} viewer
 * @param {Review | null} review
 * @param {Shown} shown
 */
export function drawReview(layer, viewer, review, shown) {
  const parts = [];
  if (review && viewer.picture && shown.isVisible) {
    const threshold = riskThreshold(review.prediction);
    for (const finding of review.findings) parts.push(...drawFinding(viewer, finding, shown, threshold));
    for (const ring of shown.others) parts.push(...ringPaths(viewer, ring, "others"));
    if (shown.calipers) for (const caliper of review.calipers) parts.push(...drawCaliper(viewer, caliper, review));
    if (shown.editor.isOn) parts.push(...drawEditor(viewer, review, shown.editor));
  }
  layer.replaceChildren(...parts);
  layer.style.opacity = String(shown.editor.isOn ? 1 : shown.opacity);
}

/** @param {Viewer} viewer @param {Finding} finding @param {Shown} shown @param {number} threshold */
function drawFinding(viewer, finding, shown, threshold) {
  const isSelected = finding.key === shown.selected;
  const mark = isSelected ? " is-selected" : "";
  const hasOwn = isTouched(finding) && !finding.isRemoved;
  const compare = shown.editor.isOn ? "both" : shown.compare;
  const network = compare !== "yours" || !(hasOwn || finding.isRemoved) ? finding.network : null;
  const showsOwn = hasOwn && compare !== "network";
  const parts = [];
  if (shown.outlines && network) {
    const faint = compare === "both" && (hasOwn || finding.isRemoved) ? " is-behind" : "";
    parts.push(
      ...ringPaths(viewer, network.outline_xy, `network ${riskClass(network.risk, threshold)}${faint}${mark}`),
    );
  }
  if (shown.outlines && showsOwn) parts.push(...ringPaths(viewer, finding.ring, `yours${mark}`));
  const measured = showsOwn ? current(finding) : network;
  if (shown.calipers && isSelected && measured && !shown.editor.isOn) parts.push(...calipers(viewer, measured.size));
  if (shown.calipers && isSelected && measured?.signs?.foci) parts.push(...fociMarks(viewer, measured.signs.foci));
  if (shown.outlines && showsOwn) parts.push(numberMark(viewer, finding.ring, finding.number, "yours"));
  else if (shown.outlines && network)
    parts.push(numberMark(viewer, network.outline_xy, finding.number, `network ${riskClass(network.risk, threshold)}`));
  return parts;
}

/** @param {Viewer} viewer @param {Ring} ring @param {string} kind */
function ringPaths(viewer, ring, kind) {
  const d = pathOf(viewer, ring, true);
  return [svg("path", { d, class: "halo" }), svg("path", { d, class: `outline ${kind}` })];
}

/** @param {Viewer} viewer @param {Ring} points @param {boolean} isClosed */
function pathOf(viewer, points, isClosed) {
  const places = points.map((point) =>
    viewer
      .toStage(point)
      .map((value) => value.toFixed(1))
      .join(","),
  );
  return places.length ? `M${places.join("L")}${isClosed ? "Z" : ""}` : "";
}

/**
 * The number at the outline's upper left, where no length is written.
 * @param {Viewer} viewer
 * @param {Ring} ring
 * @param {number} number
 * @param {string} kind
 */
function numberMark(viewer, ring, number, kind) {
  const corner = ring.reduce((best, point) => (point[0] + point[1] < best[0] + best[1] ? point : best));
  const [x, y] = viewer.toStage(corner);
  const place = { x: Math.max(x - 7, 16), y: Math.max(y - 5, 16), "text-anchor": "end" };
  return svg("text", { ...place, class: `number ${kind}` }, String(number));
}

/**
 * The two diameters, each between crosses as on an ultrasound machine, with the length at one end.
 * @param {Viewer} viewer
 * @param {Api.NoduleSize} size
 */
function calipers(viewer, size) {
  const parts = [];
  for (const name of /** @type {const} */ (["longest", "perpendicular"])) {
    const ends = size[`${name}_ends_xy`].map((point) => viewer.toStage(point));
    const [[ax, ay], [bx, by]] = ends;
    const d = `M${ax},${ay}L${bx},${by}`;
    parts.push(svg("path", { d, class: "caliper-halo" }), svg("path", { d, class: `caliper ${name}` }));
    parts.push(...ends.flatMap(crossAt));
    parts.push(lengthMark(viewer, ends, length(size, name)));
  }
  return parts;
}

/** A ring around each candidate for an echogenic focus. @param {Viewer} viewer @param {Api.EchogenicFocus[]} foci */
function fociMarks(viewer, foci) {
  return foci.map(({ centre_xy: centre, diameter_px: diameter }) => {
    const [cx, cy] = viewer.toStage(centre);
    return svg("circle", { cx, cy, r: Math.max(5, (diameter * viewer.scale) / 2 + 3), class: "focus" });
  });
}

/**
 * The length as text, next to the right end of the line (the second end of a vertical one), outside the nodule.
 * @param {Viewer} viewer
 * @param {Ring} ends
 * @param {string} text
 */
function lengthMark(viewer, ends, text) {
  const [[ax, ay], [bx, by]] = ends[0][0] > ends[1][0] ? [ends[1], ends[0]] : ends;
  const size = Math.hypot(bx - ax, by - ay) || 1;
  const [ux, uy] = [(bx - ax) / size, (by - ay) / size];
  const width = text.length * 8.2;
  const x = Math.min(Math.max(bx + ux * 12 - (ux < 0.4 ? width / 2 : 0), 6), viewer.box.width - width - 6);
  const y = Math.min(Math.max(by + uy * 20 + 4, 16), viewer.box.height - 8);
  return svg("text", { x, y, class: "length" }, text);
}

/**
 * A caliper that a person has placed, with its length.
 * @param {Viewer} viewer
 * @param {import("../review/review.js").Caliper} caliper
 * @param {Review} review
 */
function drawCaliper(viewer, caliper, review) {
  const ends = caliper.map((point) => viewer.toStage(point));
  const d = `M${ends[0]}L${ends[1]}`;
  return [
    svg("path", { d, class: "caliper-halo" }),
    svg("path", { d, class: "caliper own" }),
    ...ends.flatMap(crossAt),
    lengthMark(viewer, ends, caliperText(caliper, review.prediction.image.spacing)),
  ];
}

/** @param {Point} place */
function crossAt([x, y]) {
  const d = `M${x - CROSS_PX},${y}h${2 * CROSS_PX}M${x},${y - CROSS_PX}v${2 * CROSS_PX}`;
  return [svg("path", { d, class: "cross-halo" }), svg("path", { d, class: "cross" })];
}

/** @param {Viewer} viewer @param {Review} review @param {Editor} editor */
function drawEditor(viewer, review, editor) {
  const parts = [];
  if (editor.draft.length > 1) parts.push(svg("path", { d: pathOf(viewer, editor.draft, false), class: "draft" }));
  if (editor.draft.length && editor.tool !== "add" && editor.tool !== "draw")
    parts.push(...editor.draft.slice(0, 1).flatMap((point) => crossAt(viewer.toStage(point))));
  if (editor.tool === "brush" || editor.tool === "eraser") parts.push(...drawBrush(viewer, editor));
  if (editor.cursor) parts.push(...crossAt(viewer.toStage(editor.cursor)));
  if (editor.tool !== "points" || !review.finding(editor.key)) return parts;
  const handles = editor.handles();
  handles.forEach((point, index) => {
    const [cx, cy] = viewer.toStage(point);
    const isActive = index === editor.active;
    parts.push(svg("circle", { cx, cy, r: isActive ? 6.5 : 4.5, class: isActive ? "handle is-active" : "handle" }));
  });
  return parts;
}

/** The brush, at the pointer or at the keyboard's cross. @param {Viewer} viewer @param {Editor} editor */
function drawBrush(viewer, editor) {
  const at = editor.draft.at(-1) ?? editor.cursor ?? editor.pointer;
  if (!at) return [];
  const [cx, cy] = viewer.toStage(at);
  return [svg("circle", { cx, cy, r: editor.brushPx * viewer.scale, class: "brush" })];
}

/**
 * Spacing -> { px, mm }: a round length that a bar of a quarter of the stage can show; null without spacing.
 * @param {Pick<Viewer, "picture" | "scale" | "box">} viewer
 * @param {Api.SpacingMm | null | undefined} spacing
 */
export function scaleBar(viewer, spacing) {
  if (!spacing || !viewer.picture) return null;
  const mmPerPx = spacing.column_mm / viewer.scale;
  const longest = viewer.box.width * SCALE_BAR_SHARE * mmPerPx;
  const mm = [50, 20, 10, 5, 2, 1, 0.5].find((length_mm) => length_mm <= longest);
  return mm ? { mm, px: mm / mmPerPx } : null;
}
