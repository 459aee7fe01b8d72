"""CaseScores -> Estimates of outlines, nodules found, diameters and risk; by image, by group and by subgroup."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from thyrosight.evaluation.case_scores import CaseScore
from thyrosight.evaluation.estimates import (
    Estimate,
    EvaluationSettings,
    ScoreName,
    estimate,
    random_stream,
    with_interval,
)
from thyrosight.evaluation.metrics import calibration, ranking
from thyrosight.evaluation.metrics.bootstrap import (
    Statistic,
    draw_values,
    mean_of,
    mean_plus_sd_of,
    median_of,
    ratio_of,
)
from thyrosight.evaluation.metrics.overlap import percent_differences

Rows = Sequence[CaseScore]
StatisticOf = Callable[[list[float]], Statistic]
OF_SUBGROUPS = ("dice", "dice_median", "iou", "nsd_px", "nodule_sensitivity", "false_positives_per_image", "auroc")
"""The scores that are computed for each subgroup."""


@dataclass(frozen=True)
class Subgroup:
    """The images of one kind and their scores; `by` names the property that makes the kind."""

    by: str
    name: str
    num_images: int
    num_groups: int
    scores: tuple[Estimate, ...]


@dataclass(frozen=True)
class GroupScore:
    """One group (patient): means over its images."""

    group: str
    num_images: int
    dice: float | None
    iou: float | None
    risk: float | None
    malignancy: int | None


@dataclass(frozen=True)
class Roc:
    """The ROC curve, and its pointwise 95 % band on a grid of false positive rates."""

    false_positive_rate: tuple[float, ...]
    sensitivity: tuple[float, ...]
    grid: tuple[float, ...]
    band_low: tuple[float, ...]
    band_high: tuple[float, ...]


@dataclass(frozen=True)
class ModelThreshold:
    """An operating point that the model was shipped with: a threshold on the calibrated risk."""

    name: str
    threshold: float
    meaning: str


@dataclass(frozen=True)
class ThresholdScore:
    """An operating point of the model, and its sensitivity and specificity on the scored images."""

    name: str
    threshold: float
    meaning: str
    sensitivity: Estimate
    specificity: Estimate


# Outlines


def outline_scores(rows: Rows, settings: EvaluationSettings) -> tuple[Estimate, ...]:
    """Rows -> overlap and boundary, over the images whose reference holds a nodule."""
    outlined = [row for row in rows if row.is_outlined]
    masks = settings.masks
    px, mm = f"{masks.nsd_tolerance_px:g} px", f"{masks.nsd_tolerance_mm:g} mm"
    kinds: tuple[tuple[ScoreName, Callable[[CaseScore], float | None], StatisticOf], ...] = (
        (ScoreName("dice", "Dice, mean"), lambda row: row.dice, mean_of),
        (ScoreName("dice_median", "Dice, median"), lambda row: row.dice, median_of),
        (ScoreName("iou", "IoU, mean"), lambda row: row.iou, mean_of),
        (ScoreName("nsd_px", f"NSD at {px}, mean"), lambda row: row.nsd_px, mean_of),
        (ScoreName("nsd_mm", f"NSD at {mm}, mean"), lambda row: row.nsd_mm, mean_of),
        (ScoreName("hd95_px", "HD95, mean of those outlined", "px"), lambda row: row.hd95_px, mean_of),
        (ScoreName("hd95_px_median", "HD95, median of those outlined", "px"), lambda row: row.hd95_px, median_of),
        (ScoreName("hd95_px_all", "HD95, mean, missed = diagonal", "px"), hd95_or_diagonal, mean_of),
        (ScoreName("hd95_mm", "HD95, mean of those outlined", "mm"), lambda row: row.hd95_mm, mean_of),
    )
    return tuple(_over(score, outlined, value, statistic_of, settings) for score, value, statistic_of in kinds)


def detection_scores(rows: Rows, settings: EvaluationSettings) -> tuple[Estimate, ...]:
    """Rows with a known reference -> nodules found, false positives, images without a nodule left empty."""
    known = [row for row in rows if row.num_reference is not None]
    groups = [row.group for row in known]
    found, reference = [row.num_found or 0 for row in known], [row.num_reference or 0 for row in known]
    empty = [row for row in known if row.reference_area_px == 0]
    found_share = ratio_of(found, reference)
    sensitivity = estimate(ScoreName("nodule_sensitivity", "Nodules found"), found_share, groups, settings)
    return (
        replace(sensitivity, n=sum(reference), n_of="nodules"),
        _over(
            ScoreName("false_positives_per_image", "False positives per image"),
            known,
            lambda row: float(row.num_false),
            mean_of,
            settings,
        ),
        _over(
            ScoreName("empty_left_empty", "Images without a nodule left empty"),
            empty,
            lambda row: row.dice,
            mean_of,
            settings,
        ),
    )


def _over(
    score: ScoreName,
    rows: Rows,
    value: Callable[[CaseScore], float | None],
    statistic_of: StatisticOf,
    settings: EvaluationSettings,
) -> Estimate:
    """Score, rows, the value of a row, the statistic of all values -> Estimate over the rows that have a value."""
    pairs = [(number, row.group) for row in rows if (number := value(row)) is not None]
    numbers, groups = [number for number, _ in pairs], [group for _, group in pairs]
    return estimate(score, statistic_of(numbers) if numbers else None, groups, settings)


# Diameters


def diameter_scores(rows: Rows, settings: EvaluationSettings) -> tuple[Estimate, ...]:
    """Rows -> bias and limits of agreement of the longest diameter over the nodules found (Bland & Altman 1986)."""
    estimates: list[Estimate] = []
    for unit in ("px", "mm"):
        reference, predicted, groups = diameter_pairs(rows, unit)
        difference = np.subtract(predicted, reference)
        estimates += _agreement(f"longest_{unit}", unit, difference.tolist(), groups, settings)
        if unit == "px":
            percent = percent_differences(reference, predicted).tolist()
            estimates += _agreement("longest_percent", "%", percent, groups, settings)
    return tuple(estimates)


def _agreement(
    name: str, unit: str, differences: list[float], groups: list[str], settings: EvaluationSettings
) -> list[Estimate]:
    parts: tuple[tuple[str, str, Statistic], ...] = (
        ("bias", "Longest diameter, bias", mean_of(differences)),
        ("lower_limit", "Longest diameter, lower limit of agreement", mean_plus_sd_of(differences, -1.96)),
        ("upper_limit", "Longest diameter, upper limit of agreement", mean_plus_sd_of(differences, 1.96)),
    )
    return [
        estimate(ScoreName(f"{name}_{part}", title, unit), statistic, groups, settings, "nodules")
        for part, title, statistic in parts
    ]


def diameter_pairs(rows: Rows, unit: str) -> tuple[list[float], list[float], list[str]]:
    """Rows, `px` or `mm` -> longest diameters of every nodule found: reference, prediction, and the nodule's group."""
    reference: list[float] = []
    predicted: list[float] = []
    groups: list[str] = []
    for row in rows:
        reference += list(row.longest_reference_px if unit == "px" else row.longest_reference_mm)
        predicted += list(row.longest_predicted_px if unit == "px" else row.longest_predicted_mm)
        groups += [row.group] * (len(reference) - len(groups))
    return reference, predicted, groups


