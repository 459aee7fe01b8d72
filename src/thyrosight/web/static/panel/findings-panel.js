// A review -> sections of the panel: identity, digest, risk, flags, nodules, measures, provenance.

import { fill, h, icon, replaceKeepingFocus } from "../page/dom.js";
import { riskClass, riskThreshold } from "../image/drawing.js";
import { area, extent, length, percent, percentRange, plural } from "../page/format.js";
import { current, isTouched, lastKnown } from "../review/findings.js";

/** @typedef {import("../review/review.js").Review} Review */
/** @typedef {import("../review/findings.js").Finding} Finding */
/** @typedef {import("../review/findings.js").Measures} Measures */
/** @typedef {{ text: string, under: string }} Level of TI-RADS in short */
/** @typedef {[title: string, measures: Measures | null, kind: string]} Column of the measures */

/**
 * The three main numbers, always visible: size, risk, TI-RADS level (null while it is not known).
 * @param {HTMLElement} parent
 * @param {Review} review
 * @param {Finding | null} finding
 * @param {Level | null} level
 */
export function showDigest(parent, review, finding, level) {
  const { prediction } = review;
  const now = finding && lastKnown(finding);
  const cells = [];
  if (finding) {
    const num = review.findings.filter((one) => !one.isRemoved).length;
    const size = now ? extent(now.size, "longest", "perpendicular") : finding.failure ? "not measured" : "…";
    cells.push(
      cell(
        `Nodule ${finding.number}${num > 1 ? ` · ${num} in all` : ""}`,
        size,
        isTouched(finding) ? "your outline" : "longest × across",
        isTouched(finding) ? "yours" : "",
      ),
    );
  } else if (review.isBlind) {
    fill(parent, cell("Nodules", "hidden", "outline or rate first"));
    return;
  } else {
    cells.push(
      cell(
        "Nodule",
        review.findings.length ? "removed" : "none found",
        review.findings.length ? "by you" : "does not exclude one",
      ),
    );
  }
  const risk = now ? now.risk : null;
  const isWaiting = finding && isTouched(finding) && !current(finding) && !finding.failure;
  const interval = now?.risk_interval ? percentRange(...now.risk_interval) : finding ? "" : "no nodule";
  cells.push(
    cell(
      "Risk",
      percent(risk),
      interval,
      `risk ${riskClass(risk, riskThreshold(prediction))}${isWaiting ? " is-waiting" : ""}`,
    ),
  );
  if (finding) cells.push(cell("TI-RADS", level?.text ?? "–", level?.under ?? "", "grade"));
  fill(parent, cells);
}

/** @param {string} label @param {string} value @param {string} under @param {string} kind */
const cell = (label, value, under, kind = "") =>
  h(
    "div",
    { class: `cell ${kind}` },
    h("span", { class: "label" }, label),
    h("strong", {}, value),
    h("span", { class: "under" }, under || "\u00a0"),
  );

/**
 * The chosen finding's risk as a bar with its interval, and what it means in words.
 * @param {HTMLElement} parent
 * @param {Review} review
 * @param {Finding | null} finding
 */
export function showRisk(parent, review, finding) {
  const { prediction } = review;
  const threshold = riskThreshold(prediction);
  const now = finding && lastKnown(finding);
  const risk = now ? now.risk : null;
  const title = finding ? `Risk, nodule ${finding.number}` : "Risk";
  parent.hidden = review.isBlind;
  if (risk === null || risk === undefined) {
    const reason = finding ? (now?.risk_reason ?? prediction.risk_reason ?? "The model gives no risk here") : NO_NODULE;
    fill(parent, h("h3", {}, title), h("p", { class: "faint" }, `${meaning(reason)}.`), finding ? null : imageRisk(prediction)); // prettier-ignore
    return;
  }
  const interval = now?.risk_interval ?? null;
  fill(
    parent,
    h(
      "div",
      { class: "section-head" },
      h("h3", {}, `${title}: ${percent(risk)}`),
      interval ? h("span", { class: "faint small" }, `95 % interval ${percentRange(...interval)}`) : null,
    ),
    riskBar(risk, interval, prediction.operating_points, threshold),
    h("p", { class: "small" }, `${meaning(prediction.risk_meaning)}. ${share(prediction)}`),
    riskDetails(prediction, now),
  );
}

const NO_NODULE = "No nodule, so no risk of one. That does not exclude one";

