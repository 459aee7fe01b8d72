// The words of ACR TI-RADS (Tessler et al., J Am Coll Radiol 14:587, 2017), as thyrosight.tirads has them; the rules are the server's.

export const SYSTEMS = [
  { name: "acr", title: "ACR 2017" },
  { name: "eu", title: "EU 2017" },
  { name: "k", title: "Korea 2021" },
];

const UNDETERMINED = "cannot be determined";

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

/** What is known of a nodule -> { descriptor: { value, why } }: the server's proposals; of the shape, the outline's own. */
export function proposalsOf(measured) {
  if (!measured) return {};
  const found = {};
  for (const { name } of DESCRIPTORS) {
    const value = measured.proposed?.[name];
    if (value !== null && value !== undefined)
      found[name] = { value, why: evidenceText(measured.proposed.evidence?.[name]) };
  }
  const isTaller = measured.size.taller_than_wide;
  found.shape ??= {
    value: isTaller ? "taller-than-wide" : "wider-than-tall",
    why: "From the outline; it counts on transverse views only.",
  };
  return found;
}

function evidenceText(evidence) {
  if (!evidence) return null;
  return `${evidence.measure.replaceAll("_", " ")} ${Number(evidence.value.toFixed(2))} (${evidence.rule})`;
}
