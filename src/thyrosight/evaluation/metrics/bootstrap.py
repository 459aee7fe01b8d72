"""Statistic, groups -> its value with a 95 % interval that resamples whole groups; the same for a paired difference.

Legend: N cases, G groups, D bootstrap draws. A statistic takes weights_DN (how often each case was drawn) and returns
values_D, with NaN where it is undefined in a draw (for example AUROC without a positive). All draws are one array
operation, and no draw copies the cases.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thyrosight.types import Float64Array

Statistic = Callable[[Float64Array], Float64Array]

DRAWS = 2000
MIN_DEFINED_SHARE = 0.5
"""Where the statistic is defined in a smaller share of the draws, there is no interval."""
WEIGHTS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % interval, or None and the reason. num_draws: number of draws with a defined value."""

    value: float | None
    low: float | None
    high: float | None
    num_draws: int
    reason: str | None = None


@dataclass(frozen=True)
class Difference:
    """A minus B on the same cases, with its 95 % interval.

    two_sided_share: twice the share of draws on the side of zero that has fewer draws, at most 1.

    It is counted as (draws + 1) / (all draws + 1), so it is never 0 (Davison & Hinkley 1997). It looks like a p-value
    of "no difference", but it is a bootstrap share and not a test with a known level.
    """

    value: float | None
    low: float | None
    high: float | None
    num_draws: int
    two_sided_share: float | None
    reason: str | None = None


def grouped_bootstrap(
    statistic: Statistic,
    groups: Sequence[Hashable],
    rng: np.random.Generator,
    draws: int = DRAWS,
    *,
    grows_by_noise: bool = False,
) -> Interval:
    """Statistic, the group of each case -> value, percentile 95 % interval; groups are drawn with replacement.

    Cluster bootstrap (Field & Welsh, JRSS B 2007): the cases of a patient are drawn together. A draw in which the
    statistic is undefined is left out. There is no interval where there is one group, where too few draws are defined,
    or where all draws have the same value (for example, every nodule found): the width of the interval would be 0.

    grows_by_noise: the statistic is a mean distance, never below 0, and each draw adds the noise of the sample once
    more. So the draws are shifted until their mean is the value (Davison & Hinkley 1997, section 2.4).
    """
    value, values_D, reason = _draw(statistic, groups, rng, draws)
    if reason is not None or value is None:
        return Interval(value, None, None, int(values_D.size), reason)
    if grows_by_noise:
        values_D = np.maximum(values_D - values_D.mean() + value, 0)
    low, high = np.percentile(values_D, [2.5, 97.5])
    if values_D.min() == values_D.max():
        return Interval(value, None, None, int(values_D.size), "the same in every draw: no interval")
    return Interval(value, float(low), float(high), int(values_D.size))


