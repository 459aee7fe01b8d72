"""The records of a set, and functions that all readers use.

KnownSet states how a set is recognised; its reader turns a Request into a DataSet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from thyrosight.bundle.records import Origin
from thyrosight.errors import InputError
from thyrosight.files import natural_key, raise_disk_fault, readable, write_atomic
from thyrosight.folders.names import image_name_of
from thyrosight.types import BoolArray, Case

CONVERTED = "converted"
"""Folder next to `masks` for images and masks of formats that are written as PNG."""
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Request:
    """What a reader is given: the set (a folder, or one CSV), the folder for new masks, and the names of columns."""

    folder: Path
    masks: Path
    columns: dict[str, str] = field(default_factory=dict)
    keep_partial: bool = False
    """Whether a mask is used although some of its outlines are known to be lost."""
    official_split: bool = False
    """Whether the split of the publication is taken for a set that also has folds (tn5000)."""
    malignant: str | None = None
    """For a CSV: which values of a column are malignant ("tirads>=4b"); it replaces the label column."""
    nodule_labels: tuple[str, ...] = ()
    """Categories, or values of mask files, that mean nodules, in lower case; empty: the set itself states them."""


@dataclass(frozen=True)
class DataSet:
    """The content of one set. The group of a case is "" and its fold is None where the set does not give them."""

    source: str
    cases: tuple[Case, ...]
    label_meaning: str
    """The meaning of malignancy 1 and 0 in this set, in words."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Reason -> number of images of the set that are not in cases.csv."""
    notes: tuple[str, ...] = ()
    join_duplicates: bool = False
    """Whether groups that share near-duplicates are joined although every case has a group: for guessed groups."""


@dataclass(frozen=True)
class KnownSet:
    """One set that `prepare` can read: how it is recognised, its reader, and what is published about it."""

    name: str
    """The value of `prepare --source`."""
    recognise: Callable[[Path], bool]
    """Folder or file -> whether it has the layout of this set."""
    read: Callable[[Request], DataSet]
    source: str = ""
    """The value of the column `source` in cases.csv; empty: the same as `name`."""
    risk_meaning: str = ""
    """The meaning of the risk in a model that learned these labels, in words; empty: it means what label 1 means in the
    set."""
    origin: Origin | None = None
    """Published facts of the set; None: there are none, or the set is not public."""


def images_in(folder: Path) -> dict[str, Path]:
    """Folder -> {file stem: image file}, in natural order of the names ("2" before "10").

    InputError where two images have one stem.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: natural_key(path.name)):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            if path.stem in found:
                raise InputError(f"{folder}: both {found[path.stem].name} and {path.name}; keep one image per name")
            found[path.stem] = path
    return found


def masks_in(folder: Path | None, images: Iterable[str]) -> dict[str, Path]:
    """Folder of masks, stems of the images -> {image stem: its mask}.

    A mask has the name of its image, perhaps with `_mask` or the like.
    """
    found = images_in(folder) if folder is not None else {}
    by_image = {image_name_of(stem).casefold(): path for stem, path in found.items()}
    masks = {stem: found.get(stem) or by_image.get(stem.casefold()) for stem in images}
    return {stem: path for stem, path in masks.items() if path is not None}


def without_masks(cases: Iterable[Case], what: str = "images") -> list[str]:
    """Cases that should have a mask -> a note which counts those without one and names the first; empty where none."""
    bare = [case.image.name for case in cases if case.mask is None]
    return [f"{len(bare)} {what} without a mask file, e.g. {readable(bare[0])}"] if bare else []


def image_size_hw(path: Path) -> tuple[int, int]:
    """Image file -> its height and width by its header; InputError where it is not readable."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, Image.DecompressionBombError) as error:
        raise_disk_fault(error, path)
        raise InputError(f"{path}: not a readable image ({error}); copy the file again from the set") from None


def write_mask(path: Path, mask_HW: BoolArray) -> None:
    """Boolean mask `_HW` -> one-channel PNG of 0 and 255; a file that already holds these bytes is left as it is."""
    import numpy as np

    write_pixels(path, mask_HW.astype(np.uint8) * np.uint8(255))


def write_pixels(path: Path, pixels: NDArray[Any]) -> None:
    """Gray `_HW` or RGB `_HW3` of 8 or 16 bits -> PNG; a file that already holds these bytes is left as it is."""
    import cv2

    done, encoded = cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    if not done:
        raise RuntimeError(f"an image of shape {pixels.shape} did not encode")
    if path.is_file() and path.read_bytes() == encoded.tobytes():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, encoded.tobytes())


def first_folder(folder: Path, names: Iterable[str]) -> Path | None:
    """-> the first of the named sub-folders that exists, in any letter case, or None."""
    there = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else {}
    return next((there[name.lower()] for name in names if name.lower() in there), None)
