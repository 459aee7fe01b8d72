"""A bundle a fold -> each scored on the fold that it says it has not seen."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from thyrosight.bundle.card import model_card
from thyrosight.bundle.records import TrainingSet
from thyrosight.bundle.store import default_bundle_path, fold_bundles, load_bundle, write_bundle
from thyrosight.datasets.table import RowChoice, read_cases
from thyrosight.errors import InputError
from thyrosight.evaluation.evaluate import evaluate
from thyrosight.evaluation.evaluate_folds import evaluate_folds
from thyrosight.inference.predictor import Predictor

ONE_THREAD = partial(Predictor, threads=1)


def fold_folder(folder: Path, fold: int, split: str) -> None:
    """The shipped network under foldK/bundle, with another claim of what it has seen of the phantoms."""
    shipped = load_bundle(default_bundle_path())
    seen = TrainingSet(source="phantom", num_images=10, sha256="", split=split)
    info = shipped.info.model_copy(update={"training_sets": (seen,)})
    out = folder / f"fold{fold}" / "bundle"
    write_bundle(out, info, shipped.onnx_bytes, shipped.weights_bytes, model_card(info))


def test_every_fold_is_scored_by_its_own_bundle_and_pooled(cohort: Path, tmp_path: Path) -> None:
    for fold in (0, 1):
        fold_folder(tmp_path / "runs", fold, f"folds other than {fold}, but validation")
    assert list(fold_bundles(tmp_path / "runs")) == [0, 1]
    pooled = evaluate_folds(tmp_path / "runs", cohort, tmp_path / "out", predictor_of=ONE_THREAD)
    expected = {case.case_id: case.fold for case in read_cases(cohort) if case.fold in (0, 1)}
    assert {row.case_id: row.fold for row in pooled.cases} == expected
    assert (tmp_path / "out" / "pooled" / "report.html").exists()


def test_across_folds_each_is_outlined_by_the_others_rule(cohort: Path, tmp_path: Path) -> None:
    for fold in (0, 1):
        fold_folder(tmp_path / "runs", fold, f"folds other than {fold}, but validation")
    own = load_bundle(default_bundle_path()).info.mask_threshold
    pooled = evaluate_folds(tmp_path / "runs", cohort, tmp_path / "out", across_folds=True, predictor_of=ONE_THREAD)
    rule = pooled.evaluated.mask_rule
    assert rule is not None
    assert list(rule.by_fold) == [0, 1]
    assert rule.num_images == len(pooled.cases)
    for fold, its in rule.by_fold.items():
        part = json.loads((tmp_path / "out" / f"fold{fold}" / "evaluation.json").read_text())
        assert f"mask threshold {its.threshold:g}," in part["evaluated"]["notes"][-1]
        by_hand = tmp_path / f"by_hand{fold}"
        bundle = load_bundle(tmp_path / "runs" / f"fold{fold}" / "bundle")
        predictor = Predictor(replace(bundle, info=its.in_bundle(bundle.info)), threads=1)
        expected = evaluate(predictor, cohort, by_hand, RowChoice(fold=fold))
        told = {row.case_id: row.dice for row in pooled.cases}
        assert {row.case_id: row.dice for row in expected.cases}.items() <= told.items()
    assert any(its.threshold != own for its in rule.by_fold.values())
    record = json.loads((tmp_path / "out" / "pooled" / "evaluation.json").read_text())
    assert record["evaluated"]["mask_rule"]["rule"]["threshold"] == rule.rule.threshold
    shutil.rmtree(tmp_path / "runs" / "fold1")
    with pytest.raises(InputError, match="one fold only"):
        evaluate_folds(tmp_path / "runs", cohort, tmp_path / "again", across_folds=True, predictor_of=ONE_THREAD)


@pytest.mark.parametrize("split", ["all rows but test and validation", "folds other than 1, but validation"])
def test_a_bundle_that_has_seen_its_fold_is_refused(split: str, cohort: Path, tmp_path: Path) -> None:
    fold_folder(tmp_path / "runs", 0, split)
    with pytest.raises(InputError, match="fold 0 of it is not unseen"):
        evaluate_folds(tmp_path / "runs", cohort, tmp_path / "out", predictor_of=ONE_THREAD)
    assert not (tmp_path / "out").exists()


def test_other_folders_have_no_folds(tmp_path: Path) -> None:
    (tmp_path / "foldable" / "bundle").mkdir(parents=True)
    (tmp_path / "foldable" / "bundle" / "bundle.json").write_text("{}")
    assert fold_bundles(tmp_path) == {}
    assert fold_bundles(default_bundle_path()) == {}
