"""BUSI (Al-Dhabyani et al., Data in Brief 28, 2020): breast lesions, perhaps with several masks -> one mask each."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np

from thyrosight.bundle.records import Origin
from thyrosight.datasets.csv_file import read_rows
from thyrosight.datasets.masks import read_mask
from thyrosight.datasets.sets.layout import (
    DataSet,
    KnownSet,
    Request,
    first_folder,
    image_size_hw,
    images_in,
    write_mask,
)
from thyrosight.errors import InputError
from thyrosight.types import Case

NAME = "busi"
FOLDER = "Dataset_BUSI_with_GT"
CLASSES: dict[str, int | None] = {"benign": 0, "malignant": 1, "normal": None}
LABEL_MEANING = "pathology of a breast lesion: 1 = malignant, 0 = benign; normal breasts have no lesion and no label"
RISK_MEANING = "probability that a breast lesion is malignant by pathology"
ORIGIN = Origin(
    citation="Al-Dhabyani et al., Dataset of breast ultrasound images, Data in Brief 28, 2020",
    collected="2018",
    place="Baheya Hospital, Cairo, Egypt",
    devices="GE LOGIQ E9 and LOGIQ E9 Agile",
    population="600 women, 25 to 75 years old",
    outlines_by="drawn for the publication and reviewed by radiologists of the hospital",
    labels_by="class given by the publication: normal, benign or malignant",
    eligibility="not published; Pawlowska et al. (2023) found duplicates and images of other regions in it",
)
_MASK = re.compile(r"^(?P<image>.+)_mask(_\d+)?$")


def recognise(folder: Path) -> bool:
    """Whether the folder (or its `Dataset_BUSI_with_GT`) holds `benign` and `malignant` with `…_mask.png` in them."""
    home = _set_folder(folder)
    return all(first_folder(home, [name]) for name in ("benign", "malignant")) and any(home.glob("*/*_mask.png"))


def read(request: Request) -> DataSet:
    """BUSI folder -> one case per image; the masks of one image are united, a normal image has an empty mask."""
    given = _groups_csv(request.folder)
    cases, left_out, notes = [], Counter[str](), Counter[str]()
    for name, malignancy in CLASSES.items():
        folder = first_folder(_set_folder(request.folder), [name])
        for image, masks in _images_and_masks(folder) if folder else []:
            row = given.get(image.name, {})
            if row.get("conflict") == "1":
                left_out["duplicates with conflicting labels (conflict = 1 in groups.csv)"] += 1
                continue
            if given and not row:
                left_out["not in groups.csv"] += 1
                continue
            notes["images with several masks, which are united"] += len(masks) > 1
            notes["normal images (empty mask, no label)"] += name == "normal"
            cases.append(
                Case(
                    case_id=image.stem.replace(" ", "_").replace("(", "").replace(")", ""),
                    image=image,
                    mask=_mask_file(image, masks, name == "normal", request.masks),
                    malignancy=malignancy,
                    group=row.get("group", ""),
                    source=NAME,
                    fold=int(row["fold"]) if row.get("fold") else None,
                    target="lesion",
                )
            )
    texts = tuple(f"{number} {what}" for what, number in sorted(notes.items()) if number)
    return DataSet(NAME, tuple(cases), LABEL_MEANING, dict(left_out), texts)


def _images_and_masks(folder: Path) -> list[tuple[Path, list[Path]]]:
    """Class folder -> (image, its masks), in natural order."""
    files = images_in(folder)
    masks: dict[str, list[Path]] = {stem: [] for stem in files if not _MASK.match(stem)}
    for stem, path in files.items():
        match = _MASK.match(stem)
        if match is None:
            continue
        if match["image"] not in masks:
            raise InputError(f"{path}: a mask without its image {match['image']}.png; restore it or remove the mask")
        masks[match["image"]].append(path)
    return [(files[stem], paths) for stem, paths in masks.items()]


def _mask_file(image: Path, masks: list[Path], is_normal: bool, folder: Path) -> Path | None:
    """Image, its masks -> its mask file: its only mask, a new union of several, or a new empty mask if normal."""
    if len(masks) == 1:
        return masks[0]
    if not masks and not is_normal:
        return None
    shape_hw = image_size_hw(image)
    united_HW = np.zeros(shape_hw, dtype=np.bool_)
    for path in masks:
        united_HW |= read_mask(path, shape_hw)
    out = folder / f"{image.stem}.png"
    write_mask(out, united_HW)
    return out


def _set_folder(folder: Path) -> Path:
    return first_folder(folder, [FOLDER]) or folder


def _groups_csv(folder: Path) -> dict[str, dict[str, str]]:
    """groups.csv in or next to the set (columns file, group, perhaps fold and conflict) -> {image name: its row}."""
    path = next((place / "groups.csv" for place in (folder, folder.parent) if (place / "groups.csv").is_file()), None)
    if path is None or (path.parent == folder.parent and folder.name != FOLDER):
        return {}
    rows = read_rows(path)
    if not {"file", "group"} <= set(rows[0] if rows else {}):
        raise InputError(f"{path}: needs the columns file and group (and may have fold and conflict)")
    return {row["file"]: row for row in rows}


SET = KnownSet(name=NAME, recognise=recognise, read=read, risk_meaning=RISK_MEANING, origin=ORIGIN)
