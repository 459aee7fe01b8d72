"""A table next to the folders: labels and patients by the name of the image; what may be the patient is asked about."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawn_images import picture, rectangle, save
from thyrosight.datasets.formats import folders
from thyrosight.datasets.prepare import prepare
from thyrosight.datasets.sets.layout import DataSet, Request
from thyrosight.errors import InputError
from thyrosight.types import Box


def read(folder: Path, text: str, malignant: str | None = None, **columns: str) -> DataSet:
    for number in range(4):
        save(folder / "images" / f"u{number}.png", picture(number))
        save(folder / "masks" / f"u{number}.png", rectangle())
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return folders.read(Request(folder, folder / "out", columns, malignant=malignant))


def test_a_case_column_whose_values_repeat_is_asked_about(tmp_path: Path) -> None:
    text = "ID,Case,Pathology\nu0,7,benign\nu1,7,malignant\nu2,8,benign\nu3,8,benign\n"
    with pytest.raises(InputError, match=r"is 'Case' the patient\?.*--column \"patient=Case\""):
        read(tmp_path, text)
    found = read(tmp_path, text, patient="Case")
    assert [(case.malignancy, case.group) for case in found.cases] == [(0, "7"), (1, "7"), (0, "8"), (0, "8")]
    assert [case.group for case in read(tmp_path, text, patient="none").cases] == [""] * 4


def test_rows_without_an_image_and_images_without_a_row_are_counted(tmp_path: Path) -> None:
    found = read(tmp_path, "image,label,patient\nimages/u0.jpg,1,a\nu1.tif,0,b\nu2,,c\nu9.png,1,d\n")
    assert [case.malignancy for case in found.cases] == [1, 0, None, None]
    assert found.left_out == {"row of the table without its image": 1}
    assert "1 images without a row in t.csv, e.g. u3.png" in found.notes


def test_a_cut_makes_the_label(tmp_path: Path) -> None:
    found = read(tmp_path, "image,tirads,patient\nu0,4a,a\nu1,4b,b\nu2,5,c\nu3,2,d\n", malignant="tirads>=4b")
    assert [case.malignancy for case in found.cases] == [0, 1, 1, 0]


def test_a_label_that_contradicts_the_folder_is_refused(tmp_path: Path) -> None:
    for number, name in enumerate(("benign", "malignant")):
        save(tmp_path / name / f"u{number}.png", picture(number))
    (tmp_path / "t.csv").write_text("image,label,patient\nu0,1,a\nu1,1,b\n")
    with pytest.raises(InputError, match=r"u0.png is malignant here and benign by its folder"):
        folders.read(Request(tmp_path, tmp_path / "out"))


def test_a_table_that_cant_be_read_stops_where_nothing_else_gives_a_label(tmp_path: Path) -> None:
    read(tmp_path, "image,label,patient\nu0,1,a\n")
    (tmp_path / "t.csv").write_bytes("Bild;Diagnose\nu0;b\u00f6sartig\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"t.csv: can't be read as UTF-8 text.*save it as UTF-8 CSV"):
        folders.read(Request(tmp_path, tmp_path / "out"))
    (tmp_path / "u.csv").write_text("image,label,patient\nu0,1,a\n")
    found = folders.read(Request(tmp_path, tmp_path / "out"))
    assert found.cases[0].malignancy == 1
    assert any("table not used, because it can't be read" in note for note in found.notes)


def test_a_column_that_the_table_has_not_is_no_choice(tmp_path: Path) -> None:
    """It was passed over: no patient, and so folds by image."""
    with pytest.raises(InputError, match="no column 'PatID' for group; columns there: image, label"):
        read(tmp_path, "image,label\nu0,1\nu1,0\nu2,1\nu3,0\n", patient="PatID")


@pytest.mark.parametrize(("malignant", "columns"), [("tirads>=4b", {}), (None, {"patient": "PatID"})])
def test_a_choice_of_columns_without_a_table_is_refused(
    malignant: str | None, columns: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"no table in it names the images, so --.* has no effect"):
        read(tmp_path, "note\nnothing of use\n", malignant, **columns)


def test_labels_that_are_names_of_images_by_chance_name_no_image(tmp_path: Path) -> None:
    """Once the labels 0 and 1 were taken for 0.png and 1.png, because no cell of the column image was a name."""
    for number in range(4):
        save(tmp_path / "images" / f"{number}.png", picture(number))
        save(tmp_path / "masks" / f"{number}.png", rectangle())
    (tmp_path / "t.csv").write_text("image,label\n0.0,1\n1.0,0\n2.0,1\n3.0,1\n")
    found = folders.read(Request(tmp_path, tmp_path / "out"))
    assert [case.malignancy for case in found.cases] == [1, 0, 1, 1]
    (tmp_path / "t.csv").write_text("image,label\na,1\nb,0\nc,1\nd,1\n")
    found = folders.read(Request(tmp_path, tmp_path / "out"))
    assert [case.malignancy for case in found.cases] == [None] * 4
    assert "tables not used, because no column names the images: t.csv" in found.notes


def test_boxes_in_a_table_next_to_images_without_masks(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / "images" / f"{number}.png", picture(number))
    (tmp_path / "t.csv").write_text(
        "image,class,xmin,ymin,xmax,ymax\n0.png,benign,1,2,30,40\n1.png,malignant,5,6,7,8\n"
    )
    found = folders.read(Request(tmp_path, tmp_path / "out"))
    assert [case.boxes for case in found.cases] == [(Box(1, 2, 30, 40),), (Box(5, 6, 7, 8),)]


UNREAD = {
    "labels.xlsx": b"PK\x03\x04",
    "Tabelle.ods": b"PK\x03\x04",
    "labels.json": b'{"u0.png": 1, "u1.png": 0, "u2.png": 1, "u3.png": 0}',
    "labels.txt": b"u0.png 1\nu1.png 0\nu2.png 1\nu3.png 0\n",
}


@pytest.mark.parametrize("name", UNREAD)
def test_labels_in_a_form_that_is_not_read_are_named_with_the_fix(tmp_path: Path, name: str) -> None:
    for number in range(4):
        save(tmp_path / "set" / "images" / f"u{number}.png", picture(number))
    (tmp_path / "set" / name).write_bytes(UNREAD[name])
    with pytest.raises(
        InputError, match=rf"{name} holds the labels, in a form that is not read: save it as CSV \(UTF-8"
    ):
        prepare(tmp_path / "set", tmp_path / "out")
    for number in range(4):
        save(tmp_path / "set" / "masks" / f"u{number}.png", rectangle())
    notes = folders.read(Request(tmp_path / "set", tmp_path / "out")).notes
    assert any(
        note.startswith(f"{name} may hold labels or patients, and is not read: save it as CSV") for note in notes
    )


def test_a_text_that_names_no_images_is_no_table(tmp_path: Path) -> None:
    read(tmp_path, "image,label\nu0,1\n")
    for name in ("README.txt", "config.json"):
        (tmp_path / name).write_text('{"about": "images of 2019, see u0.png"}')
    notes = folders.read(Request(tmp_path, tmp_path / "out")).notes
    assert not any("not read" in note for note in notes)
