"""Images that a format found, with masks and labels -> a DataSet: names, patients, splits, the table next to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from thyrosight.datasets.formats.side_table import with_table
from thyrosight.datasets.formats.volumes import as_png, refuse_turned_mask
from thyrosight.datasets.sets.layout import CONVERTED, DataSet, Request, without_masks
from thyrosight.errors import InputError
from thyrosight.files import raise_shortage, readable
from thyrosight.folders.names import (
    MAX_IMAGES_PER_PATIENT,
    MIN_PATIENTS,
    classes_of,
    malignancy_in,
    patients_of,
    place_of,
    safe_name,
)
from thyrosight.folders.tree import is_volume, stem_without_ending
from thyrosight.types import Box, Case

LABEL_MEANING = "as folders, categories or the table next to the images say: 1 = malignant, 0 = benign"
_VERSION = re.compile(r"^(.+)\.rf\.[0-9A-Za-z]{16,}$")
"""The form of the names that Roboflow gives to the augmented versions of an image."""
_AUGMENTED = re.compile(
    r"^(.+?)[ _.-]+(aug(mented)?|[hv]?[ _.-]?flip(ped)?|mirror(ed)?|rot(ate|ated|ation)?|bright(ness)?|dark|contrast"
    r"|gamma|noise|noisy|blur(red)?|shear|zoom(ed)?|crop(ped)?|shift(ed)?|elastic|clahe|transpose(d)?)[ _.-]?-?\d*"
    r"([ _.-]+(\w{1,10}|-?\d+))?$",
    re.IGNORECASE,
)
"""a_flip, a_rot90, a_aug_3: what augmentation makes of the image a."""


_PATIENT_IN_NAME = re.compile(r"^((?:patient|pat|pt|subject|subj|sub|pid|p)[ _.-]?\d+)[ _.-]+\S", re.IGNORECASE)
"""P001_2, patient 7-left: a file name that begins with the patient."""


@dataclass(frozen=True)
class Found:
    """One image that an annotation names. labels: words, among which benign or malignant may be.

    name: empty for the file's own name. boxes: boxes of its nodules in pixels of the image, where it has no outlines.
    """

    image: Path
    mask: Path | None = None
    labels: tuple[str, ...] = ()
    split: str = ""
    name: str = ""
    boxes: tuple[Box, ...] = ()


def data_set_of(
    request: Request, source: str, found: Sequence[Found], left_out: dict[str, int], notes: Sequence[str]
) -> DataSet:
    """Found images -> their DataSet. Class, split and patient come from folders and labels.

    A table next to them adds what these do not say.
    """
    places = [place_of(_parts(one, request)) for one in found]
    classes, rests, classes_said = classes_of(places)
    groups, said = patients_of(rests)
    ids = case_names(found, request)
    elsewhere = [
        *(place.malignancy for place in places),
        *classes,
        *(malignancy_in(word) for one in found for word in one.labels),
    ]
    if all(label is None for label in elsewhere):
        classes, classes_said = _classes_of_names(found)
    if not any(groups):
        groups, said = _patients_of_names(found, said)
    groups, versions_said = _with_versions(groups, ids)
    faults: list[str] = []
    cases, contradicting = [], []
    for one, place, group, case_id, named in zip(found, places, groups, ids, classes, strict=True):
        labels = {label for label in map(malignancy_in, one.labels) if label is not None}
        labels |= {label for label in (place.malignancy, named) if label is not None}
        if len(labels) > 1:
            contradicting.append(one.image.name)
        try:
            image, mask = _as_read(one, case_id, request)
        except InputError as error:
            raise_shortage(error)
            faults.append(str(error).replace(str(request.folder) + "/", ""))
            continue
        malignancy = labels.pop() if len(labels) == 1 else None
        split = one.split or place.split
        cases.append(Case(case_id, image, mask, malignancy, group, source, split=split, boxes=one.boxes))
    if faults and not cases:
        raise InputError(f"{request.folder}: none of the {len(faults)} images can be read; the first: {faults[0]}")
    cases, table_notes, num_strays = with_table(cases, request)
    told = [*notes, *(text for text in (classes_said, said, versions_said) if text), *table_notes]
    if contradicting:
        told.append(
            f"{len(contradicting)} images are both benign and malignant and get no label, e.g. {contradicting[0]}"
        )
    if any(case.mask for case in cases):
        told += without_masks(cases)
    if not any(case.group for case in cases):
        told.append(
            "nothing says the patient: each image counts as a patient of its own, joined where images look alike"
        )
    why = {**left_out, "row of the table without its image": num_strays}
    if faults:
        why[f"image that can't be converted, e.g. {readable(faults[0])}"] = len(faults)
    return DataSet(
        source, tuple(cases), LABEL_MEANING, {text: number for text, number in why.items() if number}, tuple(told)
    )


def _classes_of_names(found: Sequence[Found]) -> tuple[list[int | None], str]:
    """Images -> (the class that each one's file name says, what was taken in words); none where names say one class."""
    classes = [malignancy_in(re.sub(r"\d+", " ", stem_without_ending(one.image))) for one in found]
    if {0, 1} <= set(classes):
        num = sum(label is not None for label in classes)
        return classes, f"{num} file names say benign or malignant: that is taken for the label"
    return [None] * len(found), ""


def _patients_of_names(found: Sequence[Found], said: str) -> tuple[list[str], str]:
    """Images, a note -> (the patient with which each file name begins, the note); none where a name has no patient."""
    hits = [_PATIENT_IN_NAME.match(one.name or stem_without_ending(one.image)) for one in found]
    groups = [hit[1].casefold() if hit else "" for hit in hits]
    sizes = sorted(Counter(group for group in groups if group).values())
    are_all = sum(sizes) == len(found) and len(sizes) >= MIN_PATIENTS and sizes[-1] > 1
    if not are_all or sizes[len(sizes) // 2] > MAX_IMAGES_PER_PATIENT:
        return [""] * len(found), said
    return groups, f"file names begin with {len(sizes)} patients, e.g. {groups[0]}: the images of one stay together"


def _parts(one: Found, request: Request) -> tuple[str, ...]:
    for base in (request.folder, request.masks.with_name(CONVERTED)):
        if one.image.is_relative_to(base):
            return one.image.relative_to(base).parent.parts
    return ()


def _with_versions(groups: list[str], ids: Sequence[str]) -> tuple[list[str], str]:
    """Groups, names -> (the same, with what augmentation made of one source in one group; what was done)."""
    there = set(ids)
    sources = [found[1] if (found := _VERSION.match(name)) else "" for name in ids]
    made = [found[1] if (found := _AUGMENTED.match(name)) and found[1] in there else "" for name in ids]
    of_others = set(made)
    sources = [
        version or source or (name if name in of_others else "")
        for name, version, source in zip(ids, sources, made, strict=True)
    ]
    number = Counter(source for source in sources if source)
    if any(groups) or max(number.values(), default=0) < 2:
        return groups, ""
    example = next(name for name, source in zip(ids, sources, strict=True) if source not in ("", name))
    return sources, (
        f"{sum(number.values())} images are versions of {len(number)} sources by their names (NAME.rf.HASH, "
        f"NAME_flip): those of one source stay together, e.g. {example}"
    )


def case_names(found: Sequence[Found], request: Request) -> list[str]:
    """-> a name for each image: its own, with its folders where two have the same."""
    stems = [one.name or stem_without_ending(one.image) for one in found]
    twice = {stem for stem, number in Counter(stem.casefold() for stem in stems).items() if number > 1}
    names = [
        safe_name(Path(*_parts(one, request), "x"), stem) if stem.casefold() in twice else safe_name(Path("x"), stem)
        for one, stem in zip(found, stems, strict=True)
    ]
    number = Counter(name.casefold() for name in names)
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name.casefold()] += 1
        if number[name.casefold()] > 1:
            names[place] = f"{name}_{seen[name.casefold()]}"
    return names


def _as_read(one: Found, case_id: str, request: Request) -> tuple[Path, Path | None]:
    """-> (image, mask); a file that the image reader can't read is written as PNG."""
    home = request.masks.with_name(CONVERTED)
    image = as_png(one.image, home / f"{case_id}.png", is_mask=False) if is_volume(one.image) else one.image
    if one.mask is not None:
        refuse_turned_mask(one.image, one.mask)
    mask = one.mask and as_png(one.mask, home / f"{case_id}_mask.png", is_mask=True, wanted=request.nodule_labels)
    return image, mask
