"""Bytes of a name or a text in a DICOM header, its character set -> the text, or None where it is not what it states.

pydicom reads bytes of no stated character set as Latin-1, and puts a replacement sign for bytes that the stated one has
not. Either is another name than the patient's, so such a text is left out, unless it is UTF-8: then our files, which
are in UTF-8, carry the very bytes.

Source: DICOM PS3.3 C.12.1.1.2 (Specific Character Set), PS3.5 section 6.1.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Sequence
from typing import Any

from pydicom.charset import convert_encodings, decode_bytes, python_encoding

TEXT_VRS = frozenset(("PN", "LO", "SH"))
_PART_ENDS = {ord(mark) for mark in "\\^="}
_MANY_BYTES = frozenset(("utf8", "gb18030", "gbk"))
_ESCAPE = b"\x1b"
_NO_TEXT = frozenset(("Cc", "Cs", "Cn"))
"""Categories of Unicode: control characters, surrogates, unassigned."""


def text_of(data: bytes, character_set: Any) -> str | None:
    """Bytes as stored, value of Specific Character Set (None: absent) -> the text; None: in no stated one."""
    data = data.rstrip(b"\0 ")
    encodings = _encodings(character_set)
    text = None
    if not _MANY_BYTES.intersection(encodings) and _ESCAPE not in data:
        text = _decoded(data, "utf-8")
    if text is None and encodings:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = decode_bytes(data, encodings, _PART_ENDS)
    is_text = text is not None and "\ufffd" not in text and not any(unicodedata.category(c) in _NO_TEXT for c in text)
    return text if is_text else None


def _encodings(character_set: Any) -> Sequence[str]:
    """-> Python's names of the stated encodings, in their order; empty where none is stated, or an unknown one."""
    stated = [character_set] if isinstance(character_set, str) else list(character_set or ())
    if not any(stated) or not all(one in python_encoding for one in stated):
        return ()
    return convert_encodings(stated)


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None
