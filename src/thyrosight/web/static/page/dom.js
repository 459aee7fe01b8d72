// Makes and fills elements, so that the page is built without strings of HTML.

/** @typedef {Node | string | number | false | null | undefined} Child what is absent is left out */
/** @typedef {Child | Array<Child | Child[] | Child[][]>} Children */
/**
 * @typedef {object} ElementsById ids of index.html whose elements are more than an HTMLElement
 * @property {HTMLCanvasElement} canvas
 * @property {SVGSVGElement} lines
 * @property {SVGSVGElement} track
 * @property {HTMLInputElement} file-input
 * @property {HTMLInputElement} folder-input
 * @property {HTMLInputElement} frame
 * @property {HTMLInputElement} opacity
 * @property {HTMLInputElement} window-width
 * @property {HTMLInputElement} window-level
 * @property {HTMLInputElement} single-keys
 * @property {HTMLInputElement} token
 * @property {HTMLTextAreaElement} note
 * @property {HTMLProgressElement} queue-progress
 * @property {HTMLDialogElement} help-dialog
 * @property {HTMLDialogElement} token-dialog
 * @property {HTMLDialogElement} confirm-dialog
 * @property {HTMLDialogElement} conflict-dialog
 * @property {HTMLDialogElement} scale-dialog
 * @property {HTMLDialogElement} name-dialog
 * @property {HTMLDialogElement} models-dialog
 * @property {HTMLFormElement} models-form
 * @property {HTMLButtonElement} models-use
 * @property {HTMLButtonElement} join
 * @property {HTMLInputElement} reader-name
 * @property {HTMLInputElement} second-reader
 * @property {HTMLInputElement} scale-mm
 * @property {HTMLInputElement} list-search
 * @property {HTMLSelectElement} list-state
 * @property {HTMLSelectElement} list-risk
 * @property {HTMLSelectElement} list-level
 * @property {HTMLSelectElement} list-sort
 * @property {HTMLButtonElement} smooth
 * @property {HTMLButtonElement} save
 * @property {HTMLButtonElement} discard
 * @property {HTMLButtonElement} correct
 * @property {HTMLButtonElement} undo
 * @property {HTMLButtonElement} redo
 * @property {HTMLButtonElement} delete-nodule
 * @property {HTMLButtonElement} revert
 * @property {HTMLButtonElement} show-outlines
 * @property {HTMLButtonElement} show-calipers
 * @property {HTMLButtonElement} show-map
 */

/**
 * Tag, properties, children -> element. Keys: class, dataset, on* handlers, aria-* and other attributes, DOM
 * properties.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} properties
 * @param {...Children} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  setAll(element, properties);
  element.append(...present(children));
  return element;
}

/** @param {Children[]} children @returns {Array<Node | string>} */
const present = (children) =>
  /** @type {any[]} */ (children)
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false);

/**
 * Element, new children (null ones are left out) -> the element with these and no others.
 * @template {Element} E
 * @param {E} element
 * @param {...Children} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...present(children));
  return element;
}

/**
 * As `h`, for SVG: every property is an attribute.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | null | undefined>} attributes
 * @param {...(Node | string)} children
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** @param {any} element @param {Record<string, any>} properties */
function setAll(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name === "class") element.className = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.includes("-")) element[name] = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false || name.startsWith("aria-")) element.setAttribute(name, value);
  }
}

/**
 * The element with this id, in index.html or drawn by the page.
 * @template {string} I
 * @param {I} id
 * @returns {I extends keyof ElementsById ? ElementsById[I] : HTMLElement}
 */
export const byId = (id) => /** @type {any} */ (document.getElementById(id));

/**
 * The element of an event, with the type that the listener expects.
 * @template {Element} [E=HTMLInputElement]
 * @param {Event} event
 * @returns {E}
 */
export const targetOf = (event) => /** @type {any} */ (event.target);

/**
 * The detail of a CustomEvent.
 * @param {Event} event
 * @returns {any}
 */
export const detailOf = (event) => /** @type {CustomEvent} */ (event).detail;

/**
 * Name of an icon in index.html, without its `i-` -> the icon, hidden from screen readers.
 * @param {string} name
 */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": "true", focusable: "false" }, svg("use", { href: `#i-${name}` }));
}

/**
 * Function, milliseconds -> a function that calls it once, this long after the last of several calls.
 * @param {() => void} call
 * @param {number} milliseconds
 */
export function debounced(call, milliseconds) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, milliseconds);
  };
}

/**
 * Replaces an element's children; the focus goes to the new control of the same data-key.
 * @param {Element} parent
 * @param {...Children} children
 */
export function replaceKeepingFocus(parent, ...children) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  const key = focused && parent.contains(focused) ? focused.dataset.key : null;
  fill(parent, ...children);
  if (key)
    /** @type {HTMLElement | null} */ (parent.querySelector(`[data-key="${CSS.escape(key)}"]`))?.focus({
      preventScroll: true,
    });
}
