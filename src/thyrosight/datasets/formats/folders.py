"""Folders of images and masks, as people keep them -> their cases.

Masks are recognised in three places: in a folder named so (masks, labels, gt, ...), next to their image with `_mask` or
the like in the name, or in one of two folders with the same file names; then their content decides which. Folders above
the files may say class, split and patient.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from thyrosight.datasets.folder_files import files_below
from thyrosight.datasets.formats.annotators.label_map import refuse_unnamed_classes
from thyrosight.datasets.formats.content import (
    MAX_OPENED,
    is_mask,
    masks_among,
    organs_among,
    refuse_one_place,
    without_overlays,
)
from thyrosight.datasets.formats.found import Found, case_names, data_set_of
from thyrosight.datasets.formats.names import (
    Sorted,
    classes_of,
    is_mask_folder,
    matched,
    names_of_image,
    place_of,
    shorter_names,
)
from thyrosight.datasets.formats.side_table import has_mask_column, image_column, split_lists
from thyrosight.datasets.formats.tree import (
    by_name,
    counted,
    ending_of,
    images_below,
    is_image,
    segmentation_in,
    stem_without_ending,
    tables_below,
)
from thyrosight.datasets.formats.volumes import is_volume
from thyrosight.datasets.pictures.alpha_masks import layers_of
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request, image_name_of, write_mask
from thyrosight.datasets.sets.own_csv import recognise as is_table
from thyrosight.errors import InputError
from thyrosight.files import raise_shortage, readable
from thyrosight.frames.mask_image import read_mask_image

NAME = "folders"
MAX_SUFFIXES = 8
SAME_NAMES = 0.5
"""Two folders may hold images and masks if at least this share of the smaller folder's files has a file of the same
name in the other folder."""


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


def sort_files(folder: Path, files: Sequence[Path], chosen: dict[str, str]) -> Sorted | None:
    """Images of a folder -> which of them are masks; None where no file is one.

    chosen: the folders that the caller calls image and mask. InputError where two folders could be either.
    """
    found = _sorted(folder, files, chosen)
    if found is None or not found.masks or found.is_per_folder:
        return found
    others = tuple(masks_among(found.images))
    return replace(found, images=[path for path in found.images if path not in set(others)], others=others)


def _sorted(folder: Path, files: Sequence[Path], chosen: dict[str, str]) -> Sorted | None:
    """As sort_files, with masks of further folders among the images."""
    parts = {path: path.relative_to(folder).parent.parts for path in files}
    named = chosen.get("mask", "").strip("/\\")
    if named and any(named in ("/".join(parts[path]), *parts[path]) for path in files):
        masks = [path for path in files if named in ("/".join(parts[path]), *parts[path])]
        return Sorted([path for path in files if path not in set(masks)], masks, f"masks: the files in {named}/")
    num_common = _num_common(list(parts.values()))
    masks = [path for path in files if is_mask_folder(parts[path][num_common:])]
    # CVAT and VOC write each mask twice: by class and by object.
    if any("segmentationclass" in map(str.casefold, parts[path]) for path in masks):
        files = [path for path in files if "segmentationobject" not in map(str.casefold, parts[path])]
        masks = [path for path in masks if path in set(files)]
    images = [path for path in files if path not in set(masks)]
    keys = {(path.parent, stem_without_ending(path).casefold()) for path in files}
    if masks and images and not _holds_images(masks, keys):
        if not any(is_mask(path) or is_volume(path) for path in masks[:MAX_OPENED]) and all(
            is_mask(path) for path in images[:MAX_OPENED]
        ):
            at = images[0].parent.relative_to(folder).as_posix()
            return Sorted(
                masks, images, f"masks: the files in {at}, by what is in them, whatever the folders are called"
            )
        names = list(dict.fromkeys(path.parent.relative_to(folder).as_posix() for path in masks))
        return Sorted(images, masks, f"masks: the files in {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}")
    masks = [path for path in files if _names_another(path, keys)]
    if masks:
        words = {image_name_of(stem_without_ending(path)) for path in masks}
        strays = [
            p for p in files if p not in set(masks) and image_name_of(stem_without_ending(p)) != stem_without_ending(p)
        ]
        masks += strays
        example = f"{masks[0].name} belongs to the image {min(words)}" if len(words) == 1 else f"e.g. {masks[0].name}"
        return Sorted([path for path in files if path not in set(masks)], masks, f"masks: by their names, {example}")
    return _by_ending(files) or _by_suffix(files, keys) or _by_role(files) or _by_content(folder, files)


def _holds_images(masks: Sequence[Path], keys: set[tuple[Path, str]]) -> bool:
    """Whether a folder whose name says masks holds images with their masks next to them."""
    named = {
        (path.parent, image_name_of(stem_without_ending(path)).casefold())
        for path in masks
        if _names_another(path, keys)
    }
    images = [path for path in masks if (path.parent, stem_without_ending(path).casefold()) in named]
    return bool(images) and not any(is_mask(path) for path in images[:MAX_OPENED])


def _by_ending(files: Sequence[Path]) -> Sorted | None:
    """Finds masks that differ from their image in the ending alone: a.jpg and a.png, or a.png and a.seg.nrrd."""
    endings: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        endings[ending_of(path)].append(path)
    for ending, masks in endings.items():
        others = {(p.parent, stem_without_ending(p).casefold()) for p in files if ending_of(p) != ending}
        paired = [path for path in masks if (path.parent, stem_without_ending(path).casefold()) in others]
        opened = paired[:MAX_OPENED]
        if len(paired) < max(1.0, SAME_NAMES * len(masks)) or not all(is_volume(p) or is_mask(p) for p in opened):
            continue
        images = [path for path in files if path not in set(paired)]
        if not any(is_mask(path) for path in images[:MAX_OPENED]) and not all(map(is_volume, images)):
            return Sorted(images, paired, f"masks: the {ending} files next to images of the same names")
    return None


def _by_role(files: Sequence[Path]) -> Sorted | None:
    """Finds masks in folders that all hold the same file names, one for the image: case1/us.png, case1/nodule.png."""
    roles: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        roles[stem_without_ending(path).casefold()].append(path)
    num_folders = len({path.parent for path in files})
    if num_folders < 2 or not 2 <= len(roles) <= MAX_SUFFIXES or min(map(len, roles.values())) * 2 < num_folders:
        return None
    masks = {name for name, paths in roles.items() if all(is_mask(path) for path in paths[:MAX_OPENED])}
    if not masks or len(masks) != len(roles) - 1:
        return None
    (image,) = set(roles) - masks
    if len(roles[image]) < 2:
        return None
    rule = f"masks: the files called {', '.join(sorted(masks))}, by their content, of the image {image} in their folder"
    of_masks = [path for path in files if stem_without_ending(path).casefold() in masks]
    return Sorted(roles[image], of_masks, rule, is_per_folder=True)


def _by_suffix(files: Sequence[Path], keys: set[tuple[Path, str]]) -> Sorted | None:
    """Files, (folder, name) of each -> masks by the ends of their names (a_tumor.png next to a.png).

    None if there are none. An end marks masks if the files that have it are masks by their content, and the images that
    they belong to are not.
    """
    pairs: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    for path in files:
        stem = stem_without_ending(path)
        for name in shorter_names(stem):
            if (path.parent, name.casefold()) in keys:
                pairs[stem[len(name) :].casefold()].append((path, name))
                break
    file_of = {(path.parent, stem_without_ending(path).casefold()): path for path in files}
    masks, suffixes = [], []
    for suffix, found in sorted(pairs.items(), key=lambda pair: -len(pair[1]))[:MAX_SUFFIXES]:
        opened = found[:MAX_OPENED]
        are_images = not any(is_mask(file_of[path.parent, name.casefold()]) for path, name in opened)
        if are_images and all(is_mask(path) for path, _ in opened):
            masks += [path for path, _ in found]
            suffixes.append(suffix)
    if not masks:
        return None
    rule = f"masks: the files with {', '.join(suffix.strip() for suffix in suffixes)} in their names, by their content"
    return Sorted([path for path in files if path not in set(masks)], masks, rule, tuple(suffixes))


def _num_common(parts: Sequence[tuple[str, ...]]) -> int:
    """-> number of top folders that all files have in common; these do not tell images from masks."""
    first, last = min(parts), max(parts)
    return next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))


def _names_another(path: Path, keys: set[tuple[Path, str]]) -> bool:
    stem = stem_without_ending(path).casefold()
    name = image_name_of(stem)
    return name != stem and any((path.parent, image) in keys for image in names_of_image(name) if image != stem)


def _by_content(folder: Path, files: Sequence[Path]) -> Sorted | None:
    """A set of two folders with files of the same names -> which of the two holds the masks, by their content.

    The two may be inside folders of classes and splits. None where there are no two such folders. InputError where, by
    their content, both folders hold masks or neither does.
    """
    top: dict[str, list[Path]] = defaultdict(list)
    num_common = _num_common([path.relative_to(folder).parent.parts for path in files])
    for path in files:
        parts = path.relative_to(folder).parent.parts[num_common:]
        told = [part for part in parts if (place := place_of([part])).malignancy is None and not place.split]
        top[told[0] if told else "."].append(path)
    if len(top) != 2:
        return None
    (first, ours), (second, theirs) = top.items()
    smaller = min(len(ours), len(theirs))
    if len(by_name(ours).keys() & by_name(theirs).keys()) < SAME_NAMES * smaller:
        return None
    are_masks = [all(is_mask(path) for path in some[:MAX_OPENED]) for some in (ours, theirs)]
    if are_masks[0] == are_masks[1] and 1 in classes_of([place_of([first]), place_of([second])])[0]:
        return None
    if are_masks[0] == are_masks[1]:
        if segmentation_in(files):
            return None  # what_is_in names it
        raise InputError(
            f"{folder}: {first}/ and {second}/ hold files of the same names ({len(ours)} and {len(theirs)}), and "
            f"{'both look like masks' if are_masks[0] else 'neither looks like masks'}; if {second}/ holds the masks: "
            f"thyrosight prepare {folder} -o OUT --source {NAME} --column mask={second}"
        )
    images, masks, name = (theirs, ours, first) if are_masks[0] else (ours, theirs, second)
    return Sorted(list(images), list(masks), f"masks: the files in {name}/, by what is in them")


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
