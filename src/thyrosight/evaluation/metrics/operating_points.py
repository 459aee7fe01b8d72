"""Labels, scores -> thresholds: the operating points of a bundle, and the goal of each.

Legend: N cases. A case is called high where its score >= the threshold; labels are 1 (high) or 0 (low).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thyrosight.evaluation.metrics.ranking import roc_curve
from thyrosight.types import Float64Array

SLACK = 1e-9
"""Tolerance for rounding: a rate that is below its goal by less than this still meets the goal."""


@dataclass(frozen=True)
class OperatingGoal:
    """The purpose of a threshold. choose: (1 - specificity, sensitivity) of K ROC points -> index of the chosen one."""

    name: str
    meaning: str
    choose: Callable[[Float64Array, Float64Array], int]


def _sensitive(false_K: Float64Array, true_K: Float64Array) -> int:
    return int(np.flatnonzero(true_K >= 0.9 - SLACK)[0])


def _specific(false_K: Float64Array, true_K: Float64Array) -> int:
    return int(np.flatnonzero(false_K <= 0.1 + SLACK)[-1])


def _youden(false_K: Float64Array, true_K: Float64Array) -> int:
    gain_K = true_K - false_K
    return int(np.flatnonzero(gain_K >= gain_K.max() - SLACK)[-1])


OPERATING_GOALS = (
    OperatingGoal("youden", "the largest sensitivity + specificity - 1 (Youden 1950), neither favoured", _youden),
    OperatingGoal("sensitivity-90", "the highest threshold that calls at least 90 % of the high ones high", _sensitive),
    OperatingGoal("specificity-90", "the lowest threshold that calls at least 90 % of the low ones low", _specific),
)
"""The first operating point decides which risk is called high in pictures and reports."""


def threshold_for(goal: OperatingGoal, labels_N: ArrayLike, scores_N: ArrayLike) -> float:
    """Goal, labels of both classes, finite scores -> the threshold, half-way between two of the scores.

    -infinity calls every case high, +infinity calls none high. Of several points with the best sensitivity +
    specificity, "youden" chooses the most sensitive.
    ValueError where a class is missing.
    """
    labels = np.asarray(labels_N)
    if set(np.unique(labels).tolist()) != {0, 1}:
        raise ValueError("a threshold is chosen on cases of both classes")
    false_K, true_K, thresholds_K = roc_curve(labels, scores_N)
    place = goal.choose(false_K, true_K)
    if place == 0:
        return float("inf")
    if place == len(thresholds_K) - 1:
        return float("-inf")
    return float((thresholds_K[place] + thresholds_K[place + 1]) / 2)


def called_out_of_fold(
    goal: OperatingGoal, labels_N: Sequence[int], scores_N: Sequence[float], folds_N: Sequence[int]
) -> list[bool]:
    """-> whether each case is called high by the threshold that the other folds choose."""
    labels, scores, folds = np.asarray(labels_N), np.asarray(scores_N, dtype=np.float64), np.asarray(folds_N)
    called = np.zeros(labels.size, dtype=np.bool_)
    for fold in np.unique(folds):
        inside = folds == fold
        called[inside] = scores[inside] >= threshold_for(goal, labels[~inside], scores[~inside])
    return [bool(one) for one in called]
