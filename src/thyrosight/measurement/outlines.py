"""Mask <-> outlines in whole pixels; mask -> its connected parts and its bounding box.

Legend: `_HW` arrays (rows, columns), `_xy` points (column, row).
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.types import BoolArray, Box

IntArray = NDArray[np.int32]

OPENING_SHARE, BLUR_SHARE = 0.2, 0.1
"""Radius of the disc, and standard deviation of the Gaussian, that smooth a region; as shares of the region's
radius."""
BLUR_REACH = 4
"""OpenCV's Gaussian of float32 ends at this many standard deviations. Pixels further from a region do not change it."""


def outlines(mask_HW: BoolArray) -> list[IntArray]:
    """Mask -> outer outlines, (N, 2) int32 `_xy` through the border pixels' centres, most pixels first; no holes."""
    contours, _ = cv2.findContours(mask_HW.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = [np.asarray(contour, dtype=np.int32).reshape(-1, 2) for contour in contours]
    return sorted(found, key=_num_pixels, reverse=True)


def fill_outlines(outlines_xy: Iterable[NDArray[np.generic]], shape: tuple[int, int]) -> BoolArray:
    """Outlines (N, 2) `_xy`, (rows, columns) -> mask of their union, with border pixels, cut off at the image's edge.

    The inverse of `outlines` for masks without holes. Points between pixels go to the nearest pixel.
    """
    filled_HW = np.zeros(shape, np.uint8)
    for outline_xy in outlines_xy:
        points_xy = np.asarray(outline_xy, dtype=np.float64).reshape(-1, 2)
        if len(points_xy):  # one call per outline: one call for all would leave overlaps empty (even-odd rule)
            cv2.fillPoly(filled_HW, [np.floor(points_xy + 0.5).astype(np.int32)], 1)
    return filled_HW.astype(np.bool_)


def components(mask_HW: BoolArray, min_area_px: int = 1) -> list[BoolArray]:
    """Mask -> its 8-connected parts of at least min_area_px pixels, each a mask of the same shape, largest first."""
    num_labels, labels_HW, stats, _ = cv2.connectedComponentsWithStats(mask_HW.astype(np.uint8), connectivity=8)
    areas_px = stats[:, cv2.CC_STAT_AREA]
    kept = [label for label in range(1, num_labels) if areas_px[label] >= min_area_px]
    return [np.asarray(labels_HW == label) for label in sorted(kept, key=lambda label: -int(areas_px[label]))]


def smoothed(mask_HW: BoolArray) -> BoolArray:
    """One region without holes -> the same without spurs and ragged edges, as a reader would draw it.

    The region is opened by a disc, blurred by a Gaussian and cut at one half; the largest part stays. Both widths are
    shares of the radius of the circle of the same area. At the edge of the image the region is assumed to continue.
    """
    height, width = mask_HW.shape
    radius = float(np.sqrt(np.count_nonzero(mask_HW) / np.pi))
    deviation = max(BLUR_SHARE * radius, 0.1)
    margin = int(BLUR_REACH * deviation) + 3
    box = bounding_box(mask_HW)
    around = Box(box.x0 - margin, box.y0 - margin, box.x1 + margin, box.y1 + margin)
    within = Box(max(0, around.x0), max(0, around.y0), min(width, around.x1), min(height, around.y1))
    left, top = within.x0 - around.x0, within.y0 - around.y0
    sides = (top, around.y1 - within.y1, left, around.x1 - within.x1)
    bordered_hw = cv2.copyMakeBorder(mask_HW[within.slices].astype(np.uint8), *sides, cv2.BORDER_REPLICATE)
    opened_hw = _opened(np.asarray(bordered_hw, np.uint8), OPENING_SHARE * radius)
    blurred_hw = cv2.GaussianBlur(opened_hw.astype(np.float32), (0, 0), deviation)
    found_hw = (blurred_hw > 0.5)[top : top + within.height, left : left + within.width]
    if not found_hw.any():
        return mask_HW
    smoothed_HW = np.zeros_like(mask_HW)
    smoothed_HW[within.slices] = fill_outlines(outlines(found_hw)[:1], found_hw.shape)
    return smoothed_HW


def _opened(region_hw: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
    """-> the union of all discs of this radius inside the region; the region itself where no disc fits."""
    inner_hw = cv2.distanceTransform(region_hw, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > radius
    if not inner_hw.any():
        return region_hw
    away_hw = cv2.distanceTransform((~inner_hw).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return (away_hw <= radius).astype(np.uint8)


def bounding_box(mask_HW: BoolArray) -> Box:
    """Mask -> the smallest box that holds it; an empty box for an empty mask."""
    x, y, width, height = cv2.boundingRect(mask_HW.view(np.uint8))
    return Box(x, y, x + width, y + height)


def _num_pixels(outline_xy: IntArray) -> float:
    """Outline -> number of pixels inside, border included, by Pick's theorem (1899): area + border points / 2 + 1."""
    steps_xy = np.abs(np.roll(outline_xy, -1, axis=0) - outline_xy)
    return float(cv2.contourArea(outline_xy)) + float(steps_xy.max(axis=1).sum()) / 2 + 1
