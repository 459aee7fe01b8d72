"""cases.csv <-> list[Case]: the one table that training, evaluation and the audit read."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from thyrosight.datasets.csv_file import NO_VALUE, number_of, read_rows, whole_number
from thyrosight.errors import InputError
from thyrosight.files import write_atomic
from thyrosight.types import Box, Case, whole_given

DESCRIPTORS = ("composition", "echogenicity", "shape", "margin", "foci", "tirads")
REQUIRED = ("case_id", "image", "mask", "malignancy", "group", "source")
OPTIONAL = ("split", "fold", "row_mm", "column_mm", "fov", "panels", "target", "image_sha256")
LAST = ("boxes",)
"""Columns after the descriptors. New columns are added here, so that those of an earlier table keep their places."""
COLUMNS = REQUIRED + OPTIONAL + DESCRIPTORS + LAST
SPLITS = ("", "train", "val", "test")
TARGETS = ("nodule", "lesion", "gland")


def read_cases(path: Path) -> list[Case]:
    """cases.csv (or the folder that holds it) -> its cases, paths made absolute.

    InputError names the file, the row and the fix. The images are not opened; the audit does that.
    """
    path = table_path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a regular file; copy it to one, next to the images")
    if not path.is_file():
        raise InputError(f"{path}: no such file; make it with: thyrosight prepare FOLDER -o {path.parent}")
    rows = [
        {name: "" if value.casefold() in NO_VALUE else value for name, value in row.items()}
        for row in read_rows(path, errors="surrogateescape")
    ]
    if not rows:
        raise InputError(f"{path}: no rows below the header; prepare the set again")
    missing = [name for name in REQUIRED if name not in rows[0]]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(missing)} (columns there: {', '.join(rows[0])}); "
            f"a table of your own becomes a cases.csv by: thyrosight prepare {path} -o FOLDER"
        )
    folder = path.resolve().parent
    cases = [_case(row, folder, f"{path} row {number}") for number, row in enumerate(rows, start=2)]
    _refuse_repeated_ids(cases, path)
    return cases


def table_path(path: Path) -> Path:
    """cases.csv, or the folder that holds it -> cases.csv."""
    path = Path(path)
    return path / "cases.csv" if path.is_dir() else path


def write_cases(cases: Iterable[Case], path: Path) -> None:
    """Cases -> cases.csv at `path`, with paths relative to its folder; the file is written whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, cases_bytes(cases, path.parent))


def cases_bytes(cases: Iterable[Case], folder: Path) -> bytes:
    """Cases, the folder of their table -> the content of cases.csv."""
    folder = folder.resolve()
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for case in cases:
        writer.writerow(_row(case, folder))
    # A path is written as the file system has it, in whatever bytes: it has to open the file again.
    return text.getvalue().encode("utf-8", "surrogateescape")


def is_safe_id(case_id: str) -> bool:
    """Whether a case id can be the name of a folder inside another."""
    return case_id.isprintable() and not case_id.startswith(".") and not set(case_id) & set("/\\")


