"""Names of the columns of a table -> their roles; "tirads>=4b" -> which values are malignant.

Names are compared without case, accents, blanks, `_` and `-` (words.py). An ambiguous name is an error that shows the
option to write.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from thyrosight.datasets.csv_file import number_of, whole_number
from thyrosight.datasets.sets.table_boxes import BoxColumns
from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault
from thyrosight.folders.words import (
    ALIASES,
    BENIGN_WORDS,
    MALIGNANT_WORDS,
    SPLIT_WORDS,
    is_label,
    label_of,
    plain_name,
)
from thyrosight.frames.load import SUFFIXES

NEAR_PATIENT = re.compile(
    r"patient|subject|person|participant|^pid$|^mrn$|^pat(nr|no|id)?$|hospital(no|nr|number|id)"
    r"|paciente|paziente|пациент|患者|病人|病历号|住院号|门诊号|登记号|カルテ|환자|prontu|historiacl|^nhc$|dossier|cartella"
)
"""A column of such a name may hold the patient. The user is asked, because wrong groups make scores too good."""
MAY_BE_PATIENT = re.compile(
    r"^(case|study|exam|examination|accession|visit|fall|caso|cas|estudio|studie|untersuchungs?|examen|esame)"
    r"(no|nr|nummer|number|numero|número|id|uid|instanceuid)?$|病例|检查号"
)
"""Columns that hold the patient in some sets. Where their values repeat, the user is asked."""
NEAR_MASK = re.compile(r"mask|segment|contour|contorno|outline|m[áa]scara|masque|mascher|маска|掩|分割|轮廓")
NEAR_LABEL = re.compile(
    r"cancer|carcinoma|malignan|diagn[oó]s|patholog|patolog|histolog"
    r"|befund|dignit|ergebnis|resultado|esito|диагноз|病理|诊断|診断|良恶性|标签|etiqueta|^benign|^gutartig|^良性"
)
NEAR_FOLD = re.compile(r"fold")
NEAR_SPLIT = re.compile(r"^(is|in|for)?(train|training|test|testing|val|valid|validation|holdout)(set|split|data)?$")
DRAWN = re.compile(r"polygon|polyline|vertices|encodedpixels|runlength|^rle|rle$|bbox|boundingbox|^[xy](min|max|1|2)$")
"""Names of columns that hold outlines or boxes as numbers; only boxes in four columns are read (table_boxes.py)."""
_MEANING = re.compile(r"(\w+)\s*(?:[=:>\u2013\u2192]|->|-(?=\s))+\s*(\w+)")
"""`0 = benign` in the name of a column."""
PLAIN_LABELS = {"b", "m"} | MALIGNANT_WORDS | BENIGN_WORDS
PERSONAL = re.compile(r"^(patient|subject|person)?s?(full|first|last|family|given)?names?$|birth|^dob$|^address$")
"""Columns that are never used, not even as the split key, because they identify a person."""
_CUT = re.compile(r"^\s*(?P<column>[^<>=]+?)\s*(?P<sign>>=|<=|>|<|=)\s*(?P<value>.+?)\s*$")
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6"}
_CATEGORIES = ("1", "2", "3", "4", "4a", "4b", "4c", "5", "6")
"""TI-RADS categories in their order; "4" without a letter counts as 4a."""


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
    _refuse_turned_label(columns.get("malignancy", ""), table)
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
    if "malignancy" not in columns and "malignancy" not in declined:
        told = [name for name in seen if meaning_in_name(name) and name not in columns.values()]
        columns.update({"malignancy": told[0]} if len(told) == 1 else {})
    _refuse_incomplete(columns, declined, seen, table, needs_label)
    return columns


def _refuse_turned_label(name: str, table: Path) -> None:
    """InputError where the column that the caller names as label is called benign: its 1 would become malignant."""
    words = {plain_name(word) for word in re.split(r"[\W_]+", name)}
    if words & BENIGN_WORDS and not words & MALIGNANT_WORDS and not meaning_in_name(name):
        raise InputError(f"{table}: '{name}' says what is benign; write --malignant \"{name}=0\" where 0 is malignant")


def _refuse_incomplete(
    columns: dict[str, str], declined: set[str], seen: Sequence[str], table: Path, needs_label: bool
) -> None:
    listing = f"columns there: {', '.join(seen)}"
    if "regionshapeattributes" in map(plain_name, seen):
        raise InputError(f"{table}: a table of VIA; export the annotations as JSON (VIA or COCO) and give the folder")
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


def meaning_in_name(name: str) -> dict[str, int]:
    """`class (0=malignant, 1=benign)` -> {"0": 1, "1": 0}: what a column's name states about its values.

    Empty without a statement.
    """
    found: dict[str, int] = {}
    for first, second in _MEANING.findall(name.casefold()):
        for value, word in ((first, second), (second, first)):
            if value.isdecimal() and plain_name(word) in MALIGNANT_WORDS | BENIGN_WORDS:
                found[value] = int(plain_name(word) in MALIGNANT_WORDS)
    return found if set(found.values()) == {0, 1} else {}


def with_opposite(columns: dict[str, str], rows: Sequence[Mapping[str, str]], table: Path) -> dict[str, str]:
    """{role: column}, rows -> the same; a label with one column per class also gets the role benign.

    InputError where a label column holds only -1 and 1, because -1 may be benign or unknown.
    """
    label = columns.get("malignancy", "")
    values = {whole_number(row[label]) for row in rows} - {""} if label else set()
    if values == {"-1", "1"}:
        raise InputError(
            f"{table}: column '{label}' holds -1 and 1 alone: write --malignant \"{label}=1\" where -1 is benign; "
            "empty the cells where it is unknown"
        )
    if plain_name(label) not in MALIGNANT_WORDS:
        return columns
    free = [name for name in rows[0] if plain_name(name) in BENIGN_WORDS and name not in columns.values()]
    fitting = [name for name in free if all(is_label(whole_number(row[name].lower())) for row in rows)]
    return {**columns, "benign": fitting[0]} if len(fitting) == 1 else columns


def label_of_pair(malignant: str, benign: str, where: str) -> int | None:
    """Cells of the columns malignant and benign of one row -> its label; None where neither cell is true.

    InputError where both are true.
    """
    is_malignant, is_benign = label_of(malignant), label_of(whole_number(benign.lower()))
    if is_malignant and is_benign:
        raise InputError(f"{where}: both benign and malignant; correct the row")
    return 1 if is_malignant else 0 if is_benign else None


def image_by_values(seen: Sequence[str], rows: Sequence[Mapping[str, str]], folder: Path) -> dict[str, str]:
    """-> {"image": the only column whose cells are all image files}.

    Empty where there is no such column, or where a column's name already states that it holds images. Where several
    columns are called image, file or the like, only these are checked.
    """
    called = [name for name in seen if plain_name(name) in set(ALIASES["image"])]
    if len(called) == 1 or any(plain_name(name) == "image" for name in called):
        return {}
    taken = {plain_name(alias) for names in ALIASES.values() for alias in names}
    free = called or [name for name in seen if plain_name(name) not in taken]
    num_files = {name: sum(_is_image_file(folder, row[name]) for row in rows) for name in free}
    fitting = [name for name, number in num_files.items() if number]
    return {"image": fitting[0]} if len(fitting) == 1 and num_files[fitting[0]] == len(rows) else {}


def mask_by_values(seen: Sequence[str], rows: Sequence[Mapping[str, str]], folder: Path) -> dict[str, str]:
    """-> {"mask": the column called label or the like whose cells are all image files}; empty where there is none."""
    taken = set(ALIASES["malignancy"])
    fitting = [name for name in seen if plain_name(name) in taken and _names_files(name, rows, folder)]
    return {"mask": fitting[0]} if len(fitting) == 1 else {}


def _is_image_file(folder: Path, cell: str) -> bool:
    path = Path(cell.replace("\\", "/"))
    try:
        return path.suffix.lower() in SUFFIXES and (folder / path).is_file()
    except OSError as error:
        raise_disk_fault(error)
        return False  # longer than a path can be


def ask_for_columns(
    table: Path,
    rows: Sequence[Mapping[str, str]],
    columns: Mapping[str, str],
    named: Mapping[str, str],
    *,
    has_label: bool = False,
    has_mask: bool = False,
    boxes: BoxColumns | None = None,
) -> None:
    """InputError, which asks the user, where a column without a role may have one by its name or its values.

    rows: {column: value}. columns: {role: column}. named: the caller's choices, also "none".
    has_label, has_mask: whether the set has labels or masks from elsewhere; then the user is not asked for them. boxes:
    the columns that hold a box; no column is then asked about as a mask.
    """
    role_of = {plain_name(alias): role for role, names in ALIASES.items() for alias in (role, *names)}
    said = {role_of.get(plain_name(name), name) for name in named}
    taken = {*columns.values(), *(boxes.columns if boxes else ())}
    free = [name for name in rows[0] if name not in taken and not PERSONAL.search(plain_name(name))]
    roles = [role for role in _QUESTIONS if role not in columns and role not in said]
    for role in roles:
        is_known = (role == "malignancy" and has_label) or (role == "mask" and has_mask)
        fitting = [] if is_known else [one for one in free if _may_be(role, one, rows)]
        if role == "mask" and not is_known and not fitting:
            refuse_drawn_columns(table, free)
            fitting = [one for one in free if _names_files(one, rows, table.parent)]
        if fitting:
            if role == "malignancy" and plain_name(fitting[0]) in BENIGN_WORDS:
                raise InputError(
                    f"{table}: is '{fitting[0]}' the label? Write --malignant \"{fitting[0]}=0\" where 0 there means "
                    f"malignant, or --column malignancy=none; columns there: {', '.join(rows[0])}"
                )
            word, why = _QUESTIONS[role]
            written = "patient" if role == "group" else role
            raise InputError(
                f"{table}: is '{fitting[0]}' the {word}? {why}: write --column \"{written}={fitting[0]}\", or "
                f"--column {written}=none; columns there: {', '.join(rows[0])}"
            )


def refuse_drawn_columns(table: Path, free: Sequence[str]) -> None:
    """InputError where a column that no role uses holds outlines or boxes as numbers: they would be lost."""
    if drawn := [name for name in free if DRAWN.search(plain_name(name))]:
        raise InputError(
            f"{table}: '{drawn[0]}' holds outlines or boxes in a form that is not read; write boxes as four columns "
            "xmin, ymin, xmax, ymax in pixels, one row per nodule, and export outlines as COCO or masks in PNG, or "
            "write --column mask=none to go on without them"
        )


_QUESTIONS = {
    "group": ("patient", "Images of one patient have to stay together"),
    "mask": ("mask", "Without it nothing is outlined; a second mask or image is a row of its own"),
    "malignancy": ("label", "Without it no risk is learned"),
    "split": ("split (train, val, test in words)", "Without it test images could be learned from"),
    "fold": ("fold", "Without it new folds are made"),
}


def _names_files(name: str, rows: Sequence[Mapping[str, str]], folder: Path) -> bool:
    """Whether the filled cells of a column name image files. A column without a role may then hold masks."""
    cells = [row[name] for row in rows if row[name]]
    return bool(cells) and all(_is_image_file(folder, cell) for cell in cells)


def _may_be(role: str, name: str, rows: Sequence[Mapping[str, str]]) -> bool:
    plain, values = plain_name(name), [row[name].casefold() for row in rows if row[name]]
    if not values:
        return False
    if role == "group":
        return bool(MAY_BE_PATIENT.search(plain)) and max(Counter(values).values()) > 1
    if role == "mask":
        return bool(NEAR_MASK.search(plain)) and not all(number.isdecimal() for number in values)
    if role == "malignancy":
        return bool(NEAR_LABEL.search(plain)) or {plain_name(value) for value in values} <= PLAIN_LABELS
    if role == "split":
        is_flag = bool(NEAR_SPLIT.search(plain)) and all(map(is_label, map(whole_number, values)))
        return is_flag or (set(values) <= SPLIT_WORDS.keys() and len(set(values)) > 1)
    return bool(NEAR_FOLD.search(plain)) and all(whole_number(number).isdecimal() for number in values)


Cut = tuple[str, Callable[[str], bool]]


def parse_cut(text: str, header: Sequence[str]) -> Cut:
    """`tirads>=4b`, `ki67>15`, `histology=papillary,medullary` -> (column, a function: value -> whether malignant).

    InputError where the text has another form, names a column that the header lacks, or compares with a value that has
    no order. The returned function raises InputError for such a value.
    """
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
    """Number or category (4a, "TI-RADS 4b", "TR5 (highly suspicious)", "Bethesda VI") -> a number to order it by."""
    text = re.sub(r"\s*\(.*\)$", "", value.strip().casefold())
    text = re.sub(r"^((acr|eu|k|c)[ -]?)?(ti-?rads|tr|bi-?rads|bethesda|category)[\s:-]*(category)?[\s:-]*", "", text)
    text = _ROMAN.get(text, text)
    text = re.sub(r"^(4)[\s-]+([abc])$", r"\1\2", text)
    if text in _CATEGORIES:
        return float(text[0]) + 0.1 * "abc".find(text[1:]) * bool(text[1:])
    try:
        return number_of(text)
    except ValueError:
        raise InputError(
            f"{where}: '{value}' is neither a number nor a TI-RADS or Bethesda category (1 to 6, I to VI, 4a, 4b, 4c)"
        ) from None
