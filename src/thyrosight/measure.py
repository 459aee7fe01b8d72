"""Mask (+ spacing) -> Measurements: area, diameters and extents, in pixels and, with a spacing, in millimetres.

Legend: `_HW` arrays (rows, columns), `_xy` points (column, row) with pixel centres at whole numbers, so that pixel
(3, 5) covers columns 2.5 to 3.5 and rows 4.5 to 5.5; `_px`, `_mm` units.

Lengths run along the pixels' outer edges: a rectangle of 12 x 7 pixels measures 12 across and 7 down, not 11 and 6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import InputError
from thyrosight.types import BoolArray, Spacing

PointXY = tuple[float, float]
PointsXY = NDArray[np.float64]

NO_SPACING = "the image does not say how large its pixels are"


@dataclass(frozen=True)
class Measurements:
    """Sizes of one mask. Every `_mm` is None where there is no spacing; mm_reason then says so.

    longest: the largest distance between two points of the mask. perpendicular: the mask's extent at right angles to
    it. With a spacing both are sought in millimetres, and their `_px` is the length of that same line in pixels.
    anteroposterior is the vertical extent, transverse the horizontal one.
    """

    area_px: int
    area_mm2: float | None
    longest_px: float
    longest_mm: float | None
    longest_ends_xy: tuple[PointXY, PointXY]
    perpendicular_px: float
    perpendicular_mm: float | None
    perpendicular_ends_xy: tuple[PointXY, PointXY]
    anteroposterior_px: float
    anteroposterior_mm: float | None
    transverse_px: float
    transverse_mm: float | None
    taller_than_wide: bool
    mm_reason: str | None


def measure(mask_HW: BoolArray, spacing: Spacing | None) -> Measurements:
    """Mask of one nodule, and its spacing where known -> Measurements; several parts are measured as one.

    taller-than-wide: anteroposterior over transverse above 1, as ACR TI-RADS has it (Tessler et al., J Am Coll
    Radiol 14:587, 2017), where it counts on transverse views only. An empty mask is an InputError.
    """
    if not mask_HW.any():
        raise InputError("the mask is empty: there is nothing to measure")
    if spacing is not None and not all(math.isfinite(mm) and mm > 0 for mm in spacing):
        raise InputError(f"spacing {tuple(spacing)}: millimetres must be above zero")
    step_xy = np.array([1.0, 1.0] if spacing is None else [spacing.column_mm, spacing.row_mm])
    hull_xy = _edge_hull(mask_HW)
    longest_xy = _longest(hull_xy * step_xy) / step_xy
    perpendicular_xy = _perpendicular(hull_xy * step_xy, longest_xy * step_xy) / step_xy
    transverse_px, anteroposterior_px = (float(extent) for extent in np.ptp(hull_xy, axis=0))
    area_px = int(np.count_nonzero(mask_HW))
    transverse, anteroposterior = transverse_px * step_xy[0], anteroposterior_px * step_xy[1]
    is_mm = spacing is not None
    return Measurements(
        area_px=area_px,
        area_mm2=area_px * float(step_xy.prod()) if is_mm else None,
        longest_px=_length(longest_xy),
        longest_mm=_length(longest_xy * step_xy) if is_mm else None,
        longest_ends_xy=_ends(longest_xy),
        perpendicular_px=_length(perpendicular_xy),
        perpendicular_mm=_length(perpendicular_xy * step_xy) if is_mm else None,
        perpendicular_ends_xy=_ends(perpendicular_xy),
        anteroposterior_px=anteroposterior_px,
        anteroposterior_mm=float(anteroposterior) if is_mm else None,
        transverse_px=transverse_px,
        transverse_mm=float(transverse) if is_mm else None,
        taller_than_wide=bool(anteroposterior > transverse),
        mm_reason=None if is_mm else NO_SPACING,
    )


def _edge_hull(mask_HW: BoolArray) -> PointsXY:
    """Mask -> convex hull (N, 2) `_xy` of its pixels' corners; only the ends of a row can be on it."""
    rows = np.flatnonzero(mask_HW.any(axis=1))
    first = mask_HW[rows].argmax(axis=1)
    last = mask_HW.shape[1] - mask_HW[rows, ::-1].argmax(axis=1)
    corners_xy = np.concatenate([np.stack([x, y], axis=1) for x in (first, last) for y in (rows, rows + 1)])
    hull_xy = cv2.convexHull(corners_xy.astype(np.int32)).reshape(-1, 2)
    return np.asarray(hull_xy, dtype=np.float64) - 0.5


def _longest(hull_xy: PointsXY) -> PointsXY:
    """Hull -> its two corners farthest apart: a set's diameter is that of its hull's corners.

    Preparata and Shamos, Computational Geometry, 1985, section 4.2. All pairs are compared: a hull on a pixel grid has
    few corners, in the order of the two-thirds power of its size. Of equal pairs the first is taken.
    """
    square_NN = ((hull_xy[:, None] - hull_xy[None]) ** 2).sum(axis=-1)
    return hull_xy[list(np.unravel_index(square_NN.argmax(), square_NN.shape))]


def _perpendicular(hull_xy: PointsXY, longest_xy: PointsXY) -> PointsXY:
    """Hull and its longest diameter -> a line as long as the hull is wide at right angles to it.

    Its ends lie on the hull's two supporting lines parallel to the diameter, midway between where these touch the hull.
    """
    along_xy = longest_xy[1] - longest_xy[0]
    along_xy = along_xy / np.hypot(*along_xy)
    across_xy = np.array([-along_xy[1], along_xy[0]])
    across, along = hull_xy @ across_xy, hull_xy @ along_xy
    touching = [
        along[np.isclose(across, across[k], rtol=0, atol=1e-9)].mean() for k in (across.argmin(), across.argmax())
    ]
    middle_xy = sum(touching) / 2 * along_xy
    return np.stack([middle_xy + across.min() * across_xy, middle_xy + across.max() * across_xy])


def _length(line_xy: PointsXY) -> float:
    return float(np.hypot(*(line_xy[1] - line_xy[0])))


def _ends(line_xy: PointsXY) -> tuple[PointXY, PointXY]:
    (x0, y0), (x1, y1) = line_xy.tolist()
    return (x0, y0), (x1, y1)