def relative(path: Path, folder: Path) -> str:
    """An absolute path -> the same from `folder`, with forward slashes."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        raise InputError(f"{path}: on another drive than {folder}; put the output on the drive of the images") from None


def _row(case: Case, folder: Path) -> dict[str, str]:
    return {
        "case_id": case.case_id,
        "image": relative(case.image, folder),
        "mask": "" if case.mask is None else relative(case.mask, folder),
        "malignancy": _text(case.malignancy),
        "group": case.group,
        "source": case.source,
        "split": case.split,
        "fold": _text(case.fold),
        "row_mm": _text(case.row_mm),
        "column_mm": _text(case.column_mm),
        "fov": "" if case.fov is None else _box_text(case.fov),
        "panels": ";".join(_box_text(panel) for panel in case.panels),
        "target": case.target,
        "image_sha256": case.image_sha256,
        **{name: case.descriptors.get(name, "") for name in DESCRIPTORS},
        "boxes": ";".join(_box_text(box) for box in case.boxes),
    }


def _text(value: float | None) -> str:
    return "" if value is None else repr(value)


def _box_text(box: Box) -> str:
    return " ".join(str(int(value)) for value in box)


def _case(row: dict[str, str], folder: Path, where: str) -> Case:
    for name in ("case_id", "image", "group"):
        if not row[name]:
            raise InputError(f"{where}: {name} is empty; every row needs one")
    if not is_safe_id(row["case_id"]):
        raise InputError(
            f"{where}: case_id '{row['case_id']}'; it names a results folder, so write no / or \\, no dot first"
        )
    malignancy = whole_number(row["malignancy"])
    return Case(
        case_id=row["case_id"],
        image=_path(row["image"], folder, where),
        mask=_path(row["mask"], folder, where) if row["mask"] else None,
        malignancy=int(_one_of(malignancy, ("0", "1"), "malignancy", where)) if malignancy else None,
        group=whole_number(row["group"]),
        source=row["source"],
        split=_one_of(row.get("split", ""), SPLITS, "split", where),
        fold=_fold(whole_number(row.get("fold", "")), where),
        row_mm=_millimetres(row.get("row_mm", ""), "row_mm", where),
        column_mm=_millimetres(row.get("column_mm", ""), "column_mm", where),
        fov=_box(row["fov"], "fov", where) if row.get("fov") else None,
        panels=_boxes(row.get("panels", ""), "panels", where),
        target=_one_of(row.get("target", "") or "nodule", TARGETS, "target", where),
        image_sha256=row.get("image_sha256", ""),
        descriptors={name: row[name] for name in DESCRIPTORS if row.get(name)},
        boxes=_boxes(row.get("boxes", ""), "boxes", where),
    )


def _path(text: str, folder: Path, where: str) -> Path:
    """-> the path, joined as text, so that links are not resolved. The audit reports a missing file."""
    if "\0" in text:
        raise InputError(f"{where}: a path with a NUL character; write the file's path")
    return Path(os.path.normpath(folder / text))


def _one_of(text: str, known: tuple[str, ...], name: str, where: str) -> str:
    if text not in known:
        raise InputError(f"{where}: {name} '{text}'; write one of: {', '.join(value or '(empty)' for value in known)}")
    return text


def _fold(text: str, where: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal():
        raise InputError(f"{where}: fold '{text}'; write a whole number from 0, or nothing")
    return int(text)


def _millimetres(text: str, name: str, where: str) -> float | None:
    if not text:
        return None
    try:
        value = number_of(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{where}: {name} '{text}'; write the millimetres from one pixel to the next, or nothing")
    return value


def _boxes(text: str, name: str, where: str) -> tuple[Box, ...]:
    """`x0 y0 x1 y1;...` -> boxes; none where the cell is empty."""
    return tuple(_box(part, name, where) for part in text.split(";") if part.strip())


def _box(text: str, name: str, where: str) -> Box:
    parts = text.split()
    try:
        box = Box(*(int(part) for part in parts))
    except (ValueError, TypeError):
        raise InputError(f"{where}: {name} '{text}'; write four whole numbers, x0 y0 x1 y1") from None
    if not (0 <= box.x0 < box.x1 and 0 <= box.y0 < box.y1):
        raise InputError(f"{where}: {name} '{text}' is empty; it needs 0 <= x0 < x1 and 0 <= y0 < y1")
    return box


def _refuse_repeated_ids(cases: list[Case], path: Path) -> None:
    seen: dict[str, int] = {}
    for number, case in enumerate(cases, start=2):
        if (row := seen.get(case.case_id.casefold())) is not None:
            raise InputError(
                f"{path} row {number}: case_id '{case.case_id}' is already that of row {row} (case does not count); "
                "give every row its own"
            )
        seen[case.case_id.casefold()] = number


# Questions to a case


def group_key(case: Case) -> str:
    """-> the key that keeps a group together in a split of several sets: two sets may use one group name."""
    return f"{case.source}/{case.group}"


def is_labelled(case: Case) -> bool:
    """Whether a model can learn from the case or be scored on it."""
    return case.mask is not None or case.malignancy is not None or bool(case.boxes)


# Which cases


@dataclass(frozen=True)
class RowChoice:
    """Which rows of cases.csv are chosen, by split and fold; None: any split, any fold."""

    split: str | None = None
    """One of train, val, test."""
    fold: int | None = None

    def __post_init__(self) -> None:
        if self.fold is not None:
            whole_given("fold", self.fold)

    @property
    def in_words(self) -> str:
        """The choice as reports state it, for example `split test and fold 0`."""
        parts = [f"split {self.split}"] * (self.split is not None) + [f"fold {self.fold}"] * (self.fold is not None)
        return " and ".join(parts) or "every row"


EVERY_ROW = RowChoice()


def choose_cases(cases: Sequence[Case], path: Path, rows: RowChoice) -> list[Case]:
    """All cases of the table at `path`, a choice -> the chosen cases; InputError where the choice is empty."""
    chosen = [case for case in cases if rows.split in (None, case.split) and rows.fold in (None, case.fold)]
    if not chosen:
        splits = sorted({case.split or "(empty)" for case in cases})
        folds = sorted({case.fold for case in cases if case.fold is not None})
        raise InputError(
            f"{path}: no row is in {rows.in_words}; there are splits {', '.join(splits)} and folds "
            f"{', '.join(map(str, folds)) or 'none'}"
        )
    return chosen
