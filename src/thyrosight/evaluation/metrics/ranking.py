"""Labels, risks -> how well the risk ranks and separates: ROC, AUROC, AP, F1, sensitivity, specificity.

Legend: N cases, D bootstrap draws, K distinct risks from high to low. Labels are 1 (high) or 0 (low), risks any finite
score. Every `…_of(labels, risks)` returns a statistic for bootstrap.py: weights_DN -> values_D, NaN where a class is
missing. A case is called positive where its risk >= the threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thyrosight.evaluation.metrics.bootstrap import Statistic
from thyrosight.types import Float64Array

COUNT_SLACK = 1e-9


@dataclass(frozen=True)
class Levels:
    """The cases sorted by risk from high to low: order_N, where each distinct risk begins, and the distinct risks."""

    order_N: NDArray[np.intp]
    starts_K: NDArray[np.intp]
    thresholds_K: Float64Array
    labels_N: Float64Array

    def counts(self, weights_DN: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Weights -> positives_DK, negatives_DK at each distinct risk; cases of equal risk are counted together."""
        sorted_DN = weights_DN[:, self.order_N]
        positive_DN = sorted_DN * self.labels_N[self.order_N]
        positives_DK = np.add.reduceat(positive_DN, self.starts_K, axis=1)
        negatives_DK = np.add.reduceat(sorted_DN - positive_DN, self.starts_K, axis=1)
        return positives_DK, negatives_DK


def levels(labels_N: ArrayLike, risks_N: ArrayLike) -> Levels:
    """Labels (0 or 1), risks (finite) -> the sorted cases; ValueError for other values or without a case."""
    labels, risks = _checked(labels_N, risks_N)
    order = np.argsort(-risks, kind="stable")
    sorted_risks = risks[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_risks[1:] != sorted_risks[:-1]]))
    return Levels(order, starts, sorted_risks[starts], labels)


def auroc_of(labels_N: ArrayLike, risks_N: ArrayLike) -> Statistic:
    """-> the area under the ROC curve: P(risk of a positive > risk of a negative), ties half (Hanley & McNeil 1982)."""
    sorted_cases = levels(labels_N, risks_N)

    def statistic(weights_DN: Float64Array) -> Float64Array:
        positives_DK, negatives_DK = sorted_cases.counts(weights_DN)
        negatives_below_DK = negatives_DK.sum(axis=1, keepdims=True) - np.cumsum(negatives_DK, axis=1)
        wins_D = np.sum(positives_DK * (negatives_below_DK + 0.5 * negatives_DK), axis=1)
        return _share(wins_D, positives_DK.sum(axis=1) * negatives_DK.sum(axis=1))

    return statistic


def average_precision_of(labels_N: ArrayLike, risks_N: ArrayLike) -> Statistic:
    """-> sum over thresholds of (recall gained) x precision: the step-wise area, no interpolation (Davis 2006)."""
    sorted_cases = levels(labels_N, risks_N)

    def statistic(weights_DN: Float64Array) -> Float64Array:
        positives_DK, negatives_DK = sorted_cases.counts(weights_DN)
        true_DK = np.cumsum(positives_DK, axis=1)
        called_DK = true_DK + np.cumsum(negatives_DK, axis=1)
        precision_DK = np.divide(true_DK, called_DK, out=np.zeros_like(true_DK), where=called_DK > 0)
        total_D = positives_DK.sum(axis=1)
        both_D = (total_D > 0) & (negatives_DK.sum(axis=1) > 0)
        return _share(np.sum(positives_DK * precision_DK, axis=1), np.where(both_D, total_D, 0.0))

    return statistic


def sensitivity_at_specificity_of(labels_N: ArrayLike, risks_N: ArrayLike, specificity: float = 0.9) -> Statistic:
    """-> the largest sensitivity of a threshold with at least this specificity; no interpolation.

    The threshold is chosen on the scored cases themselves, as a point of the ROC curve. So the value describes the
    curve; for new cases it is a little optimistic.
    """
    sorted_cases = levels(labels_N, risks_N)

    def statistic(weights_DN: Float64Array) -> Float64Array:
        positives_DK, negatives_DK = sorted_cases.counts(weights_DN)
        return _best_kept(positives_DK, negatives_DK, 1.0 - specificity)

    return statistic


def specificity_at_sensitivity_of(labels_N: ArrayLike, risks_N: ArrayLike, sensitivity: float = 0.9) -> Statistic:
    """-> the largest specificity of a threshold with at least this sensitivity; see sensitivity_at_specificity_of."""
    sorted_cases = levels(labels_N, risks_N)

    def statistic(weights_DN: Float64Array) -> Float64Array:
        positives_DK, negatives_DK = sorted_cases.counts(weights_DN)
        return _best_kept(negatives_DK[:, ::-1], positives_DK[:, ::-1], 1.0 - sensitivity)

    return statistic


