"""Mask -> its outlines, finer than a pixel: closed curves with the same pixels inside.

A mask only states for each pixel's centre whether it is inside. The outline along the edges of the pixels is a
staircase: on nodules of usual size, diameters along its corners are 0.5 to 1 % too long, perimeters are a quarter too
long, and extents jump by whole pixels. So a parabola is fitted around every step of the staircase, over the widest
window in which it still passes between inner and outer pixels. This window is wide along a smooth margin and narrow at
a notch. At each step, the outline is the mean of all parabolas that cover the step. The method is a local polynomial
fit with a window that follows the data: Katkovnik, Egiazarian and Astola, Local Approximation Techniques in Signal and
Image Processing, SPIE 2006, chapters 2 and 6.

Legend: `_xy` points (column, row) with pixel centres at whole numbers; N steps of one outline; K points of a window.
A step is the edge between an inner pixel and its outer neighbour; side 0 E, 1 N, 2 W, 3 S of the inner pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.types import BoolArray

PointsXY = NDArray[np.float64]
IntArray = NDArray[np.int64]

WINDOWS = (2, 3, 4, 6, 8, 11, 15, 20, 27, 36)
"""Half widths, in steps, of the windows to which parabolas are fitted; a window has at most a third of an outline."""
TOLERANCE_PX = 0.2
"""A least-squares parabola may pass a pixel's centre on the wrong side by this distance."""
CORNER_RUN = 3
"""A right angle with this many straight steps on both sides is a corner, and the outline keeps it. A smooth margin has
no corner."""

_SIDE_XY = np.array([(1, 0), (0, -1), (-1, 0), (0, 1)])
_POWERS = np.add.outer(np.arange(3), np.arange(3))
"""Place in the normal equations of a parabola -> the power of u whose sum is there."""
_HEADINGS = {(1, 0): 0, (1, -1): 1, (0, -1): 2, (-1, -1): 3, (-1, 0): 4, (-1, 1): 5, (0, 1): 6, (1, 1): 7}


@dataclass(frozen=True)
class Steps:
    """The border of one part of a mask: N steps, each a side of a border pixel, in order along the border.

    middle_xy (N, 2): the middle of each step. side (N,): on which side of its pixel the step is, an index of _SIDE_XY.
    """

    middle_xy: PointsXY
    side: IntArray


@dataclass(frozen=True)
class FineOutline:
    """A closed outline finer than a pixel, fitted once. It can be placed anywhere without any change of its shape.

    middle_xy (N, 2): middles of the steps. shift_xy (N, 2): vectors from the middles onto the outline. corners_xy:
    right angles of the outline; corner_at: the step before which each of them is. All in pixels of the given mask.
    """

    middle_xy: PointsXY
    shift_xy: PointsXY
    corner_at: IntArray
    corners_xy: PointsXY

    def points(self, origin_xy: tuple[int, int] = (0, 0)) -> PointsXY:
        """-> the outline (M, 2) `_xy`, in the pixels of an image in which the mask begins at `origin_xy`."""
        fine_xy = (self.middle_xy + origin_xy) + self.shift_xy
        return np.insert(fine_xy, self.corner_at, self.corners_xy + origin_xy, axis=0)


def fit_outlines(mask_HW: BoolArray) -> tuple[FineOutline, ...]:
    """Mask -> closed outlines finer than a pixel, one per 8-connected part, none for holes."""
    return tuple(_refined(steps) for steps in staircases(mask_HW))


@dataclass(frozen=True)
class NoduleOutline:
    """The outlines of one nodule, fitted in its bounding box, which begins at `origin_xy` of the image."""

    origin_xy: tuple[int, int]
    parts: tuple[FineOutline, ...]

    def in_image(self) -> list[PointsXY]:
        """-> the points (N, 2) of each part, in the image's pixels."""
        return [part.points(self.origin_xy) for part in self.parts]


