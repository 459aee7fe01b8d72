"""CaseScores with reference boxes -> nodules found by box IoU, average precision, FROC; with grouped intervals.

Legend: N images, R predicted regions, D bootstrap draws. Only images whose reference is boxes take part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from thyrosight.evaluation.case_scores import CaseScore
from thyrosight.evaluation.estimates import Estimate, EvaluationSettings, ScoreName, estimate
from thyrosight.evaluation.metrics.bootstrap import Statistic, mean_of, ratio_of
from thyrosight.types import Box
from thyrosight.views.boxes import box_iou

Float64Array = NDArray[np.float64]
FALSE_LIMIT = 0.1
"""The FROC curve is quoted at this number of false regions per image."""


@dataclass(frozen=True)
class Froc:
    """FROC curve: false regions per image, and the share of boxes found (IoU 0.5), at each of its points.

    The first point is without any region. Each next point adds one region, the most probable first.
    """

    false_per_image: tuple[float, ...]
    sensitivity: tuple[float, ...]


@dataclass(frozen=True)
class Regions:
    """All predicted regions of all images. image_R: index of its image. mean_R: its mean probability.

    is_found_R: whether it matches a box.
    """

    image_R: NDArray[np.intp]
    mean_R: Float64Array
    is_found_R: NDArray[np.bool_]


def boxed(rows: Sequence[CaseScore]) -> list[CaseScore]:
    """Rows -> the rows that have boxes as their reference."""
    return [row for row in rows if row.reference_boxes_px]


def boxes_of(numbers: Sequence[float]) -> list[Box]:
    """x0, y0, x1, y1, x0, … -> boxes."""
    values = [int(number) for number in numbers]
    return [Box(*values[start : start + 4]) for start in range(0, len(values) - 3, 4)]


def matches(reference: Sequence[Box], predicted: Sequence[Box], min_iou: float) -> list[tuple[int, int]]:
    """Boxes of reference and prediction -> pairs of indices, one to one, largest IoU first.

    A pair is (reference, prediction), with an IoU of at least min_iou.
    """
    pairs = [
        (box_iou(one, other), place, number)
        for place, one in enumerate(reference)
        for number, other in enumerate(predicted)
    ]
    found: list[tuple[int, int]] = []
    for iou, place, number in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if iou >= min_iou and all(place != one and number != other for one, other in found):
            found.append((place, number))
    return found


def regions(rows: Sequence[CaseScore], min_iou: float) -> Regions:
    """Rows with boxes -> their predicted regions, and whether each matches a box at `min_iou`."""
    image, mean, is_found = [], [], []
    for place, row in enumerate(rows):
        predicted = boxes_of(row.predicted_boxes_px)
        matched = {number for _, number in matches(boxes_of(row.reference_boxes_px), predicted, min_iou)}
        image += [place] * len(predicted)
        mean += list(row.predicted_means[: len(predicted)])
        is_found += [number in matched for number in range(len(predicted))]
    return Regions(np.array(image, np.intp), np.array(mean, np.float64), np.array(is_found, np.bool_))


@dataclass(frozen=True)
class BoxStatistic:
    """One score of boxes as a statistic over images. n_of: what is scored, "boxes" or "images"; n: their number."""

    score: ScoreName
    higher_is_better: bool
    statistic: Statistic
    n: int
    n_of: str


def box_statistics(rows: Sequence[CaseScore]) -> tuple[BoxStatistic, ...]:
    """Rows that all have boxes -> boxes found at IoU 0.5 and 0.3, AP50, FROC, false regions per image."""
    num_boxes = np.array([len(row.reference_boxes_px) // 4 for row in rows], np.float64)
    at_50, at_30 = regions(rows, 0.5), regions(rows, 0.3)
    found_50, found_30 = _found_by_image(at_50, len(rows)), _found_by_image(at_30, len(rows))
    num_regions = np.bincount(at_50.image_R, minlength=len(rows)).astype(np.float64)
    froc_title = f"Boxes found at {FALSE_LIMIT:g} other regions per image at most, IoU 0.5"
    of_boxes = (
        (ScoreName("box_recall_50", "Boxes found, IoU 0.5"), ratio_of(found_50, num_boxes)),
        (ScoreName("box_recall_30", "Boxes found, IoU 0.3"), ratio_of(found_30, num_boxes)),
        (ScoreName("box_ap_50", "AP50 of boxes"), box_average_precision_of(at_50, num_boxes)),
        (ScoreName("box_froc", froc_title), froc_of(at_50, num_boxes, FALSE_LIMIT)),
    )
    other = ScoreName("box_false_per_image", "Other regions per image")
    return (
        *(BoxStatistic(name, True, statistic, int(num_boxes.sum()), "boxes") for name, statistic in of_boxes),
        BoxStatistic(other, False, mean_of(num_regions - found_50), len(rows), "images"),
    )


def box_scores(rows: Sequence[CaseScore], settings: EvaluationSettings) -> tuple[Estimate, ...]:
    """Rows -> the scores of `box_statistics` over the images with boxes, with grouped intervals; none without boxes."""
    rows = boxed(rows)
    groups = [row.group for row in rows]
    return tuple(
        replace(estimate(found.score, found.statistic, groups, settings), n=found.n, n_of=found.n_of)
        for found in (box_statistics(rows) if rows else ())
    )


def _found_by_image(part: Regions, num_images: int) -> Float64Array:
    return np.bincount(part.image_R[part.is_found_R], minlength=num_images).astype(np.float64)


def box_average_precision_of(part: Regions, num_boxes_N: Float64Array) -> Statistic:
    """Regions and boxes per image -> area below the curve of precision over recall.

    Precision is made monotone first, and every point of the curve is used (VOC since 2010).
    """
    order = np.argsort(-part.mean_R, kind="stable")
    image_R, found_R = part.image_R[order], part.is_found_R[order].astype(np.float64)

    def statistic(weights_DN: Float64Array) -> Float64Array:
        total_D = weights_DN @ num_boxes_N
        areas_D: Float64Array = np.full(len(total_D), np.nan)
        for draw, total in enumerate(total_D):
            if total > 0:
                weight_R = weights_DN[draw, image_R]
                true_R, seen_R = np.cumsum(weight_R * found_R), np.cumsum(weight_R)
                precision_R = np.divide(true_R, seen_R, out=np.ones_like(true_R), where=seen_R > 0)
                best_R = np.maximum.accumulate(precision_R[::-1])[::-1]
                areas_D[draw] = float(np.sum(best_R * weight_R * found_R) / total)
        return areas_D

    return statistic


def froc_of(part: Regions, num_boxes_N: Float64Array, limit: float) -> Statistic:
    """Regions, boxes per image, limit of false regions per image -> the share of boxes found at that limit.

    Regions are added by falling mean probability, as long as the number of false ones stays within the limit.
    """
    order = np.argsort(-part.mean_R, kind="stable")
    image_R, found_R = part.image_R[order], part.is_found_R[order].astype(np.float64)

    def statistic(weights_DN: Float64Array) -> Float64Array:
        total_D, images_D = weights_DN @ num_boxes_N, weights_DN.sum(axis=1)
        values_D: Float64Array = np.full(len(total_D), np.nan)
        for draw, total in enumerate(total_D):
            if total > 0:
                weight_R = weights_DN[draw, image_R]
                false_R = np.cumsum(weight_R * (1 - found_R)) / images_D[draw]
                last = int(np.searchsorted(false_R, limit + 1e-12, side="right"))
                values_D[draw] = float(np.sum((weight_R * found_R)[:last]) / total)
        return values_D

    return statistic


def froc(rows: Sequence[CaseScore]) -> Froc | None:
    """Rows -> the FROC curve over their boxes, by falling mean probability; None where no reference is boxes."""
    rows = boxed(rows)
    if not rows:
        return None
    part = regions(rows, 0.5)
    order = np.argsort(-part.mean_R, kind="stable")
    found_R = part.is_found_R[order].astype(np.float64)
    total = sum(len(row.reference_boxes_px) // 4 for row in rows)
    false_R, true_R = np.cumsum(1 - found_R) / len(rows), np.cumsum(found_R) / total
    false_per_image, sensitivity = (0.0, *np.round(false_R, 6).tolist()), (0.0, *np.round(true_R, 6).tolist())
    return Froc(false_per_image, sensitivity)
