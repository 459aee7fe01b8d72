"""Files and folders -> the images in them, and the number of other files by kind.

Links are followed; each real folder is visited once. Our own results folders are recognised by the content of their
files, not by their names: annotation tools also write a result.json.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from thyrosight.errors import InputError
from thyrosight.files import disk_fault_of, natural_key, raise_disk_fault, readable
from thyrosight.frames.dicom import HEAD_BYTES, files_of_dicomdir, is_dicomdir, kind_of
from thyrosight.frames.load import SUFFIXES, read_bounded

RUN_NAME, RESULT_NAME = "run.json", "result.json"
RUN_KIND = "thyrosight results"
"""The value of `kind` in run.json."""
_RESULT_KEYS = {"image", "model", "nodules", "software_version"}
_MAX_OWN_BYTES = 64 << 20


@dataclass(frozen=True)
class FoundImages:
    """The images of files and folders, in order; passed_over: {kind (".nii", "no suffix" ...): number of files}."""

    images: list[Path]
    passed_over: dict[str, int] = field(default_factory=dict)

    @property
    def passed_over_in_words(self) -> str:
        """-> "2 .npy, 1 .nii"; empty where nothing was passed over."""
        return ", ".join(f"{number} {kind}" for kind, number in sorted(self.passed_over.items(), key=lambda p: -p[1]))


def find_images(paths: Iterable[Path | str]) -> FoundImages:
    """Files and folders -> their images, each once, in the order given; folders with sub-folders, in natural order.

    A file that the user names is kept, even if it is missing, and so is a folder without an image next to other
    sources: load_frame raises the error. In folders, images are files with a known suffix, and files of other names
    whose first bytes are those of DICOM. A DICOMDIR stands for its folder; an image that it names and that is not there
    is kept, as one that the user names. Hidden files and folders, `__MACOSX` and our own results are skipped; all other
    files are counted as passed over.
    """
    found: dict[str, Path] = {}
    passed_over: Counter[str] = Counter()
    bare = []
    for path in map(Path, paths):
        folder = path.parent if is_dicomdir(path.name) and path.is_file() else path
        files = list(_walk(folder, passed_over)) if folder.is_dir() else [path]
        bare += [] if files else [path]
        for file in files:
            found.setdefault(os.path.abspath(file), file)
    for path in bare if found else ():
        found.setdefault(os.path.abspath(path), path)
    return FoundImages(list(found.values()), dict(passed_over))


def _walk(folder: Path, passed_over: Counter[str]) -> Iterator[Path]:
    visited: set[str] = set()
    for root, folders, names in os.walk(folder, onerror=raise_disk_fault, followlinks=True):
        real = os.path.realpath(root)
        if real in visited or is_results_folder(Path(root), names):
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted((f for f in folders if not f.startswith(".") and f != "__MACOSX"), key=natural_key)
        is_case = RESULT_NAME in names and _holds(Path(root, RESULT_NAME), _RESULT_KEYS)
        for name in sorted(names, key=natural_key) if not is_case else ():
            if name.startswith("."):
                continue
            if Path(name).suffix.lower() in SUFFIXES or _is_dicom(Path(root, name)):
                yield Path(root, name)
            else:
                passed_over[readable(Path(name).suffix.lower()) or "no suffix"] += 1
            if is_dicomdir(name):
                yield from _lost_of_dicomdir(Path(root, name))


def _lost_of_dicomdir(path: Path) -> Iterator[Path]:
    """DICOMDIR -> the images that it names and that are not there, or itself where it can't be read.

    Letter case does not count: systems show the names on a disc in lower case.
    """
    try:
        listed = files_of_dicomdir(path)
    except InputError:
        yield path
        return
    names_in: dict[str, dict[str, str]] = {}
    for parts in listed:
        place = str(path.parent)
        for part in parts:
            if place not in names_in:
                found = os.listdir(place) if os.path.isdir(place) else ()
                names_in[place] = {name.casefold(): name for name in found}
            name = names_in[place].get(part.casefold())
            if name is None:
                yield path.parent.joinpath(*parts)
                break
            place = os.path.join(place, name)


def is_results_folder(folder: Path, names: Iterable[str]) -> bool:
    """Whether `predict` wrote the folder."""
    return RUN_NAME in names and _holds(folder / RUN_NAME, {"kind"}, kind=RUN_KIND)


def _holds(path: Path, keys: set[str], **values: str) -> bool:
    """Whether the JSON file holds an object with these keys and values."""
    try:
        if path.stat().st_size > _MAX_OWN_BYTES:
            return False
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise_disk_fault(error, path)
        return False
    is_object = isinstance(content, dict) and keys <= content.keys()
    return is_object and all(content[name] == value for name, value in values.items())


def _is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM; False for an index (DICOMDIR), and where the user may not read it.

    True where a disk fault hides its first bytes: it may be an image, so it is loaded later, which reports the error.
    """
    if is_dicomdir(path.name):
        return False
    try:
        return kind_of(read_bounded(path, HEAD_BYTES)) == "dicom"
    except InputError as error:
        return disk_fault_of(error) is not None
