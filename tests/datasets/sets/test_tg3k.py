"""TG3K: the gland, grouped by video."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from set_folders import (
    make_tg3k,
)
from thyrosight.datasets.prepare import PrepareOptions, prepare
from thyrosight.datasets.table import read_cases


def test_tg3k_is_the_gland_by_video(tmp_path: Path) -> None:
    summary = prepare(make_tg3k(tmp_path / "set"), tmp_path / "out", PrepareOptions(folds=3))
    cases = read_cases(tmp_path / "out")
    assert summary.source == "tg3k"
    assert {case.target for case in cases} == {"gland"}
    assert [case.group for case in cases] == ["video0", "video0", "video1", "video1", "video2", "video2"]
    assert all(case.malignancy is None for case in cases)
    assert Counter(case.fold for case in cases) == {0: 2, 1: 2, 2: 2}