/** The network's risk of an image without an outline; it is not the risk of a nodule. @param {Api.Prediction} prediction */
const imageRisk = ({ risk }) =>
  risk === null || risk === undefined
    ? null
    : h(
        "details",
        { class: "more" },
        h("summary", {}, "About the whole image"),
        h(
          "p",
          { class: "small faint" },
          `The network rates the picture as a whole at ${percent(risk)}. No outline goes with that.`,
        ),
      );

/** @param {Api.Prediction} prediction */
const share = (prediction) =>
  prediction.risk_share?.sentence ?? "The share of malignant nodules that this risk assumes is not known.";

/** @param {string} text */
const meaning = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, "");

/**
 * @param {number} risk
 * @param {[number, number] | null} interval
 * @param {Api.OperatingPointResult[]} points
 * @param {number} threshold
 */
function riskBar(risk, interval, points, threshold) {
  /** @param {number} share */
  const at = (share) => `${(100 * share).toFixed(1)}%`;
  const band = h("i", { class: "band" });
  const mark = h("b", { class: "mark" });
  mark.style.left = at(risk);
  if (interval) Object.assign(band.style, { left: at(interval[0]), right: at(1 - interval[1]) });
  else Object.assign(band.style, { left: "0", right: at(1 - risk) });
  const ticks = points.map((point) => {
    const tick = h("s", { class: "tick", title: `${point.name}: ${percent(point.threshold)}` });
    tick.style.left = at(point.threshold);
    return tick;
  });
  return h(
    "div",
    { class: `bar ${riskClass(risk, threshold)}`, "aria-hidden": "true" },
    h("div", { class: "track" }, band, ticks, mark),
    h("div", { class: "scale" }, h("span", {}, "0"), h("span", {}, "50"), h("span", {}, "100 %")),
  );
}

/** @param {Api.Prediction} prediction @param {Measures | null} now */
function riskDetails(prediction, now) {
  const lines = [];
  const reason = now?.risk_interval_reason;
  if (reason) lines.push(`Interval: ${reason}.`);
  for (const point of prediction.operating_points) {
    lines.push(
      `${meaning(point.name)}: ${point.is_above ? "at or above" : "below"} ${percent(point.threshold)} – ${point.meaning}.`,
    );
  }
  if (!lines.length) return null;
  return h(
    "details",
    { class: "more" },
    h("summary", {}, "About this number"),
    lines.map((line) => h("p", { class: "small faint" }, line)),
  );
}

/**
 * The flags, to read before relying on the result; hidden where there are none.
 * @param {HTMLElement} parent
 * @param {Review} review
 */
export function showFlags(parent, review) {
  const { flags } = review.prediction;
  parent.hidden = !flags.length;
  fill(
    parent,
    h("h3", {}, "Know before you rely on it"),
    h(
      "ul",
      { class: "flags" },
      flags.map((flag) => h("li", {}, icon("flag"), h("span", {}, meaning(flag.message)))),
    ),
  );
}

/**
 * The list of nodules; one of them is chosen.
 * @param {HTMLElement} parent
 * @param {Review} review
 * @param {string | null} selected
 * @param {(key: string) => void} choose
 */
export function showFindings(parent, review, selected, choose) {
  const threshold = riskThreshold(review.prediction);
  const rows = review.findings.map((finding) => findingRow(finding, finding.key === selected, threshold, choose));
  parent.hidden = !rows.length;
  const count = review.findings.filter((finding) => !finding.isRemoved).length;
  replaceKeepingFocus(parent, h("h3", {}, plural(count, "nodule")), h("ul", { class: "findings" }, rows));
}

/** Who drew the outline; nothing where it is the network's own outline. @param {Finding} finding */
function remarkOf(finding) {
  if (finding.isRemoved) return "removed by you";
  if (!finding.network) return finding.drawnWith === "hand" ? "added by you" : "the network's, where you pointed";
  return isTouched(finding) ? "corrected by you" : null;
}

/**
 * @param {Finding} finding
 * @param {boolean} isSelected
 * @param {number} threshold
 * @param {(key: string) => void} choose
 */
