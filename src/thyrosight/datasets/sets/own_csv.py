"""Any CSV with named columns -> one case per image: columns are recognised by their names, or named by the caller.

Column names are compared without case, blanks, `_` and `-`. An ambiguous table is an error that shows the option to
write. Columns that are not used are named in the notes.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from thyrosight.datasets.csv_file import NO_VALUE, csv_lines, number_of, whole_number
from thyrosight.datasets.sets.cell_files import FilesNextTo, FilesOfCells, stem_of
from thyrosight.datasets.sets.csv_columns import (
    Cut,
    ask_for_columns,
    choose_columns,
    image_by_values,
    label_of_pair,
    mask_by_values,
    meaning_in_name,
    parse_cut,
    with_opposite,
)
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request, write_mask
from thyrosight.datasets.sets.table_boxes import BoxColumns, box_columns
from thyrosight.datasets.sets.table_parts import TablePart, parts_of_table
from thyrosight.datasets.table import SPLITS, TARGETS
from thyrosight.errors import InputError
from thyrosight.files.plain_text import printable
from thyrosight.folders.words import LABELS, SPLIT_WORDS, is_label, label_of, plain_name, to_lexicon
from thyrosight.frames.load import SUFFIXES
from thyrosight.frames.mask_image import read_mask_image
from thyrosight.frames.spacing import MAX_MM, MIN_MM
from thyrosight.tirads.descriptors import LEXICON
from thyrosight.types import Case

NAME = "table"
_CUT_OFF = re.compile(r"^\d([.,]\d+)?e\+?\d+$", re.IGNORECASE)
_SPREADSHEET_ERROR = re.compile(r"^#([\w/¡]+[!?]|N/A|NV)$", re.IGNORECASE)
"""#N/A, #REF!, #NAME?: a formula that found nothing."""


def recognise(folder: Path) -> bool:
    """A CSV file, or a folder with exactly one in it, or with one per split or class."""
    return bool(_tables(folder))


def read(request: Request) -> DataSet:
    """CSV -> one case per image; paths are relative to the CSV. Rows of one image are united."""
    parts = _tables(request.folder)
    if not parts:
        raise InputError(f"{request.folder}: not a CSV, and not a folder with exactly one; name the CSV itself")
    files = FilesNextTo(parts[0].path.resolve().parent)
    cases, said, has_patients = list[Case](), list[str](), False
    for part in parts:
        table = part.path
        header, rows = table_rows(table)
        cut = None if request.malignant is None else parse_cut(request.malignant, header)
        by_values = image_by_values(header, rows, table.parent) | mask_by_values(header, rows, table.parent)
        named = {**by_values, **request.columns}
        has_label = cut is not None or part.malignancy is not None
        boxes = box_columns(header, request.columns, by_values)
        columns = choose_columns(header, named, table, needs_label=not (has_label or boxes))
        boxes = boxes if "mask" not in columns else None
        ask_for_columns(table, rows, columns, request.columns, has_label=has_label, boxes=boxes)
        columns = with_opposite(columns, rows, table)
        read_here = cases_of_rows(rows, columns, files, cut, part, boxes)
        read_here, patients = with_patients(read_here, columns, table)
        cases += read_here
        has_patients |= "group" in columns
        used = {*columns.values(), *([cut[0]] if cut else []), *(boxes.columns if boxes else [])}
        of_table = f" of {table.name}" if len(parts) > 1 else ""
        first = f"columns{of_table}: " + ", ".join(f"{role} = {name}" for role, name in columns.items()) + part.in_words
        said += [first, *([boxes.in_words] if boxes else []), *_unused(header, used), *patients]
    cases, notes = united(cases, parts[0].path, request.masks)
    notes = [*said, *_groups_in_words(has_patients), *files.notes(), *notes]
    meaning = "as the table's own column says: 1 = malignant or high, 0 = benign or low"
    if request.malignant is not None:
        meaning = f"1 where {request.malignant}, else 0"
    return DataSet(NAME, tuple(cases), meaning, notes=tuple(notes))


