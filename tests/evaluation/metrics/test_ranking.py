"""Ranking scores against hand-counted tables and against counting every pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thyrosight.evaluation.metrics import ranking
from thyrosight.evaluation.metrics.bootstrap import Statistic

LABELS = [1, 1, 0, 0]
RISKS = [0.9, 0.5, 0.5, 0.1]
CASES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=2, max_size=25)


def once(statistic: Statistic, n: int) -> float:
    return float(statistic(np.ones((1, n)))[0])


def test_auroc_and_average_precision_by_hand() -> None:
    """Of the four pairs three are won and one tied: 3.5 / 4. Precision 1 up to recall 1/2, then 2/3."""
    assert ranking.auroc(LABELS, RISKS) == pytest.approx(3.5 / 4)
    assert once(ranking.average_precision_of(LABELS, RISKS), len(LABELS)) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert ranking.auroc([0, 1], [0.9, 0.1]) == 0.0
    assert ranking.auroc([0, 1, 1], [0.3, 0.3, 0.3]) == 0.5


@pytest.mark.parametrize("labels", [[1, 1], [0, 0], []])
def test_one_class_has_no_ranking(labels: list[int]) -> None:
    risks = [0.2, 0.7][: len(labels)]
    assert ranking.auroc(labels, risks) is None
    assert not labels or np.isnan(once(ranking.average_precision_of(labels, risks), len(labels)))


@pytest.mark.parametrize(("labels", "risks"), [([2, 0], [0.1, 0.2]), ([1, 0], [np.nan, 0.2]), ([1, 0], [0.2])])
def test_wrong_input_is_refused(labels: list[int], risks: list[float]) -> None:
    with pytest.raises(ValueError, match="labels"):
        ranking.auroc(labels, risks)


def test_points_of_the_curve_by_hand() -> None:
    """Ten negatives at 0.0 ... 0.9; positives at 0.95, 0.85, 0.75, 0.05: one negative (0.9) may pass at 90 %."""
    labels = [0] * 10 + [1] * 4
    risks = [index / 10 for index in range(10)] + [0.95, 0.85, 0.75, 0.05]
    assert once(ranking.sensitivity_at_specificity_of(labels, risks, 0.9), 14) == pytest.approx(2 / 4)
    assert once(ranking.sensitivity_at_specificity_of(labels, risks, 0.8), 14) == pytest.approx(3 / 4)
    assert once(ranking.sensitivity_at_specificity_of(labels, risks, 1.0), 14) == pytest.approx(1 / 4)
    assert once(ranking.specificity_at_sensitivity_of(labels, risks, 0.9), 14) == pytest.approx(1 / 10)
    assert once(ranking.specificity_at_sensitivity_of(labels, risks, 0.75), 14) == pytest.approx(8 / 10)


def test_scores_at_a_threshold_by_hand() -> None:
    labels, risks = [1, 1, 1, 0, 0], [0.9, 0.5, 0.2, 0.7, 0.1]
    assert once(ranking.f1_of(labels, risks, 0.5), 5) == pytest.approx(4 / 6)
    assert once(ranking.sensitivity_of(labels, risks, 0.5), 5) == pytest.approx(2 / 3)
    assert once(ranking.specificity_of(labels, risks, 0.5), 5) == pytest.approx(1 / 2)
    assert np.isnan(once(ranking.sensitivity_of([0, 0], [0.1, 0.2]), 2))
    assert np.isnan(once(ranking.f1_of([0, 0], [0.1, 0.2]), 2))
    assert once(ranking.f1_of([0, 0], [0.1, 0.9]), 2) == 0.0


def test_roc_by_hand() -> None:
    false_rates, true_rates, thresholds = ranking.roc_curve(LABELS, RISKS)
    assert false_rates.tolist() == [0.0, 0.0, 0.5, 1.0]
    assert true_rates.tolist() == [0.0, 0.5, 1.0, 1.0]
    assert thresholds.tolist() == [np.inf, 0.9, 0.5, 0.1]
    at_quarter = ranking.roc_at(LABELS, RISKS, [0.25, 1.0])(np.ones((2, 4)))
    np.testing.assert_allclose(at_quarter, [[0.75, 1.0]] * 2)


@settings(max_examples=80, deadline=None)
@given(CASES)
def test_auroc_counts_pairs(cases: list[tuple[int, int]]) -> None:
    labels, risks = [label for label, _ in cases], [risk / 6 for _, risk in cases]
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for label_h, high in cases
        if label_h
        for label_l, low in cases
        if not label_l
    ]
    value = ranking.auroc(labels, risks)
    assert value is None if not pairs else value == pytest.approx(np.mean(pairs))
    if value is not None:
        flipped = ranking.auroc([1 - label for label in labels], risks)
        assert flipped == pytest.approx(1 - value)
        false_rates, true_rates, _ = ranking.roc_curve(labels, risks)
        area = np.sum(np.diff(false_rates) * (true_rates[1:] + true_rates[:-1]) / 2)
        assert area == pytest.approx(value), "the area under the drawn curve is the score"


@settings(max_examples=80, deadline=None)
@given(CASES, st.data())
def test_weights_mean_copies(cases: list[tuple[int, int]], data: st.DataObject) -> None:
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(cases), max_size=len(cases))))
    labels, risks = np.array([label for label, _ in cases]), np.array([risk / 6 for _, risk in cases])
    copied_labels, copied_risks = np.repeat(labels, weights), np.repeat(risks, weights)
    if copied_labels.size == 0:
        return
    makers = [
        ranking.auroc_of,
        ranking.average_precision_of,
        ranking.sensitivity_at_specificity_of,
        ranking.specificity_at_sensitivity_of,
        ranking.f1_of,
    ]
    for make in makers:
        weighted = make(labels, risks)(weights[None].astype(np.float64))[0]
        assert weighted == pytest.approx(once(make(copied_labels, copied_risks), copied_labels.size), nan_ok=True)


@given(CASES)
def test_only_the_order_of_risks_counts(cases: list[tuple[int, int]]) -> None:
    labels, risks = [label for label, _ in cases], np.array([risk / 6 for _, risk in cases])
    assert ranking.auroc(labels, risks) == ranking.auroc(labels, np.exp(3 * risks) - 1)
