// The TI-RADS form: proposed descriptors that a person can set; the server answers with points, level and advice.

import { asApiError, isAbort, sendJson } from "../server/api.js";
import { fill, h, replaceKeepingFocus, targetOf } from "../page/dom.js";
import { capitalised, plural } from "../page/format.js";
import { lastKnown } from "../review/findings.js";
import { DESCRIPTORS, SYSTEMS, proposalsOf, shapeProposal, signsOf } from "./lexicon.js";

/** @typedef {import("../review/review.js").Review} Review */
/** @typedef {import("../review/findings.js").Finding} Finding */
/** @typedef {import("./lexicon.js").Descriptor} Descriptor */
/** @typedef {import("./lexicon.js").Proposal} Proposal */

/** The form for one finding at a time. `parent` holds it; `review` holds what was chosen. */
export class TiradsForm {
  /** @param {HTMLElement} parent @param {(level: { text: string, under: string } | null) => void} told */
  constructor(parent, told) {
    this.parent = parent;
    this.told = told;
    /** @type {Map<Finding, number>} longest diameters in mm that a person gave */
    this.sizes = new Map();
    /** @type {Api.Assessment | null} */
    this.result = null;
    /** @type {string | null} */
    this.problem = null;
    /** @type {string | null} the last question */
    this.asked = null;
    /** @type {AbortController | null} */
    this.asking = null;
    /** @type {Api.MeasuredSigns | null} */
    this.signs = null;
    /** @type {Record<string, Proposal>} */
    this.proposals = {};
    /** @type {Review} the first is set by `show` */
    this.review = /** @type {any} */ (null);
    /** @type {Finding} the first is set by `show` */
    this.finding = /** @type {any} */ (null);
    this.output = h("div");
  }

  /** @param {Review} review @param {Finding | null} finding */
  show(review, finding) {
    const isOther = finding?.key !== this.finding?.key || review !== this.review;
    Object.assign(this, { review, finding });
    this.parent.hidden = !finding || finding.isRemoved;
    if (!finding || this.parent.hidden) {
      this.asking?.abort(); // an answer that comes later belongs to no nodule
      this.asked = null;
      return;
    }
    if (isOther) Object.assign(this, { result: null, problem: null, asked: null });
    const measured = lastKnown(finding);
    this.signs = signsOf(measured);
    this.proposals = { ...(isOther ? {} : this.proposals), ...shapeProposal(measured) };
    this.draw();
    this.ask();
  }

  /**
   * -> the value of a descriptor: the person's, else the proposed one; null where there is neither.
   * @param {string} name
   */
  value(name) {
    return this.finding.chosen[name] ?? this.proposals[name]?.value ?? null;
  }

  longestMm() {
    const measured = lastKnown(this.finding)?.size.longest_mm ?? null;
    return measured ?? this.sizes.get(this.finding) ?? null;
  }

  async ask() {
    const question = this.question();
    const text = JSON.stringify(question);
    if (text === this.asked) return;
    this.asked = text;
    this.asking?.abort();
    this.asking = new AbortController();
    try {
      const result = await sendJson("POST", "tirads", question, { signal: this.asking.signal });
      if (text !== this.asked) return;
      Object.assign(this, { result, problem: null });
      if (this.propose(result.descriptors)) this.draw();
    } catch (error) {
      if (isAbort(error)) return;
      Object.assign(this, { result: null, problem: asApiError(error).message, asked: null });
    }
    this.drawResult();
  }

  /**
   * The person's choices, with the signs from which the server proposes the rest; without signs, the outline's shape.
   */
  question() {
    /** @type {Record<string, unknown>} */
    const question = { system: this.review.system, longest_mm: this.longestMm() };
    for (const { name, isMany } of DESCRIPTORS) {
      const value = this.signs ? (this.finding.chosen[name] ?? null) : this.value(name);
      question[name] = value ?? (isMany ? [] : null);
    }
    return this.signs ? { ...question, signs: this.signs } : question;
  }

  /**
   * Takes the server's proposals -> whether they have changed. A word that a person has chosen is not replaced.
   * @param {unknown} descriptors
   */
  propose(descriptors) {
    if (!this.signs) return false;
    const before = JSON.stringify(this.proposals);
    const kept = Object.entries(this.proposals).filter(([name]) => this.finding.chosen[name] !== undefined);
    this.proposals = { ...Object.fromEntries(kept), ...proposalsOf(descriptors) };
    return JSON.stringify(this.proposals) !== before;
  }

