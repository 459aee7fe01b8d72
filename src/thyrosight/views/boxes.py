"""Boxes of nodules -> masks of a view: pixels in a box, in the ellipse inscribed in it, in its core.

Legend: `_HW` bool arrays of the view's own pixels. A nodule's outline is inside its box and touches all four sides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from thyrosight.types import BoolArray, Box

CORE_SCALE = 0.75
"""Axes of the core as a share of the axes of the inscribed ellipse. The core has 44 % of the box's area and is inside
any round outline."""


class BoxMasks(NamedTuple):
    """inside_HW: pixels in any box. ellipse_HW: in the ellipse inscribed in a box.

    core_HW: in this ellipse, scaled by CORE_SCALE.
    """

    inside_HW: BoolArray
    ellipse_HW: BoolArray
    core_HW: BoolArray


def box_masks(boxes: Iterable[Box], view: Box) -> BoxMasks:
    """Boxes and a view, both in source pixels -> BoxMasks of the view; a box is cut off at the view's edge."""
    shape = (view.height, view.width)
    inside_HW, ellipse_HW, core_HW = (np.zeros(shape, np.uint8) for _ in range(3))
    for box in boxes:
        part = clipped(box, view)
        if part is None:
            continue
        local = part.moved(-view.x0, -view.y0)
        inside_HW[local.slices] = 1
        _fill_ellipse(ellipse_HW, local, 1.0)
        _fill_ellipse(core_HW, local, CORE_SCALE)
    return BoxMasks(inside_HW > 0, ellipse_HW > 0, core_HW > 0)


def clipped(box: Box, view: Box) -> Box | None:
    """The part of a box that is inside the view; None where there is none."""
    part = Box(max(box.x0, view.x0), max(box.y0, view.y0), min(box.x1, view.x1), min(box.y1, view.y1))
    return part if part.width > 0 and part.height > 0 else None


def span_within(centre: float, side: float, length: int) -> tuple[int, int]:
    """-> (first, last + 1): `side` pixels around the centre, moved to lie inside 0..length.

    (0, length) for a longer side.
    """
    side = min(length, round(side))
    start = min(max(0, round(centre - side / 2)), length - side)
    return start, start + side


def box_iou(one: Box, other: Box) -> float:
    """Two boxes -> shared area over united area, 0 to 1."""
    part = clipped(one, other)
    shared = part.width * part.height if part else 0
    return shared / (one.width * one.height + other.width * other.height - shared)


def _fill_ellipse(mask_HW: np.ndarray, box: Box, scale: float) -> None:
    """Sets the pixels with their centre in the ellipse inscribed in the box, scaled by `scale`; at least one pixel."""
    rows, columns = np.mgrid[box.y0 : box.y1, box.x0 : box.x1]
    x = (columns + 0.5 - (box.x0 + box.x1) / 2) / (scale * box.width / 2)
    y = (rows + 0.5 - (box.y0 + box.y1) / 2) / (scale * box.height / 2)
    mask_HW[box.slices] |= (x * x + y * y <= 1.0).astype(np.uint8)
    mask_HW[(box.y0 + box.y1) // 2, (box.x0 + box.x1) // 2] = 1
