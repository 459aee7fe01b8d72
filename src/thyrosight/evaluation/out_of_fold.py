"""CaseScores of several folds -> for each fold, risks and operating points that the other folds determine.

The logit of a case comes from a model that has not seen it. The calibration and the thresholds of a fold come from the
logits of the other folds (Platt 1999 fits his sigmoid to cross-validated outputs for the same reason). The labels of a
fold influence its own calibration only through the weights of the models of the other folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from thyrosight.errors import InputError
from thyrosight.evaluation.case_scores import CaseScore
from thyrosight.evaluation.estimates import Estimate, EvaluationSettings, ScoreName, estimate
from thyrosight.evaluation.metrics.calibration import MIN_CALIBRATION_IMAGES, fit_platt, platt_covariance
from thyrosight.evaluation.metrics.operating_points import (
    OPERATING_GOALS,
    OperatingGoal,
    called_out_of_fold,
    threshold_for,
)
from thyrosight.evaluation.metrics.ranking import sensitivity_of, specificity_of
from thyrosight.inference.risk import Fit, risk_of

NUM_PARTS = 5
"""Parts into which groups are dealt where there are no folds that could choose for each other."""


@dataclass(frozen=True)
class LabelledLogits:
    """The labelled images: label, malignancy logit as the network gives it, group and fold of each."""

    labels: tuple[int, ...]
    logits: tuple[float, ...]
    groups: tuple[str, ...]
    folds: tuple[int, ...]


@dataclass(frozen=True)
class OutOfFoldPoint:
    """One operating point: its goal, the threshold on the logit (chosen on all cases), and its two rates.

    For the rates, the cases of each fold are called high or low by the threshold that was chosen on the other folds.
    """

    goal: OperatingGoal
    logit: float
    sensitivity: Estimate
    specificity: Estimate


def dealt(groups: Sequence[str]) -> tuple[int, ...]:
    """Group of each image -> its part, 0 to NUM_PARTS - 1: the sorted groups are dealt in turn, none is split."""
    place = {group: number % NUM_PARTS for number, group in enumerate(sorted(set(groups)))}
    return tuple(place[group] for group in groups)


def is_one_fold(rows: Sequence[CaseScore]) -> bool:
    """Whether all rows that have a fold have the same one."""
    return len({row.fold for row in rows} - {None}) == 1


def with_parts(rows: Sequence[CaseScore]) -> list[CaseScore]:
    """Rows -> the same. If all are of one fold, each gets the part of its group as its fold (`dealt`)."""
    if not is_one_fold(rows):
        return list(rows)
    parts = dealt([f"{row.source}/{row.group}" for row in rows])
    return [row if row.fold is None else replace(row, fold=part) for row, part in zip(rows, parts, strict=True)]


def labelled_logits(rows: Sequence[CaseScore], where: str) -> LabelledLogits:
    """Rows, the name of their file -> the labelled rows; InputError where no calibration fold by fold is possible."""
    labelled = [row for row in rows if row.malignancy is not None]
    if labelled and all(row.malignancy_logit is None for row in labelled):
        raise InputError(f"{where}: no malignancy_logit; evaluate every fold again with this version and pool them")
    if any(row.fold is None for row in labelled):
        raise InputError(f"{where}: labelled images without a fold; pass the pooled per_case.csv of a cross-validation")
    kept = [
        (row.malignancy, row.malignancy_logit, row.group, row.fold)
        for row in labelled
        if row.malignancy is not None and row.malignancy_logit is not None and row.fold is not None
    ]
    rated = LabelledLogits(
        labels=tuple(label for label, _, _, _ in kept),
        logits=tuple(logit for _, logit, _, _ in kept),
        groups=tuple(group for _, _, group, _ in kept),
        folds=tuple(fold for _, _, _, fold in kept),
    )
    _refuse_too_few(rated, where)
    return rated


def _refuse_too_few(rated: LabelledLogits, where: str) -> None:
    """InputError where there are too few images for a calibration, or where without one fold a label is missing."""
    if len(rated.labels) < MIN_CALIBRATION_IMAGES:
        raise InputError(f"{where}: {len(rated.labels)} labelled images; a calibration needs {MIN_CALIBRATION_IMAGES}")
    if len(set(rated.folds)) < 2:
        raise InputError(f"{where}: one fold only; pass the pooled per_case.csv of a cross-validation")
    if (fold := _fold_without_others(rated)) is not None:
        raise InputError(f"{where}: without fold {fold} one label is missing; use fewer folds or more cases")


def _fold_without_others(rated: LabelledLogits) -> int | None:
    """-> the first fold without which only one label is left; None where there is no such fold."""
    for fold in sorted(set(rated.folds)):
        if {label for label, its_fold in zip(rated.labels, rated.folds, strict=True) if its_fold != fold} != {0, 1}:
            return fold
    return None


def can_choose_thresholds(rated: LabelledLogits) -> bool:
    """Whether there are two folds or more, and both labels remain when any one fold is left out."""
    return len(set(rated.folds)) > 1 and _fold_without_others(rated) is None


def fit_of(logits: Sequence[float], labels: Sequence[int], where: str) -> Fit:
    """Logits, labels -> the Platt fit; InputError where a higher logit has a lower risk, or all logits are equal."""
    scale, offset = fit_platt(logits, labels)
    if scale <= 0:
        raise InputError(
            f"{where}: a higher logit goes with a lower risk (scale {scale:.3g}), so there is nothing to calibrate; "
            "check that the labels mean what this model was trained for"
        )
    try:
        return Fit(scale, offset, platt_covariance(logits, scale, offset))
    except ValueError as error:
        raise InputError(f"{where}: {error}; the risk of this model has no information") from None


def recalibrated(rows: Sequence[CaseScore], where: str) -> list[CaseScore]:
    """Rows of several folds -> the same with new risks: each fold is calibrated on the logits of the other folds."""
    rated = labelled_logits(rows, where)
    fits = {}
    for fold in set(rated.folds):
        others = [place for place, its_fold in enumerate(rated.folds) if its_fold != fold]
        fits[fold] = fit_of([rated.logits[at] for at in others], [rated.labels[at] for at in others], where)
    return [
        row
        if row.malignancy_logit is None or row.fold not in fits
        else replace(row, risk=round(risk_of(row.malignancy_logit, fits[row.fold].scale, fits[row.fold].offset), 6))
        for row in rows
    ]


def out_of_fold_points(rated: LabelledLogits, settings: EvaluationSettings) -> tuple[OutOfFoldPoint, ...]:
    """Labelled images -> the operating points, one per goal of OPERATING_GOALS."""
    return tuple(_point(goal, rated, settings) for goal in OPERATING_GOALS)


def _point(goal: OperatingGoal, rated: LabelledLogits, settings: EvaluationSettings) -> OutOfFoldPoint:
    called = [float(one) for one in called_out_of_fold(goal, rated.labels, rated.logits, rated.folds)]
    sensitivity, specificity = sensitivity_of(rated.labels, called), specificity_of(rated.labels, called)
    names = (ScoreName(f"out of fold {kind} {goal.name}", kind.capitalize()) for kind in ("sensitivity", "specificity"))
    return OutOfFoldPoint(
        goal,
        threshold_for(goal, rated.labels, rated.logits),
        *(
            estimate(name, statistic, rated.groups, settings)
            for name, statistic in zip(names, (sensitivity, specificity), strict=True)
        ),
    )