def table_rows(table: Path) -> tuple[list[str], list[dict[str, str]]]:
    """CSV -> (its column names as written, its rows as {column: value}); a cell without a value is an empty text."""
    lines = csv_lines(table)
    if len(lines) < 2:
        raise InputError(f"{table}: no rows below the header")
    header = [" ".join(name.split()) or f"column {place}" for place, name in enumerate(lines[0], start=1)]
    if names := [name for name in header if Path(name).suffix.lower() in SUFFIXES]:
        raise InputError(
            f"{table}: its first line is no header, it names the file {printable(names[0])}; add a line above with the "
            "names of the columns: image, mask, malignancy, patient"
        )
    twice = [name for name, number in Counter(map(plain_name, header)).items() if number > 1]
    if twice:
        names = [name for name in header if plain_name(name) == twice[0]]
        raise InputError(f"{table}: {len(names)} columns are called '{names[0]}'; give each its own name")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) > len(header):
            fault = f"{len(line)} values for {len(header)} columns"
            if len(lines[0]) == 1:
                raise InputError(
                    f"{table}: its first line is no header ('{printable(header[0][:40])}', one cell, where row "
                    f"{number} has {len(line)}); remove the lines above the header"
                )
            raise InputError(f"{table} row {number}: {fault}; put values that hold the separator into quotes")
        values = [cell.strip() for cell in line] + [""] * (len(header) - len(line))
        rows.append({n: "" if v.casefold() in NO_VALUE else v for n, v in zip(header, values, strict=True)})
    return header, rows


def cases_of_rows(
    rows: Sequence[dict[str, str]],
    columns: dict[str, str],
    files: FilesOfCells,
    cut: Cut | None,
    part: TablePart,
    boxes: BoxColumns | None = None,
) -> list[Case]:
    """Rows of a table, {role: column} -> one case per row, with what the name of the table says."""
    cases = []
    for number, row in enumerate(rows, start=2):
        where = f"{part.path} row {number}"
        case = part.with_name_of(case_of_row(row, columns, files, cut, where), where)
        cases.append(boxes.with_box(case, row, where) if boxes else case)
    return cases


def case_of_row(row: dict[str, str], columns: dict[str, str], files: FilesOfCells, cut: Cut | None, where: str) -> Case:
    """A row of a table, {role: column} -> its case. `files` turns cells into paths, `cut` values into labels."""
    text = {role: row[name] for role, name in columns.items()}
    for role, cell in text.items():
        if role != "image" and _SPREADSHEET_ERROR.match(cell):
            raise InputError(
                f"{where}: '{cell}' in column '{columns[role]}' is an error of a formula; correct it, or empty the cell"
            )
    if not text["image"]:
        raise InputError(f"{where}: no image file; fill the column '{columns['image']}' or remove the row")
    split = text.get("split", "").lower()
    split = SPLIT_WORDS.get(split, split)
    if split not in SPLITS:
        raise InputError(f"{where}: split '{split}'; write train, val, test or nothing")
    target = text.get("target") or "nodule"
    if target not in TARGETS:
        raise InputError(f"{where}: target '{target}'; write one of: {', '.join(TARGETS)}")
    image = files.path(text["image"])
    row_mm, column_mm = _spacing(text, where)
    return Case(
        case_id=_safe_id(text.get("case_id") or stem_of(image)),
        image=image,
        mask=files.path(text["mask"]) if text.get("mask") else None,
        malignancy=_label(row, columns, cut, where),
        group=whole_number(text.get("group", "")),
        source=text.get("source") or NAME,
        split=split,
        fold=_fold(text.get("fold", ""), where),
        row_mm=row_mm,
        column_mm=column_mm,
        target=target,
        descriptors=_descriptors(text),
    )


def _label(row: dict[str, str], columns: dict[str, str], cut: Cut | None, where: str) -> int | None:
    if cut is not None:
        return int(cut[1](row[cut[0]])) if row[cut[0]] else None
    label = whole_number(row[columns["malignancy"]].lower()) if "malignancy" in columns else ""
    if (meaning := meaning_in_name(columns.get("malignancy", ""))) and label in meaning:
        return meaning[label]
    if not is_label(label) or (meaning and label.isdecimal()):
        known = ", ".join(value for value in LABELS if value)
        raise InputError(
            f"{where}: label '{label}' in column '{columns['malignancy']}'; known: {known}, or empty; "
            f'or say which values are malignant: --malignant "{columns["malignancy"]}={label}"'
        )
    return label_of_pair(label, row[columns["benign"]], where) if "benign" in columns else label_of(label)


