"""Validation rows -> the rule by which a bundle outlines: threshold and least mean probability of a region."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from thyrosight.evaluation.mask_rule import (
    LEAST_MEANS,
    LIKELY,
    THRESHOLDS,
    MaskRule,
    best_rule,
    dices_of,
    out_of_fold_rule,
)
from thyrosight.export.run_calibration_and_mask_rule import chosen_rule, reference_mask, risk_settings
from thyrosight.types import Box, Case

RULED: Any = SimpleNamespace(min_area_fraction=0.002, smooth_outlines=False)


def raw(probability_HW: np.ndarray) -> Any:
    height, width = probability_HW.shape
    return SimpleNamespace(probability_HW=probability_HW, panels=(Box(0, 0, width, height),))


def blob(value: float) -> np.ndarray:
    probability_HW = np.zeros((40, 40), np.float32)
    probability_HW[10:20, 10:20] = value
    return probability_HW


def test_a_region_counts_up_to_its_own_mean() -> None:
    reference_HW = blob(0.71) > 0
    dices_L = dices_of(reference_HW, raw(blob(0.71)), (0.5,), RULED)[0]
    assert dices_L.tolist() == [1.0 if least_mean <= 0.71 else 0.0 for least_mean in LEAST_MEANS]
    empty_L = dices_of(np.zeros_like(reference_HW), raw(blob(0.71)), (0.5,), RULED)[0]
    assert (empty_L + dices_L == 1.0).all()
    assert (dices_of(reference_HW, raw(blob(0.71)), (0.75,), RULED)[0] == 0).all()
    coarse: Any = SimpleNamespace(min_area_fraction=0.1, smooth_outlines=False)
    assert (dices_of(reference_HW, raw(blob(0.71)), (0.5,), coarse)[0] == 0).all(), (
        "a speck is dropped whatever its mean"
    )


def test_the_rule_is_that_of_the_best_mean() -> None:
    nodules = [dices_of(blob(1.0) > 0, raw(blob(value)), (0.5,), RULED)[0] for value in (0.9, 0.85, 0.95)]
    nothing = [dices_of(np.zeros((40, 40), np.bool_), raw(blob(value)), (0.5,), RULED)[0] for value in (0.6, 0.7)]
    dices_NTL = np.array(nodules + nothing)[:, None]
    rule = chosen_rule(dices_NTL, (0.5,), ["one"] * 5, may_drop=True)
    assert 0.7 <= rule["min_mean_probability"] <= 0.85
    assert rule["scores"][0].value == 1.0
    assert rule["scores"][0].n == 5
    kept = chosen_rule(dices_NTL, (0.5,), ["one"] * 5, may_drop=False)
    assert kept["min_mean_probability"] == 0.0
    assert kept["scores"][0].value == 0.6


def test_the_threshold_is_chosen_with_it() -> None:
    dices_NTL = np.zeros((4, 3, len(LEAST_MEANS)))
    dices_NTL[:, 2, 0] = 0.5
    assert chosen_rule(dices_NTL, (0.3, 0.4, 0.6), ["one"] * len(dices_NTL), may_drop=True)["mask_threshold"] == 0.6


def test_a_lucky_threshold_loses_to_a_good_neighbourhood() -> None:
    means_T = np.zeros(len(THRESHOLDS))
    means_T[2] = 0.80
    means_T[6:9] = 0.79, 0.795, 0.79
    dices_NTL = np.repeat(means_T[None, :, None], len(LEAST_MEANS), axis=2)
    rule, value = best_rule(dices_NTL, THRESHOLDS, may_drop=False)
    assert (rule.threshold, value) == (THRESHOLDS[7], 0.795)


def test_of_rules_that_are_as_good_the_one_that_drops_most_is_taken() -> None:
    """Dice by the least mean: 0.8 up to 0.725, then less by more than the choice may overlook."""
    by_least_mean_L = np.where(np.array(LEAST_MEANS) <= 0.725, 0.8, 0.75)
    by_threshold_T = 1 - np.abs(np.array(THRESHOLDS) - 0.6)
    rule, value = best_rule((by_threshold_T[:, None] * by_least_mean_L)[None], THRESHOLDS, may_drop=True)
    assert (rule.threshold, rule.min_mean_probability) == (0.6, 0.7)  # the mean with its neighbours falls beyond
    assert value == pytest.approx(0.8)


def test_a_folds_rule_is_the_others_choice() -> None:
    def fold_that_wants(place: int, num_images: int) -> np.ndarray:
        dices_NTL = np.zeros((num_images, len(THRESHOLDS), len(LEAST_MEANS)))
        dices_NTL[:, place - 1 : place + 2] = 0.9
        dices_NTL[:, place] = 1.0
        return dices_NTL

    tables = {0: fold_that_wants(2, 5), 1: fold_that_wants(4, 3), 3: fold_that_wants(6, 1)}
    rule = out_of_fold_rule(tables, {}, may_drop=True)
    assert rule.rule == MaskRule(THRESHOLDS[2], LIKELY)
    assert rule.num_images == 9
    chosen = {fold: own.threshold for fold, own in rule.by_fold.items()}
    assert chosen == {0: THRESHOLDS[4], 1: THRESHOLDS[2], 3: THRESHOLDS[2]}


def test_validation_groups_give_calibration_and_operating_points() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 200).tolist()
    logits = (2.0 * np.array(labels) - 1.0 + rng.normal(size=200)).tolist()
    rows = [(label, logit, f"s/{at // 2}") for at, (label, logit) in enumerate(zip(labels, logits, strict=True))]
    found = risk_settings(rows)
    assert found["calibration"].n == 200
    assert found["calibration"].prevalence == sum(labels) / 200
    points = {point.name: point for point in found["operating_points"]}
    assert points["sensitivity-90"].sensitivity.value > 0.8
    assert points["sensitivity-90"].threshold < points["youden"].threshold < 1.0
    assert "On validation groups, by thresholds that the other groups choose" in points["youden"].meaning
    turned = risk_settings([(1 - label, logit, group) for label, logit, group in rows])
    assert "operating_points" not in turned, "a higher logit goes with a lower risk"
    one_group = risk_settings([(label, logit, "s/0") for label, logit, _ in rows])
    assert "operating_points" not in one_group


def test_a_box_stands_for_the_outline_by_its_ellipse() -> None:
    case = Case("a", Path("a.png"), None, None, None, "s", boxes=(Box(8, 4, 16, 12),))
    ellipse_HW = reference_mask(case, (20, 24))
    assert ellipse_HW.shape == (20, 24)
    assert ellipse_HW[8, 12]
    assert not ellipse_HW[4, 8]
    assert abs(ellipse_HW.sum() - np.pi * 16) < 6


def test_each_source_counts_the_same() -> None:
    dices_NTL = np.zeros((9, 2, len(LEAST_MEANS)))
    dices_NTL[:8, 0], dices_NTL[:8, 1] = 0.81, 0.80
    dices_NTL[8:, 0], dices_NTL[8:, 1] = 0.60, 0.70
    thresholds = (0.4, 0.6)
    by_source = chosen_rule(dices_NTL, thresholds, ["many"] * 8 + ["few"], may_drop=False)
    assert by_source["scores"][0].value == pytest.approx((8 * 0.80 + 0.70) / 9)
    assert by_source["mask_threshold"] == 0.6
