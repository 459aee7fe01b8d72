"""Intervals against what resampling groups must give, draw by draw and in the long run."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thyrosight.evaluation.metrics import bootstrap
from thyrosight.evaluation.metrics.bootstrap import (
    draw_values,
    grouped_bootstrap,
    mean_of,
    mean_plus_sd_of,
    median_of,
    paired_bootstrap,
    ratio_of,
)
from thyrosight.evaluation.metrics.ranking import auroc_of

VALUES = st.lists(st.floats(-100, 100), min_size=1, max_size=30)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_two_constant_groups_give_the_binomial_by_hand() -> None:
    """Groups of 0 and of 1: a draw takes the first group 0, 1 or 2 times, so the mean is 1, 1/2 or 0 at 1:2:1."""
    values = draw_values(mean_of([0.0, 0.0, 1.0, 1.0]), ["a", "a", "b", "b"], rng(), 8000)
    assert set(values) == {0.0, 0.5, 1.0}
    assert np.mean(values == 0.5) == pytest.approx(0.5, abs=0.02)
    interval = grouped_bootstrap(mean_of([0.0, 0.0, 1.0, 1.0]), ["a", "a", "b", "b"], rng())
    assert (interval.value, interval.low, interval.high) == (0.5, 0.0, 1.0)


def test_copies_of_a_case_within_its_group_add_no_certainty() -> None:
    values = np.random.default_rng(1).normal(size=40)
    once = grouped_bootstrap(mean_of(values), list(range(40)), rng())
    copied = grouped_bootstrap(mean_of(np.repeat(values, 5)), np.repeat(np.arange(40), 5).tolist(), rng())
    split = grouped_bootstrap(mean_of(np.repeat(values, 5)), list(range(200)), rng())
    assert (once.low, once.high) == (pytest.approx(copied.low), pytest.approx(copied.high))
    assert once.low is not None
    assert once.high is not None
    assert split.low is not None
    assert split.high is not None
    assert (split.high - split.low) < 0.6 * (once.high - once.low)


def test_the_interval_covers_the_truth_about_95_times_in_100() -> None:
    source = np.random.default_rng(3)
    covered = 0
    for _ in range(300):
        group_means = source.normal(size=40)
        values = np.repeat(group_means, 3) + source.normal(size=120)
        interval = grouped_bootstrap(mean_of(values), np.repeat(np.arange(40), 3).tolist(), source, draws=300)
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 0.0 <= interval.high
    assert 0.90 <= covered / 300 <= 0.98


def test_draws_in_parts_equal_draws_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values, groups = np.arange(20.0), [index // 2 for index in range(20)]
    at_once = draw_values(mean_of(values), groups, rng(), 100)
    monkeypatch.setattr(bootstrap, "WEIGHTS_AT_ONCE", 140)
    np.testing.assert_array_equal(at_once, draw_values(mean_of(values), groups, rng(), 100))


def test_what_has_no_interval_says_why() -> None:
    one = grouped_bootstrap(mean_of([1.0, 3.0]), ["a", "a"], rng())
    assert (one.value, one.low, one.high) == (2.0, None, None)
    assert one.reason == "one group only: no interval"
    assert grouped_bootstrap(mean_of([]), [], rng()).reason == "no cases"
    assert grouped_bootstrap(ratio_of([0.0, 0.0], [0.0, 0.0]), ["a", "b"], rng()).reason == "undefined on these cases"
    sure = grouped_bootstrap(mean_of([1.0, 1.0]), ["a", "b"], rng())
    assert (sure.value, sure.low, sure.reason) == (1.0, None, "the same in every draw: no interval")
    rare = grouped_bootstrap(ratio_of([1.0, 0.0, 0.0], [1.0, 0.0, 0.0]), ["a", "b", "c"], rng())
    assert 0.65 < rare.num_draws / 2000 < 0.75, "a group is drawn at least once in 1 - (2/3)^3 of the draws"
    two_rare = ratio_of([1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0])

    def both(weights_DN: np.ndarray) -> np.ndarray:
        return two_rare(weights_DN) * np.where(weights_DN[:, 1] > 0, 1.0, np.nan)

    scarce = grouped_bootstrap(both, ["a", "b", "c", "d"], rng())
    assert scarce.low is None
    assert scarce.reason is not None
    assert "of 2000 bootstrap draws only" in scarce.reason


def test_a_paired_difference_sees_only_the_difference() -> None:
    base = np.random.default_rng(5).normal(scale=10.0, size=60)
    groups = list(range(60))
    steady = paired_bootstrap(mean_of(base + 0.5), mean_of(base), groups, rng())
    assert steady.value == pytest.approx(0.5)
    assert (steady.low, steady.high) == (pytest.approx(0.5), pytest.approx(0.5))
    assert steady.two_sided_share == pytest.approx(2 / 2001)
    same = paired_bootstrap(mean_of(base), mean_of(base), groups, rng())
    assert (same.value, same.low, same.high, same.two_sided_share) == (0.0, 0.0, 0.0, 1.0)
    noise = np.random.default_rng(6).normal(size=60)
    noisy = paired_bootstrap(mean_of(base + noise - noise.mean()), mean_of(base), groups, rng())
    assert noisy.two_sided_share == pytest.approx(1.0, abs=0.1)


@settings(max_examples=50, deadline=None)
@given(VALUES, st.data())
def test_weights_mean_copies(values: list[float], data: st.DataObject) -> None:
    """A weight of k is the case k times over."""
    weights = np.array(data.draw(st.lists(st.integers(0, 4), min_size=len(values), max_size=len(values))))
    if weights.sum() == 0:
        return
    copied = np.repeat(values, weights)
    weights_DN = weights[None].astype(np.float64)
    assert mean_of(values)(weights_DN)[0] == pytest.approx(copied.mean(), abs=1e-9)
    assert median_of(values)(weights_DN)[0] == pytest.approx(np.median(copied), abs=1e-9)


def test_mean_plus_sd_by_hand_and_with_weights() -> None:
    """2, 1, 3: mean 2, sd 1. Weights 2, 0, 1 make it 2, 2, 3: mean 7/3, sd sqrt(1/3)."""
    statistic = mean_plus_sd_of([2.0, 1.0, 3.0], -1.96)
    values = statistic(np.array([[1.0, 1.0, 1.0], [2.0, 0.0, 1.0], [0.0, 1.0, 0.0]]))
    assert values[:2].tolist() == [pytest.approx(2 - 1.96), pytest.approx(7 / 3 - 1.96 * np.sqrt(1 / 3))]
    assert np.isnan(values[2])


def test_auroc_with_2000_draws_of_350_images_is_quick() -> None:
    source = np.random.default_rng(0)
    labels, risks = source.integers(0, 2, 350), source.random(350)
    start = time.process_time()  # of this process alone: a busy machine does not count
    grouped_bootstrap(auroc_of(labels, risks), source.integers(0, 290, 350).tolist(), source)
    assert time.process_time() - start < 20
