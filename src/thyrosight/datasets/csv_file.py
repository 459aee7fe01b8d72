"""CSV file -> its rows as dicts; reads cases.csv and the tables of public sets."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from thyrosight.errors import InputError

NO_VALUE = frozenset({"nan", "none", "null", "na", "n/a", "<na>"})
"""What spreadsheets and pandas write into an empty cell."""


def read_rows(path: Path, *, errors: str = "strict") -> list[dict[str, str]]:
    """CSV with a header -> one dict per row; column names in lower case, values without blanks around them."""
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


def whole_number(text: str) -> str:
    """A whole number that pandas wrote as 3.0 (its column has empty cells) -> 3; anything else as it is."""
    return text[:-2] if re.fullmatch(r"-?\d+\.0", text) else text


def csv_lines(path: Path, *, errors: str = "strict") -> list[list[str]]:
    """CSV -> its lines that are not blank, split at commas, semicolons or tabs; a byte-order mark is removed."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors=errors)
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
