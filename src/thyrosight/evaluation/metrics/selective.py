"""Confidences, losses -> scores when the least sure cases are declined: per coverage, and the area below the curve.

Legend: N cases, D bootstrap draws, C coverages, K distinct confidences from high to low. Coverage is the share of the
cases that are answered, the most confident first; the rest is declined (Geifman & El-Yaniv, NIPS 2017). Cases of equal
confidence are treated alike: where a coverage cuts through such cases, each has as weight the share of them that is
kept. This is the mean over all orders of these cases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from thyrosight.evaluation.metrics.bootstrap import Statistic
from thyrosight.evaluation.metrics.ranking import Levels, levels
from thyrosight.types import Float64Array

Weighting = Callable[[Float64Array], Float64Array]
"""weights_DN -> weights_DN of the cases that are kept."""


def kept_of(confidences_N: ArrayLike, coverage: float) -> Weighting:
    """Confidences, coverage in (0, 1] -> the weighting that keeps this share of every draw, most confident first."""
    ordered = _ordered(confidences_N)
    if not 0 < coverage <= 1:
        raise ValueError(f"a coverage is above 0 and at most 1, not {coverage}")
    level_N = np.empty(ordered.order_N.size, dtype=np.intp)
    sizes_K = np.diff(np.append(ordered.starts_K, ordered.order_N.size))
    level_N[ordered.order_N] = np.repeat(np.arange(sizes_K.size), sizes_K)

    def weighting(weights_DN: Float64Array) -> Float64Array:
        weights_DK = np.add.reduceat(weights_DN[:, ordered.order_N], ordered.starts_K, axis=1)
        wanted_DK = coverage * weights_DK.sum(axis=1, keepdims=True) - (np.cumsum(weights_DK, axis=1) - weights_DK)
        share_DK = np.zeros_like(weights_DK)
        np.divide(wanted_DK, weights_DK, out=share_DK, where=weights_DK > 0)
        kept_DN: Float64Array = weights_DN * np.clip(share_DK, 0.0, 1.0)[:, level_N]
        return kept_DN

    return weighting


def curve_of(statistic: Statistic, confidences_N: ArrayLike, coverages_C: Sequence[float]) -> Statistic:
    """-> statistic (weights_DN -> values (D, C)): the given statistic over the cases that are kept at each coverage."""
    weightings = [kept_of(confidences_N, coverage) for coverage in coverages_C]

    def curve(weights_DN: Float64Array) -> Float64Array:
        return np.stack([statistic(weighting(weights_DN)) for weighting in weightings], axis=1)

    return curve


def aurc_of(losses_N: ArrayLike, confidences_N: ArrayLike) -> Statistic:
    """-> area under the risk-coverage curve: the mean over k = 1..N of the mean loss of the k most confident cases.

    Geifman, Uziel & El-Yaniv (ICLR 2019); Ding et al. (CVPR Workshops 2020) show why it is better than the AUROC of the
    confidence. Lower is better; where all confidences are equal it is the mean loss. Weights must be counts. For cases
    of equal confidence the mean over all their orders is taken, in closed form with harmonic numbers H: w cases of
    equal confidence with mean loss m, after a cases with total loss l, add (l - a m) (H(a + w) - H(a)) + w m.
    """
    ordered = _ordered(confidences_N)
    losses = np.asarray(losses_N, dtype=np.float64)
    if losses.shape != ordered.labels_N.shape or not np.isfinite(losses).all():
        raise ValueError("losses must be finite, one for each confidence")

    def statistic(weights_DN: Float64Array) -> Float64Array:
        sorted_DN = weights_DN[:, ordered.order_N]
        counts_DK = np.add.reduceat(sorted_DN, ordered.starts_K, axis=1)
        losses_DK = np.add.reduceat(sorted_DN * losses[ordered.order_N], ordered.starts_K, axis=1)
        ends_DK = np.rint(np.cumsum(counts_DK, axis=1)).astype(np.intp)
        starts_DK = ends_DK - np.rint(counts_DK).astype(np.intp)
        harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, int(ends_DK.max()) + 1))])
        mean_DK = np.zeros_like(losses_DK)
        np.divide(losses_DK, counts_DK, out=mean_DK, where=counts_DK > 0)
        before_DK = np.cumsum(losses_DK, axis=1) - losses_DK
        area_DK = (before_DK - starts_DK * mean_DK) * (harmonic[ends_DK] - harmonic[starts_DK]) + losses_DK
        return np.asarray(area_DK.sum(axis=1) / ends_DK[:, -1], dtype=np.float64)

    return statistic


def least_confidences(confidences_N: ArrayLike, coverages_C: Sequence[float]) -> tuple[float, ...]:
    """Confidences, coverages -> the confidence of the last case that is kept at each coverage."""
    sorted_N = np.sort(np.asarray(confidences_N, dtype=np.float64))[::-1]
    places = [int(np.ceil(coverage * sorted_N.size - 1e-9)) - 1 for coverage in coverages_C]
    return tuple(float(sorted_N[place]) for place in places)


def confidence_of_risks(risks_N: ArrayLike) -> Float64Array:
    """Calibrated risks, 0 to 1 -> |risk - 0.5|: 0 where both answers are equally likely, 0.5 where one is certain."""
    return np.abs(np.asarray(risks_N, dtype=np.float64) - 0.5)


def _ordered(confidences_N: ArrayLike) -> Levels:
    confidences = np.asarray(confidences_N, dtype=np.float64)
    return levels(np.zeros_like(confidences), confidences)
