"""Names of tables -> the split or the class that they say of all their rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from thyrosight.datasets.sets.table_parts import TablePart, parts_of_table, split_in
from thyrosight.errors import InputError
from thyrosight.types import Case


def test_the_name_nearest_to_the_file_decides() -> None:
    folder = Path("set")
    tables = [folder / name for name in ("train/metadata.csv", "test/train_labels.csv", "valid2.csv", "labels.csv")]
    assert [(part.path, part.split, part.malignancy) for part in parts_of_table(tables, folder)] == [
        (tables[0], "train", None),
        (tables[1], "train", None),
        (tables[2], "val", None),
    ]


def test_classes_and_a_single_part() -> None:
    folder = Path("set")
    benign, malignant = folder / "list_benign.csv", folder / "b\u00f6sartig.csv"
    assert [part.malignancy for part in parts_of_table([benign, malignant], folder)] == [0, 1]
    assert parts_of_table([benign], folder) == []
    assert parts_of_table([folder / "train.csv", folder / "a" / "train.csv"], folder) == []


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("Test_list", "test"), ("val2017", "val"), ("train_val", ""), ("latest", "")],
)
def test_the_split_of_a_name(name: str, split: str) -> None:
    assert split_in(name) == split


def test_what_a_row_says_counts_more_than_the_name_unless_they_contradict() -> None:
    part = TablePart(Path("t.csv"), "train", 1)
    assert part.with_name_of(Case("a", Path("a.png"), None, None, "", "x", split="val"), "t").split == "val"
    assert part.with_name_of(Case("a", Path("a.png"), None, None, "", "x"), "t").malignancy == 1
    assert part.in_words == "; all rows are train and malignant, by its name"
    with pytest.raises(InputError, match="t: its label is not the one"):
        part.with_name_of(Case("a", Path("a.png"), None, 0, "", "x"), "t")
