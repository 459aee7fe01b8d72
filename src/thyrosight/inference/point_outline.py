"""Frame, a point that a reader clicked -> the network's outline there, from closer views around the point, or None.

In the whole view the network misses nodules that are small, or whose probability is below the bundle's threshold. A
reader's click states that there is a nodule, so the only question is where it ends. Legend: `_HW` arrays in source
pixels, `_xy` points (column, row).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thyrosight.inference.box_outlines import closer_view, outline_in_box
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.records import RawPrediction
from thyrosight.measurement.outlines import bounding_box, components, fill_outlines, outlines, smoothed
from thyrosight.prediction import PointXY
from thyrosight.types import BoolArray, Box, FloatArray, Frame

VIEW_SHARES = (0.35, 0.5, 0.7)
"""Sides of the closer views around a point, as shares of the panel's longer side. Where the network has found the
nodule already, one view around that nodule is used instead, because views of these sides cut large nodules."""
PEAK_SHARE = 0.5
"""This share of the mask probability at the point becomes the threshold, if it is below the bundle's threshold."""
LEAST_THRESHOLD = 0.05
"""Below this mask probability the network sees nothing."""
NEAR_SHARE = 0.02
"""A point may miss the region by this share of the panel's longer side."""
LEAST_BOX_IOU = 0.3
"""Least IoU of an outline with a box that a reader drew. It is low, because a reader draws such a box loosely."""


@dataclass(frozen=True)
class PointedAt:
    """The reader's question: points inside_xy in the nodule and outside_xy outside it, or a box around it."""

    inside_xy: tuple[PointXY, ...] = ()
    outside_xy: tuple[PointXY, ...] = ()
    box: Box | None = None


@dataclass(frozen=True)
class PointOutline:
    """The outline: its mask in source pixels, its threshold of the mask probability, the closer views."""

    mask_HW: BoolArray
    threshold: float
    views: tuple[Box, ...]


def outline_where(
    predictor: Predictor, frame: Frame, raw: RawPrediction, pointed: PointedAt, threshold: float | None = None
) -> PointOutline | None:
    """Frame, the network's maps of this frame, a place -> the outline there.

    None where the network sees nothing there, the place is outside all panels, or the bundle does not outline nodules.
    threshold: threshold of the mask probability; None: `region_at` chooses it.
    """
    panel = _panel_with(raw.panels, pointed)
    if panel is None or not predictor.info.has_mask:
        return None
    box = pointed.box or _found_at(raw, panel, pointed.inside_xy)
    views = _views_around(panel, pointed.inside_xy) if box is None else (closer_view(box, panel),)
    probability_HW = looked_at(predictor, frame, raw, views)
    if pointed.box is not None:
        found = outline_in_box(probability_HW, pointed.box, LEAST_BOX_IOU)
        return (
            None if found is None else PointOutline(_drawn(found.mask_HW, predictor, pointed), found.threshold, views)
        )
    whole = Box(0, 0, frame.size_hw[1], frame.size_hw[0])
    mask_HW, used = region_at(probability_HW, panel or whole, pointed, predictor.info.mask_threshold, threshold)
    return None if mask_HW is None else PointOutline(_drawn(mask_HW, predictor, pointed), used, views)


def _drawn(mask_HW: BoolArray, predictor: Predictor, pointed: PointedAt) -> BoolArray:
    """-> the mask, smoothed where this is allowed.

    It is smoothed if the bundle smooths, unless a point would then be on the wrong side of the outline.
    """
    if not predictor.info.smooth_outlines:
        return mask_HW
    smooth_HW = smoothed(mask_HW)
    has_all = all(_is_in(smooth_HW, point) for point in pointed.inside_xy)
    return smooth_HW if has_all and not any(_is_in(smooth_HW, point) for point in pointed.outside_xy) else mask_HW


def looked_at(predictor: Predictor, frame: Frame, raw: RawPrediction, views: Sequence[Box]) -> FloatArray:
    """Frame, its maps, closer views -> mask probability: the mean over the whole view and the closer views."""
    total_HW, num_HW = raw.probability_HW.copy(), np.ones(raw.probability_HW.shape, np.float32)
    if predictor.info.preprocessing.crop == "none":
        return total_HW  # this network was trained on whole frames only
    for view in views:
        near_HW = predictor.run(frame, fov=view, panels=(view,)).probability_HW
        total_HW[view.slices] += near_HW[view.slices]
        num_HW[view.slices] += 1
    return np.asarray(total_HW / num_HW)


