"""Labelled logits, their calibration -> a bundle's operating points; each fold is rated at thresholds of the others."""

from __future__ import annotations

from thyrosight.bundle.records import OperatingPoint, Rate
from thyrosight.evaluation.estimates import Estimate, EvaluationSettings
from thyrosight.evaluation.out_of_fold import LabelledLogits, OutOfFoldPoint, out_of_fold_points
from thyrosight.inference.risk import Fit, risk_of


def operating_points(
    rated: LabelledLogits, fit: Fit, settings: EvaluationSettings, where: str
) -> tuple[OperatingPoint, ...]:
    """Labelled logits with their folds, the fitted calibration -> operating points.

    `where` begins the sentence on the rates: it states how they were measured ("Out of fold, by ...").
    """
    num_high = sum(rated.labels)
    return tuple(
        OperatingPoint(
            name=point.goal.name,
            threshold=risk_of(point.logit, fit.scale, fit.offset),
            meaning=_meaning(point, where),
            sensitivity=_rate(point.sensitivity, num_high),
            specificity=_rate(point.specificity, len(rated.labels) - num_high),
        )
        for point in out_of_fold_points(rated, settings)
    )


def _meaning(point: OutOfFoldPoint, where: str) -> str:
    """-> a sentence: the purpose of the threshold, how its rates were measured, and the rates."""
    return (
        f"{point.goal.meaning}. {where}: sensitivity {_in_words(point.sensitivity)}, "
        f"specificity {_in_words(point.specificity)}"
    )


def _in_words(estimate: Estimate) -> str:
    if estimate.value is None:
        return f"not known ({estimate.reason})"
    interval = "" if estimate.low is None else f" ({estimate.low:.2f} to {estimate.high:.2f})"
    return f"{estimate.value:.2f}{interval}"


def _rate(estimate: Estimate, n: int) -> Rate | None:
    if estimate.value is None:
        return None
    return Rate(value=estimate.value, low=estimate.low, high=estimate.high, n=n)