def outline_of(mask_HW: BoolArray) -> NoduleOutline:
    """Mask of one nodule -> its outline, fitted once for all measures, because fitting takes longer than measuring."""
    x0, y0, width, height = cv2.boundingRect(mask_HW.astype(np.uint8))
    return NoduleOutline((x0, y0), fit_outlines(mask_HW[y0 : y0 + height, x0 : x0 + width]))


def fine_outlines(mask_HW: BoolArray) -> list[PointsXY]:
    """Mask -> the points (N, 2) `_xy` of the outlines that fit_outlines gives."""
    return [outline.points() for outline in fit_outlines(mask_HW)]


def staircases(mask_HW: BoolArray) -> list[Steps]:
    """Mask -> for each connected part, the steps along its outer border, counterclockwise on the screen."""
    padded_HW = np.pad(mask_HW.astype(np.uint8), 1)
    contours, _ = cv2.findContours(padded_HW, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [_steps(np.asarray(contour, dtype=np.int64).reshape(-1, 2) - 1) for contour in contours]


def _sides_between() -> IntArray:
    """-> table (8, 8, 4) of the outer sides of a border pixel.

    The first two indices are the headings (_HEADINGS) to the border pixel before and to the one after. The entry lists
    the sides as indices of _SIDE_XY, in the order along the border, filled up with -1.
    """
    table = np.full((8, 8, 4), -1, np.int64)
    for back in range(8):
        for out in range(8):
            turn = (out - back) % 8 or 8
            sides = [(back + k) % 8 // 2 for k in range(1, turn) if (back + k) % 2 == 0]
            table[back, out, : len(sides)] = sides
    return table


_SIDES = _sides_between()


def _steps(border_xy: IntArray) -> Steps:
    """Border pixels in cv2's order -> the steps on their outer sides, in order."""
    if len(border_xy) == 1:
        side = np.arange(4)
        return Steps(border_xy + _SIDE_XY[side] / 2, side)
    moves_xy = np.roll(border_xy, -1, axis=0) - border_xy
    heading = np.array([_HEADINGS[dx, dy] for dx, dy in moves_xy.tolist()])
    back = (np.roll(heading, 1) + 4) % 8
    sides_N4 = _SIDES[back, heading]
    pixel, slot = np.nonzero(sides_N4 >= 0)
    side = sides_N4[pixel, slot]
    return Steps(border_xy[pixel] + _SIDE_XY[side] / 2, side)


def _refined(steps: Steps) -> FineOutline:
    """Steps -> the outline: the middle of each step, moved onto the mean of its parabolas; and the corners."""
    after_corner = _after_corner(steps.side)
    total = _Total(len(steps.side))
    chosen = np.arange(len(steps.side))
    widest: tuple[IntArray, NDArray[np.float64]] | None = None
    for half in WINDOWS:
        if 3 * half > len(steps.side):
            break
        index_MK = (chosen[:, None] + np.arange(-half, half + 1)) % len(steps.side)
        shift_2MK, fits_M = _fitted(steps, after_corner, index_MK)
        if widest is not None:
            total.add(widest[0][~fits_M], widest[1][:, ~fits_M])
        chosen, widest = chosen[fits_M], (index_MK[fits_M], shift_2MK[:, fits_M])
    if widest is not None:
        total.add(*widest)
    at = np.flatnonzero(after_corner)
    corners_xy = steps.middle_xy[at] + _SIDE_XY[steps.side[at - 1]] / 2
    return FineOutline(steps.middle_xy, total.mean(), at, corners_xy)


class _Total:
    """Weighted sum of each step's shifts in several windows.

    Wide windows, and steps in their middle, have more weight.
    """

    def __init__(self, num: int) -> None:
        self.weight = np.zeros(num)
        self.shift_xy = np.zeros((num, 2))

    def add(self, index_MK: IntArray, shift_2MK: NDArray[np.float64]) -> None:
        half = index_MK.shape[1] // 2
        kernel_K = half * (1 - (np.arange(-half, half + 1) / (half + 1)) ** 2) ** 2
        index, weight = index_MK.ravel(), np.broadcast_to(kernel_K, index_MK.shape).ravel()
        self.weight += np.bincount(index, weight, len(self.weight))
        for axis in range(2):
            self.shift_xy[:, axis] += np.bincount(index, shift_2MK[axis].ravel() * weight, len(self.weight))

    def mean(self) -> PointsXY:
        return self.shift_xy / np.where(self.weight > 0, self.weight, 1)[:, None]


def _after_corner(side: IntArray) -> BoolArray:
    """Sides in order -> for each step whether it is the first after a corner (two straight runs at a right angle)."""
    is_corner = side != np.roll(side, 1)
    for k in range(1, CORNER_RUN):
        is_corner &= (np.roll(side, -k) == side) & (np.roll(side, 1 + k) == np.roll(side, 1))
    return np.asarray(is_corner & ((side - np.roll(side, 1)) % 2 == 1))


def _fitted(steps: Steps, after_corner: BoolArray, index_MK: IntArray) -> tuple[NDArray[np.float64], BoolArray]:
    """Windows of steps -> (x and y shift of each step onto its window's parabola, whether the parabola is valid).

    The parabola is v = a0 + a1 u + a2 u^2, u along the line between the window's ends and v across it. It is valid if
    it passes between the centres of the inner and the outer pixel of every step, half a pixel to each side of the step,
    and if the window holds no corner.
    """
    middle = index_MK[:, index_MK.shape[1] // 2]
    x_MK, y_MK = (along_N[index_MK] - along_N[middle, None] for along_N in steps.middle_xy.T.copy())
    along_x_M1, along_y_M1 = x_MK[:, -1:] - x_MK[:, :1], y_MK[:, -1:] - y_MK[:, :1]
    length_M1 = np.hypot(along_x_M1, along_y_M1)
    cos_M1, sin_M1 = along_x_M1 / np.maximum(length_M1, 1e-9), along_y_M1 / np.maximum(length_M1, 1e-9)
    u_MK, v_MK = x_MK * cos_M1 + y_MK * sin_M1, y_MK * cos_M1 - x_MK * sin_M1
    a0_M1, a1_M1, a2_M1 = _parabola(u_MK, v_MK)
    off_MK = v_MK - (a0_M1 + u_MK * (a1_M1 + u_MK * a2_M1))
    side_x_MK, side_y_MK = (along_N[index_MK] for along_N in _SIDE_XY[steps.side].T.astype(np.float64))
    slope_MK = a1_M1 + 2 * a2_M1 * u_MK
    rise_MK = side_y_MK * cos_M1 - side_x_MK * sin_M1 - slope_MK * (side_x_MK * cos_M1 + side_y_MK * sin_M1)
    parts_M = (np.abs(off_MK) <= 0.5 * np.abs(rise_MK) + TOLERANCE_PX).all(axis=1)
    parts_M &= (length_M1[:, 0] >= index_MK.shape[1] // 2) & ~after_corner[index_MK[:, 1:]].any(axis=1)
    return np.array([off_MK * sin_M1, -off_MK * cos_M1]), parts_M


def _parabola(u_MK: NDArray[np.float64], v_MK: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Points of each window -> a0, a1, a2 of the least-squares parabola, each (M, 1)."""
    square_MK = u_MK * u_MK
    sums = [np.full(len(u_MK), float(u_MK.shape[1])), u_MK.sum(axis=1), square_MK.sum(axis=1)]
    sums += [np.einsum("mk,mk->m", square_MK, u_MK), np.einsum("mk,mk->m", square_MK, square_MK)]
    normal_M33 = np.array(sums)[_POWERS].transpose(2, 0, 1) + 1e-9 * np.eye(3)
    right_M3 = np.array([v_MK.sum(axis=1), *(np.einsum("mk,mk->m", p, v_MK) for p in (u_MK, square_MK))]).T
    found_M3 = np.linalg.solve(normal_M33, right_M3[..., None])[..., 0]
    return [found_M3[:, :1], found_M3[:, 1:2], found_M3[:, 2:]]
