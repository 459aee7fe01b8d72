// Who reads, as this browser remembers it: the name, the second reader's view, the order of the list.

const NAME_KEY = "thyrosight-reader";
const BLIND_KEY = "thyrosight-second-reader";

/** The reader's name; "" where nobody has given one. */
export const readerName = () => localStorage.getItem(NAME_KEY) ?? "";

/** Whether this browser has asked for the name, and got an answer, even an empty one. */
export const hasAsked = () => localStorage.getItem(NAME_KEY) !== null;

/** @param {string} name */
export const setReaderName = (name) => localStorage.setItem(NAME_KEY, name.trim().slice(0, 200));

/** Second reader: the network's result stays hidden until the reader has outlined or rated. */
export const isSecondReader = () => localStorage.getItem(BLIND_KEY) === "1";

/** @param {boolean} is */
export function setSecondReader(is) {
  if (is) localStorage.setItem(BLIND_KEY, "1");
  else localStorage.removeItem(BLIND_KEY);
}
