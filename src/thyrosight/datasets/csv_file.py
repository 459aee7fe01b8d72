"""CSV file -> its rows as dicts; reads cases.csv and the tables of public sets."""

from __future__ import annotations

import codecs
import csv
import io
import re
from itertools import islice
from pathlib import Path

from thyrosight.errors import InputError
from thyrosight.files import mend_of, named

NO_VALUE = frozenset({"nan", "none", "null", "na", "n/a", "<na>"})
"""What spreadsheets and pandas write into an empty cell."""

_MONTH = (
    r"(jan|ene|gen|feb|fév|m[aä]r|apr|avr|abr|ma[iyj]|mag|jui|ju[nl]|giu|lug|aug|aoû|ago|sep|set|o[ck]t|out|ott|nov"
    r"|de[cz]|déc|dic)[^\W\d_]{0,2}\.?"
)
MADE_BY_A_SPREADSHEET = re.compile(
    rf"^(\d([.,]\d+)?e\+?\d+|\d{{1,2}}[-. ]{{1,2}}{_MONTH}([-. ]{{1,2}}\d{{2,4}})?|{_MONTH}[-. ]{{1,2}}\d\d"
    r"|\d{1,2}[./]\d{1,2}[./]\d{2,4})$",
    re.IGNORECASE,
)
"""1.2E+09, 1-Mar, 02. Jan, 3/4/2021: what a spreadsheet makes of a name, which can't be undone."""
SPREADSHEET_HEADS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""The first bytes of xlsx and ods (both are zip files), and of xls."""
MAX_HEAD = 20_000


def read_rows(path: Path, *, errors: str = "strict") -> list[dict[str, str]]:
    """CSV with a header -> one dict per row; column names in lower case, values without blanks around them.

    errors: passed to `bytes.decode`. InputError where `csv_lines` raises it, where the file is empty, or where a row
    has more values than the header has names.
    """
    lines = csv_lines(path, errors=errors)
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


def number_of(text: str) -> float:
    """A number with a decimal point or a decimal comma -> its value; ValueError for anything else."""
    return float(text.replace(",", ".") if re.fullmatch(r"[+-]?\d*,\d+", text) else text)


def whole_number(text: str) -> str:
    """`3.0` -> `3`; any other text as it is. pandas writes whole numbers so where the column has empty cells."""
    return text[:-2] if re.fullmatch(r"-?\d+[.,]0", text) else text


def csv_lines(path: Path, *, errors: str = "strict") -> list[list[str]]:
    """CSV in UTF-8 or UTF-16 -> its lines that are not blank, each split at `,`, `;`, tab or `|`.

    InputError where the file can't be read, or is a spreadsheet (xlsx, ods, xls) or anything else that is not a CSV.
    """
    text = _text_of(path, errors)
    declared = re.match(r"sep=(.)\r?\n", text)
    if declared:  # Excel's own first line
        text = text[declared.end() :]
    delimiter = declared[1] if declared else _delimiter_of(text)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        return [line for line in lines if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV table ({error})") from None


def _text_of(path: Path, errors: str) -> str:
    """File -> its text without a byte-order mark."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        named(error, path)
        mend = mend_of(error, "check the path and its permissions")
        raise InputError(f"{path}: can't be read ({error.strerror}); {mend}") from error
    if data.startswith(SPREADSHEET_HEADS):
        raise InputError(f"{path}: a spreadsheet, not a CSV, whatever its name; save it as CSV (UTF-8)")
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig", errors="strict" if is_utf16 else errors)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: can't be read as UTF-8 text ({error}); save it as UTF-8 CSV") from None
    if "\0" in text:  # no name of a file may hold one
        raise InputError(f"{path}: holds a NUL character, so it is damaged or no text; save it as UTF-8 CSV")
    return text.lstrip("\ufeff")


def _delimiter_of(text: str) -> str:
    """-> the delimiter that divides the first lines into the same number of cells.

    Where several delimiters do, the one that gives the most cells. A delimiter inside quotes doesn't divide.
    """
    head = text[:MAX_HEAD]

    def sameness(delimiter: str) -> tuple[bool, int]:
        rows = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
        widths = [len(row) for row in islice((row for row in rows if row), 3)]
        return len(set(widths[:2])) == 1 and min(widths, default=0) > 1, max(widths, default=0)

    try:
        return max(",;\t|", key=sameness)
    except csv.Error:
        return ","
