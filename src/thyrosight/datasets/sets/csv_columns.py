"""Names of the columns of a table -> their roles; "tirads>=4b" -> which values are malignant.

Names are compared without case, blanks, `_` and `-`. An ambiguous name is an error that shows the option to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from thyrosight.datasets.csv_file import number_of
from thyrosight.errors import InputError

ALIASES: dict[str, tuple[str, ...]] = {
    "image": ("image", "imagepath", "img", "imgpath", "imagefile", "filename", "file", "path", "imagename", "filepath"),
    "mask": ("mask", "maskpath", "maskfile", "maskname", "segmentation", "annotation", "gt", "label mask"),
    "malignancy": ("malignancy", "malignant", "label", "cate", "class", "diagnosis", "pathology", "histology"),
    "group": ("group", "patient", "patientid", "subject", "subjectid"),
    "case_id": ("caseid", "id", "imageid"),
    "source": ("source", "dataset"),
    "split": ("split", "subset"),
    "fold": ("fold",),
    "row_mm": ("rowmm",),
    "column_mm": ("columnmm",),
    "target": ("target",),
    "composition": ("composition",),
    "echogenicity": ("echogenicity",),
    "shape": ("shape",),
    "margin": ("margin", "margins"),
    "foci": ("foci", "echogenicfoci", "calcifications", "calcification"),
    "tirads": ("tirads", "acrtirads"),
}
"""Role -> the column names that have it, without case, blanks, `_` and `-`."""
NEAR_PATIENT = re.compile(r"patient|subject|person|participant|^pid$|^mrn$|^pat(nr|no|id)?$|hospital(no|nr|number|id)")
"""A column with such a name may hold the patient. The user is asked: groups decide whether a score is honest."""
PERSONAL = re.compile(r"^(patient|subject|person)?s?(full|first|last|family|given)?names?$|birth|^dob$|^address$")
"""Columns that are never used, not even as the split key, because they identify a person."""
_CUT = re.compile(r"^\s*(?P<column>[^<>=]+?)\s*(?P<sign>>=|<=|>|<|=)\s*(?P<value>.+?)\s*$")
_CATEGORIES = ("1", "2", "3", "4", "4a", "4b", "4c", "5", "6")
"""TI-RADS categories in their order; "4" without a letter counts as the lowest of the fours."""


def plain_name(name: str) -> str:
    """Column name -> the same without case, blanks and punctuation; names are compared in this form."""
    return re.sub(r"[^0-9a-z\u0080-\uffff]+", "", name.casefold())


def choose_columns(
    seen: Sequence[str], named: dict[str, str], table: Path, *, needs_label: bool = True
) -> dict[str, str]:
    """Columns seen, the caller's choices -> {role: column as the file writes it}.

    named: {role: column} as the caller chose; "" or "none" leaves the role without a column.

    The caller may name a role by any of its ALIASES. InputError lists the columns where a chosen column does not
    exist, no column is the image, two columns fit one role, or a column may be the patient under another name.
    """
    listing = f"columns there: {', '.join(seen)}"
    written = {plain_name(name): name for name in seen}
    role_of = {plain_name(alias): role for role, names in ALIASES.items() for alias in (role, *names)}
    columns, declined = {}, set()
    for given, name in named.items():
        role = role_of.get(plain_name(given), given)
        if role not in ALIASES:
            raise InputError(f"unknown column role '{given}'; known: {', '.join(ALIASES)}")
        if name.strip().casefold() in ("", "none"):
            declined.add(role)
            continue
        if plain_name(name) not in written:
            raise InputError(f"{table}: no column '{name.strip()}' for {role}; {listing}")
        columns[role] = written[plain_name(name)]
    if "group" in columns and PERSONAL.search(plain_name(columns["group"])):
        raise InputError(f"{table}: '{columns['group']}' names people; give the column of a pseudonym as the patient")
    for role, names in ALIASES.items():
        if role in columns or role in declined:
            continue
        fitting = [written[n] for n in map(plain_name, names) if n in written and written[n] not in columns.values()]
        exact = [name for name in fitting if plain_name(name) == plain_name(role)]
        if len(exact or fitting) > 1:
            raise InputError(
                f"{table}: {role} could be {' or '.join(fitting)}; choose one, e.g. --column {role}={fitting[0]}; "
                f"{listing}"
            )
        if fitting:
            columns[role] = (exact or fitting)[0]
    _refuse_incomplete(columns, declined, seen, table, needs_label)
    return columns


def _refuse_incomplete(
    columns: dict[str, str], declined: set[str], seen: Sequence[str], table: Path, needs_label: bool
) -> None:
    listing = f"columns there: {', '.join(seen)}"
    if "image" not in columns:
        raise InputError(f"{table}: which column holds the image's file? Name it: --column image=COLUMN; {listing}")
    if needs_label and not {"mask", "malignancy"} & set(columns):
        raise InputError(
            f"{table}: neither a mask nor a label column; name one: --column mask=COLUMN or "
            f"--column malignancy=COLUMN; {listing}"
        )
    near = [name for name in seen if NEAR_PATIENT.search(plain_name(name)) and not PERSONAL.search(plain_name(name))]
    near = [name for name in near if name not in columns.values()]
    if "group" not in columns and "group" not in declined and near:
        raise InputError(
            f"{table}: is '{near[0]}' the patient? Images of one patient have to stay together: write "
            f'--column "patient={near[0]}", or --column patient=none where no column says the patient; {listing}'
        )


Cut = tuple[str, Callable[[str], bool]]


def parse_cut(text: str, header: Sequence[str]) -> Cut:
    """`tirads>=4b`, `ki67>15`, `histology=papillary,medullary` -> (column, whether a value of it is malignant)."""
    found = _CUT.match(text)
    written = {plain_name(name): name for name in header}
    if found is None or plain_name(found["column"]) not in written:
        raise InputError(
            f"--malignant {text}: write COLUMN>=VALUE or COLUMN=VALUE,VALUE, for example tirads>=4b; "
            f"columns there: {', '.join(header)}"
        )
    column, sign = written[plain_name(found["column"])], found["sign"]
    if sign == "=":
        wanted = {value.strip().casefold() for value in found["value"].split(",")}
        return column, lambda value: value.casefold() in wanted
    limit = _rank(found["value"], f"--malignant {text}")
    compare: dict[str, Callable[[float], bool]] = {
        ">=": lambda rank: rank >= limit,
        ">": lambda rank: rank > limit,
        "<=": lambda rank: rank <= limit,
        "<": lambda rank: rank < limit,
    }
    return column, lambda value: compare[sign](_rank(value, f"column '{column}'"))


def _rank(value: str, where: str) -> float:
    """Number or TI-RADS category (4a, TR4, "TI-RADS 4b") -> its place in the order."""
    text = re.sub(r"^((acr|eu|k|c)[ -]?)?(ti-?rads|tr|bi-?rads|category)[\s:-]*", "", value.strip().casefold())
    text = re.sub(r"^(4)[\s-]+([abc])$", r"\1\2", text)
    if text in _CATEGORIES:
        return float(text[0]) + 0.1 * "abc".find(text[1:]) * bool(text[1:])
    try:
        return number_of(text)
    except ValueError:
        raise InputError(
            f"{where}: '{value}' is neither a number nor a TI-RADS category (1 to 6, 4a, 4b, 4c)"
        ) from None
