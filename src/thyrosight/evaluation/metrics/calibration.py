"""Labels, risks -> whether a risk of 30 % means 30 %: Brier, ECE, ECE by chance, reliability, Platt fit.

Legend: N cases, D draws, B bins. Labels are 1 or 0, risks probabilities in 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thyrosight.evaluation.metrics.bootstrap import DRAWS, Interval, Statistic
from thyrosight.inference.risk import sigmoid
from thyrosight.types import Float64Array

NUM_BINS = 10
Z95 = 1.959963984540054
NEWTON_STEPS = 100
MIN_CALIBRATION_IMAGES = 20
"""Fewer labelled images than this calibrate nothing: the fit would be noise."""


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin of equal mass: n cases, their mean risk, the share that is positive with its Wilson 95 % interval."""

    n: int
    mean_risk: float
    share_positive: float
    low: float
    high: float


def brier_of(labels_N: ArrayLike, risks_N: ArrayLike) -> Statistic:
    """-> mean of (risk - label)^2 (Brier 1950), a statistic for bootstrap.py."""
    labels, risks = _checked(labels_N, risks_N)
    squares_N = (risks - labels) ** 2

    def statistic(weights_DN: Float64Array) -> Float64Array:
        return np.asarray(weights_DN @ squares_N / weights_DN.sum(axis=1), dtype=np.float64)

    return statistic


def ece_of(labels_N: ArrayLike, risks_N: ArrayLike, num_bins: int = NUM_BINS) -> Statistic:
    """-> expected calibration error over bins of equal mass, a statistic for bootstrap.py.

    sum over bins of (n_b / N) |mean risk - share positive| (Naeini et al., AAAI 2015; equal mass as in Nixon et al.
    2019). The bins are those of the whole sample, in every draw.
    """
    labels, risks = _checked(labels_N, risks_N)
    in_bin_NB = _one_hot(equal_mass_bins(risks, num_bins))

    def statistic(weights_DN: Float64Array) -> Float64Array:
        gaps_DB = np.abs((weights_DN * (risks - labels)) @ in_bin_NB)
        return np.asarray(gaps_DB.sum(axis=1) / weights_DN.sum(axis=1), dtype=np.float64)

    return statistic


def ece_of_perfect_model(
    risks_N: ArrayLike, rng: np.random.Generator, draws: int = DRAWS, num_bins: int = NUM_BINS
) -> Interval:
    """Risks -> the ECE that a perfectly calibrated model with these risks shows at this n: mean and 95 % range.

    Labels are drawn from the risks themselves, so all of this ECE comes from chance: with few cases even the ECE of a
    perfect model is well above 0 (Roelofs et al., AISTATS 2022). An ECE in this range is no evidence against the
    calibration.
    """
    risks = np.asarray(risks_N, dtype=np.float64)
    if risks.size == 0:
        return Interval(None, None, None, 0, "no cases")
    in_bin_NB = _one_hot(equal_mass_bins(risks, num_bins))
    labels_DN = rng.random((draws, risks.size)) < risks
    eces_D = np.abs((risks - labels_DN) @ in_bin_NB).sum(axis=1) / risks.size
    low, high = np.percentile(eces_D, [2.5, 97.5])
    return Interval(float(eces_D.mean()), float(low), float(high), draws)


def reliability(labels_N: ArrayLike, risks_N: ArrayLike, num_bins: int = NUM_BINS) -> tuple[ReliabilityBin, ...]:
    """Labels, risks -> the bins of the reliability diagram, low risk first; the interval is Wilson's (JASA 1927)."""
    labels, risks = _checked(labels_N, risks_N)
    bin_N = equal_mass_bins(risks, num_bins)
    return tuple(
        _reliability_bin(labels[bin_N == index], risks[bin_N == index]) for index in range(int(bin_N.max()) + 1)
    )


def _reliability_bin(labels: Float64Array, risks: Float64Array) -> ReliabilityBin:
    n, share = int(labels.size), float(labels.mean())
    middle = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 * float(np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))) / (1 + Z95**2 / n)
    return ReliabilityBin(n, float(risks.mean()), share, max(0.0, middle - half), min(1.0, middle + half))


