"""Calibration scores by hand, ECE of a perfect model in closed form, the Platt fit at its optimum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thyrosight.evaluation.metrics.bootstrap import grouped_bootstrap
from thyrosight.evaluation.metrics.calibration import (
    brier_of,
    ece_of,
    ece_of_perfect_model,
    equal_mass_bins,
    fit_platt,
    platt_covariance,
    reliability,
)
from thyrosight.inference.risk import Fit, interval_of

RISKS = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), min_size=1, max_size=40)


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def test_brier_and_ece_by_hand() -> None:
    labels, risks = [0, 1, 1, 1], [0.1, 0.2, 0.8, 0.9]
    ones = np.ones((1, 4))
    assert brier_of(labels, risks)(ones)[0] == pytest.approx((0.01 + 0.64 + 0.04 + 0.01) / 4)
    assert ece_of(labels, risks, num_bins=2)(ones)[0] == pytest.approx(0.5 * abs(0.15 - 0.5) + 0.5 * abs(0.85 - 1.0))
    assert ece_of(labels, risks, num_bins=1)(ones)[0] == pytest.approx(abs(0.5 - 0.75))
    assert brier_of(labels, risks)(np.array([[0.0, 0.0, 3.0, 1.0]]))[0] == pytest.approx((3 * 0.04 + 0.01) / 4)


def test_an_ece_is_within_its_own_interval() -> None:
    """Percentiles of plain draws lie above a small ECE, because each draw adds the sample's noise once more."""
    risks_N = rng().random(400)
    labels_N = np.random.default_rng(12).random(400) < risks_N
    statistic, groups = ece_of(labels_N, risks_N), list(range(400))
    plain = grouped_bootstrap(statistic, groups, rng())
    shifted = grouped_bootstrap(statistic, groups, rng(), grows_by_noise=True)
    assert None not in (plain.low, shifted.low, shifted.value, shifted.high)
    assert plain.value == shifted.value
    assert 0 <= shifted.low < shifted.value < shifted.high
    assert plain.low > shifted.low


def test_equal_risks_share_a_bin_whatever_the_order() -> None:
    assert equal_mass_bins([0.3, 0.1, 0.3, 0.9], 2).tolist() == [0, 0, 0, 1]
    assert equal_mass_bins([0.5] * 7, 10).tolist() == [0] * 7
    assert equal_mass_bins(np.arange(20) / 20, 10).tolist() == np.repeat(np.arange(10), 2).tolist()


@given(RISKS, st.integers(0, 1000))
def test_bins_follow_the_risk_and_not_the_order(risks: list[float], seed: int) -> None:
    bins = equal_mass_bins(risks, 10)
    assert sorted(set(bins.tolist())) == list(range(int(bins.max()) + 1))
    assert (np.diff(bins[np.argsort(risks, kind="stable")]) >= 0).all()
    shuffled = np.random.default_rng(seed).permutation(len(risks))
    np.testing.assert_array_equal(equal_mass_bins(np.array(risks)[shuffled], 10), bins[shuffled])


def test_reliability_bins_add_up_to_the_ece() -> None:
    source = rng()
    risks = source.random(200)
    labels = (source.random(200) < risks**2).astype(int)
    bins = reliability(labels, risks)
    assert [one.n for one in bins] == [20] * 10
    total = sum(one.n * abs(one.mean_risk - one.share_positive) for one in bins) / 200
    assert total == pytest.approx(ece_of(labels, risks)(np.ones((1, 200)))[0])
    assert all(0 <= one.low <= one.share_positive <= one.high <= 1 for one in bins)


def test_wilson_interval_of_a_bin_by_hand() -> None:
    """0 of 10: upper end z^2 / (n + z^2) = 3.8415 / 13.8415."""
    (only,) = reliability([0] * 10, [0.2] * 10)
    assert (only.low, only.high) == (0.0, pytest.approx(0.27753, abs=1e-5))


