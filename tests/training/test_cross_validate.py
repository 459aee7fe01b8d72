"""Cross-validation: every case scored once by a model that has not seen it; what is finished stays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training extra is not installed")
pytest.importorskip("lightning", reason="the training extra is not installed")

from thyrosight.config import config_from_dict
from thyrosight.datasets.table import read_cases
from thyrosight.errors import ConfigError, InputError
from thyrosight.training.cross_validate import cross_validate

CONFIG = config_from_dict(
    {
        "network": {"pretrained": False},
        "data": {"size_hw": [32, 32]},
        "optim": {"epochs": 1, "batch_size": 8},
        "run": {"threads": 1, "precision": "32", "preview_every": 0, "validation_share": 0.0},
    }
)


@pytest.mark.slow
def test_folds_are_scored_once_by_models_that_have_not_seen_them(cohort: Path, tmp_path: Path) -> None:
    first = cross_validate(CONFIG, [cohort], tmp_path, folds=[0])
    assert {row.fold for row in first.cases} == {0}
    bundle = tmp_path / "fold0" / "bundle" / "bundle.json"
    written = bundle.stat().st_mtime_ns

    both = cross_validate(CONFIG, [cohort], tmp_path, folds=[0, 1])
    assert bundle.stat().st_mtime_ns == written, "a finished fold was trained again"
    in_folds = {case.case_id: case.fold for case in read_cases(cohort) if case.fold in (0, 1)}
    assert {row.case_id: row.fold for row in both.cases} == in_folds
    for fold in (0, 1):
        seen = json.loads((tmp_path / f"fold{fold}" / "rows.json").read_text())["fit"]
        assert not {f"phantom/{case_id}" for case_id, its in in_folds.items() if its == fold} & set(seen)
    assert (tmp_path / "pooled" / "report.html").exists()

    with pytest.raises(ConfigError, match=r"optim\.epochs: 1 then, 2 now"):
        cross_validate(replace(CONFIG, optim=replace(CONFIG.optim, epochs=2)), [cohort], tmp_path, folds=[0])


def test_a_fold_that_is_not_there_is_refused(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row has fold 7; there are"):
        cross_validate(CONFIG, [cohort], tmp_path, folds=[7])
    assert not any(tmp_path.iterdir())
