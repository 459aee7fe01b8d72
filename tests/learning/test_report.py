"""What the report says training gained, and the advice where it lost."""

from __future__ import annotations

import pytest

from thyrosight.evaluation.compare import ComparedScore, Comparison
from thyrosight.evaluation.metrics.bootstrap import Difference
from thyrosight.learning.report import verdicts


def score(name: str, low: float, high: float) -> ComparedScore:
    difference = Difference((low + high) / 2, low, high, 1000, 0.01)
    return ComparedScore(name, name, True, 0.8, 0.8 - (low + high) / 2, difference, 60, 60)


def told(*scores: ComparedScore) -> tuple[str, ...]:
    return verdicts(Comparison("a", "b", 60, 60, 0, scores), has_risk=True)


@pytest.mark.parametrize(
    ("dice", "auroc", "has_advice"),
    [
        ((-0.037, -0.001), (-0.098, 0.264), True),
        ((-0.037, -0.001), (0.018, 0.310), False),
        ((0.119, 0.232), (0.018, 0.310), False),
        ((-0.02, 0.03), (-0.02, 0.03), False),
    ],
)
def test_where_training_lost_and_gained_nothing_the_shipped_network_is_advised(
    dice: tuple[float, float], auroc: tuple[float, float], has_advice: bool
) -> None:
    assert (
        "go on with the shipped network (leave" in told(score("dice", *dice), score("auroc", *auroc))[-1]
    ) is has_advice


def test_a_network_that_was_named_is_named_again() -> None:
    compared = Comparison("a", "b", 60, 60, 0, (score("dice", -0.037, -0.001),))
    lines = verdicts(compared, has_risk=True, present="unet-mine")
    assert "unet-mine untouched" in lines[0]
    assert "go on with unet-mine, or learn again" in lines[1]


def test_each_score_is_said_with_what_its_interval_shows() -> None:
    worse, unknown = told(score("dice", -0.037, -0.001), score("auroc", -0.098, 0.264))[:2]
    assert worse.endswith("n = 60: worse")
    assert unknown.endswith("n = 60: no difference is shown")