# Risk


def risk_scores(rows: Rows, settings: EvaluationSettings) -> tuple[Estimate, ...]:
    """Rows -> how the calibrated risk ranks, separates and is calibrated, over the images with a label."""
    labels, risks, groups = labelled(rows)
    threshold, num_bins = settings.risk_threshold, settings.num_bins
    kinds: dict[ScoreName, Callable[[], Statistic]] = {
        ScoreName("auroc", "AUROC"): lambda: ranking.auroc_of(labels, risks),
        ScoreName("average_precision", "Average precision"): lambda: ranking.average_precision_of(labels, risks),
        ScoreName("f1", f"F1 at risk {threshold:g}"): lambda: ranking.f1_of(labels, risks, threshold),
        ScoreName("sensitivity_at_90", "Sensitivity at 90 % specificity"): (
            lambda: ranking.sensitivity_at_specificity_of(labels, risks, 0.9)
        ),
        ScoreName("specificity_at_90", "Specificity at 90 % sensitivity"): (
            lambda: ranking.specificity_at_sensitivity_of(labels, risks, 0.9)
        ),
        ScoreName("prevalence", "Share labelled high"): lambda: mean_of(labels),
        ScoreName("brier", "Brier score"): lambda: calibration.brier_of(labels, risks),
        ScoreName("ece", f"ECE, {num_bins} bins of equal mass"): lambda: calibration.ece_of(labels, risks, num_bins),
    }
    estimates = [
        estimate(score, statistic() if labels else None, groups, settings) for score, statistic in kinds.items()
    ]
    return (*estimates, _ece_of_perfect_model(risks, groups, settings))


