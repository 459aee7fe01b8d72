"""Images of a folder -> which of them are masks, and of the images which are drawn over: by names, then by content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from thyrosight.errors import InputError
from thyrosight.folders.content import MAX_OPENED, is_mask, masks_among
from thyrosight.folders.names import (
    Sorted,
    classes_of,
    image_name_of,
    is_mask_folder,
    is_patient_name,
    names_of_image,
    place_of,
    shorter_names,
)
from thyrosight.folders.tree import by_name, ending_of, is_volume, segmentation_in, stem_without_ending, without

MAX_SUFFIXES = 8
SAME_NAMES = 0.5
"""Two folders may hold images and masks if at least this share of the smaller folder's files has a file of the same
name in the other folder."""


def sort_files(folder: Path, files: Sequence[Path], chosen: dict[str, str]) -> Sorted | None:
    """Images of a folder -> which of them are masks; None where no file is one.

    chosen: the folders that the caller calls image and mask. InputError where two folders could be either.
    """
    found = _sorted(folder, files, chosen)
    if found is None or not found.masks or found.is_per_folder:
        return found
    others = tuple(masks_among(found.images))
    return replace(found, images=without(found.images, others), others=others)


def _sorted(folder: Path, files: Sequence[Path], chosen: dict[str, str]) -> Sorted | None:
    """As sort_files, with masks of further folders among the images."""
    parts = {path: path.relative_to(folder).parent.parts for path in files}
    named = chosen.get("mask", "").strip("/\\")
    if named and any(named in ("/".join(parts[path]), *parts[path]) for path in files):
        masks = [path for path in files if named in ("/".join(parts[path]), *parts[path])]
        return Sorted(without(files, masks), masks, f"masks: the files in {named}/")
    num_common = _num_common(list(parts.values()))
    masks = [path for path in files if is_mask_folder(parts[path][num_common:])]
    # CVAT and VOC write each mask twice: by class and by object.
    if any("segmentationclass" in map(str.casefold, parts[path]) for path in masks):
        files = [path for path in files if "segmentationobject" not in map(str.casefold, parts[path])]
        masks = [path for path in masks if path in set(files)]
    images = without(files, masks)
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
        others = without(files, masks)
        strays = [p for p in others if image_name_of(stem_without_ending(p)) != stem_without_ending(p)]
        masks += strays
        example = f"{masks[0].name} belongs to the image {min(words)}" if len(words) == 1 else f"e.g. {masks[0].name}"
        return Sorted(without(files, masks), masks, f"masks: by their names, {example}")
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
        images = without(files, paired)
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
    return Sorted(without(files, masks), masks, rule, tuple(suffixes))


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
        if segmentation_in(files) or (is_patient_name(first) and is_patient_name(second)):
            return None  # what_is_in names the first; the second are two patients
        raise InputError(
            f"{folder}: {first}/ and {second}/ hold files of the same names ({len(ours)} and {len(theirs)}), and "
            f"{'both look like masks' if are_masks[0] else 'neither looks like masks'}; if {second}/ holds the masks: "
            f"thyrosight prepare {folder} -o OUT --source folders --column mask={second}"
        )
    images, masks, name = (theirs, ours, first) if are_masks[0] else (ours, theirs, second)
    return Sorted(list(images), list(masks), f"masks: the files in {name}/, by what is in them")
