"""TN-SCUI2020: labels, and runs of frames that are kept together."""

from __future__ import annotations

from pathlib import Path

import pytest

from set_folders import (
    make_tn_scui,
    picture,
    save,
)
from thyrosight.datasets.prepare import PrepareOptions, prepare, recognise
from thyrosight.datasets.sets import tn_scui
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError


def test_tn_scui_runs_are_joined_by_copies_without_a_test_folder_too(tmp_path: Path) -> None:
    root = make_tn_scui(tmp_path / "set", [(number, 0) for number in (1, 2, 500, 501, 900)], num_test=0)
    save(root / "image" / "500.PNG", picture(1))
    prepare(root, tmp_path / "out", PrepareOptions(folds=2))
    groups = [case.group for case in read_cases(tmp_path / "out")]
    assert groups == ["run1"] * 4 + ["run900"]


# the other layouts --------------------------------------------------------------------------------------------------


def test_tn_scui(tmp_path: Path) -> None:
    numbers = [(number, int(number >= 20)) for number in range(10, 30)]
    root = make_tn_scui(tmp_path / "set", numbers)
    summary = prepare(root, tmp_path / "out", PrepareOptions(folds=2))
    cases = read_cases(tmp_path / "out")
    assert recognise(root) == "tn_scui"
    assert summary.splits == {"test": 2, "train": 20}
    assert [case.case_id for case in cases] == [str(n) for n, _ in numbers] + ["test_0", "test_1"]
    assert [case.malignancy for case in cases] == [cate for _, cate in numbers] + [None, None]
    assert all(case.mask is None and case.fold is None for case in cases if case.split == "test")
    assert len({case.group for case in cases if case.split == "train"}) == 2, "one run a class"
    assert {case.group for case in cases[:10]} == {"run10"}
    assert any("runs of one class" in note for note in summary.notes), "the output says so"


def test_runs_end_at_a_change_of_class_a_full_run_and_a_wide_gap() -> None:
    labelled = [("1", 0), ("2", 0), ("3", 0), ("4", 1), ("5", 1), ("90", 1), ("x", 1)]
    groups = tn_scui.runs(labelled, length=2)
    assert list(groups.values()) == ["run1", "run1", "run3", "run4", "run4", "run90", "runx"]
    assert tn_scui.runs([]) == {}


def test_tn_scui_wrong_cate_is_told(tmp_path: Path) -> None:
    root = make_tn_scui(tmp_path, [(1, 0), (2, 3)])
    with pytest.raises(InputError, match=r"train\.csv row 3: ID '2\.PNG', CATE '3'"):
        prepare(root, tmp_path / "out")
