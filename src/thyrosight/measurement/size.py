"""Mask, spacing if known -> NoduleSize: area, diameters and extents, in pixels and, with a spacing, in millimetres.

Legend: `_HW` arrays (rows, columns), `_xy` points (column, row) with pixel centres at whole numbers, so that pixel
(3, 5) covers columns 2.5 to 3.5 and rows 4.5 to 5.5; `_px`, `_mm` units.

A pixel is a square: the area is a count, and a rectangle of 12 x 7 pixels measures 12 across and 7 down, not 11 and 6.
Lengths come from an outline finer than a pixel (fine_outline.py). The outline of a rectangle is the rectangle. The
outline of a smooth margin has the same length in every direction and does not jump by whole pixels.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import InputError
from thyrosight.measurement.fine_outline import NoduleOutline, outline_of
from thyrosight.prediction import NoduleSize, PointXY
from thyrosight.types import BoolArray, Spacing

PointsXY = NDArray[np.float64]

ROUNDING = 1e-6
"""Extents that differ by less than this are equal: a nodule that is as tall as wide must not be taller than wide."""
NO_SPACING = "the image does not say how large its pixels are"


def measure(
    mask_HW: BoolArray,
    spacing: Spacing | None,
    no_mm_reason: str | None = None,
    outline: NoduleOutline | None = None,
) -> NoduleSize:
    """Mask of one nodule, spacing or the reason why there is none -> its size.

    A mask of several parts is measured whole. outline: the outline of the mask, where the caller has it already.

    longest: the largest distance between two points of the outline. perpendicular: the extent at right angles to it.
    With a spacing both are searched in millimetres, and `_px` is the length of the same line in pixels. Where two
    diameters are nearly equal, one pixel may decide which is the longest, and the perpendicular turns with it.
    anteroposterior is the vertical extent, transverse the horizontal one. taller_than_wide: anteroposterior is larger,
    as in ACR TI-RADS (Tessler et al., J Am Coll Radiol 14:587, 2017), where it counts on transverse views only.
    Without a spacing every `_mm` is None and mm_reason states why. InputError for an empty mask.
    """
    if not mask_HW.any():
        raise InputError("the mask is empty, so there is nothing to measure")
    if spacing is not None and not all(math.isfinite(mm) and mm > 0 for mm in spacing):
        raise InputError(f"spacing {tuple(spacing)}: millimetres must be above zero")
    step_xy = np.array([1.0, 1.0] if spacing is None else [spacing.column_mm, spacing.row_mm])
    outline = outline or outline_of(mask_HW)
    hull_xy = convex_hull(np.concatenate([part.points() for part in outline.parts]))  # its place changes no digit
    origin_xy = np.array(outline.origin_xy, np.float64)
    longest_xy = _longest(hull_xy * step_xy) / step_xy
    perpendicular_xy = _perpendicular(hull_xy * step_xy, longest_xy * step_xy) / step_xy
    transverse_px, anteroposterior_px = (float(extent) for extent in np.ptp(hull_xy, axis=0))
    area_px = int(np.count_nonzero(mask_HW))
    transverse, anteroposterior = transverse_px * step_xy[0], anteroposterior_px * step_xy[1]
    is_mm = spacing is not None
    return NoduleSize(
        area_px=area_px,
        area_mm2=area_px * float(step_xy.prod()) if is_mm else None,
        longest_px=_length(longest_xy),
        longest_mm=_length(longest_xy * step_xy) if is_mm else None,
        longest_ends_xy=_ends(longest_xy + origin_xy),
        perpendicular_px=_length(perpendicular_xy),
        perpendicular_mm=_length(perpendicular_xy * step_xy) if is_mm else None,
        perpendicular_ends_xy=_ends(perpendicular_xy + origin_xy),
        anteroposterior_px=anteroposterior_px,
        anteroposterior_mm=float(anteroposterior) if is_mm else None,
        transverse_px=transverse_px,
        transverse_mm=float(transverse) if is_mm else None,
        mm_reason=None if is_mm else no_mm_reason or NO_SPACING,
        taller_than_wide=bool(anteroposterior > transverse * (1 + ROUNDING)),
    )


def ellipsoid_volume_mm3(length_mm: float, width_mm: float, depth_mm: float) -> float:
    """Three diameters at right angles to each other, in mm -> volume of the ellipsoid, pi / 6 a b c, in mm3.

    This is the rule for thyroid lobes and nodules (Brunn et al., Dtsch med Wochenschr 106:1338, 1981; its factor 0.479
    is for lobes, pi / 6 is exact for ellipsoids). Take the longest and the perpendicular diameter of one view, and the
    third diameter from the view at right angles to it.
    """
    diameters_mm = (length_mm, width_mm, depth_mm)
    if not all(math.isfinite(mm) and mm > 0 for mm in diameters_mm):
        raise InputError(f"diameters {diameters_mm} mm: all three must be above zero")
    return math.pi / 6 * length_mm * width_mm * depth_mm


def convex_hull(points_xy: PointsXY) -> PointsXY:
    """Points (N, 2) -> the corners of their convex hull, in order."""
    origin_xy = points_xy.mean(axis=0)
    hull = cv2.convexHull((points_xy - origin_xy).astype(np.float32), returnPoints=False)
    return np.asarray(points_xy[hull.ravel()], dtype=np.float64)


def _longest(hull_xy: PointsXY) -> PointsXY:
    """Hull -> its two corners that are farthest apart.

    They have the largest distance of all points (Preparata and Shamos, Computational Geometry, 1985, section 4.2). All
    pairs are compared, block by block; a hull of usual size has some hundred corners. Among pairs of equal distance,
    the one that starts nearest to the lower right is taken.
    """
    hull_xy = np.roll(hull_xy, -int(hull_xy.sum(axis=1).argmax()), axis=0)
    best, ends = -1.0, (0, 0)
    for start in range(0, len(hull_xy), 512):
        block_xy = hull_xy[start : start + 512]
        square_NN = np.square(np.subtract.outer(block_xy[:, 0], hull_xy[:, 0]))
        square_NN += np.square(np.subtract.outer(block_xy[:, 1], hull_xy[:, 1]))
        first, second = np.unravel_index(int(square_NN.argmax()), square_NN.shape)
        if square_NN[first, second] > best:
            best, ends = float(square_NN[first, second]), (start + int(first), int(second))
    return hull_xy[list(ends)]


def _perpendicular(hull_xy: PointsXY, longest_xy: PointsXY) -> PointsXY:
    """Hull, its longest diameter -> the line at right angles to it, as long as the hull's extent in that direction.

    Its ends are on the two lines that touch the hull parallel to the diameter, midway between the points of contact.
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
