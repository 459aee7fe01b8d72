"""What passes between a layout's reader and `prepare`: a Request in, a Reading out; and the readers' file helpers."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from thyrosight.bundle.records import Origin
from thyrosight.errors import InputError
from thyrosight.files import write_atomic
from thyrosight.types import BoolArray, Case

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Request:
    """Where to read (a folder, or one CSV), where masks that have to be drawn go, and the caller's names of columns."""

    folder: Path
    masks: Path
    columns: dict[str, str] = field(default_factory=dict)
    keep_partial: bool = False
    """Whether a mask is used although some of its outlines are known to be lost."""


@dataclass(frozen=True)
class Reading:
    """What one layout holds. A case's group is "" and its fold None where the set does not give them."""

    source: str
    cases: tuple[Case, ...]
    risk_meaning: str
    """What malignancy 1 and 0 stand for in this set, in words."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Reason -> number of images of the set that are in no row."""
    notes: tuple[str, ...] = ()
    join_duplicates: bool = False
    """Whether groups of near-duplicates are joined although every case has a group: the groups are our guess."""


def images_in(folder: Path) -> dict[str, Path]:
    """Folder -> stem -> image file, in natural order of the names ("2" before "10")."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: natural(path.name)):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            if path.stem in found:
                raise InputError(f"{folder}: both {found[path.stem].name} and {path.name}; keep one image a name")
            found[path.stem] = path
    return found


def natural(name: str) -> list[tuple[int, int, str]]:
    """A name -> its sort key, with runs of digits compared as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part.lower()) for part in parts if part]


def read_rows(path: Path) -> list[dict[str, str]]:
    """CSV with a header -> one dict a row (column names lower case, all values stripped)."""
    lines = csv_lines(path)
    if not lines:
        raise InputError(f"{path}: empty; the first line must name the columns")
    header = [name.strip().lower() for name in lines[0]]
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) > len(header):
            raise InputError(
                f"{path} row {number}: {len(line)} values for {len(header)} columns; quote values with commas"
            )
        values = line + [""] * (len(header) - len(line))
        rows.append({name: value.strip() for name, value in zip(header, values, strict=True)})
    return rows


def csv_lines(path: Path) -> list[list[str]]:
    """CSV -> its lines that are not blank, split at commas, semicolons or tabs; a byte-order mark is dropped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read as UTF-8 text ({error}); save it as UTF-8 CSV") from None
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        return [
            line for line in csv.reader(text.splitlines(), delimiter=delimiter) if any(cell.strip() for cell in line)
        ]
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV table ({error})") from None


def write_text(path: Path, text: str) -> None:
    """Text -> file, whole or not at all; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text)


def write_mask(path: Path, mask_HW: BoolArray) -> None:
    """Boolean mask `_HW` -> one-channel PNG of 0 and 255; a file that is so already is left."""
    import cv2
    import numpy as np

    done, encoded = cv2.imencode(".png", mask_HW.astype(np.uint8) * 255)
    if not done:
        raise RuntimeError(f"mask of shape {mask_HW.shape} did not encode")
    if path.is_file() and path.read_bytes() == encoded.tobytes():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, encoded.tobytes())


def first_folder(folder: Path, names: Iterable[str]) -> Path | None:
    """The first of the named sub-folders that is there, or None; letter case does not matter."""
    there = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else {}
    return next((there[name.lower()] for name in names if name.lower() in there), None)


RISK_MEANING = {
    "ddti": "probability that a radiologist reads the nodule as TI-RADS 4b, 4c or 5 (not that it is cancer)",
    "busi": "probability that a breast lesion is malignant by pathology",
    "phantom": "probability that the phantom was drawn as malignant",
}


ORIGINS = {
    "ddti": Origin(
        citation="Pedraza et al., An open access thyroid ultrasound image database, Proc. SPIE 9287, 2015",
        place="Colombia (Universidad Nacional de Colombia; screens labelled in Spanish)",
        devices="TOSHIBA Nemio 30 and Nemio MX, 12 MHz",
        population="patients with thyroiditis, cystic nodules, adenomas or cancers; age and sex of a part are given",
        outlines_by="expert radiologists of the publication, as polygons in XML",
        labels_by="TI-RADS category read by the publication's radiologists; it says that malignant ones were confirmed "
        "by biopsy, but the files hold no pathology",
        eligibility="suspicious lesions with an annotation; how patients were chosen is not published",
    ),
    "busi": Origin(
        citation="Al-Dhabyani et al., Dataset of breast ultrasound images, Data in Brief 28, 2020",
        collected="2018",
        place="Baheya Hospital, Cairo, Egypt",
        devices="GE LOGIQ E9 and LOGIQ E9 Agile",
        population="600 women, 25 to 75 years old",
        outlines_by="drawn for the publication and reviewed by radiologists of the hospital",
        labels_by="class given by the publication: normal, benign or malignant",
        eligibility="not published; Pawlowska et al. (2023) found duplicates and images of other regions in it",
    ),
    "tg3k": Origin(
        citation="Gong et al., Multi-task learning for thyroid nodule segmentation with thyroid region prior, "
        "ISBI 2021",
        population="frames of 16 ultrasound videos",
        outlines_by="the thyroid gland, for the publication",
        labels_by="none",
        eligibility="frames in which the gland covers more than 6 % of the image",
    ),
    "tn3k": Origin(
        citation="Gong et al., Thyroid region prior guided attention for ultrasound segmentation of thyroid nodules, "
        "Computers in Biology and Medicine 2023",
        collected="January 2016 to August 2020",
        population="2,421 patients",
        outlines_by="nodules, for the publication",
        eligibility="at least one nodule; no lymph nodes or large coloured areas; one image of a region or view",
    ),
    "phantom": Origin(
        citation="drawn by `thyrosight phantom`",
        population="none: synthetic",
        outlines_by="the program that drew the nodule: exact",
        labels_by="the program that drew the nodule",
    ),
}