def equal_mass_bins(risks_N: ArrayLike, num_bins: int = NUM_BINS) -> NDArray[np.intp]:
    """Risks -> bin of each case, from 0, with counts as equal as ties allow: equal risks are in one bin.

    The order of the cases has no influence. Bins that are empty because of ties are dropped, and the others renumbered.
    """
    risks = np.asarray(risks_N, dtype=np.float64)
    rank_N = np.searchsorted(np.sort(risks), risks, side="left")
    return np.asarray(
        np.unique(rank_N * num_bins // max(1, risks.size), return_inverse=True)[1], dtype=np.intp
    ).reshape(-1)


def fit_platt(logits_N: ArrayLike, labels_N: ArrayLike) -> tuple[float, float]:
    """Logits, labels -> (scale, offset) so that sigmoid(scale * logit + offset) is calibrated on these cases.

    Platt scaling (1999) by Newton's method as in Lin, Lin & Weng (Machine Learning 2007), with its smoothed targets
    (n+ + 1) / (n+ + 2) and 1 / (n- + 2), which keep it finite on separable cases. Fit it on cases that are not
    scored. ValueError where a class is missing.
    """
    labels, logits = _checked_labels(labels_N), np.asarray(logits_N, dtype=np.float64)
    num_positive, num_negative = float(labels.sum()), float((1 - labels).sum())
    if logits.shape != labels.shape or not np.isfinite(logits).all() or min(num_positive, num_negative) == 0:
        raise ValueError("a calibration needs finite logits of both classes, one for each label")
    targets_N = np.where(labels > 0, (num_positive + 1) / (num_positive + 2), 1 / (num_negative + 2))
    inputs_N2 = np.stack([logits, np.ones_like(logits)], axis=1)
    weights = np.array([0.0, np.log((num_positive + 1) / (num_negative + 1))])
    loss = _cross_entropy(inputs_N2 @ weights, targets_N)
    for _ in range(NEWTON_STEPS):
        risk_N = sigmoid(inputs_N2 @ weights)
        gradient = inputs_N2.T @ (risk_N - targets_N)
        hessian = (inputs_N2 * (risk_N * (1 - risk_N))[:, None]).T @ inputs_N2 + 1e-12 * np.eye(2)
        direction, step = np.linalg.solve(hessian, gradient), 1.0
        while _cross_entropy(inputs_N2 @ (weights - step * direction), targets_N) > loss and step > 1e-10:
            step /= 2
        weights = weights - step * direction
        new_loss = _cross_entropy(inputs_N2 @ weights, targets_N)
        if loss - new_loss < 1e-12 * (1 + abs(loss)):
            break
        loss = new_loss
    return float(weights[0]), float(weights[1])


def platt_covariance(logits_N: ArrayLike, scale: float, offset: float) -> tuple[float, float, float]:
    """Logits and the fit on them -> (variance of scale, covariance, variance of offset) by the inverse information.

    Wald's asymptotics for logistic regression (McCullagh & Nelder 1989): a normal approximation, rough below some 20
    cases. ValueError where all logits are equal: they do not determine the scale.
    """
    logits = np.asarray(logits_N, dtype=np.float64)
    inputs_N2 = np.stack([logits, np.ones_like(logits)], axis=1)
    risk_N = sigmoid(inputs_N2 @ np.array([scale, offset]))
    information = (inputs_N2 * (risk_N * (1 - risk_N))[:, None]).T @ inputs_N2
    if np.linalg.cond(information) > 1e12:
        raise ValueError("the logits are all equal, or all certain: the uncertainty of the fit can't be computed")
    covariance = np.linalg.inv(information)
    return float(covariance[0, 0]), float(covariance[0, 1]), float(covariance[1, 1])


def _cross_entropy(logits_N: Float64Array, targets_N: Float64Array) -> float:
    return float(np.sum(np.logaddexp(0.0, logits_N) - targets_N * logits_N))


def _one_hot(bin_N: NDArray[np.intp]) -> Float64Array:
    return np.asarray(bin_N[:, None] == np.arange(int(bin_N.max()) + 1), dtype=np.float64)


def _checked_labels(labels_N: ArrayLike) -> Float64Array:
    labels = np.asarray(labels_N, dtype=np.float64)
    if labels.ndim != 1 or labels.size == 0 or not np.isin(labels, (0.0, 1.0)).all():
        raise ValueError("labels must be a list of 0 and 1, at least one")
    return labels


def _checked(labels_N: ArrayLike, risks_N: ArrayLike) -> tuple[Float64Array, Float64Array]:
    labels, risks = _checked_labels(labels_N), np.asarray(risks_N, dtype=np.float64)
    if labels.shape != risks.shape or not ((risks >= 0) & (risks <= 1)).all():
        raise ValueError("risks must be probabilities in 0..1, one for each label")
    return labels, risks
