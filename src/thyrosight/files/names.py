"""File names -> text that every document can show, and the order in which people sort them."""

from __future__ import annotations

import os
import re


def readable(name: str | os.PathLike[str]) -> str:
    """File name -> the name as text that every document, page and terminal can hold.

    Bytes that are not UTF-8 (names from another system) and control characters become \\xNN or \\uNNNN. This can't be
    undone, so open a file by its own name.
    """
    try:
        text = os.fsencode(name).decode("utf-8", "surrogateescape")  # undoes the decoding by the locale
    except UnicodeEncodeError:
        text = os.fspath(name)  # half a surrogate pair, which Windows allows in names
    return "".join(char if char.isprintable() else _escaped(ord(char)) for char in text)


def _escaped(code: int) -> str:
    """Code point -> \\xNN or \\uNNNN; U+DCNN, Python's form of a byte NN that is not UTF-8, becomes \\xNN."""
    code = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """File name -> sort key that puts 2.png before 10.png: digits count as numbers, case is ignored."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts], name
