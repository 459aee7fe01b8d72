// The words of ACR TI-RADS (Tessler et al., J Am Coll Radiol 14:587, 2017), as in thyrosight.tirads; a test compares
// them.

export const SYSTEMS = [
  { name: "acr", title: "ACR 2017" },
  { name: "eu", title: "EU 2017" },
  { name: "k", title: "Korea 2021" },
];

const UNDETERMINED = "cannot be determined";

/**
 * @typedef {object} Descriptor
 * @property {string} name
 * @property {string} title
 * @property {string[]} terms
 * @property {boolean} [isMany] several terms may be true
 * @property {string} [none] the term that excludes the others
 */

/** @type {Descriptor[]} */
export const DESCRIPTORS = [
  {
    name: "composition",
    title: "Composition",
    terms: [
      "cystic or almost completely cystic",
      "spongiform",
      "mixed cystic and solid",
      "solid or almost completely solid",
      UNDETERMINED,
    ],
  },
  {
    name: "echogenicity",
    title: "Echogenicity",
    terms: ["anechoic", "hyperechoic or isoechoic", "hypoechoic", "very hypoechoic", UNDETERMINED],
  },
  { name: "shape", title: "Shape", terms: ["wider-than-tall", "taller-than-wide"] },
  {
    name: "margin",
    title: "Margin",
    terms: ["smooth", "ill-defined", "lobulated or irregular", "extra-thyroidal extension", UNDETERMINED],
  },
  {
    name: "foci",
    title: "Echogenic foci",
    isMany: true,
    none: "none or large comet-tail artifacts",
    terms: [
      "none or large comet-tail artifacts",
      "macrocalcifications",
      "peripheral (rim) calcifications",
      "punctate echogenic foci",
    ],
  },
];

const MEASURED = /** @type {const} */ (["echogenicity_ratio", "cystic_share", "num_foci"]);

/** @typedef {import("../review/findings.js").Measures} Measures */
/** @typedef {{ value: any, why: string | null }} Proposal a word that no reader has given, and its basis */

/**
 * Measures of an outline -> the signs from which the server proposes words; null where none were measured.
 * @param {Measures | null} measured
 */
export function signsOf(measured) {
  if (!measured?.signs) return null;
  /** @type {Api.MeasuredSigns} */
  const signs = { taller_than_wide: measured.size.taller_than_wide };
  for (const name of MEASURED) signs[name] = measured.signs[name] ?? null;
  return signs;
}

/**
 * The proposals that follow from the outline itself, by descriptor.
 * @param {Measures | null} measured
 * @returns {Record<string, Proposal>}
 */
export function shapeProposal(measured) {
  if (!measured) return {};
  const value = measured.size.taller_than_wide ? "taller-than-wide" : "wider-than-tall";
  return { shape: { value, why: "From the outline; it counts on transverse views only." } };
}

/** The server's Descriptors -> proposals by descriptor: the words that no reader has given. @param {any} descriptors */
export function proposalsOf(descriptors) {
  /** @type {Record<string, Proposal>} */
  const found = {};
  for (const [name, source] of Object.entries(descriptors?.sources ?? {})) {
    if (source !== "reader")
      found[name] = { value: descriptors[name], why: evidenceText(descriptors.evidence?.[name]) };
  }
  return found;
}

/** @param {Api.Evidence | undefined} evidence */
function evidenceText(evidence) {
  if (!evidence) return null;
  const measure = evidence.measure === "num_foci" ? "bright foci" : evidence.measure.replaceAll("_", " ");
  const { value, rule } = evidence;
  const short = Number(value.toFixed(2));
  const shown = rule.includes(String(short)) ? Number(value.toFixed(4)) : short; // never "0.65: below 0.65"
  const text = measure === "taller than wide" ? rule : `${measure} ${shown}: ${rule}`;
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
