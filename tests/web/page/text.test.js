// Numbers, names and words: what the page writes.

import assert from "node:assert/strict";
import { test } from "node:test";

import "./browser-stub.js";
import { riskClass, riskThreshold, scaleBar } from "../../../src/thyrosight/web/static/image/drawing.js";
import { riskColour, windowTable } from "../../../src/thyrosight/web/static/image/picture.js";
import * as format from "../../../src/thyrosight/web/static/page/format.js";
import { cleanName } from "../../../src/thyrosight/web/static/page/reader.js";
import { agreementWords } from "../../../src/thyrosight/web/static/panel/readers-panel.js";
import { commandOf, questionOf } from "../../../src/thyrosight/web/static/panel/export-panel.js";
import * as lexicon from "../../../src/thyrosight/web/static/panel/lexicon.js";

const inMm = { longest_mm: 12.34, perpendicular_mm: 8.06, longest_px: 120, perpendicular_px: 80 };
const inPx = { longest_mm: null, perpendicular_mm: null, longest_px: 120.4, perpendicular_px: 79.6 };

test("shares become per cent, and what is not known a dash", () => {
  assert.equal(format.percent(0.125), "13 %");
  assert.equal(format.percent(0), "0 %");
  assert.equal(format.percent(null), "–");
  assert.equal(format.percent(undefined), "–");
  assert.equal(format.percentRange(0.1, 0.256), "10–26 %");
});

test("lengths are millimetres where the file has them, else pixels", () => {
  assert.equal(format.length(inMm, "longest"), "12.3 mm");
  assert.equal(format.length(inPx, "longest"), "120 px");
  assert.equal(format.extent(inMm, "longest", "perpendicular"), "12.3 × 8.1 mm");
  assert.equal(format.extent(inPx, "longest", "perpendicular"), "120 × 80 px");
});

test("areas have a decimal while they are small, and thin spaces where they are pixels", () => {
  assert.equal(format.area({ area_mm2: 9.94, area_px: 1 }), "9.9 mm²");
  assert.equal(format.area({ area_mm2: 54.4, area_px: 1 }), "54 mm²");
  assert.equal(format.area({ area_mm2: null, area_px: 15332 }), "15\u202f332 px");
});

test("counts, capitals and times", () => {
  assert.equal(format.plural(1, "nodule"), "1 nodule");
  assert.equal(format.plural(0, "nodule"), "0 nodules");
  assert.equal(format.capitalised("hypoechoic"), "Hypoechoic");
  assert.equal(format.clock("no time"), "");
  assert.match(format.clock("2001-02-03T04:05:06Z"), /, \d\d:\d\d$/);
});

test("a file name is one word of the shell, whatever is in it", () => {
  assert.equal(format.shellWord("scan_01.png"), "scan_01.png");
  assert.equal(format.shellWord("a b.png"), "'a b.png'");
  assert.equal(format.shellWord("it's; rm"), "'it'\\''s; rm'");
});

test("the command names frame and mirror only where they count", () => {
  const prediction = { image: { num_frames: 1 }, with_tta: false };
  assert.equal(
    commandOf({ item: { name: "-a.png" }, frame: 0, prediction }),
    "thyrosight predict ./-a.png --out results",
  );
  const clip = { image: { num_frames: 5 }, with_tta: true };
  assert.equal(commandOf({ item: { name: "c.dcm" }, frame: 3, prediction: clip }), "thyrosight predict c.dcm --out results --frame 3 --tta"); // prettier-ignore
});

test("risk is high from the first operating point on, 0.5 without one", () => {
  assert.equal(riskThreshold({ operating_points: [] }), 0.5);
  const threshold = riskThreshold({ operating_points: [{ threshold: 0.3 }, { threshold: 0.9 }] });
  assert.deepEqual([0.29, 0.3, null].map((risk) => riskClass(risk, threshold)), ["low", "high", "none"]); // prettier-ignore
});

test("the scale bar is the longest round length within a quarter of the stage", () => {
  const viewer = { picture: {}, scale: 2, box: { width: 640 } };
  assert.deepEqual(scaleBar(viewer, { column_mm: 0.1 }), { mm: 5, px: 100 });
  assert.equal(scaleBar(viewer, null), null);
  assert.equal(scaleBar({ ...viewer, picture: null }, { column_mm: 0.1 }), null);
});