def test_a_perfect_model_has_an_ece_above_zero_in_closed_form() -> None:
    """One case at 1/2: |1/2 - label| is always 1/2. Two equal ones: 0 or 1/2 evenly, mean 1/4. Sure risks: 0."""
    assert ece_of_perfect_model([0.5], rng()).value == 0.5
    two = ece_of_perfect_model([0.5, 0.5], rng(), draws=20000)
    assert two.value == pytest.approx(0.25, abs=0.01)
    assert (two.low, two.high) == (0.0, 0.5)
    assert ece_of_perfect_model([0.0, 1.0, 1.0], rng()).value == 0.0
    assert ece_of_perfect_model([], rng()).reason == "no cases"


def test_the_perfect_ece_shrinks_with_n_and_contains_a_calibrated_model() -> None:
    source = rng()
    risks = source.random(400)
    few, many = ece_of_perfect_model(risks[:50], source), ece_of_perfect_model(risks, source)
    assert few.value is not None
    assert many.value is not None
    assert few.value > 1.5 * many.value
    inside = 0
    for _ in range(100):
        labels = (source.random(400) < risks).astype(int)
        ece = ece_of(labels, risks)(np.ones((1, 400)))[0]
        assert many.low is not None
        assert many.high is not None
        inside += many.low <= ece <= many.high
    assert inside >= 88
    overconfident = np.where(risks > 0.5, 0.99, 0.01)
    labels = (source.random(400) < risks).astype(int)
    assert many.high is not None
    assert ece_of(labels, overconfident)(np.ones((1, 400)))[0] > many.high


def test_platt_recovers_the_logistic_that_drew_the_labels() -> None:
    source = rng()
    logits = source.normal(scale=2.0, size=20000)
    labels = (source.random(20000) < 1 / (1 + np.exp(-(0.5 * logits - 1.0)))).astype(int)
    scale, offset = fit_platt(logits, labels)
    assert (scale, offset) == (pytest.approx(0.5, abs=0.03), pytest.approx(-1.0, abs=0.05))


def test_platt_is_finite_on_separable_cases_and_refuses_one_class() -> None:
    scale, offset = fit_platt([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1])
    assert 0 < scale < 10
    assert offset == pytest.approx(0.0, abs=1e-6)
    extreme, _ = fit_platt([-400.0, -300.0, 500.0, 900.0], [0, 0, 1, 1])
    assert np.isfinite(extreme)
    assert extreme > 0
    with pytest.raises(ValueError, match="both classes"):
        fit_platt([0.1, 0.2], [1, 1])


def test_the_covariance_of_a_fit_is_that_of_refits_on_new_draws() -> None:
    source = rng()
    fits, told = [], []
    for _ in range(400):
        logits = source.normal(scale=2.0, size=300)
        labels = (source.random(300) < 1 / (1 + np.exp(-(0.5 * logits - 1.0)))).astype(int)
        fits.append(fit_platt(logits, labels))
        told.append(platt_covariance(logits, *fits[-1]))
    found = np.cov(np.array(fits).T)
    assert np.mean(told, axis=0) == pytest.approx((found[0, 0], found[0, 1], found[1, 1]), rel=0.25)


def test_an_interval_of_the_risk_is_that_of_its_logit() -> None:
    low, high = interval_of(2.0, Fit(1.0, -1.0, (0.04, -0.01, 0.09)))  # variance 4 * 0.04 - 4 * 0.01 + 0.09 = 0.21
    half = 1.959964 * 0.21**0.5
    assert (low, high) == pytest.approx((1 / (1 + np.exp(half - 1)), 1 / (1 + np.exp(-half - 1))))
    with pytest.raises(ValueError, match="all equal"):
        platt_covariance([1.0, 1.0, 1.0], 1.0, 0.0)


def test_risks_outside_0_to_1_are_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        brier_of([0, 1], [0.1, 1.2])
