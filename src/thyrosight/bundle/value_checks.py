"""Values of bundle.json -> an error where a text could control a terminal, or where a value is far too large.

records.py checks what the values mean. This module limits their size, because tables, reports, results and the screen
show them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thyrosight.errors import BundleError
from thyrosight.files.plain_text import is_printable, printable

MAX_TEXT, MAX_ITEMS, MAX_DEPTH, MAX_NUMBER = 10_000, 1_000, 32, 1 << 53


def check_values(path: Path, value: Any, where: str = "", depth: int = 0) -> None:
    """Parsed JSON -> BundleError that names the first value which is too long, too deep, too large or not printable."""
    fault = ""
    if depth > MAX_DEPTH:
        fault = "is nested too deeply"
    elif isinstance(value, str):
        fault = _text_fault(value)
    elif isinstance(value, dict | list):
        fault = f"has more than {MAX_ITEMS:,} entries" if len(value) > MAX_ITEMS else ""
    elif isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
        fault = "is too large a number"
    if fault:
        raise BundleError(
            f"{path}: bundle.json: {where[:100] or 'it'} {fault}; get the bundle again from a known source"
        )
    if isinstance(value, dict):
        for key, inner in value.items():
            check_values(path, key, "a key", depth + 1)
            check_values(path, inner, f"{where}.{key}".lstrip("."), depth + 1)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            check_values(path, inner, f"{where}.{at}", depth + 1)


def printable_values(value: Any) -> Any:
    """A value that is to be written -> the same with all texts printable: texts of a data set may hold anything."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable_values(key): printable_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [printable_values(inner) for inner in value]
    return value


def _text_fault(text: str) -> str:
    if len(text) > MAX_TEXT:
        return f"is a text of more than {MAX_TEXT:,} characters"
    return "" if is_printable(text) else "holds characters that steer a terminal"
