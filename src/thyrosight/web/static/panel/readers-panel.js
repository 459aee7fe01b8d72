// Readings of one frame by several readers -> one line per reading, its outlines on request, and their agreement.

import { asApiError, framePath, getJson } from "../server/api.js";
import { fill, h } from "../page/dom.js";
import { clock, percent, plural } from "../page/format.js";
import { readerName } from "../page/reader.js";

/** @typedef {import("../review/review.js").Review} Review */
/** @typedef {import("../review/rings.js").Ring} Ring */

export class ReadersPanel {
  /** @param {HTMLElement} parent @param {(rings: Ring[]) => void} outline shows others' outlines on the image */
  constructor(parent, outline) {
    this.parent = parent;
    this.outline = outline;
    /** @type {string | null} whose outlines are shown */
    this.shown = null;
  }

  /** Draws the section; hidden where nobody else has read the frame. @param {Review} review @param {boolean} isOther another frame */
  async show(review, isOther) {
    if (isOther) {
      this.shown = null;
      this.outline([]);
    }
    this.parent.hidden = true;
    if (review.isBlind) return;
    try {
      const path = framePath(review.item.id, review.frame, "readings");
      /** @type {{ readings: any[], agreement: any[] }} */
      const { readings, agreement } = await getJson(path);
      if (readings.some((reading) => reading.who !== readerName())) this.draw(readings, agreement);
    } catch (error) {
      const { status, isOffline } = asApiError(error);
      if (status !== 404 && status !== 409 && !isOffline) throw error;
    }
  }

  /** @param {any[]} readings @param {any[]} agreement */
  draw(readings, agreement) {
    this.parent.hidden = false;
    fill(
      this.parent,
      h("h3", {}, plural(readings.length, "reading")),
      h(
        "ul",
        { class: "readers" },
        readings.map((reading) => this.line(reading, () => this.draw(readings, agreement))),
      ),
      agreement.map(agreementOf),
    );
  }

  /** @param {any} reading @param {() => void} redraw */
  line(reading, redraw) {
    const who = reading.who || "no name";
    const isShown = this.shown === who;
    const onclick = () => {
      this.shown = isShown ? null : who;
      this.outline(isShown ? [] : reading.outlines_xy);
      redraw();
    };
    const levels = reading.findings.map((/** @type {any} */ one) => one.level).filter(Boolean);
    const facts = [plural(reading.findings.length, "nodule"), ...levels, clock(reading.saved_at)].join(" · ");
    const isOwn = reading.who === readerName();
    const pressed = { "aria-pressed": String(isShown), title: "Outlines on the image" };
    return h(
      "li",
      {},
      h("span", {}, h("strong", {}, isOwn ? `${who} (you)` : who), h("span", { class: "faint" }, ` ${facts}`)),
      isOwn ? null : h("button", { type: "button", class: "toggle small", ...pressed, onclick }, "Show"),
    );
  }
}

/** @param {any} pair */
const agreementOf = (pair) => h("p", { class: "small faint" }, agreementWords(pair));

/** The agreement of two readers: outlines, diameters, levels. @param {any} pair */
export function agreementWords({ who_a: a, who_b: b, dice, pairs, only_a: onlyA, only_b: onlyB }) {
  const words = pairs.map((/** @type {any} */ one) => {
    const size = one.longest_difference_mm === null ? `${Math.abs(one.longest_difference_px).toFixed(0)} px` : `${Math.abs(one.longest_difference_mm).toFixed(1)} mm`; // prettier-ignore
    const levels = one.level_a === one.level_b ? `both ${one.level_a ?? "without level"}` : `${one.level_a ?? "–"} and ${one.level_b ?? "–"}`; // prettier-ignore
    return `nodule ${one.number_a}: longest differs by ${size}, ${levels}`;
  });
  if (onlyA.length) words.push(`${plural(onlyA.length, "nodule")} only by ${a || "no name"}`);
  if (onlyB.length) words.push(`${plural(onlyB.length, "nodule")} only by ${b || "no name"}`);
  const both = `${a || "no name"} and ${b || "no name"}`;
  if (!words.length) return `${both}: both see no nodule.`;
  return `${both}: outlines agree to ${percent(dice)} (Dice); ${words.join("; ")}.`;
}
