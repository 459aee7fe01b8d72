"""cases.csv: written, read back, and refused with file and row."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from set_folders import (
    case_of,
)
from thyrosight.datasets.table import read_cases, write_cases
from thyrosight.errors import InputError
from thyrosight.types import Box, Case

# cases.csv itself ---------------------------------------------------------------------------------------------------


def test_cases_come_back_as_they_were_written(tmp_path: Path) -> None:
    full = case_of(
        tmp_path.resolve(),
        fov=Box(1, 2, 30, 40),
        panels=(Box(1, 2, 15, 40), Box(15, 2, 30, 40)),
        target="lesion",
        descriptors={"margin": "smooth", "tirads": "4a"},
    )
    bare = Case("b, c", tmp_path.resolve() / "sub" / "b.png", None, None, "g2", "mine")
    write_cases([full, bare], tmp_path / "cases.csv")
    assert read_cases(tmp_path / "cases.csv") == [full, bare]
    assert read_cases(tmp_path) == [full, bare], "the folder stands for the file in it"
    text = (tmp_path / "cases.csv").read_text()
    assert str(tmp_path) not in text, "paths are relative"
    assert "sub/b.png" in text


@settings(max_examples=60, deadline=None)
@given(
    boxes=st.lists(
        st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(1, 500), st.integers(1, 500)),
        min_size=1,
        max_size=4,
    ),
    spacing=st.floats(1e-4, 10, allow_nan=False),
    malignancy=st.sampled_from([0, 1, None]),
    fold=st.one_of(st.none(), st.integers(0, 99)),
    text=st.text(
        st.characters(categories=("L", "N", "P", "Zs"), exclude_characters="/\\"), min_size=1, max_size=20
    ).map(str.strip),
)
def test_any_case_survives_the_table(
    tmp_path_factory: pytest.TempPathFactory,
    boxes: list[tuple[int, int, int, int]],
    spacing: float,
    malignancy: int | None,
    fold: int | None,
    text: str,
) -> None:
    folder = tmp_path_factory.mktemp("t").resolve()
    panels = tuple(Box(x, y, x + width, y + height) for x, y, width, height in boxes)
    case = Case(
        "id", folder / "i.png", None, malignancy, f"g{text}", f"s{text}", fold=fold, row_mm=spacing, column_mm=spacing
    )
    case = replace(case, fov=panels[0], panels=panels)
    write_cases([case], folder / "cases.csv")
    assert read_cases(folder / "cases.csv") == [case]


def test_a_table_that_a_spreadsheet_of_europe_saved_is_the_same(tmp_path: Path) -> None:
    case = case_of(tmp_path.resolve(), row_mm=0.065, column_mm=0.065, panels=(Box(0, 0, 5, 5), Box(5, 0, 9, 5)))
    path = tmp_path / "cases.csv"
    write_cases([case, replace(case, case_id="b")], path)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=";").writerows([[cell.replace("0.065", "0,065") for cell in row] for row in rows])
    assert read_cases(path) == [case, replace(case, case_id="b")]


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("malignancy", "2", "malignancy '2'; write one of: 0, 1"),
        ("malignancy", "benign", "malignancy 'benign'"),
        ("split", "training", "split 'training'; write one of: (empty), train, val, test"),
        ("fold", "-1", "fold '-1'"),
        ("fold", "1.5", "fold '1.5'"),
        ("row_mm", "0", "row_mm '0'"),
        ("row_mm", "inf", "row_mm 'inf'"),
        ("row_mm", "wide", "row_mm 'wide'"),
        ("fov", "1 2 3", "fov '1 2 3'; write four whole numbers"),
        ("fov", "5 5 5 9", "fov '5 5 5 9' is empty"),
        ("panels", "0 0 5 5;a b c d", "panels 'a b c d'"),
        ("target", "kidney", "target 'kidney'; write one of: nodule, lesion, gland"),
        ("group", "", "group is empty"),
        ("image", "", "image is empty"),
        ("case_id", "../up", "case_id '../up'"),
        ("case_id", "a/b", "case_id 'a/b'"),
    ],
)
def test_a_bad_value_is_told_with_file_and_row(tmp_path: Path, column: str, value: str, told: str) -> None:
    good = case_of(tmp_path.resolve(), fov=Box(0, 0, 5, 5))
    path = tmp_path / "cases.csv"
    write_cases([good, replace(good, case_id="b")], path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[1][column] = value
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(InputError) as refused:
        read_cases(path)
    assert str(refused.value).startswith(f"{path} row 3: ")
    assert told in str(refused.value)


def test_a_table_without_its_columns_or_with_one_id_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text("image,label\na.png,1\n")
    with pytest.raises(InputError, match=r"no column case_id, mask, .*columns there: image, label.*thyrosight prepare"):
        read_cases(path)
    write_cases([case_of(tmp_path), case_of(tmp_path)], path)
    with pytest.raises(InputError, match="row 3: case_id 'a' is already that of row 2"):
        read_cases(path)
    path.write_text("")
    with pytest.raises(InputError, match=r"no rows|empty"):
        read_cases(path)
    with pytest.raises(InputError, match="no such file; make it with: thyrosight prepare"):
        read_cases(tmp_path / "none.csv")
