"""Tables as people have them -> cases, or one line that shows the option to write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thyrosight.datasets.masks import read_mask
from thyrosight.datasets.sets import own_csv
from thyrosight.datasets.sets.layout import DataSet, Request
from thyrosight.errors import InputError
from thyrosight.folders import words

SHAPE = (64, 80)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images i0.png to i3.png with masks m0.png to m3.png: a square in its own place each."""
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 200, SHAPE).astype(np.uint8)).save(tmp_path / f"i{number}.png")
        mask_HW = np.zeros(SHAPE, np.uint8)
        mask_HW[20:30, 10 + 15 * number : 20 + 15 * number] = 255
        Image.fromarray(mask_HW).save(tmp_path / f"m{number}.png")
    return tmp_path


def read(folder: Path, text: str, malignant: str | None = None, **columns: str) -> DataSet:
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return own_csv.read(Request(folder / "t.csv", folder / "out", columns, malignant=malignant))


def groups(found: DataSet) -> list[str]:
    return [case.group for case in found.cases]


def test_every_alias_is_one_roles_alone() -> None:
    names = [words.plain_name(name) for names in words.ALIASES.values() for name in names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["Patient ID", "patient_id", "PATIENT-ID", "PatientId", "Subject", " Group "])
def test_names_compare_without_case_blanks_and_signs(folder: Path, name: str) -> None:
    found = read(folder, f"Image File,Label,{name}\ni0.png,1,a\ni1.png,0,a\n")
    assert groups(found) == ["a", "a"]


@pytest.mark.parametrize(
    "name", ["PID", "MRN", "Patient Number", "patient_no", "Subject Code", "pat_nr", "Hospital ID"]
)
def test_a_column_that_may_be_the_patients_is_asked_about(folder: Path, name: str) -> None:
    text = f"image,label,{name}\ni0.png,1,a\ni1.png,0,a\n"
    with pytest.raises(InputError, match=rf"is '{name}' the patient\?.*--column \"patient={name}\""):
        read(folder, text)
    assert groups(read(folder, text, patient=name)) == ["a", "a"]
    assert groups(read(folder, text, patient="none")) == ["", ""]


@pytest.mark.parametrize("name", ["Patient Name", "name", "Last Name", "Date of Birth"])
def test_a_name_is_no_split_key(folder: Path, name: str) -> None:
    text = f"image,label,{name}\ni0.png,1,A B\ni1.png,0,A B\n"
    found = read(folder, text)
    assert groups(found) == ["", ""]
    assert f"columns not used: {name}" in found.notes
    with pytest.raises(InputError, match="names people"):
        read(folder, text, patient=name)


def test_what_is_not_used_and_what_stands_for_the_patient_is_told(folder: Path) -> None:
    notes = read(folder, "image,label,age,remarks\ni0.png,1,44,x\ni1.png,0,50,\n").notes
    assert "columns not used: age, remarks" in notes
    assert any(note.startswith("no column says the patient: each image counts as a patient") for note in notes)


@pytest.mark.parametrize("header", ["image,label,Label", "image,label,la_bel", "image,image,label"])
def test_two_columns_of_one_name(folder: Path, header: str) -> None:
    with pytest.raises(InputError, match="2 columns are called"):
        read(folder, f"{header}\ni0.png,1,0\n")


def test_rows_per_nodule_are_one_image_with_all_its_nodules(folder: Path) -> None:
    found = read(folder, "image,mask,label,patient\ni0.png,m0.png,1,a\ni0.png,m1.png,1,a\ni1.png,m1.png,0,b\n")
    assert [case.image.name for case in found.cases] == ["i0.png", "i1.png"]
    mask = found.cases[0].mask
    assert mask is not None
    assert read_mask(mask, SHAPE).sum() == 200
    assert found.cases[0].malignancy == 1
    assert any("1 images are in several rows" in note for note in found.notes)


def test_rows_that_contradict_give_no_label_and_are_named(folder: Path) -> None:
    found = read(folder, "image,label\ni0.png,1\ni0.png,0\ni1.png,0\n")
    assert [case.malignancy for case in found.cases] == [None, 0]
    assert any("rows of both labels and get no label, e.g. i0.png" in note for note in found.notes)
    with pytest.raises(InputError, match=r"i0.png is in 2 rows of different patients \(a, b\)"):
        read(folder, "image,label,patient\ni0.png,1,a\ni0.png,1,b\n")


def test_numbers_as_pandas_writes_them(folder: Path) -> None:
    text = "image,mask,label,fold,patient\ni0.png,m0.png,1.0,0.0,12.0\ni1.png,nan,NaN,1.0,13.0\ni2.png,None,,,13\n"
    found = read(folder, text)
    assert [case.malignancy for case in found.cases] == [1, None, None]
    assert [case.fold for case in found.cases] == [0, 1, None]
    assert groups(found) == ["12", "13", "13"]
    assert [case.mask is None for case in found.cases] == [False, True, True]


def test_paths_as_other_systems_write_them(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "i0.png").rename(folder / "sub" / "i0.png")
    found = read(folder, "image,label\nsub\\i0.png,1\ni1.jpg,0\ni2,1\n")
    assert [case.image.name for case in found.cases] == ["i0.png", "i1.png", "i2.png"]
    assert any("2 files were found under another ending" in note for note in found.notes)


def test_ids_with_dots_stay_whole(folder: Path) -> None:
    for uid, old in (("1.2.840.1", "i0.png"), ("1.2.840.2", "i1.png")):
        (folder / old).rename(folder / uid)
    found = read(folder, "image,label\n1.2.840.1,1\n1.2.840.2,0\n")
    assert [case.case_id for case in found.cases] == ["1.2.840.1", "1.2.840.2"]
    (folder / "b").mkdir()
    (folder / "b" / "i2.png").write_bytes((folder / "i2.png").read_bytes())
    found = read(folder, "image,label\ni2.png,1\nb/i2.png,0\n")
    assert [case.case_id for case in found.cases] == ["i2", "b_i2"]
    with pytest.raises(InputError, match=r"i1.jpg and i2.png are both called 'x'; add a case_id column"):
        read(folder, "id,image,label\nx,i1.jpg,1\nx,b/i2.png,0\n")


@pytest.mark.parametrize(
    ("cut", "labels"),
    [
        ("tirads>=4b", [0, 0, 1, None]),
        ("TI-RADS > 3", [0, 1, 1, None]),
        ("tirads<4", [1, 0, 0, None]),
        ("tirads = 4A, TR5", [0, 1, 1, None]),
        ("size>=1.5", [0, 0, 1, 1]),
    ],
)
def test_a_label_is_cut_from_a_column(folder: Path, cut: str, labels: list[int | None]) -> None:
    text = "image,tirads,size\ni0.png,3,1\ni1.png,4a,1.2\ni2.png,TR5,1.5\ni3.png,,3\n"
    found = read(folder, text, malignant=cut)
    assert [case.malignancy for case in found.cases] == labels
    assert found.label_meaning == f"1 where {cut}, else 0"


@pytest.mark.parametrize(
    ("cut", "told"),
    [("tirads4", "write COLUMN>=VALUE"), ("grade>2", "columns there"), ("tirads>x", "neither a number")],
)
def test_a_cut_that_is_unclear(folder: Path, cut: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read(folder, "image,tirads\ni0.png,3\n", malignant=cut)


def test_an_unknown_label_shows_how_to_say_what_it_means(folder: Path) -> None:
    with pytest.raises(InputError, match=r'label \'ptc\'.*--malignant "Diagnosis=ptc"'):
        read(folder, "image,Diagnosis\ni0.png,PTC\n")