def with_patients(cases: Sequence[Case], columns: dict[str, str], table: Path) -> tuple[list[Case], list[str]]:
    """One case per row, {role: column}, the table -> (the cases with one spelling per patient, notes in words).

    InputError where cells were merged in a spreadsheet: only the first of their rows has the value in the CSV, so the
    other images would lose their patient. InputError also where the spreadsheet shortened a patient's long number to
    `1.2E+09`.
    """
    if "group" not in columns:
        return list(cases), []
    given = [case.group for case in cases if case.group]
    num_empty = len(cases) - len(given)
    if num_empty and given and cases[0].group and len(set(given)) == len(given) and num_empty >= len(given):
        raise InputError(
            f"{table}: column '{columns['group']}' is empty in {num_empty} rows and names no patient twice, as merged "
            f"cells do; fill them down, or write --column patient=none"
        )
    if cut_off := next((name for name in given if _CUT_OFF.match(name)), ""):
        raise InputError(
            f"{table}: patient '{cut_off}' is a long number of which a spreadsheet left the first digits; format the "
            f"column '{columns['group']}' as text and export it again, or write --column patient=none"
        )
    spelled: dict[str, str] = {}
    for name in given:
        spelled.setdefault(patient_key(name), name)
    changed = sorted({name for name in given if spelled[patient_key(name)] != name})
    notes = []
    if changed:
        notes.append(
            f"patients that differ in upper and lower case or leading zeros alone are one: {', '.join(changed[:3])}"
        )
    if num_empty and given:
        notes.append(
            f"{num_empty} rows have no patient: each counts as a patient of its own, joined where images look alike"
        )
    return [replace(case, group=spelled.get(patient_key(case.group), "")) for case in cases], notes


def patient_key(name: str) -> str:
    """A patient -> the key by which names are compared: 007 and 7 are one patient, P1 and p1 too."""
    return (name.lstrip("0") or "0") if name.isdecimal() else name.casefold()


def _named_apart(cases: Sequence[Case], table: Path) -> list[Case]:
    """Rows -> the same rows with names that differ between folders.

    Where images in several folders have one name and no id, the folders become part of their names. p1/1.png and
    p2/1.png become p1_1 and p2_1.
    """
    images: dict[str, set[Path]] = {}
    for case in cases:
        images.setdefault(case.case_id, set()).add(case.image)
    named = []
    for case in cases:
        same = images[case.case_id]
        is_by_file = case.case_id == _safe_id(stem_of(case.image))
        if is_by_file and len({image.parent for image in same}) == len(same) > 1:
            place = Path(os.path.relpath(case.image.parent, table.resolve().parent))
            case = replace(case, case_id=_safe_id("_".join((*place.parts, stem_of(case.image)))))
        named.append(case)
    return _numbered_apart(named)


def _numbered_apart(cases: Sequence[Case]) -> list[Case]:
    """Rows -> the same; images whose names differ in case alone (A.png, a.png) are numbered: A_1, a_2."""
    images: dict[str, list[Path]] = {}
    for case in cases:
        same = images.setdefault(case.case_id.casefold(), [])
        if case.image not in same:
            same.append(case.image)
    result = []
    for case in cases:
        same = images[case.case_id.casefold()]
        names = {path.name for path in same}
        is_by_file = case.case_id == _safe_id(stem_of(case.image))
        if is_by_file and len(same) > 1 and len(names) == len(same) > len({name.casefold() for name in names}):
            case = replace(case, case_id=f"{case.case_id}_{same.index(case.image) + 1}")
        result.append(case)
    return result


def united(cases: Sequence[Case], table: Path, masks: Path) -> tuple[list[Case], list[str]]:
    """One case per row -> (one case per image, with the masks of its nodules united; notes).

    InputError where rows of one image name two patients or two splits, or two images have one name.
    """
    rows_of: dict[Path, list[Case]] = {}
    for case in _named_apart(cases, table):
        rows_of.setdefault(case.image, []).append(case)
    result, num_united, contradicting = [], 0, []
    for image, rows in rows_of.items():
        first = rows[0]
        if len({row.group for row in rows}) > 1:
            names = ", ".join(sorted({row.group for row in rows}))
            raise InputError(
                f"{table}: {image.name} is in {len(rows)} rows of different patients ({names}); correct it"
            )
        places = sorted({row.split or f"fold {row.fold}" for row in rows if row.split or row.fold is not None})
        if len(places) > 1:
            raise InputError(
                f"{table}: {image.name} is in {len(rows)} rows of different splits ({', '.join(places)}); correct it"
            )
        if len(rows) > 1:
            labels = {row.malignancy for row in rows} - {None}
            if len(labels) > 1:
                contradicting.append(image.name)
            num_united += 1
            malignancy = labels.pop() if len(labels) == 1 else None
            boxes = tuple(dict.fromkeys(box for row in rows for box in row.boxes))
            first = replace(first, malignancy=malignancy, mask=_united_mask(first, rows, masks), boxes=boxes)
        result.append(first)
    _refuse_repeats(result, table)
    notes = []
    if num_united:
        notes.append(f"{num_united} images are in several rows (one per nodule?): one case each, their masks united")
    if contradicting:
        notes.append(f"{len(contradicting)} of them have rows of both labels and get no label, e.g. {contradicting[0]}")
    return result, notes


