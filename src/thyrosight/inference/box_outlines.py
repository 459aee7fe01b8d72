"""Probability map and a nodule's box -> the outline of the network that fits the box best, or none.

A network can learn outlines from boxes in two ways. thyrosight.training.box_loss is one. This is the other: the present
network outlines the nodule in a known box, and the next network learns from this outline. A network that has not seen a
fold makes the outlines of this fold.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from thyrosight.measurement.outlines import bounding_box, components, fill_outlines, outlines
from thyrosight.types import BoolArray, Box, FloatArray
from thyrosight.views.boxes import box_iou, clipped

THRESHOLDS = tuple(float(value) for value in np.round(np.arange(0.1, 0.91, 0.05), 2))
REACH_SHARE = 0.1
"""An outline may extend beyond the box by this share of the box's sides; the rest is cut off."""
LEAST_IOU = 0.75
"""Least IoU of the outline's extent with the box. Below this the network has outlined something else, and the case
keeps its box."""
STRETCH_LEVEL = 0.5
"""A pixel of the resized region is inside from this value on; values are between 0 (outside) and 1 (inside)."""
VIEW_SCALE = 2.5
"""Side of the closer view, as a multiple of the longer side of the box."""


@dataclass(frozen=True)
class BoxOutline:
    """One outline: its mask in source pixels, the threshold that was chosen, and how well its extent fits the box."""

    mask_HW: BoolArray
    threshold: float
    iou: float


def closer_view(box: Box, field: Box) -> Box:
    """A nodule's box and the field -> a square view around the box, VIEW_SCALE times its longer side, inside the field.

    Where the field is smaller than the square, the view ends with the field.
    """
    width, height = min(field.width, round(VIEW_SCALE * box.width)), min(field.height, round(VIEW_SCALE * box.height))
    side = max(width, height)
    width, height = min(field.width, side), min(field.height, side)
    x0 = min(max((box.x0 + box.x1 - width) // 2, field.x0), field.x1 - width)
    y0 = min(max((box.y0 + box.y1 - height) // 2, field.y0), field.y1 - height)
    return Box(x0, y0, x0 + width, y0 + height)


def outline_in_box(probability_HW: FloatArray, box: Box, least_iou: float = LEAST_IOU) -> BoxOutline | None:
    """Mask probability in source pixels, a box -> the largest region in the box, at the threshold that fits best.

    None where the region's extent has an IoU below least_iou with the box at every threshold.
    """
    height, width = probability_HW.shape
    x, y = round(REACH_SHARE * box.width), round(REACH_SHARE * box.height)
    around = clipped(Box(box.x0 - x, box.y0 - y, box.x1 + x, box.y1 + y), Box(0, 0, width, height))
    if around is None:
        return None
    part_HW = probability_HW[around.slices]
    local = box.moved(-around.x0, -around.y0)
    best: BoxOutline | None = None
    for threshold in THRESHOLDS:
        regions = components(part_HW > threshold)
        if not regions:
            break
        iou = box_iou(bounding_box(regions[0]), local)
        if iou >= least_iou and (best is None or iou > best.iou):
            mask_HW = np.zeros(probability_HW.shape, np.bool_)
            mask_HW[around.slices] = fill_outlines(outlines(regions[0])[:1], part_HW.shape)
            best = BoxOutline(mask_HW, threshold, iou)
    return best


def stretched(mask_HW: BoolArray, box: Box) -> BoolArray:
    """One region, its nodule's box -> the region stretched so that it touches all four sides of the box.

    The part outside the image is cut off.
    """
    extent = bounding_box(mask_HW)
    part_HW = mask_HW[extent.slices].astype(np.float32)
    fitted_HW = cv2.resize(part_HW, (box.width, box.height), interpolation=cv2.INTER_LINEAR) >= STRETCH_LEVEL
    height, width = mask_HW.shape
    inside = clipped(box, Box(0, 0, width, height))
    result_HW = np.zeros(mask_HW.shape, np.bool_)
    if inside is not None:
        result_HW[inside.slices] = fitted_HW[inside.moved(-box.x0, -box.y0).slices]
    return result_HW
