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


def outlines(mask_HW: BoolArray) -> list[IntArray]:
    """Mask -> outer outlines, (N, 2) int32 `_xy` through the border pixels' centres, most pixels first; no holes."""
    contours, _ = cv2.findContours(mask_HW.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = [np.asarray(contour, dtype=np.int32).reshape(-1, 2) for contour in contours]
    return sorted(found, key=_num_pixels, reverse=True)


def fill_outlines(outlines_xy: Iterable[NDArray[np.generic]], shape: tuple[int, int]) -> BoolArray:
    """Outlines (N, 2) `_xy`, (rows, columns) -> mask of their union, border pixels included, cut off at the edge.

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


def bounding_box(mask_HW: BoolArray) -> Box:
    """Mask -> the smallest box that holds it; an empty box for an empty mask."""
    x, y, width, height = cv2.boundingRect(mask_HW.view(np.uint8))
    return Box(x, y, x + width, y + height)


def _num_pixels(outline_xy: IntArray) -> float:
    """Outline -> number of pixels inside, border included, by Pick's theorem (1899): area + border points / 2 + 1."""
    steps_xy = np.abs(np.roll(outline_xy, -1, axis=0) - outline_xy)
    return float(cv2.contourArea(outline_xy)) + float(steps_xy.max(axis=1).sum()) / 2 + 1
