// Files from a drop, a folder or a button -> the images among them, and how many were left out.

const NEVER =
  /\.(txt|csv|tsv|json|xml|html?|pdf|md|docx?|xlsx?|py|js|css|zip|gz|tar|7z|exe|dll|db|ini|log|nii|npy|npz|onnx)$/i;
const HIDDEN = /^(\.|thumbs\.db$|desktop\.ini$|dicomdir$|__macosx$)/i;

const NAMES = new Intl.Collator(undefined, { numeric: true });

/**
 * Files -> { images, numSkipped }. Only files that are certainly no image are left out; the server decides on the rest.
 * @param {ArrayLike<File> & Iterable<File>} files
 */
export function chosenImages(files) {
  /** @param {File} file */
  const isWanted = (file) => file.size > 0 && !NEVER.test(file.name) && !HIDDEN.test(file.name);
  const images = [...files].filter(isWanted).sort((a, b) => NAMES.compare(pathOf(a), pathOf(b)));
  return { images, numSkipped: files.length - images.length };
}

/** Paths of files in a dropped folder; the browser does not give these files a path. @type {WeakMap<File, string>} */
const dropped = new WeakMap();

/** File -> its path within the folder that was chosen or dropped; its name where it was in no folder. @param {File} file */
export const pathOf = (file) => dropped.get(file) ?? (file.webkitRelativePath || file.name);

/** Files -> the folder that they all are in; "" where there is none. @param {File[]} files */
export function folderOf(files) {
  const tops = new Set(files.map((file) => pathOf(file).split("/").slice(0, -1)[0] ?? ""));
  return tops.size === 1 ? [...tops][0] : "";
}

/** DataTransfer of a drop -> every file in it, also in sub-folders. @param {DataTransfer} transfer */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry?.())
    .filter((entry) => entry !== null && entry !== undefined);
  if (!entries.length) return [...transfer.files];
  /** @type {File[]} */
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

/** @param {FileSystemEntry} entry @param {File[]} found */
async function walk(entry, found) {
  if (entry.isFile) {
    const file = /** @type {FileSystemFileEntry} */ (entry);
    /** @type {File} */
    const opened = await new Promise((resolve, reject) => file.file(resolve, reject));
    dropped.set(opened, entry.fullPath.replace(/^\//, ""));
    found.push(opened);
    return;
  }
  if (HIDDEN.test(entry.name)) return;
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const inner of some) await walk(inner, found);
  }
}

/** Files -> parcels of at most this many files and bytes; each becomes one job. @param {File[]} files */
export function parcels(files, maxFiles = 16, maxBytes = 48e6) {
  /** @type {File[][]} */
  const made = [];
  /** @type {File[]} */
  let parcel = [];
  let bytes = Infinity;
  for (const file of files) {
    if (bytes + file.size > maxBytes || parcel.length >= maxFiles) {
      parcel = [];
      made.push(parcel);
      bytes = 0;
    }
    parcel.push(file);
    bytes += file.size;
  }
  return made;
}
