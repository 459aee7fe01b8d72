"""Columns of an own table: by name, by choice, or a refusal with those seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from set_folders import (
    blob,
    picture,
    save,
)
from thyrosight.datasets.prepare import PrepareOptions, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError


def make_table(path: Path, header: str, rows: list[str]) -> Path:
    for index in range(len(rows)):
        save(path.parent / f"i{index}.png", picture(index))
        save(path.parent / f"m{index}.png", blob())
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_patients_given_in_a_csv_are_kept_though_their_images_are_alike(tmp_path: Path) -> None:
    table = make_table(tmp_path / "t.csv", "image,label,patient", ["i0.png,1,p1", "i1.png,0,p2"])
    save(tmp_path / "i1.png", picture(0))
    prepare(table, tmp_path / "out", PrepareOptions(folds=2))
    assert [case.group for case in read_cases(tmp_path / "out")] == ["p1", "p2"], "the audit tells of the likeness"
    with pytest.raises(InputError, match=r"1 groups can't fill 2 parts; ask for fewer folds \(--folds 0 for none\)"):
        prepare(table, tmp_path / "out", PrepareOptions(folds=2, refold=True))


def test_own_csv_columns_by_name_and_by_choice(tmp_path: Path) -> None:
    rows = ["i0.png;m0.png;Malignant;p1;0.08", "i1.png;;benign;p1;", "i2.png;m2.png;;p2;0.1"]
    table = make_table(tmp_path / "t.csv", "Image;Mask;Diagnosis;Patient_ID;row_mm", rows)
    for given_path in (table, tmp_path):
        prepare(given_path, tmp_path / "out", PrepareOptions(folds=2))
        cases = read_cases(tmp_path / "out")
        assert [case.malignancy for case in cases] == [1, 0, None]
        assert [case.group for case in cases] == ["p1", "p1", "p2"]
        assert [case.row_mm for case in cases] == [0.08, None, 0.1]
        assert [case.mask is None for case in cases] == [False, True, False]
    table.write_text("foto,befund\ni0.png,1\ni1.png,0\n")
    prepare(table, tmp_path / "out", PrepareOptions(folds=2, columns={"image": "foto", "label": "Befund"}))
    assert [case.malignancy for case in read_cases(tmp_path / "out")] == [1, 0]


@pytest.mark.parametrize(
    ("header", "row", "columns", "told"),
    [
        ("foto,befund", "i0,1", {}, "which column holds the image's file\\? .*columns there: foto, befund"),
        ("image,foo", "i0.png,1", {}, "neither a mask nor a label column.*columns there: image, foo"),
        (
            "image,label,cate",
            "i0.png,1,1",
            {},
            "malignancy could be label or cate; choose one, e.g. --column malignancy=label",
        ),
        ("image,label", "i0.png,1", {"mask": "seg"}, "no column 'seg' for mask; columns there: image, label"),
        ("image,label", "i0.png,1", {"colour": "label"}, "unknown column role 'colour'; known: image, mask"),
        ("image,label", "i0.png,maybe", {}, "row 2: label 'maybe' in column 'label'; known: 1"),
        ("image,label", ",1", {}, "row 2: no image file"),
        ("image,label,split", "i0.png,1,holdout", {}, "row 2: split 'holdout'"),
        ("image,label,fold", "i0.png,1,one", {}, "row 2: fold 'one'"),
        ("image,label", "i0.png,1,2,3", {}, "row 2: 4 values for 2 columns"),
    ],
)
def test_own_csv_unclear_is_told_with_the_columns_seen(
    tmp_path: Path, header: str, row: str, columns: dict[str, str], told: str
) -> None:
    table = make_table(tmp_path / "t.csv", header, [row])
    with pytest.raises(InputError, match=told):
        prepare(table, tmp_path / "out", PrepareOptions(columns=columns))


def test_own_csv_ids_are_safe_names_and_repeats_are_told(tmp_path: Path) -> None:
    table = make_table(tmp_path / "t.csv", "id,image,label", ["../a b,i0.png,1", "c/d,i1.png,0"])
    prepare(table, tmp_path / "out", PrepareOptions(folds=2))
    assert [case.case_id for case in read_cases(tmp_path / "out")] == ["a_b", "c_d"]
