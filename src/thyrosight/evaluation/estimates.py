"""Statistic, groups -> Estimate: one score with its 95 % interval and n.

The interval resamples groups (patients, or clusters of near-duplicates). Each score has a random stream of its own, so
that a new score changes no other. A score without a value is None, and `reason` says why.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from thyrosight.evaluation.case_scores import MaskSettings
from thyrosight.evaluation.metrics import calibration
from thyrosight.evaluation.metrics.bootstrap import DRAWS, Interval, Statistic, grouped_bootstrap


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of an evaluation. risk_threshold is for F1; draws and seed are for the bootstrap."""

    masks: MaskSettings = field(default_factory=MaskSettings)
    risk_threshold: float = 0.5
    num_bins: int = calibration.NUM_BINS
    draws: int = DRAWS
    seed: int = 0


DEFAULT_SETTINGS = EvaluationSettings()
GROW_BY_NOISE = ("ece",)
"""Names of the scores that are mean distances, for grouped_bootstrap."""


class ScoreName(NamedTuple):
    """A score's key in JSON, its title for people, and its unit (empty for a share)."""

    name: str
    title: str
    unit: str = ""


@dataclass(frozen=True)
class Estimate:
    """One score with its 95 % interval.

    n: number of images, nodules or groups, as n_of states. num_groups: number of groups that they come from.
    """

    name: str
    title: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    n_of: str
    num_groups: int
    reason: str | None


def random_stream(settings: EvaluationSettings, name: str) -> np.random.Generator:
    """-> the random stream of the score with this name."""
    return np.random.default_rng([settings.seed, zlib.crc32(name.encode())])


def estimate(
    score: ScoreName,
    statistic: Statistic | None,
    groups: Sequence[Hashable],
    settings: EvaluationSettings,
    n_of: str = "images",
) -> Estimate:
    """Score, its statistic, the group of each case -> Estimate; its value is None where there is no case."""
    interval = Interval(None, None, None, 0, f"no {n_of} to score")
    if groups and statistic is not None:
        rng = random_stream(settings, score.name)
        grows = score.name in GROW_BY_NOISE
        interval = grouped_bootstrap(statistic, groups, rng, settings.draws, grows_by_noise=grows)
    return with_interval(score, interval, groups, n_of)


def with_interval(score: ScoreName, interval: Interval, groups: Sequence[Hashable], n_of: str = "images") -> Estimate:
    """Score, its value and interval, the group of each case -> Estimate."""
    return Estimate(
        *score,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        n=len(groups),
        n_of=n_of,
        num_groups=len(set(groups)),
        reason=interval.reason,
    )