def _ece_of_perfect_model(risks: list[float], groups: list[str], settings: EvaluationSettings) -> Estimate:
    score = ScoreName("ece_of_perfect_model", "ECE that a perfect model would have here")
    rng = random_stream(settings, score.name)
    return with_interval(score, calibration.ece_of_perfect_model(risks, rng, settings.draws, settings.num_bins), groups)


def threshold_score(point: ModelThreshold, rows: Rows, settings: EvaluationSettings) -> ThresholdScore:
    """An operating point of the model -> its sensitivity and specificity on these rows."""
    labels, risks, groups = labelled(rows)
    at = f"at {point.name} (risk {point.threshold:g})"
    sensitivity = ranking.sensitivity_of(labels, risks, point.threshold) if labels else None
    specificity = ranking.specificity_of(labels, risks, point.threshold) if labels else None
    return ThresholdScore(
        point.name,
        point.threshold,
        point.meaning,
        estimate(ScoreName(f"sensitivity_{point.name}", f"Sensitivity {at}"), sensitivity, groups, settings),
        estimate(ScoreName(f"specificity_{point.name}", f"Specificity {at}"), specificity, groups, settings),
    )


def roc_of(rows: Rows, settings: EvaluationSettings) -> Roc | None:
    """Rows -> the ROC curve with its band; None where a class is missing."""
    labels, risks, groups = labelled(rows)
    if len(set(labels)) < 2:
        return None
    false_rates, true_rates, _ = ranking.roc_curve(labels, risks)
    grid = np.linspace(0.0, 1.0, 51)
    values_DF = draw_values(ranking.roc_at(labels, risks, grid), groups, random_stream(settings, "roc"), settings.draws)
    low, high = np.nanpercentile(values_DF, [2.5, 97.5], axis=0)
    return Roc(*(tuple(np.round(part, 6).tolist()) for part in (false_rates, true_rates, grid, low, high)))


# Groups


def group_scores(rows: Rows, settings: EvaluationSettings) -> tuple[tuple[Estimate, ...], tuple[GroupScore, ...]]:
    """Rows -> scores in which every group has the same weight (means over its images), and the groups."""
    groups = tuple(_group_score(name, members) for name, members in _by(rows, lambda row: row.group).items())
    dices = [(group.dice, group.group) for group in groups if group.dice is not None]
    ious = [(group.iou, group.group) for group in groups if group.iou is not None]
    rated = [
        (group.malignancy, group.risk, group.group)
        for group in groups
        if group.malignancy is not None and group.risk is not None
    ]
    auroc = ranking.auroc_of([label for label, _, _ in rated], [risk for _, risk, _ in rated]) if rated else None
    kinds: tuple[tuple[ScoreName, Statistic | None, list[str]], ...] = (
        (ScoreName("dice_of_groups", "Dice, mean of groups"), mean_of([x for x, _ in dices]), [g for _, g in dices]),
        (ScoreName("iou_of_groups", "IoU, mean of groups"), mean_of([x for x, _ in ious]), [g for _, g in ious]),
        (ScoreName("auroc_of_groups", "AUROC of the groups' mean risk"), auroc, [g for _, _, g in rated]),
    )
    return tuple(estimate(score, statistic, names, settings, "groups") for score, statistic, names in kinds), groups


# Subgroups


