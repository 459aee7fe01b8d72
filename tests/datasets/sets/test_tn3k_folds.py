"""TN3K: published folds and test split."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from set_folders import (
    SHAPE,
    make_tn3k,
)
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.prepare import PrepareOptions, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError


def test_tn3k_published_folds_and_test_split(tmp_path: Path) -> None:
    summary = prepare(make_tn3k(tmp_path / "set"), tmp_path / "out")
    cases = {case.case_id: case for case in read_cases(tmp_path / "out")}
    assert summary.source == "tn3k"
    assert summary.folds == {"0": 2, "1": 2, "2": 2, "3": 2, "4": 2, "none": 4}
    assert {case.fold for name, case in cases.items() if name in ("trainval_0003", "trainval_0008")} == {3}
    assert cases["test_0003"].split == "test"
    assert cases["test_0003"].malignancy == 1
    assert load_mask(cases["trainval_0000"], SHAPE).sum() == 41 * 31, "JPEG masks, at half of full brightness"


def test_tn3k_a_single_json_is_a_train_val_split_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    root = make_tn3k(tmp_path / "set", num_folds=1)
    prepare(root, tmp_path / "out", PrepareOptions(folds=2))
    cases = read_cases(tmp_path / "out")
    assert Counter(case.split for case in cases) == {"train": 8, "val": 2, "test": 4}
    (root / "tn3k-trainval-fold0.json").write_text('{"train": [0, 99], "val": []}')
    with pytest.raises(InputError, match="'train' lists 99, which is no image"):
        prepare(root, tmp_path / "out")
