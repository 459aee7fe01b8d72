"""Image files -> whether they are masks, or other images with something drawn over them, by their pixels."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault
from thyrosight.folders.names import MASK_WORDS, NODULE_WORDS, ORGAN_WORDS, OVERLAY_WORDS, words_of
from thyrosight.folders.tree import images_below, stem_without_ending, without
from thyrosight.frames.mask_area import NestedLabelsError
from thyrosight.frames.mask_image import read_mask_image
from thyrosight.types import BoolArray

MAX_OPENED = 6
"""At most this many files of a folder are opened to tell whether it holds masks."""
MAX_FOLDERS = 12
"""Where there are more names of folders than this, they are patients, and are not opened one by one."""
SAME_PLACE = 0.6
"""Two masks show one thing if they share at least this part of the smaller mask."""


def is_mask(path: Path, *, may_be_empty: bool = True, is_prediction: bool = False) -> bool:
    """Whether the file can be read as a mask; a mask with one label inside another also counts.

    With is_prediction, a line or a mask that covers everything counts too.
    """
    try:
        mask_HW = read_mask_image(path, is_prediction=is_prediction).mask_HW
    except InputError as error:
        raise_disk_fault(error)
        return isinstance(error, NestedLabelsError)
    return may_be_empty or bool(mask_HW.any())


def holds_masks_alone(folder: Path) -> bool:
    """Whether all images of a folder are masks; the images are then elsewhere."""
    return are_masks(images_below(folder) if folder.is_dir() else [])


def are_masks(files: Sequence[Path], *, may_be_empty: bool = True) -> bool:
    """Whether all files are masks, judged by about MAX_OPENED of them. may_be_empty: whether all of these may be."""
    spread = files[:: max(1, (len(files) - 1) // (MAX_OPENED - 1))]
    are = bool(spread) and all(is_mask(path) for path in spread)
    return are and (may_be_empty or any(is_mask(path, may_be_empty=False) for path in spread))


def masks_among(images: Sequence[Path]) -> list[Path]:
    """Images -> those in folders of masks only (of a model, of a second reader), if other folders hold no masks."""
    folders: dict[str, list[Path]] = defaultdict(list)
    for path in images:
        folders[path.parent.name].append(path)
    if not 2 <= len(folders) <= MAX_FOLDERS:
        return []
    of_masks = [
        paths for paths in folders.values() if all(is_mask(path, may_be_empty=False) for path in paths[:MAX_OPENED])
    ]
    return [path for paths in of_masks for path in paths] if len(of_masks) < len(folders) else []


def organs_among(folder: Path, pairs: Mapping[Path, Sequence[Path]]) -> list[Path]:
    """Folder, {image: its masks} -> the masks whose names say a gland, an artery or the like.

    Empty where all masks have such names: the set then outlines the gland.
    """
    organs, others = [], 0
    for image, masks in pairs.items():
        known = _words_of_path(image.relative_to(folder))
        for mask in masks:
            words = _words_of_path(mask.relative_to(folder)) - known
            if words & ORGAN_WORDS and not words & NODULE_WORDS:
                organs.append(mask)
            else:
                others += 1
    return organs if others else []


def _words_of_path(path: Path) -> frozenset[str]:
    return frozenset(word for part in path.with_name(stem_without_ending(path)).parts for word in words_of(part))


def refuse_one_place(paths: Sequence[Path], masks: Sequence[BoolArray]) -> None:
    """InputError where two different masks of one image cover the same place: they are then not two nodules."""
    for (path, mask_HW), (other, other_HW) in combinations(zip(paths, masks, strict=True), 2):
        common_px = np.count_nonzero(mask_HW & other_HW)
        smaller_px = min(np.count_nonzero(mask_HW), np.count_nonzero(other_HW))
        if smaller_px and common_px >= SAME_PLACE * smaller_px and not np.array_equal(mask_HW, other_HW):
            folder, name = (
                other.parent.name,
                path.name if path.parent == other.parent else f"{path.parent.name}/{path.name}",
            )
            choice = "" if path.parent == other.parent else f": --source folders --column mask={folder}"
            raise InputError(
                f"{other}: lies on {name}, so they are two readers' outlines, or a gland and its nodule, and no two "
                f"nodules; keep one of them{choice}"
            )


def unpaired_masks(folder: Path) -> tuple[Path, Path] | None:
    """-> (an image, a mask) of a set in which some folders hold only masks; None where no folder does."""
    files = images_below(folder) if folder.is_dir() else []
    masks = masks_among(files)
    return (without(files, masks)[0], masks[0]) if masks else None


def without_overlays(folder: Path, files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Images -> (the images without overlays, the overlays). An overlay is another image with something drawn over it.

    Overlays are named overlays/a.png next to images/a.png, or a_overlay.png next to a.png. A mask is no overlay.
    """
    drawn: dict[Path, str] = {}
    for path in files:
        stem = stem_without_ending(path).casefold()
        words = [word for word in re.split(r"[\W_]+", stem) if word not in OVERLAY_WORDS]
        above = [words_of(part) for part in path.relative_to(folder).parent.parts]
        if any(part & OVERLAY_WORDS and not part & MASK_WORDS for part in above) or words_of(stem) & OVERLAY_WORDS:
            drawn[path] = " ".join(words)
    plain = {" ".join(re.split(r"[\W_]+", stem_without_ending(path).casefold())) for path in files if path not in drawn}
    overlays = [path for path, name in drawn.items() if name in plain]
    if not overlays or any(is_mask(path) for path in overlays[:MAX_OPENED]):
        return list(files), []
    return without(files, overlays), overlays
