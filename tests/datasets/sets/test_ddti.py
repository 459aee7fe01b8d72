"""DDTI with a faulty case: it is named and left out, the others are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drawn_images import picture, save
from thyrosight.datasets.sets import ddti
from thyrosight.datasets.sets.layout import Request
from thyrosight.errors import InputError

CORNERS = [{"x": 40, "y": 30}, {"x": 80, "y": 30}, {"x": 80, "y": 60}]


def whole(tirads: str) -> str:
    """-> the XML of a case with one image and one outline."""
    svg = json.dumps([{"points": CORNERS, "regionType": "freehand"}])
    return f"<case><tirads>{tirads}</tirads><mark><image>1</image><svg>{svg}</svg></mark></case>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, tirads in enumerate(("4b", "3", "2"), start=1):
        (tmp_path / f"{number}.xml").write_text(whole(tirads))
        save(tmp_path / f"{number}_1.jpg", picture(number))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (whole("6"), "1.xml: tirads '6'"),
        ("<case><tirads>4b</tir", "1.xml: not readable as XML"),
        ("", "1.xml: not readable as XML"),
        (whole("4b").replace("<image>1", "<image>one"), "1.xml: a mark whose <image> is 'one'"),
    ],
)
def test_a_faulty_case_is_named_and_left_out(folder: Path, text: str, why: str) -> None:
    (folder / "1.xml").write_text(text)
    assert ddti.recognise(folder), "the first file alone must not decide"
    found = ddti.read(Request(folder, folder / "out"))
    assert [case.case_id for case in found.cases] == ["2_1", "3_1"]
    assert found.left_out == {"image of a case whose XML can't be used": 1}
    assert any(note.startswith(f"1 cases left out: {why}") for note in found.notes), found.notes


def test_a_set_without_a_good_case_is_refused(folder: Path) -> None:
    for number in (1, 2, 3):
        (folder / f"{number}.xml").write_text(whole("6"))
    with pytest.raises(InputError, match=r"none of the 3 XML files can be used; the first: 1.xml: tirads '6'"):
        ddti.read(Request(folder, folder / "out"))
