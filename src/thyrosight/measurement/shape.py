"""Mask of one nodule -> measures of its margin: compactness, solidity, bending energy, irregularity.

They use the outline of fine_outline.py, which is finer than a pixel, in millimetres where these are known.
Legend: `_xy` points (column, row), N points of a closed outline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.measurement.fine_outline import NoduleOutline, outline_of
from thyrosight.measurement.outlines import components
from thyrosight.types import BoolArray, Spacing

PointsXY = NDArray[np.float64]

NUM_POINTS = 512
SCALE_SHARE = 0.02
"""Scale of the curvature: standard deviation of the smoothing Gaussian, as a share of the perimeter."""
MIN_AREA_PX = 64
"""A smaller mask is too coarse to show its margin."""

TOO_SMALL = f"the mask holds fewer than {MIN_AREA_PX} pixels, too few to tell its margin"
SEVERAL_PARTS = "the mask has several parts, which have no one margin"


def shape_of(mask_HW: BoolArray, spacing: Spacing | None, outline: NoduleOutline | None = None) -> Shape | str:
    """Mask of one nodule, spacing -> its Shape (in mm with a spacing, else in pixels), or the reason why it has none.

    outline: the outline of the mask, where the caller has it already.
    """
    if np.count_nonzero(mask_HW) < MIN_AREA_PX:
        return TOO_SMALL
    parts = (outline or outline_of(mask_HW)).in_image()
    if len(parts) > 1 and len(components(mask_HW, MIN_AREA_PX)) > 1:
        return SEVERAL_PARTS
    step_xy = np.array([1.0, 1.0] if spacing is None else [spacing.column_mm, spacing.row_mm])
    return outline_shape(max(parts, key=len) * step_xy)


def outline_shape(outline_xy: PointsXY) -> Shape:
    """Closed outline (N, 2) -> its Shape.

    compactness: 4 pi A / P^2 (Cox, J Paleontol 1:179, 1927); 1 for a disc, 0.785 for a square.
    solidity: A / A of the convex hull (Zhang and Lu, Pattern Recognition 37:1, 2004). Both: at most 1 up to rounding.
    bending_energy: P / (4 pi^2) times the integral of squared curvature along the outline (Young, Walker and Bowie,
    Inform Control 25:357, 1974, scaled so that a disc of any size has 1). The outline is smoothed first, by a Gaussian
    of SCALE_SHARE of the perimeter (Mokhtarian and Mackworth, IEEE PAMI 8:34, 1986): so it measures lobes and spikes,
    and not pixels or a shaking hand. irregularity: bending energy over the bending energy of the ellipse with the same
    second moments, minus 1, at least 0.
    """
    perimeter, area = _perimeter(outline_xy), abs(signed_area(outline_xy))
    hull = cv2.convexHull((outline_xy - outline_xy.mean(axis=0)).astype(np.float32)).reshape(-1, 2)
    energy = bending_energy(outline_xy)
    return Shape(
        perimeter=perimeter,
        compactness=4 * math.pi * area / perimeter**2,
        solidity=min(1.0, area / abs(signed_area(hull.astype(np.float64)))),
        bending_energy=energy,
        irregularity=max(0.0, energy / bending_energy(ellipse_alike(outline_xy)) - 1),
    )


def bending_energy(outline_xy: PointsXY) -> float:
    """Closed outline (N, 2) -> P / (4 pi^2) x integral of squared curvature of the smoothed outline; a circle has 1.

    Curvature |x' y'' - y' x''| / (x'^2 + y'^2)^1.5; the derivatives come from Fourier series, as the outline is closed.
    """
    points_xy = _evenly(outline_xy, NUM_POINTS)
    frequency = np.fft.fftfreq(NUM_POINTS, 1 / NUM_POINTS)
    z = np.fft.fft(points_xy[:, 0] + 1j * points_xy[:, 1]) * np.exp(-0.5 * (2 * math.pi * SCALE_SHARE * frequency) ** 2)
    first, second = np.fft.ifft(1j * frequency * z), np.fft.ifft(-(frequency**2) * z)
    speed = np.maximum(np.abs(first), 1e-12)
    curvature = np.imag(np.conj(first) * second) / speed**3
    length = speed.mean() * 2 * math.pi
    return float(length / (4 * math.pi**2) * (curvature**2 * speed).mean() * 2 * math.pi)


@dataclass(frozen=True)
class Shape:
    """Measures of one closed margin (see outline_shape); lengths have the unit of the outline."""

    perimeter: float
    compactness: float
    solidity: float
    bending_energy: float
    irregularity: float


def ellipse_alike(outline_xy: PointsXY) -> PointsXY:
    """Closed outline (N, 2) -> points of the ellipse with the same second moments as the area inside it."""
    moments = cv2.moments((outline_xy - outline_xy.mean(axis=0)).astype(np.float32))
    covariance = np.array([[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]]) / moments["m00"]
    squares, axes = np.linalg.eigh(covariance)
    angle = np.linspace(0, 2 * math.pi, NUM_POINTS, endpoint=False)
    half = 2 * np.sqrt(np.maximum(squares, 1e-12))
    return np.asarray((np.stack([np.cos(angle), np.sin(angle)], axis=1) * half) @ axes.T)


def signed_area(outline_xy: PointsXY) -> float:
    """Closed polygon (N, 2) -> its area by the shoelace formula; the sign gives the direction of the polygon."""
    x, y = (outline_xy - outline_xy[0]).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _perimeter(outline_xy: PointsXY) -> float:
    return float(np.hypot(*(np.roll(outline_xy, -1, axis=0) - outline_xy).T).sum())


def _evenly(outline_xy: PointsXY, num: int) -> PointsXY:
    """Closed outline -> `num` points at equal distances along it."""
    closed_xy = np.concatenate([outline_xy, outline_xy[:1]])
    at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed_xy, axis=0).T))])
    wanted = np.arange(num) * (at[-1] / num)
    return np.stack([np.interp(wanted, at, axis) for axis in closed_xy.T], axis=1)
