// Rows of the work-list -> the rows that the reader wants, in their order and groups; and the next row to read.

/** @typedef {Api.VerdictIn["verdict"]} Verdict */
/** @typedef {Api.ListedItem} Row */
/**
 * @typedef {object} Wanted
 * @property {string} state all, unread, read, agreed, corrected, skipped, flagged, failed
 * @property {string} risk all, high, low, none
 * @property {string} level all, or a level
 * @property {string} search
 * @property {string} sort order, name, risk, teaches
 */
/** @typedef {{ kind: "head", key: string, job: string, name: string, created: string, rows: Row[] }} Head */
/** @typedef {{ kind: "row", key: string, row: Row }} Entry */

/** @type {Wanted} */
export const EVERYTHING = { state: "all", risk: "all", level: "all", search: "", sort: "order" };

/** @type {Record<string, (row: Row) => boolean>} */
const STATES = {
  all: () => true,
  flagged: (row) => row.flags.length > 0,
  failed: (row) => row.state === "failed",
};

/** @type {Record<string, (row: Row, threshold: number) => boolean>} */
const RISKS = {
  all: () => true,
  high: ({ risk }, threshold) => risk !== null && risk >= threshold,
  low: ({ risk }, threshold) => risk !== null && risk < threshold,
  none: ({ num_nodules: count, state }) => state === "done" && count === 0,
};

/**
 * Rows, what the reader wants, the risk from which a row counts as high -> the rows to list.
 * @param {Row[]} rows
 * @param {Wanted} wanted
 * @param {number} threshold
 * @param {string | null} also id of a row that is listed even if the filter leaves it out
 */
export function chosenRows(rows, { state, risk, level, search, sort }, threshold, also = null) {
  const isState = STATES[state] ?? ((row) => row.state === "done" && row.reading === state);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = rows.filter((row) => {
    const text = words.length ? `${row.job_name ?? ""} ${row.path ?? ""} ${row.name}`.toLowerCase() : "";
    return (
      row.id === also ||
      (isState(row) &&
        RISKS[risk](row, threshold) &&
        (level === "all" || upperEnd(row.level) === level) &&
        words.every((word) => text.includes(word)))
    );
  });
  if (sort === "name") return found.sort((a, b) => NAMES.compare(a.name, b.name));
  if (sort === "risk") return found.sort((a, b) => (b.risk ?? -1) - (a.risk ?? -1));
  if (sort === "teaches") return found.sort((a, b) => gainOf(b) - gainOf(a));
  return found;
}

/** Level, or range of levels -> the strictest possible level. @param {string | null} level */
const upperEnd = (level) => {
  const last = level?.match(/\w+$/)?.[0] ?? null;
  return last && /^\d+$/.test(last) ? `TR${last}` : last;
};

/** How much the network would learn from a reading; lowest where somebody has read the item. @param {Row} row */
const gainOf = ({ teaches, reading }) => (reading === "unread" ? (teaches ?? -1) : -2);

const NAMES = new Intl.Collator(undefined, { numeric: true });

/**
 * Rows -> entries of the list: for each job a head, then its rows. A list sorted across jobs (isGrouped false) has no
 * heads.
 * @param {Row[]} rows
 * @param {boolean} isGrouped
 * @returns {Array<Head | Entry>}
 */
export function entriesOf(rows, isGrouped) {
  /** @type {Array<Head | Entry>} */
  const entries = [];
  let head = /** @type {Head | undefined} */ (undefined);
  for (const row of rows) {
    if (isGrouped && row.job_id !== head?.job) {
      head = { kind: "head", key: `job ${row.job_id}`, job: row.job_id, name: row.job_name ?? "", created: row.created, rows: [] }; // prettier-ignore
      entries.push(head);
    }
    head?.rows.push(row);
    entries.push({ kind: "row", key: row.id, row });
  }
  return entries;
}

/**
 * The next row that nobody has read, after the chosen one and then from the top; null where all are read.
 * @param {Row[]} rows
 * @param {string | null} chosen
 */
export function nextUnread(rows, chosen) {
  const start = rows.findIndex((row) => row.id === chosen) + 1;
  const turned = [...rows.slice(start), ...rows.slice(0, start)];
  return turned.find((row) => row.reading === "unread" && row.state === "done" && row.id !== chosen) ?? null;
}
