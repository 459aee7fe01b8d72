"""CSV files and lists next to the images -> labels, patients, splits of the cases that the folders gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from thyrosight.datasets.csv_file import csv_lines
from thyrosight.datasets.sets.cell_files import Moved, nearest, parts_of
from thyrosight.datasets.sets.csv_columns import (
    NEAR_PATIENT,
    ask_for_columns,
    choose_columns,
    parse_cut,
    refuse_drawn_columns,
    with_opposite,
)
from thyrosight.datasets.sets.layout import Request
from thyrosight.datasets.sets.own_csv import case_of_row, cases_of_rows, patient_key, table_rows, united, with_patients
from thyrosight.datasets.sets.table_boxes import box_columns
from thyrosight.datasets.sets.table_parts import TablePart, parts_of_table, split_in
from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault
from thyrosight.folders.folder_files import files_below
from thyrosight.folders.names import shorter_names, words_of
from thyrosight.folders.tree import by_name, stem_without_ending, tables_below
from thyrosight.folders.unread_tables import FIX, unread_tables
from thyrosight.folders.words import ALIASES, is_label, label_of, plain_name
from thyrosight.types import Case

_FILE_ROLES = ("image", "mask")
MIN_SHARE = 0.5
"""A column names the images where at least this share of its cells is the name of an image."""
MODEL_WORDS = frozenset(("prediction", "predictions", "pred", "preds", "predicted", "submission", "submissions"))
"""Words of tables that a model wrote: they hold no labels."""
_NO_IMAGE = ("malignancy", "fold", "split", "tirads")
"""Roles of columns whose numbers may be names of images by chance: labels 0 and 1 next to 0.png and 1.png."""
_IMAGE = "image of the patient"
"""The column that is added to rows of patients."""


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
    """Table, images by name -> (the column that names the images, the rows whose image exists), or None."""
    try:
        header, rows = table_rows(table)
    except InputError as error:
        raise_disk_fault(error)
        return None
    others = {plain for role in _NO_IMAGE for plain in ALIASES[role]}
    free = [name for name in header if plain_name(name) not in others]
    hits = {name: sum(_name_in(row[name]) in names for row in rows) for name in free}
    fitting = [name for name in free if hits[name] >= max(1.0, MIN_SHARE * len(rows))]
    called = [name for name in fitting if plain_name(name) in ALIASES["image"]]
    best = max(called or fitting, key=lambda name: hits[name], default="")
    return (best, hits[best]) if best else None


def with_table(cases: Sequence[Case], request: Request) -> tuple[list[Case], list[str], int]:
    """Cases -> (the cases, completed by tables and lists next to the images; notes; number of rows without an image).

    Where several tables name the images, all tables of splits or classes (train.csv, test.csv) are used. Of the other
    tables, the one with a label or a patient is used; the notes name the rest. InputError where a table can't be read
    and no case has a label: the table may hold the labels.
    """
    names = _with_numbers(by_name([case.image for case in cases]))
    listed, list_notes = _with_lists(cases, names, request.folder)
    tables = tables_below(request.folder)
    of_models = [table for table in tables if len(tables) > 1 and words_of(table.stem) & MODEL_WORDS]
    tables = [table for table in tables if table not in of_models]
    fitting = [(table, found) for table in tables if (found := image_column(table, names))]
    others = [table for table in tables if table not in [fit for fit, _ in fitting]]
    faults = {table: fault for table in others if (fault := _fault_of(table))}
    if faults and not fitting and all(case.malignancy is None for case in cases):
        raise InputError(next(iter(faults.values())))
    notes = [f"table not used, because it can't be read: {fault}" for fault in faults.values()]
    lists = split_lists(request.folder)
    for path in (path for path in unread_tables(request.folder, names) if path not in lists):
        notes.append(f"{path.relative_to(request.folder)} may hold labels or patients, and is not read: {FIX}")
    if of_models:
        notes.append(f"tables of predictions by their names, not used: {', '.join(table.name for table in of_models)}")
    readable = [table for table in others if not fitting and table not in faults]
    per_patient = next(((table, *theirs) for table in readable if (theirs := _rows_of_patients(table, cases))), None)
    if unfit := [table.name for table in others if table not in (*faults, *(per_patient or ())[:1])]:
        notes.append(f"tables not used, because no column names the images: {', '.join(unfit)}")
    if per_patient:
        listed, more_notes = _with_patients_rows(listed, *per_patient, request)
        notes += more_notes
    if not fitting:
        _refuse_without_table(request)
        return listed, [*list_notes, *notes], 0
    parts = parts_of_table([table for table, _ in fitting], request.folder)
    in_parts = {part.path for part in parts}
    alone = sorted(
        (fit for fit in fitting if fit[0] not in in_parts), key=lambda fit: (-_num_roles(fit[0]), -fit[1][1])
    )
    _refuse_other_labels([(table, column) for table, (column, _) in alone])
    if len(alone) > 1:
        notes.append(f"tables not used next to {alone[0][0].name}: {', '.join(path.name for path, _ in alone[1:])}")
    column_of = {table: column for table, (column, _) in fitting}
    both, num_strays = listed, 0
    for some in (parts, [TablePart(table) for table, _ in alone[:1]]):
        if some:
            both, more_notes, num = _with_rows(both, some, column_of, names, request)
            notes, num_strays = [*notes, *more_notes], num_strays + num
    return both, [*list_notes, *notes], num_strays


def _refuse_other_labels(tables: Sequence[tuple[Path, str]]) -> None:
    """Tables with their column of images -> InputError where two of them give one image two labels."""
    seen: dict[str, tuple[int, Path]] = {}
    for table, column in tables:
        header, rows = table_rows(table)
        (label,) = list(_label_by_values(header, rows).values()) or [""]
        for row in rows if label else ():
            value, name = label_of(row[label].removesuffix(".0")), _name_in(row[column])
            if value is None:
                continue
            other, first = seen.setdefault(name, (value, table))
            if other != value and first != table:
                raise InputError(
                    f"{first} and {table}: '{row[column]}' is benign in one and malignant in the other; move the table "
                    "that holds no labels out of the folder, or correct one"
                )


def _with_rows(
    cases: Sequence[Case],
    parts: Sequence[TablePart],
    column_of: Mapping[Path, str],
    names: Mapping[str, list[Path]],
    request: Request,
) -> tuple[list[Case], list[str], int]:
    """Cases, the parts of one table -> (the cases, completed by its rows; notes; number of rows without an image)."""
    in_rows, notes = list[Case](), list[str]()
    for part in parts:
        more, more_notes = _rows_as_cases(part, column_of[part.path], names, request, cases)
        in_rows, notes = [*in_rows, *more], [*notes, *more_notes]
    in_rows, more_notes = united(in_rows, parts[0].path, request.masks)
    rows = {row.image: row for row in in_rows}
    named = " and ".join(part.path.relative_to(request.folder).as_posix() for part in parts)
    both = [_merged(case, rows.get(case.image), parts[0].path) for case in cases]
    if bare := [case.image.name for case in cases if case.image not in rows]:
        notes.append(f"{len(bare)} images without a row in {named}, e.g. {bare[0]}")
    return both, [*notes, *more_notes], sum(1 for row in in_rows if not row.image.is_file())


def _rows_of_patients(table: Path, cases: Sequence[Case]) -> tuple[str, dict[Path, int]] | None:
    """Table with one row per patient, cases -> (the column of the patient, {image: its row}); None for other tables.

    An image is of the patient whose name is its folder's, or the beginning of its own name (P7 of P7_left_2.png).
    """
    header, rows = table_rows(table)
    for column in header:
        plain = plain_name(column)
        keys = {patient_key(row[column]): number for number, row in enumerate(rows) if row[column]}
        is_patient = plain in (*ALIASES["group"], *ALIASES["case_id"]) or NEAR_PATIENT.search(plain)
        if not is_patient or len(keys) < len(rows):
            continue
        found = {}
        for case in cases:
            names = (case.group.rpartition("/")[2], *shorter_names(stem_without_ending(case.image)))
            if fitting := [key for name in names if (key := patient_key(name)) in keys]:
                found[case.image] = keys[fitting[0]]
        if len(found) >= max(1.0, MIN_SHARE * len(cases)):
            return column, found
    return None


def _with_patients_rows(
    cases: Sequence[Case], table: Path, column: str, row_of: Mapping[Path, int], request: Request
) -> tuple[list[Case], list[str]]:
    """Cases, a table with one row per patient -> (the cases with what the row of their patient says, notes).

    column and row_of are what _rows_of_patients found.
    """
    header, rows = table_rows(table)
    cut = None if request.malignant is None else parse_cut(request.malignant, header)
    of_images = [{**rows[number], _IMAGE: image.as_posix()} for image, number in row_of.items()]
    written = {plain_name(name) for name in header} | {"", "none"}
    chosen = {role: name for role, name in request.columns.items() if plain_name(name) in written}
    named = {"image": _IMAGE, "mask": "none", "case_id": "none", "group": column}
    named |= _label_by_values(header, rows) | chosen
    columns = choose_columns([*header, _IMAGE], named, table, needs_label=False)
    has_label = cut is not None or any(case.malignancy is not None for case in cases)
    ask_for_columns(table, of_images, columns, request.columns, has_label=has_label, has_mask=True)
    columns = with_opposite(columns, of_images, table)
    files = _Images({}, table.parent)
    in_rows = [
        case_of_row(row, columns, files, cut, f"{table} row {number + 2}")
        for row, number in zip(of_images, row_of.values(), strict=True)
    ]
    in_rows, patients = with_patients(in_rows, columns, table)
    by_image = dict(zip(row_of, in_rows, strict=True))
    both = [_merged(case, by_image.get(case.image), table) for case in cases]
    said = ", ".join(f"{role} = {name}" for role, name in columns.items() if role != "image")
    note = f"columns of {table.name}: {said}; it has one row per patient, which holds for all images of the patient"
    bare = [case.image.name for case in cases if case.image not in row_of]
    return both, [note, *patients, *([f"{len(bare)} images of no patient there, e.g. {bare[0]}"] if bare else [])]


def split_lists(folder: Path) -> dict[Path, str]:
    """Folder -> {text file named after a split (train.txt, ImageSets/Main/val.txt): that split}."""
    texts = [path for path in files_below(folder) if path.suffix.casefold() == ".txt"] if folder.is_dir() else []
    return {path: split for path in texts if (split := split_in(path.stem))}


def _with_lists(cases: Sequence[Case], names: Mapping[str, list[Path]], folder: Path) -> tuple[list[Case], list[str]]:
    """Cases -> (the same, where cases without a split get the split of a list that names them; notes)."""
    splits: dict[Path, set[str]] = {}
    used = []
    for path, split in split_lists(folder).items():
        lines = [line if _name_in(line) in names else line.split()[0] for line in map(str.strip, _lines(path)) if line]
        named = [names[name][0] for line in lines if len(names.get(name := _name_in(line), [])) == 1]
        if len(named) < max(1.0, MIN_SHARE * len(lines)):
            continue
        used.append(path.relative_to(folder).as_posix())
        for image in named:
            splits.setdefault(image, set()).add(split)
    if not used or any(case.split for case in cases):
        return list(cases), []
    said = ", ".join(used[:4])
    if twice := [image.name for image, found in splits.items() if len(found) > 1]:
        return list(cases), [
            f"lists not used, because they put {len(twice)} images into several splits, e.g. {twice[0]}: {said}"
        ]
    both = [replace(case, split=next(iter(splits.get(case.image, {""})))) for case in cases]
    bare = sum(not case.split for case in both)
    return both, [f"splits: as the lists {said} say" + (f"; {bare} images are in none of them" if bare else "")]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise_disk_fault(error, path)
        return []


def _refuse_without_table(request: Request) -> None:
    """InputError where a column is chosen and there is no table; `--column mask=FOLDER` names a folder."""
    chosen = [f"--column {role}={name}" for role, name in request.columns.items() if role not in _FILE_ROLES]
    for option in [*chosen, *([f"--malignant {request.malignant}"] if request.malignant else [])]:
        raise InputError(f"{request.folder}: no table in it names the images, so {option} has no effect; leave it out")


def _fault_of(table: Path) -> str:
    """Table -> why it can't be read; empty where it can."""
    try:
        table_rows(table)
    except InputError as error:
        raise_disk_fault(error)
        return str(error)
    return ""


