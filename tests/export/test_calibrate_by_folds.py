"""Operating points by hand, nothing decided by the fold it is measured on, and a bundle that says where it is from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from score_rows import row, rows_of
from thyrosight.bundle.store import load_bundle
from thyrosight.errors import InputError
from thyrosight.evaluation.case_scores import CaseScore, read_case_scores, write_case_scores
from thyrosight.evaluation.estimates import EvaluationSettings
from thyrosight.evaluation.evaluate_folds import pool
from thyrosight.evaluation.mask_rule import MaskRule, OutOfFoldRule
from thyrosight.evaluation.metrics.calibration import fit_platt, platt_covariance
from thyrosight.evaluation.metrics.operating_points import OPERATING_GOALS, called_out_of_fold, threshold_for
from thyrosight.evaluation.out_of_fold import NUM_PARTS, labelled_logits, out_of_fold_points, recalibrated, with_parts
from thyrosight.export.calibrate_by_folds import recalibrate
from thyrosight.inference.predictor import Predictor
from tiny_bundle import make_tiny_bundle

QUICK = EvaluationSettings(draws=200)
YOUDEN, SENSITIVE, SPECIFIC = OPERATING_GOALS


def test_thresholds_by_hand() -> None:
    """Ten high ones at 0.5 … 9.5; ten low ones at 0 … 9: each high one lies half above its low neighbour."""
    labels = [1] * 10 + [0] * 10
    scores = [index + 0.5 for index in range(10)] + [float(index) for index in range(10)]
    assert threshold_for(SENSITIVE, labels, scores) == 1.25, "nine of ten high ones are at 1.5 or more; next below is 1"
    assert threshold_for(SPECIFIC, labels, scores) == 8.25, "one of ten low ones, 9, lies above; 8.5 is still taken"
    assert threshold_for(YOUDEN, labels, scores) == 0.25, "J is 0.1 at every high one: the most sensitive is taken"


def test_thresholds_at_the_ends() -> None:
    assert threshold_for(SENSITIVE, [0, 1], [5.0, 1.0]) == float("-inf"), "only calling all of them misses none"
    assert threshold_for(SPECIFIC, [0, 1], [5.0, 1.0]) == float("inf"), "even the first call is a false alarm"
    assert threshold_for(YOUDEN, [0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0]) == 2.5
    with pytest.raises(ValueError, match="both classes"):
        threshold_for(YOUDEN, [1, 1], [0.1, 0.2])


CASES = st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=2, max_size=30).filter(
    lambda cases: {label for label, _ in cases} == {0, 1}
)


@given(CASES)
def test_a_threshold_keeps_its_word_and_no_stricter_one_does(cases: list[tuple[int, int]]) -> None:
    labels, scores = np.array([label for label, _ in cases]), np.array([float(score) for _, score in cases])

    def rates(threshold: float) -> tuple[float, float]:
        called = scores >= threshold
        return called[labels == 1].mean(), 1 - called[labels == 0].mean()

    def calls(threshold: float) -> int:
        return int((scores >= threshold).sum())

    every = [float("-inf"), *(np.unique(scores) + 0.5).tolist(), float("inf")]
    sensitive, specific = threshold_for(SENSITIVE, labels, scores), threshold_for(SPECIFIC, labels, scores)
    assert rates(sensitive)[0] >= 0.9 - 1e-9
    assert not [other for other in every if calls(other) < calls(sensitive) and rates(other)[0] >= 0.9 - 1e-9]
    assert rates(specific)[1] >= 0.9 - 1e-9
    assert not [other for other in every if calls(other) > calls(specific) and rates(other)[1] >= 0.9 - 1e-9]
    best = max(sum(rates(other)) for other in every)
    assert sum(rates(threshold_for(YOUDEN, labels, scores))) == pytest.approx(best)


def test_a_fold_is_called_by_the_others() -> None:
    """Fold 0 would call itself without fault at 10.5; fold 1 puts the threshold at 0.5: all of fold 0 are high."""
    labels, scores, folds = [0, 1, 0, 1], [10.0, 11.0, 0.0, 1.0], [0, 0, 1, 1]
    assert called_out_of_fold(YOUDEN, labels, scores, folds) == [True, True, False, False]


@given(st.integers(0, 200))
def test_its_own_labels_move_no_risk_and_no_call_of_a_fold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        row(f"c{index}", group=f"g{index}", risk=0.5, malignancy=int(rng.random() < 0.5), sure=0.5)
        for index in range(48)
    ]
    rows = [
        replace(one, fold=index % 3, malignancy_logit=float(rng.normal() + 2 * (one.malignancy or 0)))
        for index, one in enumerate(rows)
    ]
    turned = [one if one.fold else replace(one, malignancy=1 - (one.malignancy or 0)) for one in rows]
    try:
        before, after = recalibrated(rows, "x"), recalibrated(turned, "x")
    except InputError:
        return  # the turned labels made another fold's fit run backwards
    pairs = [(one, other) for one, other in zip(before, after, strict=True) if one.fold == 0]
    assert [one.risk for one, _ in pairs] == [other.risk for _, other in pairs]
    assert [one.risk for one in before if one.fold] != [one.risk for one in after if one.fold]
    for aim in OPERATING_GOALS:
        calls = []
        for part in (rows, turned):
            rated = labelled_logits(part, "x")
            called = called_out_of_fold(aim, rated.labels, rated.logits, rated.folds)
            calls.append([one for one, fold in zip(called, rated.folds, strict=True) if fold == 0])
        assert calls[0] == calls[1]


def test_a_recalibrated_risk_is_that_of_the_other_folds_fit() -> None:
    rows = pooled_rows()
    others = [one for one in rows if one.fold != 2]
    scale, offset = fit_platt([one.malignancy_logit or 0 for one in others], [one.malignancy or 0 for one in others])
    one = next(one for one in recalibrated(rows, "x") if one.fold == 2)
    assert one.risk == pytest.approx(1 / (1 + np.exp(-(scale * (one.malignancy_logit or 0) + offset))), abs=1e-6)


def pooled_rows() -> list[CaseScore]:
    """80 rows of 40 groups in folds 0 to 3, whose logits are twice too large; of the set that the tiny bundle knows."""
    rng = np.random.default_rng(2)
    rows = []
    for index, one in enumerate(rows_of(80)):
        logit = float(rng.normal(scale=2.0))
        label = int(rng.random() < 1 / (1 + np.exp(-logit)))
        changes: dict[str, Any] = {"malignancy_logit": 2 * logit, "malignancy": label, "fold": index // 2 % 4}
        rows.append(replace(one, source="phantom", risk=round(1 / (1 + float(np.exp(-2 * logit))), 6), **changes))
    return rows


SETS = ({"source": "phantom", "num_images": 80, "sha256": "", "split": "all rows but test and validation"},)


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path, Path]:
    """-> the bundle of a final network, the pooled per_case.csv with evaluation.json beside it, the new bundle."""
    rows = pooled_rows()
    for fold in range(4):
        (tmp_path / f"fold{fold}").mkdir()
        write_case_scores([one for one in rows if one.fold == fold], tmp_path / f"fold{fold}" / "per_case.csv")
    pool([tmp_path / f"fold{fold}" / "per_case.csv" for fold in range(4)], tmp_path / "pooled", QUICK)
    bundle = make_tiny_bundle(tmp_path / "all", training_sets=SETS, operating_points=())
    per_case = tmp_path / "pooled" / "per_case.csv"
    recalibrate(bundle, per_case, tmp_path / "final.zip", settings=QUICK)
    return bundle, per_case, tmp_path / "final.zip"


def test_the_new_bundle_is_verified_and_says_where_its_calibration_is_from(made: tuple[Path, Path, Path]) -> None:
    bundle, per_case, final = made
    old, new = load_bundle(bundle), load_bundle(final)
    rows = pooled_rows()
    scale, offset = fit_platt([one.malignancy_logit or 0 for one in rows], [one.malignancy or 0 for one in rows])
    calibration = new.info.calibration
    assert (calibration.scale, calibration.offset, calibration.n) == (pytest.approx(scale), pytest.approx(offset), 80)
    covariance = platt_covariance([one.malignancy_logit or 0 for one in rows], scale, offset)
    assert calibration.covariance == pytest.approx(covariance)
    assert calibration.sha256 == hashlib.sha256(per_case.read_bytes()).hexdigest()
    assert "4 models by the same recipe, each on the fold that it had not seen (phantom, folds 0, 1, 2, 3)" in (
        calibration.fitted_on
    )
    assert (new.onnx_bytes, new.weights_bytes) == (old.onnx_bytes, old.weights_bytes)
    assert new.info.sha256 != old.info.sha256
    assert f"SHA-256 of the table of logits: `{calibration.sha256}`" in new.card


def test_operating_points_carry_what_was_measured_out_of_fold(made: tuple[Path, Path, Path]) -> None:
    info = load_bundle(made[2]).info
    assert [point.name for point in info.operating_points] == ["youden", "sensitivity-90", "specificity-90"]
    rated = labelled_logits(pooled_rows(), "x")
    labels = np.array(rated.labels)
    risks = 1 / (1 + np.exp(-(info.calibration.scale * np.array(rated.logits) + info.calibration.offset)))
    youden, sensitive, specific = info.operating_points
    assert (risks[labels == 1] >= sensitive.threshold).mean() >= 0.9
    assert (risks[labels == 0] < specific.threshold).mean() >= 0.9
    assert sensitive.threshold < youden.threshold < specific.threshold
    measured = {point.goal.name: point for point in out_of_fold_points(rated, QUICK)}
    for point in info.operating_points:
        assert point.sensitivity is not None
        assert point.specificity is not None
        called = np.array(called_out_of_fold(measured[point.name].goal, rated.labels, rated.logits, rated.folds))
        assert point.sensitivity.value == pytest.approx(called[labels == 1].mean())
        assert point.specificity.value == pytest.approx(1 - called[labels == 0].mean())
        assert (point.sensitivity.n, point.specificity.n) == (labels.sum(), 80 - labels.sum())
        assert point.sensitivity.low is not None
        assert f"sensitivity {point.sensitivity.value:.2f} ({point.sensitivity.low:.2f} to" in point.meaning


def test_a_prediction_tells_on_which_side_of_each_point_it_lies(made: tuple[Path, Path, Path]) -> None:
    predictor = Predictor.load(made[2], threads=1)
    examination = predictor.examine(np.full((90, 120), 120, np.uint8))
    prediction, logit = examination.prediction, examination.raw.malignancy_logit
    points = prediction.operating_points
    assert [point.name for point in points] == ["youden", "sensitivity-90", "specificity-90"]
    risk = prediction.risk
    assert risk is not None
    assert [point.is_above for point in points] == [risk >= point.threshold for point in points]
    calibration = predictor.info.calibration
    assert risk == pytest.approx(1 / (1 + np.exp(-(calibration.scale * logit + calibration.offset))), abs=1e-6)


def test_declared_scores_are_the_cross_validations_but_for_the_calibration(made: tuple[Path, Path, Path]) -> None:
    _, per_case, final = made
    info = load_bundle(final).info
    assert info.scores_meaning == (
        "scores of 4 models by the same recipe, each on the fold it had not seen; this bundle's network was trained on "
        "all rows"
    )
    record = json.loads(per_case.with_name("evaluation.json").read_text())
    declared = {score.name: score for score in info.scores}
    told = {score["title"]: score["value"] for score in record["scores"]}
    for title in ("Dice, mean", "IoU, mean", "AUROC", "Nodules found"):
        assert declared[title].value == told[title]
    risks, labels = (
        [one.risk or 0 for one in recalibrated(pooled_rows(), "x")],
        [one.malignancy for one in pooled_rows()],
    )
    brier = declared["Brier score"]
    assert brier.value == pytest.approx(np.mean([(a - (b or 0)) ** 2 for a, b in zip(risks, labels, strict=True)]))
    assert brier.value < told["Brier score"], "the folds' own risks were twice too sure"
    assert brier.split == "phantom, each calibrated on other folds"
    assert len(declared) == len(info.scores), "no title is there twice"
    assert {group.by for group in info.subgroups} == {"nodule size", "risk label"} or info.subgroups
    assert info.failures[0].of == 80


def test_pooling_across_folds_gives_the_same_risks(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    again = pool([made[1]], tmp_path / "across", QUICK, across_folds=True)
    assert [one.risk for one in again.cases] == [one.risk for one in recalibrated(read_case_scores(made[1]), "x")]
    declared = {score.name: score.value for score in load_bundle(made[2]).info.scores}
    assert again.score("brier").value == declared["Brier score"]
    assert "other folds" in again.evaluated.notes[0]


def test_one_fold_calibrates_and_its_groups_choose_for_each_other(
    made: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    rows = [replace(one, fold=2) for one in pooled_rows()]
    with pytest.raises(InputError, match="one fold only"):
        recalibrated(rows, "evaluate --across-folds has no other fold")
    (tmp_path / "one").mkdir()
    write_case_scores(rows, tmp_path / "one" / "per_case.csv")
    pool([tmp_path / "one" / "per_case.csv"], tmp_path / "scored", QUICK)
    info = load_bundle(recalibrate(made[0], tmp_path / "scored" / "per_case.csv", tmp_path / "x", settings=QUICK)).info
    assert info.calibration.scale == pytest.approx(load_bundle(made[2]).info.calibration.scale), "the same logits"
    assert info.calibration.fitted_on == (
        "out-of-fold logits of a model by the same recipe that had not seen them (phantom, fold 2)"
    )
    assert info.scores_meaning.startswith("scores of a model by the same recipe, on the one fold it had not seen")
    assert "by thresholds that the other groups choose" in info.operating_points[0].meaning
    parts = with_parts(rows)
    parts_of_groups = {(one.group, one.fold) for one in parts}
    assert {part for _, part in parts_of_groups} == set(range(NUM_PARTS))
    assert len(parts_of_groups) == len({one.group for one in rows}), "no group chooses for itself"
    brier = next(score for score in info.scores if score.name == "Brier score")
    risks = recalibrated(parts, "x")
    assert brier.value == pytest.approx(np.mean([((a.risk or 0) - (a.malignancy or 0)) ** 2 for a in risks]))
    assert brier.split == "phantom, each calibrated on other groups"


def test_the_mask_rule_is_the_out_of_fold_one(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    bundle, per_case, final = made
    assert load_bundle(final).info.mask_threshold == load_bundle(bundle).info.mask_threshold, "none was chosen"
    by_fold = {fold: MaskRule(0.5 + 0.05 * fold, 0.0) for fold in range(4)}
    settings = load_bundle(bundle).info.network_settings
    rule = OutOfFoldRule(MaskRule(0.6, 0.525), by_fold, num_images=80, network_settings=settings)
    pool([per_case], tmp_path / "ruled", QUICK, mask_rule=rule)
    info = load_bundle(recalibrate(bundle, tmp_path / "ruled" / "per_case.csv", tmp_path / "with", settings=QUICK)).info
    assert (info.mask_threshold, info.min_mean_probability) == (0.6, 0.525)
    assert info.mask_threshold_from.startswith("best mean Dice over 80 images, each outlined by a model")
    assert info.mask_threshold_from.endswith("that the other folds choose: 0.5, 0.55, 0.6, 0.65")
    assert "best mean Dice over 80 images" in load_bundle(tmp_path / "with").card
    strange = replace(rule, network_settings=settings | {"width": 77})
    pool([per_case], tmp_path / "strange", QUICK, mask_rule=strange)
    with pytest.raises(InputError, match="mask rule is that of another network"):
        recalibrate(bundle, tmp_path / "strange" / "per_case.csv", tmp_path / "x", settings=QUICK)


def test_what_does_not_belong_together_is_refused(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    bundle, per_case, _ = made
    out = tmp_path / "x"
    with pytest.raises(InputError, match="is the bundle itself"):
        recalibrate(bundle, per_case, bundle)
    split = ({**SETS[0], "split": "folds other than 0, but validation"},)
    with pytest.raises(InputError, match="without one fold"):
        recalibrate(make_tiny_bundle(tmp_path / "f0", training_sets=split), per_case, out)
    other = ({**SETS[0], "source": "busi"},)
    with pytest.raises(InputError, match=r"scores of phantom, from which .* has not learned"):
        recalibrate(make_tiny_bundle(tmp_path / "busi", training_sets=other), per_case, out)
    record = json.loads(per_case.with_name("evaluation.json").read_text())
    for change, message in (
        ({"cases": record["cases"][1:]}, "has other cases than"),
        ({"evaluated": {**record["evaluated"], "with_tta": True}}, "with --tta"),
        ({"evaluated": {**record["evaluated"], "risk_meaning": "cancer"}}, "its risk means 'cancer'"),
    ):
        wrong = tmp_path / "wrong.json"
        wrong.write_text(json.dumps({**record, **change}))
        with pytest.raises(InputError, match=message):
            recalibrate(bundle, per_case, out, scores=wrong)
    (tmp_path / "no.json").write_text("[]")
    with pytest.raises(InputError, match=r"not an evaluation\.json"):
        recalibrate(bundle, per_case, out, scores=tmp_path / "no.json")
    assert not out.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"malignancy_logit": None}, "no malignancy_logit; evaluate every fold again"),
        ({"fold": None}, "labelled images without a fold"),
        ({"fold": 1}, "one fold only"),
        ({"malignancy": 1}, "one label is missing"),
        ({"malignancy": None}, "0 labelled images; a calibration needs 20"),
    ],
)
def test_tables_that_can_not_calibrate_are_told_why(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recalibrated([replace(one, **change) for one in pooled_rows()], "table.csv")


def test_a_network_that_ranks_backwards_is_not_calibrated() -> None:
    rows = [replace(one, malignancy_logit=-(one.malignancy_logit or 0)) for one in pooled_rows()]
    with pytest.raises(InputError, match="a higher logit goes with a lower risk"):
        recalibrated(rows, "table.csv")


def test_the_command_writes_the_bundle_and_says_where(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from thyrosight.cli import app

    bundle, per_case, _ = made
    out = tmp_path / "by_hand"
    done = CliRunner().invoke(app, ["calibrate", str(bundle), "--from", str(per_case), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(out)
    assert len(load_bundle(out).info.operating_points) == 3
