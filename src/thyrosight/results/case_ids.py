"""Images of files and folders -> one case id per image: a folder name that is safe on every file system."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from thyrosight.files import readable
from thyrosight.frames.dicom import is_dicomdir

MAX_ID_LENGTH = 50
"""In characters. Even with four bytes per character and a hash at its end, such an id is a legal file name."""
DEVICE_NAMES = frozenset({"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)})
"""Names that Windows reserves, with any suffix."""


@dataclass(frozen=True)
class Task:
    """One image of a run: its path, its name within the run (without folders above the sources), its case id."""

    path: Path
    name: str
    case_id: str


def assign_case_ids(
    sources: Sequence[Path], images: Iterable[Path], *, suffix: str = "", reserved: Iterable[str] = ()
) -> list[Task]:
    """Sources as given, their images -> one task per image in the same order; no two ids differ by letter case alone.

    An image of a folder gets its path below that folder as a name, `a/b.png` -> `a__b`, with the folder's own name
    first where there are several folders. An id that is reserved, taken or too long ends in a hash; see `ids_of_names`.
    """
    paths = list(images)
    names = names_within(sources, paths)
    places = [os.path.abspath(path) for path in paths]
    ids = ids_of_names(names, places, suffix=suffix, reserved=reserved)
    return [Task(*one) for one in zip(paths, names, ids, strict=True)]


def ids_of_names(
    names: Sequence[str], places: Sequence[str] | None = None, *, suffix: str = "", reserved: Iterable[str] = ()
) -> list[str]:
    """Names of images within a run, their absolute paths -> one case id per name, in the same order.

    An id that is reserved, taken or longer than MAX_ID_LENGTH gets a hash of the name at its end. If that id is taken
    too, it gets a hash of the absolute path. Without `places`, the third image of one name gets the hash of `NAME 3`.
    """
    taken = {name.casefold() for name in reserved}
    count: Counter[str] = Counter()
    ids = []
    for index, name in enumerate(names):
        count[name] += 1
        place = places[index] if places is not None else f"{name} {count[name]}"
        safe = _safe(name)
        short = safe[:MAX_ID_LENGTH] + suffix
        candidates = (short, f"{short}-{_hash(name)}", f"{short}-{_hash(place)}")
        case_id = next(id_ for id_ in candidates[len(safe) > MAX_ID_LENGTH :] if _is_free(id_, taken))
        taken.add(case_id.casefold())
        ids.append(case_id)
    return ids


def names_within(sources: Sequence[Path], images: Sequence[Path]) -> list[str]:
    """Sources as given, their images -> the name of each image within the run."""
    places = [source.parent if is_dicomdir(source.name) and source.is_file() else source for source in sources]
    folders = [place for place in places if place.is_dir()]
    return [name_within(folders, path, with_folder=len(folders) > 1) for path in images]


def suffix_of_frame(frame_index: int | None) -> str:
    """The frame that is predicted of each file -> the end of the case ids, so that two frames of one file differ."""
    return f"_frame{frame_index}" if frame_index else ""


def name_within(folders: Sequence[Path], path: Path, *, with_folder: bool) -> str:
    """-> the path below its source folder, `sub/folder/image.png`, or the file's own name.

    with_folder: the name of the source folder comes first.
    """
    for folder in folders:
        if path.is_relative_to(folder) and path != folder:
            name = readable(path.relative_to(folder).as_posix())
            own_name = readable(os.path.basename(os.path.abspath(folder)))
            return f"{own_name}/{name}" if with_folder and own_name else name
    return readable(os.path.basename(os.path.abspath(path)))


def _safe(name: str) -> str:
    """`sub/image 1.png` -> `sub__image_1`: letters, digits, `_`, `.` and `-`, without `.` and `-` at the start."""
    text = unicodedata.normalize("NFKC", str(Path(name).with_suffix("")))
    encoding = sys.getfilesystemencoding()  # ASCII in the POSIX locale
    text = text.encode(encoding, "replace").decode(encoding)
    parts = [re.sub(r"[^\w.-]+", "_", part) for part in text.split("/")]
    return "__".join(part.strip(".-_") or "_" for part in parts)


def _is_free(case_id: str, taken: set[str]) -> bool:
    folded = case_id.casefold()
    return folded not in taken and folded.split(".")[0] not in DEVICE_NAMES


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