def region_at(
    probability_HW: FloatArray,
    panel: Box,
    pointed: PointedAt,
    usual_threshold: float,
    threshold: float | None = None,
) -> tuple[BoolArray | None, float]:
    """Mask probability, the panel, points -> (mask of the region with the inside points, its threshold).

    The mask is None where the network sees nothing at one of the inside points. A given threshold is used as it is.
    Without one, the threshold starts at usual_threshold, or at PEAK_SHARE of the lowest probability at an inside point
    if that is lower. It is raised until no outside point is in the region. If no threshold separates the points, the
    region loses the pixels that are nearer to an outside point than to any inside point.
    """
    reach = max(1, round(NEAR_SHARE * max(panel.width, panel.height)))
    peaks = [_highest_near(probability_HW, point, panel, reach) for point in pointed.inside_xy]
    chosen = min(usual_threshold, PEAK_SHARE * min(peaks)) if threshold is None else threshold
    if threshold is None and min(peaks) < LEAST_THRESHOLD:
        return None, chosen
    steps = (chosen,) if threshold is not None else tuple(np.linspace(chosen, max(chosen, 0.95 * min(peaks)), 8))
    for step in steps:
        mask_HW = _united(probability_HW, panel, pointed.inside_xy, float(step), reach)
        if mask_HW is not None and not any(_is_in(mask_HW, point) for point in pointed.outside_xy):
            return mask_HW, float(step)
    mask_HW = _united(probability_HW, panel, pointed.inside_xy, chosen, reach)
    return (None if mask_HW is None else _without_nearer(mask_HW, pointed)), chosen


def _united(
    probability_HW: FloatArray, panel: Box, inside_xy: Sequence[PointXY], threshold: float, reach: int
) -> BoolArray | None:
    """-> the regions above the threshold that hold a point or are within reach of one, holes filled.

    None without such a region.
    """
    part_HW = probability_HW[panel.slices] > threshold
    regions = components(part_HW)
    found_HW = np.zeros(part_HW.shape, np.bool_)
    for x, y in inside_xy:
        column, row = round(x) - panel.x0, round(y) - panel.y0
        near = (slice(max(0, row - reach), row + reach + 1), slice(max(0, column - reach), column + reach + 1))
        held = next((one for one in regions if _holds(one, row, column)), None)
        held = next((one for one in regions if one[near].any()), None) if held is None else held
        if held is None:
            return None
        found_HW |= held
    mask_HW = np.zeros(probability_HW.shape, np.bool_)
    mask_HW[panel.slices] = fill_outlines(outlines(found_HW), (panel.height, panel.width))
    return mask_HW


def _without_nearer(mask_HW: BoolArray, pointed: PointedAt) -> BoolArray:
    """-> the mask without the pixels that are nearer to an outside point than to every inside point.

    Of the remaining pixels, the connected parts with an inside point are kept; where no part has one, all are kept.
    """
    rows, columns = np.nonzero(mask_HW)

    def nearest(points: Sequence[PointXY]) -> FloatArray:
        squares = [(columns - x) ** 2 + (rows - y) ** 2 for x, y in points]
        return np.asarray(np.min(squares, axis=0), np.float32)

    is_kept = nearest(pointed.inside_xy) <= nearest(pointed.outside_xy)
    kept_HW = np.zeros_like(mask_HW)
    kept_HW[rows[is_kept], columns[is_kept]] = True
    parts = [one for one in components(kept_HW) if any(_is_in(one, point) for point in pointed.inside_xy)]
    return np.any(parts, axis=0) if parts else kept_HW


def _found_at(raw: RawPrediction, panel: Box, inside_xy: Sequence[PointXY]) -> Box | None:
    """-> the box of the network's own nodule that holds all points, in source pixels; None where no nodule does."""
    for nodule_HW in raw.nodule_masks[raw.panels.index(panel)]:
        if all(_holds(nodule_HW, round(y) - panel.y0, round(x) - panel.x0) for x, y in inside_xy):
            box = bounding_box(nodule_HW)
            return box.moved(panel.x0, panel.y0)
    return None


def _views_around(panel: Box, inside_xy: Sequence[PointXY]) -> tuple[Box, ...]:
    """-> squares around the points' middle, kept inside the panel."""
    x, y = np.mean(np.asarray(inside_xy, np.float64), axis=0)
    return tuple(_square(panel, float(x), float(y), share) for share in VIEW_SHARES)


def _square(panel: Box, x: float, y: float, share: float) -> Box:
    side = max(1, round(share * max(panel.width, panel.height)))
    width, height = min(side, panel.width), min(side, panel.height)
    x0 = min(max(round(x - width / 2), panel.x0), panel.x1 - width)
    y0 = min(max(round(y - height / 2), panel.y0), panel.y1 - height)
    return Box(x0, y0, x0 + width, y0 + height)


def _panel_with(panels: Sequence[Box], pointed: PointedAt) -> Box | None:
    """-> the panel that holds the first point or the box's middle; None where none does."""
    box = pointed.box
    x, y = pointed.inside_xy[0] if box is None else ((box.x0 + box.x1 - 1) / 2, (box.y0 + box.y1 - 1) / 2)
    return next((one for one in panels if one.x0 <= round(x) < one.x1 and one.y0 <= round(y) < one.y1), None)


def _highest_near(probability_HW: FloatArray, point: PointXY, panel: Box, reach: int) -> float:
    column, row = round(point[0]), round(point[1])
    part_HW = probability_HW[
        max(panel.y0, row - reach) : min(panel.y1, row + reach + 1),
        max(panel.x0, column - reach) : min(panel.x1, column + reach + 1),
    ]
    return float(part_HW.max(initial=0.0))


def _holds(mask_HW: BoolArray, row: int, column: int) -> bool:
    height, width = mask_HW.shape
    return 0 <= row < height and 0 <= column < width and bool(mask_HW[row, column])


def _is_in(mask_HW: BoolArray, point: PointXY) -> bool:
    return _holds(mask_HW, round(point[1]), round(point[0]))
