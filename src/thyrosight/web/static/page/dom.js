// Elements in, elements out: the page is built without strings of HTML.

/** Tag, properties, children -> element. Keys: class, dataset, on* handlers, aria-* and other attributes, DOM properties. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  setAll(element, properties);
  element.append(...present(children));
  return element;
}

const present = (children) =>
  children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

/** Element, new children (null ones are left out) -> the element with these and no others. */
export function fill(element, ...children) {
  element.replaceChildren(...present(children));
  return element;
}

/** As `h`, for SVG: every property is an attribute. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter(Boolean));
  return element;
}

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

export const byId = (id) => document.getElementById(id);

/** A name that starts an icon of the sprite in index.html -> the icon, silent to screen readers. */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": "true", focusable: "false" }, svg("use", { href: `#i-${name}` }));
}

/** Function, milliseconds -> the function, called once the calls have been still for that long. */
export function debounced(call, milliseconds) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...values), milliseconds);
  };
}

/** Swaps an element's children and keeps the focus on the control of the same data-key. */
export function replaceKeepingFocus(parent, ...children) {
  const key = parent.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  fill(parent, children);
  if (key) parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}