test("the full window shows every gray as it is, a narrow one is steep between black and white", () => {
  assert.deepEqual([0, 100, 255].map((gray) => windowTable(256, 128)[gray]), [0, 100, 255]); // prettier-ignore
  const narrow = windowTable(10, 100);
  assert.deepEqual([narrow[94], narrow[105], narrow[0], narrow[255]], [0, 255, 0, 255]);
  assert.ok(narrow[99] < 128 && narrow[100] > 127);
});

test("the map goes from cyan through gray to amber", () => {
  assert.deepEqual(riskColour(0), [70, 205, 255]);
  assert.deepEqual(riskColour(128), [92, 96, 108]);
  assert.deepEqual(riskColour(255), [255, 170, 40]);
});

test("signs go to the server only where something was measured", () => {
  assert.equal(lexicon.signsOf({ size: {}, signs: null }), null);
  const measured = { size: { taller_than_wide: true }, signs: { echogenicity_ratio: 0.5, num_foci: 2 } };
  assert.deepEqual(lexicon.signsOf(measured), { taller_than_wide: true, echogenicity_ratio: 0.5, cystic_share: null, num_foci: 2 }); // prettier-ignore
  assert.equal(lexicon.shapeProposal(measured).shape.value, "taller-than-wide");
  assert.deepEqual(lexicon.shapeProposal(null), {});
});

test("proposals are the words that no reader has said, each with what it rests on", () => {
  const descriptors = {
    composition: "spongiform",
    echogenicity: "hypoechoic",
    shape: "taller-than-wide",
    foci: ["punctate echogenic foci"],
    sources: { composition: "reader", echogenicity: "measured", shape: "measured", foci: "measured" },
    evidence: {
      echogenicity: { measure: "echogenicity_ratio", value: 0.645, rule: "below 0.65" },
      shape: { measure: "taller_than_wide", value: 1, rule: "anteroposterior against transverse" },
      foci: { measure: "num_foci", value: 10, rule: "3 or more" },
    },
  };
  assert.deepEqual(lexicon.proposalsOf(descriptors), {
    echogenicity: { value: "hypoechoic", why: "Echogenicity ratio 0.645: below 0.65." },
    foci: { value: ["punctate echogenic foci"], why: "Bright foci 10: 3 or more." },
    shape: { value: "taller-than-wide", why: "Anteroposterior against transverse." },
  });
  assert.deepEqual(lexicon.proposalsOf(null), {});
});

test("two readers who see no nodule agree, and a difference has no sign", () => {
  const none = { who_a: "Ann", who_b: "", dice: 1, pairs: [], only_a: [], only_b: [] };
  assert.equal(agreementWords(none), "Ann and no name: both see no nodule.");
  const pair = {
    number_a: 2,
    longest_difference_mm: -1.26,
    longest_difference_px: -13,
    level_a: "TR4",
    level_b: "TR5",
  };
  const words = agreementWords({ ...none, dice: 0.912, pairs: [pair], only_b: ["x"] });
  assert.equal(words, "Ann and no name: outlines agree to 91 % (Dice); nodule 2: longest differs by 1.3 mm, TR4 and TR5; 1 nodule only by no name."); // prettier-ignore
});

test("a reader's name is kept as the server keeps it", () => {
  assert.equal(cleanName("  Dr.\tA\u0308nn \u0000 \u202e Bee\n"), "Dr. Änn Bee");
  assert.equal(cleanName("\u200b"), "");
  assert.equal([...cleanName("🦋".repeat(300))].length, 200);
});

test("an export holds the network's outlines and the reader's own, not those of anybody", () => {
  localStorage.setItem("thyrosight-reader", "Ann");
  const review = { saved: null, frame: 2, prediction: { image: { num_frames: 1 } } };
  assert.equal(questionOf(review, "csv"), "?who=Ann");
  assert.equal(questionOf(review, "seg"), "?who=Ann");
  assert.equal(questionOf({ ...review, saved: "" }, "csv"), "?who=Ann");
  assert.equal(questionOf({ ...review, saved: "x" }, "seg"), "?who=Ann&reader=person");
  assert.equal(questionOf({ ...review, prediction: { image: { num_frames: 9 } } }, "png"), "?who=Ann&frame=2");
  localStorage.removeItem("thyrosight-reader");
});
