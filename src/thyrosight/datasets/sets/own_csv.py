"""Any CSV with named columns -> cases: the columns are told apart by their names, or named by the caller."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from thyrosight.datasets.csv_file import read_rows
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request
from thyrosight.datasets.sets.lexicon import to_lexicon
from thyrosight.datasets.table import SPLITS, TARGETS
from thyrosight.errors import InputError
from thyrosight.tirads.descriptors import LEXICON
from thyrosight.types import Case

NAME = "table"
ALIASES: dict[str, tuple[str, ...]] = {
    "image": ("image", "image_path", "img", "img_path", "image_file", "filename", "file_name", "file", "path"),
    "mask": ("mask", "mask_path", "mask_file", "segmentation", "annotation", "gt"),
    "malignancy": ("malignancy", "malignant", "label", "cate", "class", "diagnosis", "pathology"),
    "group": ("group", "patient", "patient_id", "patientid", "subject", "subject_id"),
    "case_id": ("case_id", "id", "image_id", "name"),
    "source": ("source", "dataset"),
    "split": ("split", "subset"),
    "fold": ("fold",),
    "row_mm": ("row_mm",),
    "column_mm": ("column_mm",),
    "target": ("target",),
    "composition": ("composition",),
    "echogenicity": ("echogenicity",),
    "shape": ("shape",),
    "margin": ("margin", "margins"),
    "foci": ("foci", "echogenic_foci", "echogenic foci", "calcifications"),
    "tirads": ("tirads", "ti-rads", "ti_rads", "acr_tirads"),
}
LABELS: dict[str, int | None] = {
    **dict.fromkeys(("1", "1.0", "malignant", "high", "true", "m", "positive", "cancer"), 1),
    **dict.fromkeys(("0", "0.0", "benign", "low", "false", "b", "negative"), 0),
    **dict.fromkeys(("", "normal", "none", "na", "n/a", "nan", "unknown", "-1"), None),
}
_SPLIT_WORDS = {"training": "train", "validation": "val", "valid": "val", "dev": "val", "testing": "test"}


def recognise(folder: Path) -> bool:
    """A CSV file, or a folder with exactly one in it."""
    return _csv(folder) is not None


def read(request: Request) -> DataSet:
    """CSV -> one case a row; paths are relative to the CSV."""
    table = _csv(request.folder)
    if table is None:
        raise InputError(f"{request.folder}: not a CSV, and not a folder with exactly one; name the CSV itself")
    rows = read_rows(table)
    if not rows:
        raise InputError(f"{table}: no rows below the header")
    columns = choose_columns(list(rows[0]), request.columns, table)
    folder = table.resolve().parent
    cases = [_case(row, columns, folder, f"{table} row {number}") for number, row in enumerate(rows, start=2)]
    _refuse_repeats(cases, table)
    note = "columns: " + ", ".join(f"{role} = {name}" for role, name in columns.items())
    return DataSet(
        NAME, tuple(cases), "as the table's own column says: 1 = malignant or high, 0 = benign or low", notes=(note,)
    )


def choose_columns(seen: list[str], named: dict[str, str], table: Path) -> dict[str, str]:
    """Columns seen, the caller's choices (role -> column) -> role -> column.

    The caller may call a role by any of its ALIASES. Raises InputError, naming the columns seen, where a choice is not
    there, no column is the image's, or two fit one.
    """
    listing = f"columns there: {', '.join(seen)}"
    role_of = {alias: role for role, names in ALIASES.items() for alias in (role, *names)}
    columns = {role_of.get(role.lower(), role): name.strip().lower() for role, name in named.items()}
    for role, name in columns.items():
        if role not in ALIASES:
            raise InputError(f"unknown column role '{role}'; known: {', '.join(ALIASES)}")
        if name not in seen:
            raise InputError(f"{table}: no column '{name}' for {role}; {listing}")
    for role, names in ALIASES.items():
        if role in columns:
            continue
        fitting = [name for name in names if name in seen and name not in columns.values()]
        if role in fitting:
            fitting = [role]
        if len(fitting) > 1:
            raise InputError(
                f"{table}: {role} could be {' or '.join(fitting)}; choose one, e.g. {role}={fitting[0]}; {listing}"
            )
        if fitting:
            columns[role] = fitting[0]
    if "image" not in columns:
        raise InputError(f"{table}: which column holds the image's file? Name it: image=COLUMN; {listing}")
    if not {"mask", "malignancy"} & set(columns):
        raise InputError(
            f"{table}: neither a mask nor a label column; name one: mask=COLUMN or malignancy=COLUMN; {listing}"
        )
    return columns


def _case(row: dict[str, str], columns: dict[str, str], folder: Path, where: str) -> Case:
    text = {role: row[name] for role, name in columns.items()}
    if not text["image"]:
        raise InputError(f"{where}: no image file; fill the column '{columns['image']}' or remove the row")
    label = text.get("malignancy", "").lower()
    if label not in LABELS:
        known = ", ".join(value for value in LABELS if value)
        raise InputError(f"{where}: label '{label}' in column '{columns['malignancy']}'; known: {known}, or empty")
    split = text.get("split", "").lower()
    split = _SPLIT_WORDS.get(split, split)
    if split not in SPLITS:
        raise InputError(f"{where}: split '{split}'; write train, val, test or nothing")
    target = text.get("target") or "nodule"
    if target not in TARGETS:
        raise InputError(f"{where}: target '{target}'; write one of: {', '.join(TARGETS)}")
    image = Path(os.path.normpath(folder / text["image"]))
    return Case(
        case_id=_safe_id(text.get("case_id") or image.stem),
        image=image,
        mask=Path(os.path.normpath(folder / text["mask"])) if text.get("mask") else None,
        malignancy=LABELS[label],
        group=text.get("group", ""),
        source=text.get("source") or NAME,
        split=split,
        fold=_fold(text.get("fold", ""), where),
        row_mm=_millimetres(text.get("row_mm", ""), where),
        column_mm=_millimetres(text.get("column_mm", ""), where),
        target=target,
        descriptors=_descriptors(text),
    )


def _safe_id(name: str) -> str:
    """A name -> the same as the name of a folder: letters, digits, `_`, `-` and inner dots."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "_"


