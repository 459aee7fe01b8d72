"""TN5000 (Zhang et al., Scientific Data, 2025): thyroid nodules, each with box and pathology -> one case per picture.

Pascal VOC layout: JPEGImages/NNNNNN.jpg, Annotations/NNNNNN.xml, ImageSets/Main/{train,val,test}.txt. A picture with
two listed nodules is two files of the set. An optional groups.csv next to the set names such files by `same_picture`,
and gives `group` and `fold`. Cite the paper and figshare 10.6084/m9.figshare.28455641; the terms of the set apply.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from thyrosight.bundle.records import Origin
from thyrosight.datasets.csv_file import read_rows
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request, first_folder, images_in
from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault
from thyrosight.types import Box, Case

NAME = "tn5000"
LABEL_MEANING = "pathology of a thyroid nodule by biopsy: 1 = malignant, 0 = benign"
RISK_MEANING = "probability that a thyroid nodule is malignant by pathology (biopsy)"
ORIGIN = Origin(
    citation="Zhang et al., TN5000: an ultrasound image dataset for thyroid nodule detection and classification, "
    "Scientific Data, 2025; figshare, doi 10.6084/m9.figshare.28455641 (the terms stated there apply)",
    devices="GE LOGIQ and others",
    population="nodules that were biopsied, 71.5 % of them malignant; patients are not named",
    outlines_by="none: a box per nodule",
    labels_by="pathology by biopsy",
)
CLASSES = {"0": 0, "1": 1}
MAX_XML_BYTES = 2**20
BLOCK = 25
"""Without groups.csv, this many consecutive numbers are one group. Patients are not named, and images of neighbouring
numbers look alike and share their label."""


@dataclass(frozen=True)
class _File:
    """One file of the set. labels: 0 or 1 per box. row: its row in groups.csv, empty where there is none."""

    image: Path
    boxes: tuple[Box, ...]
    labels: tuple[int, ...]
    row: dict[str, str]
    split: str


def recognise(folder: Path) -> bool:
    """Whether it holds `JPEGImages`, and `Annotations` whose first file has a class of this set, 0 or 1."""
    annotations = first_folder(folder, ["Annotations"])
    if annotations is None or first_folder(folder, ["JPEGImages"]) is None:
        return False
    first = min(annotations.glob("*.xml"), default=None)
    if first is None:
        return False
    try:
        _, labels = read_annotation(first)
    except InputError:
        return False
    return bool(labels)


def read(request: Request) -> DataSet:
    """TN5000 folder -> one case per picture with all its boxes; the publication's split only where it is asked for."""
    files, left_out = _files(request.folder)
    pictures: dict[str, list[str]] = {}
    for stem, file in files.items():
        pictures.setdefault(file.row.get("same_picture") or stem, []).append(stem)
    cases = []
    num_further = num_mixed = 0
    for first, stems in pictures.items():
        own = files[first] if first in files else files[stems[0]]
        labels = {label for stem in stems for label in files[stem].labels}
        num_further += len(stems) - 1
        num_mixed += len(labels) > 1
        cases.append(
            Case(
                case_id=own.image.stem,
                image=own.image,
                mask=None,
                malignancy=max(labels) if labels else None,
                group="" if request.official_split else own.row.get("group") or f"block{_number(own.image) // BLOCK}",
                source=NAME,
                split=_latest(files[stem].split for stem in stems) if request.official_split else "",
                fold=int(own.row["fold"]) if own.row.get("fold") and not request.official_split else None,
                boxes=tuple(dict.fromkeys(box for stem in stems for box in files[stem].boxes)),
            )
        )
    notes = [f"{len(cases)} pictures with {sum(len(case.boxes) for case in cases)} boxes, no outlines"]
    if num_mixed:
        notes.append(f"{num_mixed} pictures hold a malignant nodule next to a benign one and count as malignant")
    has_groups = all(file.row.get("group") for file in files.values())
    if request.official_split:
        notes.append("the publication's split is taken; groups are near-duplicates only, patients are not named")
    elif not has_groups:
        notes.append(f"groups: blocks of {BLOCK} neighbouring numbers, as patients are not named")
    left_out["further file of the same picture, its box is joined"] = num_further
    return DataSet(
        NAME,
        tuple(cases),
        LABEL_MEANING,
        {why: number for why, number in left_out.items() if number},
        tuple(notes),
        join_duplicates=not request.official_split and not has_groups,
    )