def subgroup_scores(rows: Rows, settings: EvaluationSettings) -> tuple[Subgroup, ...]:
    """Rows -> scores by nodule and box size (tertiles of these rows), risk label, views, source and target.

    A property that is the same for all rows makes no subgroup.
    """
    kinds: dict[str, dict[str, list[CaseScore]]] = {
        "nodule size": size_tertiles(rows),
        "box size": box_tertiles(rows),
        "risk label": _by(rows, lambda row: {0: "low", 1: "high", None: "not labelled"}[row.malignancy]),
        "views": _by(rows, lambda row: "split screen" if row.num_panels > 1 else "one view"),
        "source": _by(rows, lambda row: row.source),
        "target": _by(rows, lambda row: row.target),
    }
    return tuple(
        Subgroup(by, name, len(members), len({row.group for row in members}), _scores_of_subgroup(members, settings))
        for by, parts in kinds.items()
        if len(parts) > 1
        for name, members in parts.items()
    )


def _scores_of_subgroup(rows: Rows, settings: EvaluationSettings) -> tuple[Estimate, ...]:
    every = (*outline_scores(rows, settings), *detection_scores(rows, settings), *risk_scores(rows, settings))
    return tuple(score for score in every if score.name in OF_SUBGROUPS)


def labelled(rows: Rows) -> tuple[list[int], list[float], list[str]]:
    """Rows -> labels, risks and groups of the images that have a label and a risk, with or without masks."""
    kept = [
        (row.malignancy, row.risk, row.group) for row in rows if row.malignancy is not None and row.risk is not None
    ]
    return [label for label, _, _ in kept], [risk for _, risk, _ in kept], [group for _, _, group in kept]


def size_tertiles(rows: Rows) -> dict[str, list[CaseScore]]:
    """Rows -> the outlined rows in three parts by the reference's share of the field; their names state the limits."""
    outlined = [row for row in rows if row.is_outlined]
    return _thirds(outlined, [(row.reference_area_px or 0) / max(1, row.field_area_px) for row in outlined])


def box_tertiles(rows: Rows) -> dict[str, list[CaseScore]]:
    """Rows -> the rows with boxes in three parts by the largest box's share of the field.

    The names of the parts state the limits.
    """
    boxed = [row for row in rows if row.reference_boxes_px]
    return _thirds(boxed, [_largest_box_px(row.reference_boxes_px) / max(1, row.field_area_px) for row in boxed])


def _thirds(rows: Rows, shares: Sequence[float]) -> dict[str, list[CaseScore]]:
    """Rows, their nodules' shares of the field -> rows that are small, middle, large.

    Empty for fewer than three rows.
    """
    if len(rows) < 3:
        return {}
    first, second = np.quantile(shares, [1 / 3, 2 / 3])
    names = (f"small, below {first:.1%}", f"middle, {first:.1%} to {second:.1%}", f"large, from {second:.1%}")
    parts: dict[str, list[CaseScore]] = {name: [] for name in names}
    for row, share in zip(rows, shares, strict=True):
        parts[names[int(share >= first) + int(share >= second)]].append(row)
    return {name: members for name, members in parts.items() if members}


def _largest_box_px(numbers: Sequence[float]) -> float:
    x0, y0, x1, y1 = (numbers[corner::4] for corner in range(4))
    return max((right - left) * (low - high) for left, high, right, low in zip(x0, y0, x1, y1, strict=True))


def hd95_or_diagonal(row: CaseScore) -> float | None:
    """Row -> HD95 in pixels; the diagonal of the field where one of the masks is empty."""
    return row.field_diagonal_px if row.hd95_px is None else row.hd95_px


def _by(rows: Rows, key: Callable[[CaseScore], str]) -> dict[str, list[CaseScore]]:
    parts: dict[str, list[CaseScore]] = {}
    for row in rows:
        parts.setdefault(key(row), []).append(row)
    return dict(sorted(parts.items()))


def _group_score(name: str, rows: Rows) -> GroupScore:
    """Name and rows of a group -> their means; a group whose labels differ has no label."""
    outlined = [row for row in rows if row.is_outlined]
    labels, risks, _ = labelled(rows)
    return GroupScore(
        group=name,
        num_images=len(rows),
        dice=_mean_or_none([row.dice for row in outlined]),
        iou=_mean_or_none([row.iou for row in outlined]),
        risk=_mean_or_none(risks),
        malignancy=labels[0] if len(set(labels)) == 1 else None,
    )


def _mean_or_none(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