def _with_numbers(names: dict[str, list[Path]]) -> dict[str, list[Path]]:
    """Images by name -> the same, with entries `7` and `7.0` for the name 0007: spreadsheets and pandas write it so."""
    shorter: dict[str, list[Path]] = {}
    for name, paths in names.items():
        if name.isdecimal():
            number = name.lstrip("0") or "0"
            for written in (number, f"{number}.0"):
                shorter.setdefault(written, []).extend(paths)
    return {**shorter, **names}


def _num_roles(table: Path) -> int:
    names = {plain_name(name) for name in csv_lines(table)[0]}
    return sum(bool(names & set(ALIASES[role])) for role in ("malignancy", "group", "fold", "tirads"))


class _Images:
    """Cells -> images. Only the name in the cell counts; its folder and its ending may differ from the file's."""

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
    part: TablePart, column: str, names: Mapping[str, list[Path]], request: Request, known: Sequence[Case]
) -> tuple[list[Case], list[str]]:
    """One table -> (one case per row, notes). known: the cases so far.

    The user is not asked for what these already have.
    """
    table = part.path
    header, rows = table_rows(table)
    if not column.isdecimal() and _name_in(column) in names:
        raise InputError(
            f"{table}: its first line is no header, it names the image {column}; add a line above it with the names of "
            "the columns: image, malignancy, patient"
        )
    cut = None if request.malignant is None else parse_cut(request.malignant, header)
    written = {plain_name(name) for name in header} | {"", "none"}
    chosen = {
        role: name for role, name in request.columns.items() if role not in _FILE_ROLES or plain_name(name) in written
    }
    named = {"image": column, "mask": "none", **_label_by_values(header, rows), **chosen}
    columns = choose_columns(header, named, table, needs_label=False)
    has_label = cut is not None or part.malignancy is not None or any(case.malignancy is not None for case in known)
    ask_for_columns(table, rows, columns, request.columns, has_label=has_label, has_mask=True)
    is_outlined = any(case.mask or case.boxes for case in known) or "mask" in request.columns
    boxes = None if is_outlined else box_columns(header, {role: columns[role] for role in columns if role != "mask"})
    used = {*columns.values(), *([cut[0]] if cut else []), *(boxes.columns if boxes else [])}
    if not is_outlined:
        refuse_drawn_columns(table, [name for name in header if name not in used])
    columns = with_opposite(columns, rows, table)
    files = _Images(names, table.parent)
    cases, patients = with_patients(cases_of_rows(rows, columns, files, cut, part, boxes), columns, table)
    used |= set(columns.values())
    left = [name for name in header if name not in used]
    at = table.relative_to(request.folder).as_posix()
    sentences = [f"columns of {at}: " + ", ".join(f"{role} = {name}" for role, name in columns.items())]
    sentences[0] += part.in_words
    sentences += [boxes.in_words] if boxes else []
    sentences += [f"columns not used: {', '.join(left)}"] if left else []
    return cases, [*sentences, *patients, *files.notes()]


def _label_by_values(header: Sequence[str], rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Columns, rows -> the one column, of several that may be the label, whose values are all labels."""
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
        boxes=case.boxes or row.boxes,
        source=case.source,
        malignancy=case.malignancy if row.malignancy is None else row.malignancy,
        group=row.group or case.group,
        split=row.split or case.split,
    )


def _name_in(cell: str) -> str:
    return stem_without_ending(Path(cell.replace("\\", "/"))).casefold()
