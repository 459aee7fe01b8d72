"""A folder -> its files: images, volumes, tables; for a folder that nothing recognises, a sentence on its content."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from thyrosight.files import raise_disk_fault
from thyrosight.folders.folder_files import files_below
from thyrosight.folders.unread_tables import FIX, unread_tables
from thyrosight.frames.headers import has_dicom_preamble
from thyrosight.frames.load import SUFFIXES

VOLUMES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd")
TABLES = (".csv", ".tsv")
_CLIPS = frozenset((".mp4", ".m4v", ".mov", ".avi"))
IMAGES = SUFFIXES - _CLIPS
MAX_NAME_BYTES = 255
"""A part of a path has at most this many bytes on all common systems."""
ARCHIVES = frozenset((".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz"))
ARRAYS = frozenset(
    f".{name}"
    for name in (
        *("mat", "npy", "npz", "h5", "hdf5", "pkl", "pt", "pth", "mdb", "lmdb"),
        *("parquet", "arrow", "feather", "tfrecord", "tfrecords"),
    )
)
"""Endings of files that may hold images and masks as arrays, which are not read."""
ANNOTATIONS = frozenset((".json", ".jsonl", ".ndjson", ".xml", ".mha", ".mhd")) | ARRAYS
"""Endings of files that may hold outlines in a format that is not read."""
_SEGMENTATION_CLASS, _META_BYTES = re.compile(rb"1\.2\.840\.10008\.5\.1\.4\.1\.1\.66\.4(?![\d.])"), 1_024
"""The class of a DICOM segmentation (PS3.4 section B.5), which stands in the first bytes of its file."""
ASK = "or write a CSV with the columns image, mask, malignancy, patient and give it to prepare"


def ending_of(path: Path) -> str:
    """File -> its ending, in lower case: `.nii.gz` and `.seg.nrrd` as a whole; empty where the name has none."""
    name = path.name.casefold()
    return next((ending for ending in VOLUMES if name.endswith(ending)), path.suffix.casefold())


def may_be_a_file(name: str) -> bool:
    """Whether a file can have this name: it is not empty, has no NUL, and no part of it is too long."""
    parts = Path(name).parts if "\0" not in name else ()
    sizes = [len(part.encode("utf-8", "surrogatepass")) for part in parts]
    return bool(Path(name).name) and max(sizes, default=0) <= MAX_NAME_BYTES


def stem_without_ending(path: Path) -> str:
    """File -> its name without the ending of an image or a volume; a UID with its dots stays whole.

    Accents are composed, because macOS stores them apart: names compare as they are seen.
    """
    ending = ending_of(path)
    name = path.name[: -len(ending)] if ending in IMAGES or ending in VOLUMES else path.name
    return unicodedata.normalize("NFC", name)


def is_image(path: Path) -> bool:
    """Whether the file is an image by its ending, or DICOM by its first bytes where a UID is its name."""
    ending = ending_of(path)
    if ending in IMAGES or ending in VOLUMES:
        return True
    if ending and not ending[1:].isdecimal():
        return False
    try:
        with path.open("rb") as file:
            return has_dicom_preamble(file.read(132))
    except OSError as error:
        raise_disk_fault(error, path)
        return False


def is_volume(path: Path) -> bool:
    """Whether the file is NIfTI or NRRD by its ending."""
    return ending_of(path) in VOLUMES


def images_below(folder: Path) -> list[Path]:
    """Folder -> its images and volumes, in natural order."""
    return [path for path in files_below(folder) if is_image(path)]


def counted(paths: Iterable[Path], folder: Path) -> str:
    """Files -> `12 png in a/, 12 json in b/`: the number of files per ending and folder."""
    kinds = Counter(
        (path.parent.relative_to(folder).as_posix(), ending_of(path).lstrip(".") or "file without ending")
        for path in paths
    )
    texts = [
        f"{number} {kind} in {'the folder itself' if at == '.' else at + '/'}" for (at, kind), number in kinds.items()
    ]
    return ", ".join(texts[:8]) + (f" and {len(texts) - 8} more kinds" if len(texts) > 8 else "")


def without(files: Iterable[Path], others: Iterable[Path]) -> list[Path]:
    """Files -> those that are not among the others, in order."""
    left = set(others)
    return [path for path in files if path not in left]


def by_name(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Images -> {name in lower case without ending: the files of that name}."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(stem_without_ending(path).casefold(), []).append(path)
    return found


def tables_below(folder: Path) -> list[Path]:
    """Folder -> its CSV files, at most one folder down."""
    found = [path for path in files_below(folder) if path.suffix.casefold() in TABLES]
    return [path for path in found if len(path.relative_to(folder).parts) <= 2]


def segmentation_in(images: Iterable[Path]) -> Path | None:
    """-> the first DICOM segmentation among the files; None where there is none."""
    return next(filter(_is_segmentation, images), None)


def _is_segmentation(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_META_BYTES)
    except OSError as error:
        raise_disk_fault(error, path)
        return False
    return has_dicom_preamble(head) and _SEGMENTATION_CLASS.search(head) is not None


def what_is_in(folder: Path) -> str:
    """Folder or file -> one sentence for an error: what is there, what it probably is, and the exact command for it."""
    if folder.is_file():
        if ending_of(folder) in ARCHIVES:
            return f"it is packed: unpack it and point at the folder; {ASK}"
        if ending_of(folder) in ARRAYS:
            return f"arrays in a file are not read: save each image and each mask as PNG of one name; {ASK}"
        return f"it is a file; {ASK}"
    files = files_below(folder)
    if not files:
        return "it is empty; point at the set's top folder"
    seen = f"seen: {counted(files, folder)}"
    tables = tables_below(folder)
    images = [path for path in files if is_image(path)]
    packed = [path.relative_to(folder).as_posix() for path in files if ending_of(path) in ARCHIVES]
    if packed and not images:
        return f"{seen}; best guess: the images are packed in {packed[0]}: unpack it"
    if tables:
        guess = f"{tables[0].relative_to(folder).as_posix()} may list the images"
        return f"{seen}; best guess: {guess}: thyrosight prepare {tables[0]} -o OUT --column image=COLUMN"
    if packed:
        return f"{seen}; best guess: masks or labels are packed in {packed[0]}: unpack it; {ASK}"
    if arrays := [path for path in files if ending_of(path) in ARRAYS and not images]:
        return (
            f"{seen}; best guess: {arrays[0].relative_to(folder).as_posix()} holds the images as arrays, which are not "
            "read: save each image and each mask as PNG of one name, in images/ and masks/"
        )
    if not images:
        return f"{seen}; best guess: the images are elsewhere, no file here is one; point at the set's top folder"
    if outlined := segmentation_in(images):
        name = outlined.relative_to(folder).as_posix()
        return (
            f"{seen}; best guess: {name} holds outlines as a DICOM segmentation, which is not read: save each as "
            f"PNG of 0 and 255 with its image's name, one image per frame; {ASK}"
        )
    names = by_name(images)
    if unread := unread_tables(folder, names):
        name = unread[0].relative_to(folder).as_posix()
        return f"{seen}; best guess: {name} holds the labels, in a form that is not read: {FIX}"
    if others := [path for path in files if not is_image(path) and path.stem.casefold() in names]:
        return (
            f"{seen}; best guess: {others[0].relative_to(folder).as_posix()} and {len(others) - 1} more like it belong "
            f"to the images of their names, in a format that is not read: save masks as PNG of 0 and 255; {ASK}; to "
            f"outline the images without them: thyrosight predict {folder} -o OUT"
        )
    if others := [path for path in files if ending_of(path) in ANNOTATIONS]:
        return (
            f"{seen}; best guess: {others[0].relative_to(folder).as_posix()} holds the annotations, in a format that "
            f"is not read: export them as COCO, CVAT for images, LabelMe, VIA or masks in PNG; {ASK}; to outline the "
            f"images without them: thyrosight predict {folder} -o OUT"
        )
    return _guess_at_folders(folder, images, seen)


def _guess_at_folders(folder: Path, images: Sequence[Path], seen: str) -> str:
    """As what_is_in, of a folder that holds images and nothing else that tells more."""
    names = by_name(images)
    tops = list(dict.fromkeys(path.relative_to(folder).parts[0] for path in images if path.parent != folder))
    if len(tops) > 1 and not any(len({path.parent for path in same}) > 1 for same in names.values()):
        return (
            f"{seen}; best guess: {tops[0]}/ and {tops[1]}/ are classes or patients, and no file is a mask: call "
            f"classes benign and malignant; {ASK}; to outline the images: thyrosight predict {folder} -o OUT"
        )
    if len(tops) > 2:
        twice = ", ".join([name for name, same in names.items() if len({path.parent for path in same}) > 1][:4])
        return (
            f"{seen}; best guess: the files of one name in several folders ({twice}) are images of several patients, "
            f"and no name tells a mask: call the mask of NAME.png NAME_mask.png; {ASK}; to outline the images: "
            f"thyrosight predict {folder} -o OUT"
        )
    if len(tops) > 1:
        command = f"thyrosight prepare {folder} -o OUT --source folders --column mask={tops[-1]}"
        return f"{seen}; best guess: {tops[-1]}/ holds the masks of {tops[0]}/: {command}; {ASK}"
    return (
        f"{seen}; best guess: images without masks or labels, to be outlined: thyrosight predict {folder} -o OUT; {ASK}"
    )