def paired_bootstrap(
    statistic_a: Statistic,
    statistic_b: Statistic,
    groups: Sequence[Hashable],
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Difference:
    """Two statistics of the same cases -> A - B with its percentile 95 % interval; both use the same draws."""

    def difference(weights_DN: Float64Array) -> Float64Array:
        return statistic_a(weights_DN) - statistic_b(weights_DN)

    value, values_D, reason = _draw(difference, groups, rng, draws)
    if reason is not None:
        return Difference(value, None, None, int(values_D.size), None, reason)
    low, high = np.percentile(values_D, [2.5, 97.5])
    num_not_above, num_not_below = int(np.sum(values_D <= 0)), int(np.sum(values_D >= 0))
    two_sided = min(1.0, 2.0 * (min(num_not_above, num_not_below) + 1) / (values_D.size + 1))
    return Difference(value, float(low), float(high), int(values_D.size), two_sided)


def draw_values(
    statistic: Statistic, groups: Sequence[Hashable], rng: np.random.Generator, draws: int = DRAWS
) -> NDArray[np.float64]:
    """Statistic, groups -> its value(s) in every draw, draws along the first axis; NaN where it is undefined."""
    names = list(dict.fromkeys(groups))
    number = {name: index for index, name in enumerate(names)}
    group_of_case_N = np.array([number[group] for group in groups], dtype=np.intp)
    step = max(1, WEIGHTS_AT_ONCE // max(1, len(groups)))
    share_G = np.full(len(names), 1.0 / len(names))
    parts = []
    for start in range(0, draws, step):
        counts_DG = rng.multinomial(len(names), share_G, size=min(step, draws - start))
        parts.append(statistic(counts_DG[:, group_of_case_N].astype(np.float64)))
    return np.concatenate(parts)


def _draw(
    statistic: Statistic, groups: Sequence[Hashable], rng: np.random.Generator, draws: int
) -> tuple[float | None, Float64Array, str | None]:
    """-> (value on all cases, values of the defined draws, the reason why there is no interval, or None)."""
    none_N = np.zeros(0)
    if len(groups) == 0:
        return None, none_N, "no cases"
    value = float(statistic(np.ones((1, len(groups))))[0])
    if not np.isfinite(value):
        return None, none_N, "undefined on these cases"
    num_groups = len(set(groups))
    if num_groups < 2:
        return value, none_N, "one group only: no interval"
    values_D = draw_values(statistic, groups, rng, draws)
    defined_D = values_D[np.isfinite(values_D)]
    if defined_D.size < MIN_DEFINED_SHARE * draws:
        return value, defined_D, f"defined in {defined_D.size} of {draws} bootstrap draws only"
    return value, defined_D, None


# Statistics of plain numbers; those of risks are in ranking.py and calibration.py


def mean_of(values_N: ArrayLike) -> Statistic:
    """Values -> a Statistic: weights of the values -> their mean."""
    values = np.asarray(values_N, dtype=np.float64)

    def statistic(weights_DN: Float64Array) -> Float64Array:
        return np.asarray(weights_DN @ values / weights_DN.sum(axis=1), dtype=np.float64)

    return statistic


def median_of(values_N: ArrayLike) -> Statistic:
    """Values -> a Statistic: weights of the values -> their median (midpoint of the two middle values)."""
    values = np.asarray(values_N, dtype=np.float64)
    order = np.argsort(values, kind="stable")

    def statistic(weights_DN: Float64Array) -> Float64Array:
        covered_DN = np.cumsum(weights_DN[:, order], axis=1)
        half_D1 = covered_DN[:, -1:] / 2.0
        lower = np.argmax(covered_DN >= half_D1, axis=1)
        upper = np.argmax(covered_DN > half_D1, axis=1)
        return np.asarray((values[order][lower] + values[order][upper]) / 2.0, dtype=np.float64)

    return statistic


def ratio_of(numerators_N: ArrayLike, denominators_N: ArrayLike) -> Statistic:
    """Counts per case -> the statistic sum(numerators) / sum(denominators).

    Undefined where the denominators sum to 0.
    """
    numerators = np.asarray(numerators_N, dtype=np.float64)
    denominators = np.asarray(denominators_N, dtype=np.float64)

    def statistic(weights_DN: Float64Array) -> Float64Array:
        below_D = weights_DN @ denominators
        ratio_D: Float64Array = np.full(len(below_D), np.nan)
        np.divide(weights_DN @ numerators, below_D, out=ratio_D, where=below_D > 0)
        return ratio_D

    return statistic


def mean_plus_sd_of(values_N: ArrayLike, factor: float) -> Statistic:
    """Values -> the statistic mean + factor x standard deviation (n - 1); undefined below two values."""
    values = np.asarray(values_N, dtype=np.float64)
    centre = values.mean() if values.size else 0.0

    def statistic(weights_DN: Float64Array) -> Float64Array:
        total_D = weights_DN.sum(axis=1)
        mean_D = weights_DN @ (values - centre) / total_D
        square_D = weights_DN @ (values - centre) ** 2 - total_D * mean_D**2
        sd_D: Float64Array = np.full(len(total_D), np.nan)
        np.divide(np.maximum(square_D, 0.0), total_D - 1, out=sd_D, where=total_D > 1)
        return np.asarray(centre + mean_D + factor * np.sqrt(sd_D), dtype=np.float64)

    return statistic
