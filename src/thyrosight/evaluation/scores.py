"""CaseScores -> estimates: every score with its 95 % interval and n, by image, by group and by subgroup.

An interval resamples groups (patients, or clusters of near duplicates); each statistic has its own random stream, so
that adding one changes no other. What can't be had is None with the reason.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from thyrosight.evaluation.case_scores import CaseScore, MaskSettings
from thyrosight.evaluation.metrics import calibration, ranking
from thyrosight.evaluation.metrics.bootstrap import (
    DRAWS,
    Interval,
    Statistic,
    draw_values,
    grouped_bootstrap,
    mean_of,
    mean_plus_sd_of,
    median_of,
    ratio_of,
)
from thyrosight.evaluation.metrics.overlap import percent_differences

Rows = Sequence[CaseScore]


@dataclass(frozen=True)
class EvaluationSettings:
    """How an evaluation scores. risk_threshold is that of F1; the draws are those of the bootstrap."""

    masks: MaskSettings = field(default_factory=MaskSettings)
    risk_threshold: float = 0.5
    num_bins: int = calibration.NUM_BINS
    draws: int = DRAWS
    seed: int = 0


DEFAULT_SETTINGS = EvaluationSettings()


@dataclass(frozen=True)
class Estimate:
    """One score with its 95 % interval; n counts n_of (images, nodules or groups), which lie in num_groups groups."""

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


@dataclass(frozen=True)
class Subgroup:
    """The images of one kind (`by` says of what kind), and their scores."""

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
class Point:
    """One operating point of the model: its threshold on the risk and what it does here."""

    name: str
    threshold: float
    meaning: str
    sensitivity: Estimate
    specificity: Estimate


class Scorer:
    """Settings -> estimates; holds nothing but how to draw."""

    def __init__(self, settings: EvaluationSettings) -> None:
        self.settings = settings

    def rng(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.settings.seed, zlib.crc32(name.encode())])

    def estimate(
        self, what: tuple[str, str, str], statistic: Statistic | None, groups: Sequence[Hashable], n_of: str = "images"
    ) -> Estimate:
        """(name, title, unit), statistic, the group of each case -> the score; no case: None."""
        interval = Interval(None, None, None, 0, f"no {n_of} to score")
        if groups and statistic is not None:
            interval = grouped_bootstrap(statistic, groups, self.rng(what[0]), self.settings.draws)
        return self._of(what, interval, len(groups), n_of, len(set(groups)))

    def _of(self, what: tuple[str, str, str], interval: Interval, n: int, n_of: str, num_groups: int) -> Estimate:
        name, title, unit = what
        return Estimate(
            name, title, unit, interval.value, interval.low, interval.high, n, n_of, num_groups, interval.reason
        )

    # Outlines

    def outlines(self, rows: Rows) -> tuple[Estimate, ...]:
        """Rows -> overlap and boundary, over the images whose reference holds a nodule."""
        outlined = [row for row in rows if row.is_outlined]
        masks = self.settings.masks
        px, mm = f"{masks.nsd_tolerance_px:g} px", f"{masks.nsd_tolerance_mm:g} mm"
        return (
            self._mean(("dice", "Dice, mean", ""), outlined, lambda row: row.dice),
            self._mean(("dice_median", "Dice, median", ""), outlined, lambda row: row.dice, median_of),
            self._mean(("iou", "IoU, mean", ""), outlined, lambda row: row.iou),
            self._mean(("nsd_px", f"NSD at {px}, mean", ""), outlined, lambda row: row.nsd_px),
            self._mean(("nsd_mm", f"NSD at {mm}, mean", ""), outlined, lambda row: row.nsd_mm),
            self._mean(("hd95_px", "HD95, mean of those outlined", "px"), outlined, lambda row: row.hd95_px),
            self._mean(
                ("hd95_px_median", "HD95, median of those outlined", "px"), outlined, lambda row: row.hd95_px, median_of
            ),
            self._mean(("hd95_px_all", "HD95, mean, missed = diagonal", "px"), outlined, hd95_or_diagonal),
            self._mean(("hd95_mm", "HD95, mean of those outlined", "mm"), outlined, lambda row: row.hd95_mm),
        )

    def detection(self, rows: Rows) -> tuple[Estimate, ...]:
        """Rows with a known reference (an empty one too) -> nodules found, false positives, empty images left empty."""
        known = [row for row in rows if row.num_reference is not None]
        groups = [row.group for row in known]
        found, reference = [row.num_found or 0 for row in known], [row.num_reference or 0 for row in known]
        false = [row.num_false for row in known]
        empty = [row for row in known if row.reference_area_px == 0]
        sensitivity = self.estimate(
            ("nodule_sensitivity", "Nodules found", ""), ratio_of(found, reference) if known else None, groups
        )
        return (
            _counted(sensitivity, sum(reference), "nodules"),
            self.estimate(
                ("false_positives_an_image", "False positives an image", ""), mean_of(false) if known else None, groups
            ),
            self._mean(("empty_left_empty", "Images without a nodule left empty", ""), empty, lambda row: row.dice),
        )

    def _mean(
        self,
        what: tuple[str, str, str],
        rows: Rows,
        value: Callable[[CaseScore], float | None],
        statistic_of: Callable[[list[float]], Statistic] = mean_of,
    ) -> Estimate:
        pairs = [(number, row.group) for row in rows if (number := value(row)) is not None]
        numbers, groups = [number for number, _ in pairs], [group for _, group in pairs]
        return self.estimate(what, statistic_of(numbers) if numbers else None, groups)

    def diameters(self, rows: Rows) -> tuple[Estimate, ...]:
        """Rows -> bias and limits of agreement of the longest diameter over the nodules found (Bland & Altman 1986)."""
        estimates: list[Estimate] = []
        for unit in ("px", "mm"):
            reference, predicted, groups = diameter_pairs(rows, unit)
            difference = np.subtract(predicted, reference)
            estimates += self._agreement(f"longest_{unit}", unit, difference.tolist(), groups)
            if unit == "px":
                percent = percent_differences(reference, predicted).tolist()
                estimates += self._agreement("longest_percent", "%", percent, groups)
        return tuple(estimates)

    def _agreement(self, name: str, unit: str, differences: list[float], groups: list[str]) -> list[Estimate]:
        parts: tuple[tuple[str, str, Statistic], ...] = (
            ("bias", "Longest diameter, bias", mean_of(differences)),
            ("lower_limit", "Longest diameter, lower limit of agreement", mean_plus_sd_of(differences, -1.96)),
            ("upper_limit", "Longest diameter, upper limit of agreement", mean_plus_sd_of(differences, 1.96)),
        )
        return [
            self.estimate((f"{name}_{part}", title, unit), statistic, groups, "nodules")
            for part, title, statistic in parts
        ]

    # Risk

    def risks(self, rows: Rows) -> tuple[Estimate, ...]:
        """Rows -> how the calibrated risk ranks, separates and is calibrated, over the images with a label."""
        labels, risks, groups = labelled(rows)
        threshold = self.settings.risk_threshold
        makers: dict[tuple[str, str, str], Callable[[], Statistic]] = {
            ("auroc", "AUROC", ""): lambda: ranking.auroc_of(labels, risks),
            ("average_precision", "Average precision", ""): lambda: ranking.average_precision_of(labels, risks),
            ("f1", f"F1 at risk {threshold:g}", ""): lambda: ranking.f1_of(labels, risks, threshold),
            ("sensitivity_at_90", "Sensitivity at 90 % specificity", ""): (
                lambda: ranking.sensitivity_at_specificity_of(labels, risks, 0.9)
            ),
            ("specificity_at_90", "Specificity at 90 % sensitivity", ""): (
                lambda: ranking.specificity_at_sensitivity_of(labels, risks, 0.9)
            ),
            ("prevalence", "Share labelled high", ""): lambda: mean_of(labels),
            ("brier", "Brier score", ""): lambda: calibration.brier_of(labels, risks),
            ("ece", f"ECE, {self.settings.num_bins} bins of equal mass", ""): (
                lambda: calibration.ece_of(labels, risks, self.settings.num_bins)
            ),
        }
        estimates = [self.estimate(what, make() if labels else None, groups) for what, make in makers.items()]
        return (*estimates, self.perfect_ece(risks, groups))

    def perfect_ece(self, risks: list[float], groups: list[str]) -> Estimate:
        what = ("ece_of_perfect_model", "ECE that a perfect model would have here", "")
        settings = self.settings
        interval = calibration.ece_of_perfect_model(risks, self.rng(what[0]), settings.draws, settings.num_bins)
        return self._of(what, interval, len(groups), "images", len(set(groups)))

    def point(self, name: str, threshold: float, meaning: str, rows: Rows) -> Point:
        """An operating point of the model -> its sensitivity and specificity on these rows."""
        labels, risks, groups = labelled(rows)
        sensitivity = ranking.sensitivity_of(labels, risks, threshold) if labels else None
        specificity = ranking.specificity_of(labels, risks, threshold) if labels else None
        return Point(
            name,
            threshold,
            meaning,
            self.estimate(
                (f"sensitivity_{name}", f"Sensitivity at {name} (risk {threshold:g})", ""), sensitivity, groups
            ),
            self.estimate(
                (f"specificity_{name}", f"Specificity at {name} (risk {threshold:g})", ""), specificity, groups
            ),
        )

    def roc(self, rows: Rows) -> Roc | None:
        """Rows -> the ROC curve with its band; None unless both classes are there."""
        labels, risks, groups = labelled(rows)
        if len(set(labels)) < 2:
            return None
        false_rates, true_rates, _ = ranking.roc_curve(labels, risks)
        grid = np.linspace(0.0, 1.0, 51)
        values_DF = draw_values(ranking.roc_at(labels, risks, grid), groups, self.rng("roc"), self.settings.draws)
        low, high = np.nanpercentile(values_DF, [2.5, 97.5], axis=0)
        return Roc(*(tuple(np.round(part, 6).tolist()) for part in (false_rates, true_rates, grid, low, high)))

    # Groups

    def by_group(self, rows: Rows) -> tuple[tuple[Estimate, ...], tuple[GroupScore, ...]]:
        """Rows -> scores where every group counts once (means over its images), and the groups themselves."""
        groups = tuple(_group_score(name, members) for name, members in _by(rows, lambda row: row.group).items())
        dices = [(group.dice, group.group) for group in groups if group.dice is not None]
        ious = [(group.iou, group.group) for group in groups if group.iou is not None]
        rated = [
            (group.malignancy, group.risk, group.group)
            for group in groups
            if group.malignancy is not None and group.risk is not None
        ]
        auroc = ranking.auroc_of([label for label, _, _ in rated], [risk for _, risk, _ in rated]) if rated else None
        kinds: tuple[tuple[tuple[str, str, str], Statistic | None, list[str]], ...] = (
            (("dice_of_groups", "Dice, mean of groups", ""), mean_of([x for x, _ in dices]), [g for _, g in dices]),
            (("iou_of_groups", "IoU, mean of groups", ""), mean_of([x for x, _ in ious]), [g for _, g in ious]),
            (("auroc_of_groups", "AUROC of the groups' mean risk", ""), auroc, [g for _, _, g in rated]),
        )
        return tuple(self.estimate(what, statistic, names, "groups") for what, statistic, names in kinds), groups

    # Subgroups

    def subgroups(self, rows: Rows) -> tuple[Subgroup, ...]:
        """Rows -> scores by nodule size (tertiles here), risk label, panels, source and target, where they differ."""
        kinds: dict[str, dict[str, list[CaseScore]]] = {
            "nodule size": size_tertiles(rows),
            "risk label": _by(rows, lambda row: {0: "low", 1: "high", None: "not labelled"}[row.malignancy]),
            "views": _by(rows, lambda row: "split screen" if row.num_panels > 1 else "one view"),
            "source": _by(rows, lambda row: row.source),
            "target": _by(rows, lambda row: row.target),
        }
        return tuple(
            Subgroup(by, name, len(members), len({row.group for row in members}), self._subgroup_scores(members))
            for by, parts in kinds.items()
            if len(parts) > 1
            for name, members in parts.items()
        )

    def _subgroup_scores(self, rows: Rows) -> tuple[Estimate, ...]:
        kept = {"dice", "dice_median", "iou", "nsd_px", "nodule_sensitivity", "false_positives_an_image", "auroc"}
        every = (*self.outlines(rows), *self.detection(rows), *self.risks(rows))
        return tuple(estimate for estimate in every if estimate.name in kept)


def labelled(rows: Rows) -> tuple[list[int], list[float], list[str]]:
    """Rows -> labels, risks and groups of the images that have both a label and a risk, whatever their masks."""
    kept = [
        (row.malignancy, row.risk, row.group) for row in rows if row.malignancy is not None and row.risk is not None
    ]
    return [label for label, _, _ in kept], [risk for _, risk, _ in kept], [group for _, _, group in kept]


def diameter_pairs(rows: Rows, unit: str) -> tuple[list[float], list[float], list[str]]:
    """Rows, `px` or `mm` -> longest diameters of every nodule found, reference and prediction, and its group."""
    reference: list[float] = []
    predicted: list[float] = []
    groups: list[str] = []
    for row in rows:
        reference += list(row.longest_reference_px if unit == "px" else row.longest_reference_mm)
        predicted += list(row.longest_predicted_px if unit == "px" else row.longest_predicted_mm)
        groups += [row.group] * (len(reference) - len(groups))
    return reference, predicted, groups


def size_tertiles(rows: Rows) -> dict[str, list[CaseScore]]:
    """Rows -> the outlined ones in three parts by the reference's share of the field; the names say the limits."""
    outlined = [row for row in rows if row.is_outlined]
    if len(outlined) < 3:
        return {}
    share = {row.case_id: (row.reference_area_px or 0) / max(1, row.field_area_px) for row in outlined}
    first, second = np.quantile(list(share.values()), [1 / 3, 2 / 3])
    names = (f"small, below {first:.1%}", f"middle, {first:.1%} to {second:.1%}", f"large, from {second:.1%}")
    parts: dict[str, list[CaseScore]] = {name: [] for name in names}
    for row in outlined:
        parts[names[int(share[row.case_id] >= first) + int(share[row.case_id] >= second)]].append(row)
    return {name: members for name, members in parts.items() if members}


def hd95_or_diagonal(row: CaseScore) -> float | None:
    """Row -> HD95 in pixels, the field's diagonal where one of the masks is empty."""
    return row.field_diagonal_px if row.hd95_px is None else row.hd95_px


def _counted(estimate: Estimate, n: int, n_of: str) -> Estimate:
    return replace(estimate, n=n, n_of=n_of)


def _by(rows: Rows, key: Callable[[CaseScore], str]) -> dict[str, list[CaseScore]]:
    parts: dict[str, list[CaseScore]] = {}
    for row in rows:
        parts.setdefault(key(row), []).append(row)
    return dict(sorted(parts.items()))


def _group_score(name: str, rows: Rows) -> GroupScore:
    """A group's rows -> their means; labels that disagree leave the group without one."""
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
