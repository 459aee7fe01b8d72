"""Names in any character set, stated or not, are carried as they are, or left out with a word; never changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest

from result_objects import KEEP, disc, items, predicted, read, write_source
from thyrosight.results.dicom.files import case_dicom_files
from thyrosight.results.dicom.source import read_source
from thyrosight.results.dicom.source_text import text_of

KOREAN = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"


@pytest.mark.parametrize(
    ("stored", "character_set", "expected"),
    [
        (b"Smith^John", None, "Smith^John"),
        ("Müller^Jürgen".encode("latin-1"), None, None),
        ("Müller^Jürgen".encode(), None, "Müller^Jürgen"),
        ("Müller".encode(), "", "Müller"),
        ("Müller".encode("latin-1"), "ISO_IR 100", "Müller"),
        ("Müller".encode(), "ISO_IR 100", "Müller"),
        ("Müller".encode("latin-1"), "ISO_IR 192", None),
        ("O’Neill".encode("cp1252"), "ISO_IR 100", None),
        ("Müller".encode("latin-1"), "ISO_IR 999", None),
        ("Müller".encode(), "UTF-8", "Müller"),
        ("Müller".encode("latin-1"), ["ISO 2022 IR 6", "ISO 2022 IR 100"], "Müller"),
        ("山田^太郎".encode("shift_jis"), None, None),
        ("山田^太郎".encode("shift_jis"), "ISO_IR 100", None),
        ("侊王^小东".encode("gb18030"), "GB18030", "侊王^小东"),
        (b"\xc0\x5c^\xd0\xa1", "GBK", "繺^小"),
        ("王^小东".encode("gbk"), None, None),
        ("Иванов".encode("iso8859_5"), "ISO_IR 144", "Иванов"),
        ("Иванов".encode("cp1251"), None, None),
        ("Dvořák".encode("iso8859_2"), "ISO_IR 101", "Dvořák"),
        (KOREAN, ["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        (b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", None, None),
        (b"Smi\nth", None, None),
        (b"Smith\\Jones", None, "Smith\\Jones"),
        (b"Smith\0", None, "Smith"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_text_is_what_it_states_or_none(stored: bytes, character_set: Any, expected: str | None) -> None:
    assert text_of(stored, character_set) == expected


def source_named(folder: Path, stored: bytes, character_set: str | None) -> Path:
    """-> an ultrasound file whose patient has this name, in these bytes."""
    path = write_source(folder, (64, 80), PatientName="Z" * (len(stored) + len(stored) % 2))
    dataset = pydicom.dcmread(path)
    del dataset.SpecificCharacterSet
    if character_set is not None:
        dataset.SpecificCharacterSet = character_set
    dataset.save_as(path)
    data, mark = path.read_bytes(), b"Z" * (len(stored) + len(stored) % 2)
    assert data.count(mark) == 1
    path.write_bytes(data.replace(mark, stored + b" " * (len(stored) % 2)))
    return path


@pytest.mark.parametrize(
    ("stored", "character_set", "expected"),
    [
        ("Müller".encode(), None, "Müller"),
        ("Müller".encode("latin-1"), None, ""),
        ("山田^太郎".encode("shift_jis"), "ISO_IR 100", ""),
        (b"\xc0\x5c^\xd0\xa1", "GBK", "繺^小"),
        (b"Smith\\Jones", None, "[Smith, Jones]"),
    ],
)
def test_files_hold_the_name_or_say_that_it_is_left_out(
    tmp_path: Path, stored: bytes, character_set: str | None, expected: str
) -> None:
    """A name in no stated character set became another name, or one of replacement signs."""
    path = source_named(tmp_path, stored, character_set)
    files = case_dicom_files(path, [predicted(path, [disc((64, 80), 30, 30, 12)])], options=KEEP)
    assert {str(read(files[name]).get("PatientName", "")) for name in ("seg.dcm", "sr.dcm")} == {expected}
    said = [str(one.TextValue) for one in items(read(files["sr.dcm"])) if one.ValueType == "TEXT"]
    assert any(text.startswith("PatientName is left out") for text in said) == (expected == "")
    assert read_source(path, identity="none").remarks == ()
