// Entries of known heights -> elements for the visible entries only, so that thousands of rows cost as much as thirty.

const BEYOND_PX = 400;

/**
 * @template E
 * @typedef {object} Drawing
 * @property {(entry: E) => number} height in CSS pixels
 * @property {(entry: E) => string} key
 * @property {(entry: E, element: HTMLElement | null) => HTMLElement} draw the element, made or drawn again
 */

/** @template E */
export class VirtualList {
  /**
   * @param {HTMLElement} parent it scrolls
   * @param {HTMLElement} list it holds the elements
   * @param {Drawing<E>} drawing
   */
  constructor(parent, list, drawing) {
    this.parent = parent;
    this.list = list;
    this.drawing = drawing;
    /** @type {E[]} */
    this.entries = [];
    /** @type {number[]} where each entry begins, and where the last one ends */
    this.tops = [0];
    /** @type {Map<string, HTMLElement>} */
    this.shown = new Map();
    this.isDrawing = false;
    parent.addEventListener("scroll", () => this.drawSoon(), { passive: true });
    new ResizeObserver(() => this.drawSoon()).observe(parent);
  }

  /** @param {E[]} entries */
  show(entries) {
    this.entries = entries;
    this.tops = [0];
    for (const entry of entries) this.tops.push(/** @type {number} */ (this.tops.at(-1)) + this.drawing.height(entry));
    this.list.style.height = `${this.tops.at(-1)}px`;
    this.draw();
  }

  drawSoon() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      this.draw();
    });
  }

  draw() {
    const top = this.parent.scrollTop - this.list.offsetTop;
    const first = indexAt(this.tops, top - BEYOND_PX);
    const last = indexAt(this.tops, top + this.parent.clientHeight + BEYOND_PX);
    const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
    /** @type {Map<string, HTMLElement>} */
    const now = new Map();
    this.entries.slice(first, last + 1).forEach((entry, offset) => {
      const key = this.drawing.key(entry);
      const element = this.drawing.draw(entry, this.shown.get(key) ?? null);
      element.style.transform = `translateY(${this.tops[first + offset]}px)`;
      now.set(key, element);
    });
    for (const [key, element] of this.shown) if (!now.has(key) && !element.contains(focused)) element.remove();
    let before = /** @type {ChildNode | null} */ (this.list.firstChild);
    for (const element of now.values()) {
      if (before === element) before = element.nextSibling;
      else this.list.insertBefore(element, before);
    }
    this.shown = now;
  }

  /** Scrolls until an entry is visible. @param {number} index */
  reveal(index) {
    if (index < 0) return;
    const [top, bottom] = [this.tops[index] + this.list.offsetTop, this.tops[index + 1] + this.list.offsetTop];
    const { scrollTop, clientHeight } = this.parent;
    if (top < scrollTop) this.parent.scrollTop = Math.max(0, top - 60);
    else if (bottom > scrollTop + clientHeight) this.parent.scrollTop = bottom - clientHeight + 60;
    this.draw();
  }
}

/** Ascending places, a place -> the index of the last entry that begins there or before; 0 at least. @param {number[]} tops @param {number} place */
export function indexAt(tops, place) {
  let [low, high] = [0, Math.max(0, tops.length - 2)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (tops[middle] <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}