def _united_mask(first: Case, rows: Sequence[Case], masks: Path) -> Path | None:
    """Rows of one image -> one mask file: the union of their masks, or their common file; None without any mask."""
    paths = list(dict.fromkeys(row.mask for row in rows if row.mask is not None))
    if len(paths) < 2 or not all(path.is_file() for path in paths):
        return paths[0] if paths else None
    masks_HW = [read_mask_image(path).mask_HW for path in paths]
    if len({mask_HW.shape for mask_HW in masks_HW}) > 1:
        raise InputError(f"{paths[0]}: the masks of {first.image.name} differ in size; export them at the image's size")
    path = masks / f"{first.case_id}.png"
    write_mask(path, np.logical_or.reduce(masks_HW))
    return path


def _unused(header: Sequence[str], used: set[str]) -> list[str]:
    left = [name for name in header if name not in used]
    return [f"columns not used: {', '.join(left)}"] if left else []


def _groups_in_words(has_patients: bool) -> list[str]:
    if has_patients:
        return []
    return ["no column says the patient: each image counts as a patient of its own, joined where images look alike"]


def _safe_id(name: str) -> str:
    """Name -> a name for a folder: letters, digits, `_`, `-` and inner dots."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "_"


def _descriptors(text: dict[str, str]) -> dict[str, str]:
    found = {}
    for name in LEXICON:
        terms = [to_lexicon(name, words) for words in text.get(name, "").split(";")]
        if known := [term for term in terms if term]:
            found[name] = "; ".join(known)
    if text.get("tirads"):
        found["tirads"] = whole_number(text["tirads"].lower())
    return found


def _fold(text: str, where: str) -> int | None:
    text = whole_number(text)
    if text and not text.isdecimal():
        raise InputError(f"{where}: fold '{text}'; write a whole number from 0, or nothing")
    return int(text) if text else None


def _spacing(text: dict[str, str], where: str) -> tuple[float | None, float | None]:
    """Cells of a row -> (row_mm, column_mm); None for an empty cell. InputError outside MIN_MM to MAX_MM."""
    values = []
    for role in ("row_mm", "column_mm"):
        cell = text.get(role, "")
        try:
            value = number_of(cell) if cell else None
        except ValueError:
            value = math.nan
        if value is not None and not (math.isfinite(value) and MIN_MM <= value <= MAX_MM):
            raise InputError(
                f"{where}: spacing '{cell}'; write the millimetres from one pixel to the next, "
                f"{MIN_MM:g} to {MAX_MM:g}, or nothing"
            )
        values.append(value)
    return values[0], values[1]


def _tables(folder: Path) -> list[TablePart]:
    """A CSV, or a folder -> its only CSV, or those of its splits or classes; empty where it has none or others too."""
    if folder.is_file():
        return [TablePart(folder)] if folder.suffix.lower() in (".csv", ".tsv") else []
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".csv", ".tsv") and path.name[0] != ".")
    if len(found) == 1:
        return [TablePart(found[0])]
    parts = parts_of_table(found, folder)
    return parts if len(parts) == len(found) else []


def _refuse_repeats(cases: Sequence[Case], table: Path) -> None:
    seen: dict[str, Case] = {}
    for case in cases:
        if (other := seen.get(case.case_id.casefold())) is not None:
            raise InputError(
                f"{table}: {other.image.name} and {case.image.name} are both called '{other.case_id}'"
                f"{'' if other.case_id == case.case_id else ' in upper or lower case'}; "
                "add a case_id column with a name for each image; if the column of names holds the patient, write "
                "--column patient=COLUMN --column case_id=none"
            )
        seen[case.case_id.casefold()] = case


SET = KnownSet(name=NAME, recognise=recognise, read=read)
