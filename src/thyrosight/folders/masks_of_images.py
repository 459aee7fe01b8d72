"""The images that a user's files and folders hold -> those of them that are masks of the others, or drawn over them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from thyrosight.errors import InputError
from thyrosight.files import raise_shortage, readable
from thyrosight.folders.content import are_masks, is_mask, without_overlays
from thyrosight.folders.sort_files import sort_files
from thyrosight.folders.tree import without


def masks_of_images(sources: Sequence[Path], images: Sequence[Path]) -> list[Path]:
    """Sources as given, the images in them -> the masks of these images and the drawings over them.

    Names say which files may be masks, as in `prepare`; only those that can be read as a mask are returned. InputError
    where a folder holds masks alone.
    """
    nowhere = {source for source in sources if not source.is_file()}
    files = without(images, nowhere)
    tops = {os.path.abspath(path if path.is_dir() else path.parent) for path in sources if path.exists()}
    common = Path(os.path.commonpath(tops)) if tops else Path()
    found = set(_masks_below(common, {Path(os.path.abspath(path)): path for path in files}))
    folders = [source for source in sources if source.is_dir()]
    for folder in folders if len(sources) > 1 else ():
        found.update(_masks_below(folder, {path: path for path in files if path.is_relative_to(folder)}))
    for folder in folders:
        inside = [path for path in without(files, found) if path.is_relative_to(folder)]
        if are_masks(inside, may_be_empty=False):
            raise InputError(
                f"{folder}: holds masks and no images, e.g. {readable(inside[0].name)}; give the folder of the images, "
                "or predict these masks by --masks-too"
            )
    return [path for path in files if path in found]


def _masks_below(folder: Path, images: dict[Path, Path]) -> list[Path]:
    """Folder, {image below it: the same as given} -> the masks and drawings among them, as given."""
    plain, overlays = without_overlays(folder, list(images))
    try:
        found = sort_files(folder, plain, {}) if plain else None
    except InputError as error:
        raise_shortage(error)
        found = None  # two folders that could be either: none of them is surely one of masks
    masks = [*found.masks, *found.others] if found and found.images else []
    return [images[path] for path in (*overlays, *(path for path in masks if is_mask(path, is_prediction=True)))]
