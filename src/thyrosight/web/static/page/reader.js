// The reader, as this browser remembers them: their name, and whether they read as second reader.

const NAME_KEY = "thyrosight-reader";
const BLIND_KEY = "thyrosight-second-reader";

/** A name in the form that the server stores: composed, without control characters and surplus blanks. @param {string} name */
export function cleanName(name) {
  const blanks = name
    .normalize("NFC")
    .replaceAll("\uFEFF", "")
    .replace(/[\s\x1c-\x1f\x85]+/gu, " ");
  return [...blanks.replace(/\p{C}/gu, "")].slice(0, 200).join("").replace(/ +/g, " ").trim();
}

/** The reader's name; "" where nobody has given one. */
export const readerName = () => cleanName(localStorage.getItem(NAME_KEY) ?? "");

/** Whether this browser has asked for the name and has got an answer; an empty answer counts. */
export const hasAsked = () => localStorage.getItem(NAME_KEY) !== null;

/** @param {string} name */
export const setReaderName = (name) => localStorage.setItem(NAME_KEY, cleanName(name));

/** Second reader: the network's result stays hidden until the reader has outlined or rated. */
export const isSecondReader = () => localStorage.getItem(BLIND_KEY) === "1";

/** @param {boolean} is */
export function setSecondReader(is) {
  if (is) localStorage.setItem(BLIND_KEY, "1");
  else localStorage.removeItem(BLIND_KEY);
}