  draw() {
    this.output = h("div", { class: "level", role: "status", "aria-label": "TI-RADS level" });
    replaceKeepingFocus(
      this.parent,
      h("div", { class: "section-head" }, h("h3", {}, `TI-RADS, nodule ${this.finding.number}`), this.systemChoice()),
      this.output,
      this.confirmAll(),
      DESCRIPTORS.map((descriptor) => (descriptor.isMany ? this.many(descriptor) : this.one(descriptor))),
      this.sizeRow(),
    );
    this.drawResult();
  }

  drawResult() {
    const { result, problem } = this;
    const under = result && (this.restsOnProposals() ? "proposed" : shortPoints(result));
    this.told(result ? { text: shortLevel(result), under: under ?? "" } : null);
    for (const mark of this.parent.querySelectorAll(/** @type {"span"} */ (".points")))
      mark.textContent = pointsText(result?.points_by[mark.dataset.name ?? ""]);
    if (problem) fill(this.output, h("p", { class: "problem" }, problem));
    else if (!result) fill(this.output, h("p", { class: "level-line faint" }, "…"));
    else {
      const open = (result.missing ?? []).map((name) =>
        (DESCRIPTORS.find((descriptor) => descriptor.name === name)?.title ?? name).toLowerCase(),
      );
      fill(
        this.output,
        h(
          "p",
          { class: "level-line" },
          h(
            "strong",
            { class: `level-badge${result.level && !this.restsOnProposals() ? "" : " is-open"}` },
            levelText(result),
          ),
          h("span", {}, wordsOf(result)),
        ),
        result.advice?.words ? h("p", { class: "advice" }, capitalised(result.advice.words)) : null,
        open.length ? h("p", { class: "small faint" }, `Not chosen yet: ${listed(open)}.`) : null,
        !open.length && this.restsOnProposals()
          ? h("p", { class: "small warning" }, "Only proposed: check each descriptor.")
          : null,
        (result.warnings ?? []).map((text) => h("p", { class: "small warning" }, capitalised(text))),
        result.advice?.thresholds ? h("p", { class: "small faint" }, result.advice.thresholds) : null,
      );
    }
  }

  /** Whether the reader's words alone would not give this level; without signs the page proposed the shape itself. */
  restsOnProposals() {
    return this.result?.is_level_proposed || (!this.signs && this.isProposed("shape"));
  }

  /** @param {string} name */
  isProposed(name) {
    return this.finding.chosen[name] === undefined && this.proposals[name] !== undefined;
  }

  /** @param {Record<string, string | string[] | null>} words by descriptor; null takes a choice back */
  choose(words) {
    this.review.choose(this.finding.key, words);
    this.draw();
    this.ask();
  }

  /** The reader says what was proposed. @param {string[]} names */
  confirm(names) {
    this.choose(Object.fromEntries(names.map((name) => [name, this.proposals[name].value])));
  }

  /** One press for all that is only proposed; nothing where nothing is. */
  confirmAll() {
    const names = DESCRIPTORS.map(({ name }) => name).filter((name) => this.isProposed(name));
    const onclick = () => this.confirm(names);
    return names.length ? h("button", { type: "button", class: "small-button", dataset: { key: "confirm-all" }, onclick }, `Confirm ${names.length === 1 ? "the proposed word" : `the ${names.length} proposed words`}`) : null; // prettier-ignore
  }

  systemChoice() {
    const options = SYSTEMS.map(({ name, title }) =>
      h("option", { value: name, selected: name === this.review.system }, title),
    );
    /** @param {Event} event */
    const onchange = (event) => {
      this.review.rateBy(targetOf(event).value);
      this.draw();
      this.ask();
    };
    return h(
      "select",
      { class: "quiet", "aria-label": "TI-RADS system", dataset: { key: "system" }, onchange },
      options,
    );
  }

  /** @param {Descriptor} descriptor */
  one({ name, title, terms }) {
    const value = this.value(name);
    const options = terms.map((term) => h("option", { value: term, selected: term === value }, term));
    if (value === null) options.unshift(h("option", { value: "", selected: true, disabled: true }, "choose"));
    const select = h(
      "select",
      {
        id: `tirads-${name}`,
        dataset: { key: name },
        onchange: (/** @type {Event} */ event) => this.choose({ [name]: targetOf(event).value }),
      },
      options,
    );
    return h(
      "div",
      { class: "descriptor" },
      h("label", { htmlFor: `tirads-${name}` }, title),
      this.origin(name),
      select,
      this.why(name),
    );
  }

