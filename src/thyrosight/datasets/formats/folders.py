"""Folders of images and masks, as people keep them -> their cases.

Masks are recognised in three places: in a folder named so (masks, labels, gt, ...), next to their image with `_mask` or
the like in the name, or in one of two folders with the same file names; then their content decides which. Folders above
the files may say class, split and patient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from thyrosight.datasets.formats.annotators.label_map import refuse_unnamed_classes
from thyrosight.datasets.formats.found import Found, case_names, data_set_of
from thyrosight.datasets.formats.side_table import has_mask_column, image_column, split_lists
from thyrosight.datasets.formats.voc import recognise as has_boxes
from thyrosight.datasets.pictures.alpha_masks import layers_of
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request, write_mask
from thyrosight.datasets.sets.own_csv import recognise as is_table
from thyrosight.errors import InputError
from thyrosight.files import raise_shortage, readable
from thyrosight.folders.content import (
    MAX_OPENED,
    organs_among,
    refuse_one_place,
    without_overlays,
)
from thyrosight.folders.folder_files import files_below
from thyrosight.folders.names import (
    Sorted,
    classes_of,
    matched,
    place_of,
)
from thyrosight.folders.sort_files import sort_files
from thyrosight.folders.tree import (
    by_name,
    counted,
    images_below,
    is_image,
    is_volume,
    tables_below,
)
from thyrosight.frames.mask_image import read_mask_image

NAME = "folders"


def recognise(folder: Path) -> bool:
    """Images with masks or masks in their alpha channel, folders of classes, or sub-folders of images with a table."""
    if not folder.is_dir():
        return False
    files = images_below(folder)
    tables = tables_below(folder)
    if not files or (tables and all(map(has_mask_column, tables)) and is_table(folder)):
        return False
    files, _ = without_overlays(folder, files)
    found = sort_files(folder, files, {})
    if found is not None and found.masks:
        return True
    if has_boxes(folder):
        return False
    places = [place_of(path.relative_to(folder).parent.parts) for path in files]
    if {0, 1} <= {place.malignancy for place in places} | set(classes_of(places)[0]):
        return True
    if all(layers_of(path) for path in files[:MAX_OPENED]):
        return True
    names = by_name(path for path in files if path.parent != folder)
    return any(image_column(table, names) for table in tables)


def read(request: Request) -> DataSet:
    """Folder -> one case per image; several masks of one image are united."""
    folder, files = request.folder, images_below(request.folder)
    if not files:
        raise InputError(f"{folder}: no images in it; {counted(files_below(folder), folder) or 'it is empty'}")
    files, overlays = without_overlays(folder, files)
    refuse_unnamed_classes(request)
    found = sort_files(folder, files, request.columns) or Sorted(files, [], "no mask files: labels alone")
    pairs, strays = matched(folder, found)
    left_out = {}
    notes = [found.rule]
    if overlays:
        at = overlays[0].relative_to(folder).as_posix()
        notes.append(f"{len(overlays)} pictures drawn over other images were passed over, e.g. {at}")
    if strays:
        left_out["mask without its image"] = len(strays)
        notes.append(f"{len(strays)} masks without an image of their name, e.g. {strays[0].name}")
    if found.masks and not any(pairs.values()):
        raise InputError(
            f"{folder}: no mask has the name of an image ({found.images[0].name}, {found.masks[0].name}); rename them, "
            "or write a CSV with the columns image and mask"
        )
    if found.others:
        name = found.others[0].parent.relative_to(folder).as_posix()
        notes.append(f"{len(found.others)} further masks were passed over; to take those: --column mask={name}")
    if organs := set(organs_among(folder, pairs)):
        pairs = {image: [mask for mask in masks if mask not in organs] for image, masks in pairs.items()}
        notes.append(f"{len(organs)} masks of no nodule by their names were passed over, e.g. {min(organs).name}")
    cases, faults, num_several = _cases_of(pairs, request)
    if num_several:
        notes.append(f"{num_several} images with several masks, which are united")
    if faults:
        left_out[f"image whose masks can't be united, e.g. {readable(faults[0])}"] = len(faults)
    lists = split_lists(folder)
    others = Counter(path.suffix.casefold() for path in files_below(folder) if not is_image(path) and path not in lists)
    passed = [f"{number} {ending or 'without ending'}" for ending, number in others.items() if ending != ".csv"]
    if passed:
        notes.append(f"files passed over: {', '.join(passed)}")
    return data_set_of(request, NAME, cases, left_out, notes)


def holds_masks(folder: Path) -> bool:
    """Whether the folder holds images together with masks as images."""
    files, _ = without_overlays(folder, images_below(folder)) if folder.is_dir() else ([], [])
    if not files:
        return False
    try:
        found = sort_files(folder, files, {})
    except InputError as error:
        raise_shortage(error)
        return False
    return found is not None and bool(found.masks) and any(matched(folder, found)[0].values())


def _cases_of(pairs: dict[Path, list[Path]], request: Request) -> tuple[list[Found], list[str], int]:
    """{image: its masks} -> (images with one mask each, why others can't be used, images with several masks).

    InputError where no image can be used.
    """
    ids = case_names([Found(image) for image in pairs], request)
    cases, faults, num_several = [], list[str](), 0
    for (image, masks), case_id in zip(pairs.items(), ids, strict=True):
        try:
            cases.append(Found(image, _one_mask(image, masks, request, case_id)))
        except InputError as error:
            raise_shortage(error)
            faults.append(str(error).replace(f"{request.folder}/", ""))
            continue
        num_several += len(masks) > 1
    if faults and not cases:
        raise InputError(f"{request.folder}: none of the {len(faults)} images can be used; the first: {faults[0]}")
    return cases, faults, num_several


def _one_mask(image: Path, masks: Sequence[Path], request: Request, case_id: str) -> Path | None:
    """The masks of one image -> one file; None where there is no mask.

    Where they can't be united, the first mask is taken; its fault is reported later.
    """
    if len(masks) < 2:
        return masks[0] if masks else None
    if any(is_volume(mask) for mask in masks):
        names = ", ".join(mask.name for mask in masks)
        raise InputError(f"{image}: {len(masks)} masks ({names}); unite them into one file with a label per nodule")
    keep = frozenset(request.nodule_labels) or None
    try:
        found = [read_mask_image(mask, None, keep).mask_HW for mask in masks]
    except InputError as error:
        raise_shortage(error)
        return masks[0]
    if len({mask_HW.shape for mask_HW in found}) > 1:
        raise InputError(f"{masks[0]}: the masks of {image.name} differ in size; export them at the image's size")
    refuse_one_place(masks, found)
    path = request.masks / f"{case_id}.png"
    write_mask(path, np.logical_or.reduce(found))
    return path


SET = KnownSet(name=NAME, recognise=recognise, read=read)