def read_annotation(path: Path) -> tuple[tuple[Box, ...], tuple[int, ...]]:
    """One Pascal VOC file -> (boxes, labels of its objects). InputError names the file and the fix."""
    try:
        if path.stat().st_size > MAX_XML_BYTES:
            raise InputError(
                f"{path}: larger than {MAX_XML_BYTES} bytes, too large for the annotation of one image; remove it"
            )
        text = path.read_text(encoding="utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise InputError(f"{path}: declares entities, which an annotation does not need; remove them")
        root = ElementTree.fromstring(text)
    except (OSError, UnicodeDecodeError, ElementTree.ParseError) as error:
        raise_disk_fault(error, path)
        raise InputError(f"{path}: not a readable annotation ({error}); copy the file again from the set") from None
    boxes, labels = [], []
    for item in root.iter("object"):
        name = (item.findtext("name") or "").strip()
        if name not in CLASSES:
            raise InputError(f"{path}: class '{name}'; TN5000 has 0 (benign) and 1 (malignant)")
        values = [item.findtext(f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax")]
        try:
            x0, y0, x1, y1 = (round(float(value or "")) for value in values)
        except (ValueError, OverflowError):
            raise InputError(f"{path}: a bndbox of {values}; it needs four numbers") from None
        if not (0 <= x0 < x1 and 0 <= y0 < y1):
            raise InputError(f"{path}: bndbox {x0} {y0} {x1} {y1} is empty; correct it or remove the object")
        boxes.append(Box(x0, y0, x1, y1))
        labels.append(CLASSES[name])
    return tuple(boxes), tuple(labels)


def _files(folder: Path) -> tuple[dict[str, _File], dict[str, int]]:
    """Set -> ({stem: its file}, {reason: number of images left out})."""
    image_folder, annotations = first_folder(folder, ["JPEGImages"]), first_folder(folder, ["Annotations"])
    if image_folder is None or annotations is None:
        raise InputError(f"{folder}: no JPEGImages and Annotations in it; TN5000 has both")
    given, splits = _given(folder), _splits(folder)
    files: dict[str, _File] = {}
    left_out = {"image without an annotation": 0, "annotation without a nodule": 0, "not in groups.csv": 0}
    for stem, image in images_in(image_folder).items():
        path = annotations / f"{stem}.xml"
        if given and stem not in given:
            left_out["not in groups.csv"] += 1
            continue
        if not path.is_file():
            left_out["image without an annotation"] += 1
            continue
        boxes, labels = read_annotation(path)
        if not boxes:
            left_out["annotation without a nodule"] += 1
            continue
        files[stem] = _File(image, boxes, labels, given.get(stem, {}), splits.get(stem, ""))
    return files, left_out


def _given(folder: Path) -> dict[str, dict[str, str]]:
    """groups.csv next to the set (image_id, group, perhaps same_picture and fold) -> the row of each image."""
    path = folder / "groups.csv"
    if not path.is_file():
        return {}
    rows = read_rows(path)
    if not {"image_id", "group"} <= set(rows[0] if rows else {}):
        raise InputError(f"{path}: needs the columns image_id and group (and may have same_picture and fold)")
    return {row["image_id"]: row for row in rows}


def _splits(folder: Path) -> dict[str, str]:
    """ImageSets/Main -> {image: the split that the publication gives it}."""
    found: dict[str, str] = {}
    for split in ("train", "val", "test"):
        path = folder / "ImageSets" / "Main" / f"{split}.txt"
        if path.is_file():
            found.update(dict.fromkeys(path.read_text(encoding="utf-8-sig").split(), split))
    return found


def _latest(splits: Iterable[str]) -> str:
    """Splits of the files of one picture -> the last of train, val, test.

    So a network never learns from a picture that is also in the test split.
    """
    order = ("", "train", "val", "test")
    return max(splits, key=order.index, default="")


def _number(image: Path) -> int:
    """An image's name -> its number; 0 where the name is no number."""
    return int(image.stem) if image.stem.isdecimal() else 0


SET = KnownSet(name=NAME, recognise=recognise, read=read, risk_meaning=RISK_MEANING, origin=ORIGIN)