def _descriptors(text: dict[str, str]) -> dict[str, str]:
    found = {}
    for name in LEXICON:
        terms = [to_lexicon(name, words) for words in text.get(name, "").split(";")]
        if known := [term for term in terms if term]:
            found[name] = "; ".join(known)
    if text.get("tirads"):
        found["tirads"] = text["tirads"].lower()
    return found


def _fold(text: str, where: str) -> int | None:
    if text and not text.isdecimal():
        raise InputError(f"{where}: fold '{text}'; write a whole number from 0, or nothing")
    return int(text) if text else None


def _millimetres(text: str, where: str) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        value = math.nan
    if value is not None and not (math.isfinite(value) and value > 0):
        raise InputError(f"{where}: spacing '{text}'; write millimetres a pixel, or nothing")
    return value


def _csv(folder: Path) -> Path | None:
    if folder.is_file():
        return folder if folder.suffix.lower() in (".csv", ".tsv") else None
    found = sorted(path for path in folder.glob("*.csv") if not path.name.startswith("."))
    return found[0] if len(found) == 1 else None


def _refuse_repeats(cases: list[Case], table: Path) -> None:
    seen: dict[str, int] = {}
    for number, case in enumerate(cases, start=2):
        if case.case_id in seen:
            raise InputError(
                f"{table} row {number}: '{case.case_id}' is row {seen[case.case_id]}'s name too; "
                "add a case_id column with a name for each image"
            )
        seen[case.case_id] = number


SET = KnownSet(name=NAME, recognise=recognise, read=read)