function findingRow(finding, isSelected, threshold, choose) {
  const now = lastKnown(finding);
  const own = isTouched(finding);
  const remark = remarkOf(finding);
  const swatch = finding.isRemoved ? "none" : own ? "yours" : riskClass(now?.risk, threshold);
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: `finding${finding.isRemoved ? " is-removed" : ""}`,
        "aria-pressed": String(isSelected),
        dataset: { key: finding.key },
        onclick: () => choose(finding.key),
      },
      h("span", { class: `swatch ${swatch}`, "aria-hidden": "true" }, String(finding.number)),
      h(
        "span",
        { class: "finding-text" },
        h("span", { class: "sr" }, `Nodule ${finding.number}: `),
        h(
          "span",
          {},
          now ? extent(now.size, "longest", "perpendicular") : finding.failure ? "not measured" : "measuring",
        ),
        remark ? h("span", { class: "remark" }, remark) : null,
      ),
      h(
        "span",
        { class: "finding-risk" },
        now && now.risk !== null ? percent(now.risk) : "–",
        h("span", { class: "sr" }, " risk"),
      ),
    ),
  );
}

/** @type {[name: string, text: (measures: Measures) => string][]} */
const ROWS = [
  ["Longest", (n) => length(n.size, "longest")],
  ["Perpendicular", (n) => length(n.size, "perpendicular")],
  ["Anteroposterior", (n) => length(n.size, "anteroposterior")],
  ["Transverse", (n) => length(n.size, "transverse")],
  ["Area", (n) => area(n.size)],
  ["Taller than wide", (n) => (n.size.taller_than_wide ? "yes" : "no")],
  ["Mean probability", (n) => percent(n.mean_probability)],
  ["Risk", (n) => percent(n.risk)],
];

/** @type {[name: string, text: (signs: Api.NoduleSigns) => string, about: string][]} */
const SIGN_ROWS = [
  ["Irregularity", (signs) => decimals(signs.irregularity, 2), "0 for an ellipse; more with lobes and spikes"],
  ["Echogenicity ratio", (signs) => decimals(signs.echogenicity_ratio, 2), "gray of its tissue over that around it"],
  ["Cystic share", (signs) => percent(signs.cystic_share), "of its area"],
  ["Bright foci", (signs) => decimals(signs.num_foci, 0), "candidates; speckle makes some too"],
];

/** @param {number | null | undefined} value @param {number} digits */
const decimals = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits));

/**
 * Columns of measures -> rows of the signs of margin and inside; none where nothing was measured.
 * @param {Column[]} columns
 */
function signRows(columns) {
  if (!columns.some(([, value]) => value?.signs)) return [];
  return SIGN_ROWS.map(([name, text, about]) =>
    h(
      "tr",
      { title: about },
      h("th", { scope: "row" }, name),
      columns.map(([, value, kind]) => h("td", { class: kind }, value?.signs ? text(value.signs) : "…")),
    ),
  );
}

/**
 * The chosen finding's measures; where network and person both have measures, they are side by side.
 * @param {HTMLElement} parent
 * @param {Finding | null} finding
 */
export function showMeasures(parent, finding) {
  parent.hidden = !finding || finding.isRemoved;
  if (!finding || parent.hidden) return;
  const own = isTouched(finding) ? current(finding) : null;
  /** @type {Column[]} */
  const columns = [];
  if (finding.network) columns.push(["Network", finding.network, "network"]);
  if (isTouched(finding)) columns.push(["Yours", own ?? finding.measured, own ? "yours" : "yours is-stale"]);
  const head = h(
    "tr",
    {},
    h("th", { scope: "col" }, h("span", { class: "sr" }, "Measure")),
    columns.map(([name, , kind]) => h("th", { scope: "col", class: kind }, name)),
  );
  const body = ROWS.map(([name, text]) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, name),
      columns.map(([, value, kind]) => h("td", { class: kind }, value ? text(value) : "…")),
    ),
  );
  const size = (own ?? finding.measured ?? finding.network)?.size;
  fill(
    parent,
    h("h3", {}, `Measures, nodule ${finding.number}`),
    h(
      "table",
      { class: "measures" },
      columns.length > 1 ? h("thead", {}, head) : h("thead", { class: "sr" }, head),
      h("tbody", {}, body, signRows(columns)),
    ),
    finding.failure ? h("p", { class: "problem" }, `Not measured: ${finding.failure}`) : null,
    size?.mm_reason ? h("p", { class: "small faint" }, `Pixels, not millimetres: ${size.mm_reason}.`) : null,
    h("p", { class: "small faint" }, "Taller than wide counts on transverse views only."),
  );
}