  /** @param {Descriptor} descriptor */
  many({ name, title, terms, none }) {
    /** @type {string[]} */
    const chosen = this.value(name) ?? [];
    const toggle = (/** @type {string} */ term) => (/** @type {Event} */ event) => {
      const rest = chosen.filter((other) => other !== term && other !== none);
      const next = term === none ? [term] : targetOf(event).checked ? [...rest, term] : rest;
      this.choose({ [name]: next.length || !none ? next : [none] });
    };
    const boxes = terms.map((term) =>
      h(
        "label",
        { class: "check" },
        h("input", {
          type: "checkbox",
          checked: chosen.includes(term),
          dataset: { key: `${name}-${term}` },
          onchange: toggle(term),
        }),
        h("span", {}, term),
      ),
    );
    return h(
      "div",
      { class: "descriptor", role: "group", "aria-labelledby": `tirads-${name}` },
      h("span", { id: `tirads-${name}`, class: "title" }, title),
      this.origin(name),
      h("div", { class: "checks" }, boxes),
      this.why(name),
    );
  }

  /** The origin of the value: proposed, yours (with a button to remove it), or not set yet. @param {string} name */
  origin(name) {
    const isOwn = this.finding.chosen[name] !== undefined;
    const proposal = this.proposals[name];
    const points = h("span", { class: "points", dataset: { name } });
    if (!isOwn)
      return h(
        "span",
        { class: "origin" },
        proposal ? h("button", { type: "button", class: "link", dataset: { key: `${name}-reset` }, onclick: () => this.confirm([name]), "aria-label": `Confirm: ${name}` }, "Confirm") : null, // prettier-ignore
        h("span", { class: proposal ? "tag proposed" : "tag missing" }, proposal ? "proposed" : "not set"),
        points,
      );
    const title = proposal ? "Back to the proposal" : "Clear";
    return h(
      "span",
      { class: "origin" },
      h(
        "button",
        {
          type: "button",
          class: "link",
          dataset: { key: `${name}-reset` },
          onclick: () => this.choose({ [name]: null }),
          "aria-label": `${title}: ${name}`,
        },
        proposal ? "Undo" : "Clear",
      ),
      h("span", { class: "tag yours" }, "yours"),
      points,
    );
  }

  /** @param {string} name */
  why(name) {
    const proposal = this.proposals[name];
    return proposal?.why && this.finding.chosen[name] === undefined
      ? h("p", { class: "small faint" }, proposal.why)
      : null;
  }

  sizeRow() {
    const size = lastKnown(this.finding)?.size;
    if (!size || (size.longest_mm !== null && size.longest_mm !== undefined)) return null;
    /** @param {Event} event */
    const oninput = (event) => {
      const mm = targetOf(event).valueAsNumber;
      if (mm > 0 && mm < 200) this.sizes.set(this.finding, mm);
      else this.sizes.delete(this.finding);
      this.ask();
    };
    return h(
      "div",
      { class: "descriptor" },
      h("label", { htmlFor: "tirads-size" }, "Longest diameter, mm"),
      h("span", { class: "tag missing" }, "not in the file"),
      h("input", {
        id: "tirads-size",
        type: "number",
        min: "0.1",
        max: "200",
        step: "0.1",
        inputMode: "decimal",
        value: this.sizes.get(this.finding) ?? "",
        dataset: { key: "size" },
        oninput,
      }),
      h("p", { class: "small faint" }, "For the advice alone; read it off the scanner's own calipers."),
    );
  }
}

/** @param {string[]} names */
const listed = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);

/** @param {Api.Assessment} result */
const levelText = ({ level, lowest_level: lowest, highest_level: highest }) => level ?? `${lowest} to ${highest}`;

/** @param {number | null | undefined} points */
const pointsText = (points) => (points === null || points === undefined ? "" : `+${points}`);

/** @param {Api.Assessment} result */
function wordsOf({ points, lowest_points: lowest, highest_points: highest, level_words: words }) {
  const parts = words ? [words] : [];
  if (points !== null && points !== undefined) parts.push(plural(points, "point"));
  else if (lowest !== null && lowest !== undefined) parts.push(`${lowest} to ${highest} points`);
  return parts.join(" · ");
}

/** `TR4`, or `TR2–5` while it is open. @param {Api.Assessment} result */
const shortLevel = ({ level, lowest_level: lowest, highest_level: highest }) =>
  level ?? `${lowest}–${highest.replace(/^\D+/, "")}`;

/** @param {Api.Assessment} result */
function shortPoints({ points, level }) {
  if (points !== null && points !== undefined) return plural(points, "point");
  return level ? "" : "still open";
}
