"""A CSV next to the images -> labels, patients, folds of the cases that the folders gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from thyrosight.datasets.csv_file import csv_lines
from thyrosight.datasets.formats.tree import by_name, stem_without_ending, tables_below
from thyrosight.datasets.sets.cell_files import Moved, nearest, parts_of
from thyrosight.datasets.sets.csv_columns import ask_for_columns, choose_columns, parse_cut
from thyrosight.datasets.sets.layout import Request
from thyrosight.datasets.sets.own_csv import case_of_row, table_rows, united, with_patients
from thyrosight.datasets.sets.words import ALIASES, is_label, plain_name
from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault
from thyrosight.types import Case

MIN_SHARE = 0.5
"""A column names the images where at least this share of its cells is the name of an image."""


def has_mask_column(table: Path) -> bool:
    """Whether the table names the masks itself."""
    try:
        header = csv_lines(table)[:1]
    except InputError as error:
        raise_disk_fault(error)
        return False
    names = {plain_name(name) for name in ALIASES["mask"]} - {"annotation"}
    return bool(header) and any(plain_name(name) in names for name in header[0])


def image_column(table: Path, names: Mapping[str, list[Path]]) -> tuple[str, int] | None:
    """Table, images by name -> (the column that names the images, rows in which it does), or None."""
    try:
        header, rows = table_rows(table)
    except InputError as error:
        raise_disk_fault(error)
        return None
    hits = {name: sum(_name_in(row[name]) in names for row in rows) for name in header}
    best = max(hits, key=lambda name: hits[name])
    return (best, hits[best]) if hits[best] >= max(1.0, MIN_SHARE * len(rows)) else None


def with_table(cases: Sequence[Case], request: Request) -> tuple[list[Case], list[str], int]:
    """Cases -> (the same with what a table next to them says, notes, rows without an image).

    Where several tables name the images, the one with a label or a patient is used; the notes name the others.
    InputError where a table can't be read and no case has a label: the table may hold the labels.
    """
    names = _with_numbers(by_name([case.image for case in cases]))
    fitting = [(table, found) for table in tables_below(request.folder) if (found := image_column(table, names))]
    others = [table for table in tables_below(request.folder) if table not in [fit for fit, _ in fitting]]
    faults = {table: fault for table in others if (fault := _fault_of(table))}
    if faults and not fitting and all(case.malignancy is None for case in cases):
        raise InputError(next(iter(faults.values())))
    notes = [f"table not used, because it can't be read: {fault}" for fault in faults.values()]
    if unfit := [table.name for table in others if table not in faults]:
        notes.append(f"tables not used, because no column names the images: {', '.join(unfit)}")
    if not fitting:
        return list(cases), notes, 0
    fitting.sort(key=lambda fit: (-_num_roles(fit[0]), -fit[1][1]))
    if len(fitting) > 1:
        notes.append(f"tables not used next to {fitting[0][0].name}: {', '.join(path.name for path, _ in fitting[1:])}")
    table, (column, _) = fitting[0]
    has_label = any(case.malignancy is not None for case in cases)
    in_rows, more_notes = _rows_as_cases(table, column, names, request, has_label)
    rows = {row.image: row for row in in_rows}
    both = [_merged(case, rows.get(case.image), table) for case in cases]
    if bare := [case.image.name for case in cases if case.image not in rows]:
        notes.append(f"{len(bare)} images without a row in {table.name}, e.g. {bare[0]}")
    num_strays = sum(1 for row in in_rows if not row.image.is_file())
    return both, [*notes, *more_notes], num_strays


def _fault_of(table: Path) -> str:
    """Table -> why it can't be read; empty where it can."""
    try:
        table_rows(table)
    except InputError as error:
        raise_disk_fault(error)
        return str(error)
    return ""


def _with_numbers(names: dict[str, list[Path]]) -> dict[str, list[Path]]:
    """Images by name -> the same, and by the number alone where a spreadsheet turns 0007 into 7."""
    shorter: dict[str, list[Path]] = {}
    for name, paths in names.items():
        if name.isdecimal():
            shorter.setdefault(name.lstrip("0") or "0", []).extend(paths)
    return {**shorter, **names}


def _num_roles(table: Path) -> int:
    names = {plain_name(name) for name in csv_lines(table)[0]}
    return sum(bool(names & set(ALIASES[role])) for role in ("malignancy", "group", "fold", "tirads"))


class _Images:
    """Cells -> images by their name alone, whatever folder and ending the table writes."""

    def __init__(self, names: Mapping[str, list[Path]], folder: Path) -> None:
        self._names, self._folder, self._moved = names, folder, Moved(folder)

    def path(self, text: str) -> Path:
        found = self._names.get(_name_in(text), [])
        if len(found) > 1:
            inside = nearest(text, found)
            if len(inside) != 1:
                raise InputError(f"{self._folder}: '{text}' of the table could be {found[0]} or {found[1]}; rename one")
            found = inside
        if found and len(parts_of(text)) > 1:
            self._moved.add(text, found[0])
        return found[0] if found else self._folder / text

    def notes(self) -> list[str]:
        """-> a sentence on images in other folders than written; empty where there is none."""
        return self._moved.notes()


def _rows_as_cases(
    table: Path, column: str, names: Mapping[str, list[Path]], request: Request, has_label: bool
) -> tuple[list[Case], list[str]]:
    header, rows = table_rows(table)
    cut = None if request.malignant is None else parse_cut(request.malignant, header)
    written = {plain_name(name) for name in header} | {"", "none"}
    chosen = {role: name for role, name in request.columns.items() if plain_name(name) in written}
    named = {"image": column, "mask": "none", **_label_by_values(header, rows), **chosen}
    columns = choose_columns(header, named, table, needs_label=False)
    ask_for_columns(table, rows, columns, request.columns, has_label=has_label or cut is not None, has_mask=True)
    files = _Images(names, table.parent)
    cases = [case_of_row(row, columns, files, cut, f"{table} row {number}") for number, row in enumerate(rows, start=2)]
    cases, patients = with_patients(cases, columns, table)
    cases, notes = united(cases, table, request.masks)
    notes = [*patients, *files.notes(), *notes]
    used = set(columns.values()) | ({cut[0]} if cut else set())
    left = [name for name in header if name not in used]
    sentences = [f"columns of {table.name}: " + ", ".join(f"{role} = {name}" for role, name in columns.items())]
    return cases, sentences + ([f"columns not used: {', '.join(left)}"] if left else []) + notes


def _label_by_values(header: Sequence[str], rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Columns, rows -> of several columns that may be the label, the only one whose values are all labels."""
    aliases = set(ALIASES["malignancy"])
    fitting = [name for name in header if plain_name(name) in aliases]
    plain = [name for name in fitting if all(is_label(row[name].removesuffix(".0")) for row in rows)]
    return {"malignancy": plain[0]} if len(plain) == 1 else {}


def _merged(case: Case, row: Case | None, table: Path) -> Case:
    if row is None:
        return case
    if None not in (case.malignancy, row.malignancy) and case.malignancy != row.malignancy:
        words = ("benign", "malignant")
        raise InputError(
            f"{table}: {case.image.name} is {words[row.malignancy or 0]} here and {words[case.malignancy or 0]} by its "
            "folder or category; correct one"
        )
    return replace(
        row,
        case_id=case.case_id,
        mask=case.mask,
        source=case.source,
        malignancy=case.malignancy if row.malignancy is None else row.malignancy,
        group=row.group or case.group,
        split=row.split or case.split,
    )


def _name_in(cell: str) -> str:
    return stem_without_ending(Path(cell.replace("\\", "/"))).casefold()