def _best_kept(wanted_DK: Float64Array, unwanted_DK: Float64Array, allowed_share: float) -> Float64Array:
    """Counts by falling risk -> the largest share of wanted cases with at most allowed_share of unwanted cases."""
    wanted_D, unwanted_D = wanted_DK.sum(axis=1), unwanted_DK.sum(axis=1)
    wanted_so_far_DK, unwanted_so_far_DK = np.cumsum(wanted_DK, axis=1), np.cumsum(unwanted_DK, axis=1)
    allowed_DK = unwanted_so_far_DK <= (allowed_share * unwanted_D)[:, None] + COUNT_SLACK
    best_D = np.max(np.where(allowed_DK, wanted_so_far_DK, 0.0), axis=1)
    return _share(best_D, np.where(unwanted_D > 0, wanted_D, 0.0))


def f1_of(labels_N: ArrayLike, risks_N: ArrayLike, threshold: float = 0.5) -> Statistic:
    """-> F1 = 2 TP / (2 TP + FP + FN) at the threshold; undefined where no case is positive or called positive."""
    labels, risks = _checked(labels_N, risks_N)
    called = (risks >= threshold).astype(np.float64)

    def statistic(weights_DN: Float64Array) -> Float64Array:
        return _share(2.0 * weights_DN @ (labels * called), weights_DN @ (labels + called))

    return statistic


def sensitivity_of(labels_N: ArrayLike, risks_N: ArrayLike, threshold: float = 0.5) -> Statistic:
    """-> TP / (TP + FN) at the threshold; undefined without a positive case."""
    labels, risks = _checked(labels_N, risks_N)
    called = (risks >= threshold).astype(np.float64)

    def statistic(weights_DN: Float64Array) -> Float64Array:
        return _share(weights_DN @ (labels * called), weights_DN @ labels)

    return statistic


def specificity_of(labels_N: ArrayLike, risks_N: ArrayLike, threshold: float = 0.5) -> Statistic:
    """-> TN / (TN + FP) at the threshold; undefined without a negative case."""
    labels, risks = _checked(labels_N, risks_N)
    passed = (risks < threshold).astype(np.float64)

    def statistic(weights_DN: Float64Array) -> Float64Array:
        return _share(weights_DN @ ((1.0 - labels) * passed), weights_DN @ (1.0 - labels))

    return statistic


def roc_at(labels_N: ArrayLike, risks_N: ArrayLike, false_positive_rates_F: ArrayLike) -> Statistic:
    """-> statistic (weights_DN -> values (D, F)): sensitivity at each false positive rate, linear between points."""
    sorted_cases = levels(labels_N, risks_N)
    grid = np.asarray(false_positive_rates_F, dtype=np.float64)

    def statistic(weights_DN: Float64Array) -> Float64Array:
        rates_DK1 = _roc(*sorted_cases.counts(weights_DN))
        return np.stack([np.interp(grid, false, true) for false, true in zip(*rates_DK1, strict=True)])

    return statistic


def roc_curve(labels_N: ArrayLike, risks_N: ArrayLike) -> tuple[Float64Array, Float64Array, Float64Array]:
    """-> false positive rate, sensitivity, threshold of each point, from (0, 0, infinity); NaN without a class."""
    sorted_cases = levels(labels_N, risks_N)
    false_DK, true_DK = _roc(*sorted_cases.counts(np.ones((1, sorted_cases.labels_N.size))))
    return false_DK[0], true_DK[0], np.concatenate([[np.inf], sorted_cases.thresholds_K])


def _roc(positives_DK: Float64Array, negatives_DK: Float64Array) -> tuple[Float64Array, Float64Array]:
    true_DK = np.cumsum(np.pad(positives_DK, ((0, 0), (1, 0))), axis=1)
    false_DK = np.cumsum(np.pad(negatives_DK, ((0, 0), (1, 0))), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return false_DK / false_DK[:, -1:], true_DK / true_DK[:, -1:]


def auroc(labels_N: ArrayLike, risks_N: ArrayLike) -> float | None:
    """Labels, risks -> AUROC of these cases; None where a class is missing."""
    return _once(auroc_of, labels_N, risks_N)


def _once(make: Callable[[ArrayLike, ArrayLike], Statistic], labels_N: ArrayLike, risks_N: ArrayLike) -> float | None:
    num_cases = np.asarray(labels_N).size
    if num_cases == 0:
        return None
    value = float(make(labels_N, risks_N)(np.ones((1, num_cases)))[0])
    return value if np.isfinite(value) else None


def _share(part_D: Float64Array, whole_D: Float64Array) -> Float64Array:
    share_D: Float64Array = np.full(len(part_D), np.nan)
    np.divide(part_D, whole_D, out=share_D, where=whole_D > 0)
    return share_D


def _checked(labels_N: ArrayLike, risks_N: ArrayLike) -> tuple[Float64Array, Float64Array]:
    labels, risks = np.asarray(labels_N, dtype=np.float64), np.asarray(risks_N, dtype=np.float64)
    if labels.shape != risks.shape or labels.ndim != 1 or labels.size == 0:
        raise ValueError(f"labels and risks must be two lists of one length, not {labels.shape} and {risks.shape}")
    if not np.isin(labels, (0.0, 1.0)).all() or not np.isfinite(risks).all():
        raise ValueError("labels must be 0 or 1 and risks finite")
    return labels, risks
