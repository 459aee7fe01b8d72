"""Risk-coverage by hand, AURC against the average over every order, and the record that an evaluation keeps of it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from score_rows import row, rows_of
from thyrosight.commands.evaluation import selective_text
from thyrosight.evaluation.estimates import EvaluationSettings
from thyrosight.evaluation.metrics.bootstrap import mean_of
from thyrosight.evaluation.metrics.ranking import auroc_of
from thyrosight.evaluation.metrics.selective import aurc_of, confidence_of_risks, curve_of, kept_of, least_confidences
from thyrosight.evaluation.report import report_html
from thyrosight.evaluation.selective_scores import COVERAGES, selective_scores

LOSSES = st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=5)
QUICK = EvaluationSettings(draws=200)


def once(statistic: Any, num: int) -> Any:
    return statistic(np.ones((1, num)))[0]


def test_the_most_confident_are_kept_and_the_last_one_in_part() -> None:
    kept = kept_of([0.1, 0.4, 0.3, 0.2], 0.5)(np.ones((1, 4)))
    assert kept.tolist() == [[0.0, 1.0, 1.0, 0.0]]
    assert kept_of([0.1, 0.4, 0.3, 0.2], 0.625)(np.ones((1, 4))).tolist() == [[0.0, 1.0, 1.0, 0.5]]
    assert kept_of([0.1, 0.4, 0.3, 0.2], 1.0)(np.ones((1, 4))).tolist() == [[1.0] * 4]
    drawn = kept_of([0.1, 0.4, 0.3, 0.2], 0.5)(np.array([[1.0, 0.0, 3.0, 2.0]]))
    assert drawn.tolist() == [[0.0, 0.0, 3.0, 0.0]], "half of six draws: the three of the third case"


def test_equal_confidences_are_kept_alike() -> None:
    kept = kept_of([0.5, 0.2, 0.2, 0.2], 0.5)(np.ones((1, 4)))[0]
    assert kept == pytest.approx([1.0, 1 / 3, 1 / 3, 1 / 3])
    for wrong in (0.0, 1.1):
        with pytest.raises(ValueError, match="coverage"):
            kept_of([0.1], wrong)


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=12), st.floats(0.01, 1.0), st.integers(0, 99))
def test_what_is_kept_adds_up_to_the_coverage(confidences: list[float], coverage: float, seed: int) -> None:
    weights = np.random.default_rng(seed).integers(0, 4, (3, len(confidences))).astype(float)
    kept = kept_of(confidences, coverage)(weights)
    np.testing.assert_allclose(kept.sum(axis=1), coverage * weights.sum(axis=1), atol=1e-9)
    assert (kept <= weights + 1e-12).all()


def test_scores_at_coverage_by_hand() -> None:
    """Sure and right, sure and right, unsure and wrong, unsure and right."""
    risks, labels = [0.9, 0.2, 0.45, 0.6], [1, 0, 1, 1]
    confidences = confidence_of_risks(risks)
    assert confidences == pytest.approx([0.4, 0.3, 0.05, 0.1])
    right = [1.0, 1.0, 0.0, 1.0]
    assert once(curve_of(mean_of(right), confidences, (1.0, 0.75, 0.5)), 4).tolist() == [0.75, 1.0, 1.0]
    areas = once(curve_of(auroc_of(labels, risks), confidences, (1.0, 0.25)), 4)
    assert areas[0] == 1.0
    assert np.isnan(areas[1]), "one case has one class"
    assert least_confidences(confidences, (1.0, 0.75, 0.5)) == pytest.approx((0.05, 0.1, 0.3))


def test_aurc_by_hand() -> None:
    """Losses 0, 0, 1, 0 from the surest on: means 0, 0, 1/3, 1/4; their mean 7/48."""
    confidences = [0.4, 0.3, 0.2, 0.1]
    assert once(aurc_of([0, 0, 1, 0], confidences), 4) == pytest.approx(7 / 48)
    assert once(aurc_of([1, 0, 0, 0], confidences), 4) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert once(aurc_of([0, 0, 0, 1], confidences), 4) == pytest.approx(1 / 16)
    assert once(aurc_of([0.3] * 4, confidences), 4) == pytest.approx(0.3), "one loss: any order"
    with pytest.raises(ValueError, match="losses"):
        aurc_of([0.1], confidences)


@given(LOSSES, st.data())
def test_aurc_is_the_mean_over_all_orders_that_the_confidences_leave_open(losses: list[float], data: Any) -> None:
    sure = data.draw(st.lists(st.sampled_from([0.1, 0.2]), min_size=len(losses), max_size=len(losses)))
    areas = []
    for order in itertools.permutations(range(len(losses))):
        confidences = [sure[case] for case in order]
        if confidences == sorted(confidences, reverse=True):
            taken = np.array([losses[case] for case in order])
            areas.append((np.cumsum(taken) / np.arange(1, len(losses) + 1)).mean())
    assert once(aurc_of(losses, sure), len(losses)) == pytest.approx(np.mean(areas))


@given(LOSSES, st.integers(0, 99))
def test_a_case_drawn_twice_counts_as_two_cases(losses: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    sure = rng.random(len(losses)).round(1)
    weights = rng.integers(0, 3, (1, len(losses))).astype(float)
    weights[0, 0] += 1
    repeated = np.repeat(np.arange(len(losses)), weights[0].astype(int))
    found = aurc_of(losses, sure)(weights)[0]
    assert found == pytest.approx(once(aurc_of(np.array(losses)[repeated], sure[repeated]), repeated.size))


def test_an_order_that_knows_the_dice_is_the_best_order() -> None:
    risk, outline = selective_scores(rows_of(), QUICK)
    assert (risk.name, outline.name) == ("risk", "outline")
    dice = outline.curve("dice")
    assert dice.values[0] == pytest.approx(np.mean([0.5 + index / 80 for index in range(40)]))
    assert dice.values[COVERAGES.index(0.5)] == pytest.approx(np.mean([0.5 + index / 80 for index in range(20, 40)]))
    assert list(dice.values) == sorted(dice.values, key=lambda value: value or 0.0)
    assert outline.aurc.value == pytest.approx(outline.aurc_of_best_order)
    assert outline.aurc_without_order == pytest.approx(1 - (dice.values[0] or 0))
    for value, low, high in zip(dice.values, dice.low, dice.high, strict=True):
        assert low is not None
        assert high is not None
        assert value is not None
        assert low < value < high
    assert risk.aurc_of_best_order < (risk.aurc.value or 0) < risk.aurc_without_order
    assert risk.curve("brier").values[0] == pytest.approx(
        np.mean([((one.risk or 0) - (one.malignancy or 0)) ** 2 for one in rows_of()]), abs=1e-6
    )
    with pytest.raises(KeyError, match="there are dice"):
        outline.curve("brier")


def test_nothing_outlined_is_declined_first_and_an_old_table_has_no_curve() -> None:
    rows = [row("missed", group="m", risk=0.5, malignancy=1, sure=None), *rows_of()]
    (_, outline) = selective_scores(rows, QUICK)
    assert outline.least_confidence[0] == 0.0
    assert outline.curve("dice").values[1] == pytest.approx(
        np.mean([0.5 + index / 80 for index in range(40)]), abs=0.02
    )
    old = [replace(one, mean_probability=None) for one in rows_of()]
    assert [part.name for part in selective_scores(old, QUICK)] == ["risk"]
    assert selective_scores(rows_of()[:5], QUICK) == ()


def test_page_and_terminal_show_it(tmp_path: Path) -> None:
    from thyrosight.evaluation.case_scores import write_case_scores
    from thyrosight.evaluation.evaluate_folds import pool

    write_case_scores(rows_of(), tmp_path / "per_case.csv")
    evaluation = pool([tmp_path / "per_case.csv"], tmp_path / "out", QUICK)
    page = report_html(evaluation, {})
    assert "Risk: the least sure images declined" in page
    assert "Outline: the least sure images declined" in page
    assert "AURC of the outline" in page
    text = selective_text(evaluation.selective[1])
    assert text.startswith("Outline, the surest images alone: Dice, mean: 0.744 (")
    assert f"AURC {evaluation.score('aurc_outline').value:.3f}" in text
