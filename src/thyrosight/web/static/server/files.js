// Files from a drop, a folder or a button -> the images among them, and how many were left out.

const NEVER =
  /\.(txt|csv|tsv|json|xml|html?|pdf|md|docx?|xlsx?|py|js|css|zip|gz|tar|7z|exe|dll|db|ini|log|nii|npy|npz|onnx)$/i;
const HIDDEN = /^(\.|thumbs\.db$|desktop\.ini$|dicomdir$|__macosx$)/i;

/** Files -> { images, numSkipped }: what is surely no image is left out; what only may be none goes to the server. */
export function chosenImages(files) {
  const isWanted = (file) => file.size > 0 && !NEVER.test(file.name) && !HIDDEN.test(file.name);
  const images = [...files]
    .filter(isWanted)
    .sort((a, b) => pathOf(a).localeCompare(pathOf(b), undefined, { numeric: true }));
  return { images, numSkipped: files.length - images.length };
}

const pathOf = (file) => file.webkitRelativePath || file.name;

/** DataTransfer of a drop -> every file in it, folders walked to their ends. */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.isFile) {
    found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  if (HIDDEN.test(entry.name)) return;
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const inner of some) await walk(inner, found);
  }
}

/** Files -> parcels of at most so many files and bytes: one job each. */
export function parcels(files, maxFiles = 16, maxBytes = 48e6) {
  const made = [];
  let bytes = Infinity;
  for (const file of files) {
    if (bytes + file.size > maxBytes || made.at(-1).length >= maxFiles) {
      made.push([]);
      bytes = 0;
    }
    made.at(-1).push(file);
    bytes += file.size;
  }
  return made;
}
