"""Numbers that an annotation file or a table writes -> boxes in pixels of the image."""

from __future__ import annotations

import math
from collections.abc import Callable

from thyrosight.errors import InputError
from thyrosight.types import Box

Locate = Callable[[tuple[int, int]], Box]
"""Size of the image `(H, W)` -> the box in its pixels. InputError where the numbers are no box."""
OVERSHOOT_PX = 2.0
"""A box may reach this far beyond its image: tools round, and drag to the border."""


def box_of(x0: float, y0: float, x1: float, y1: float, *, are_shares: bool = False) -> Locate:
    """Two corners in pixels, or as shares of the image's size -> a function that gives the box."""

    def locate(size_hw: tuple[int, int]) -> Box:
        height, width = size_hw
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            raise InputError("a box of numbers that are not finite")
        scale_x, scale_y = (width, height) if are_shares else (1, 1)
        corners = (min(x0, x1) * scale_x, min(y0, y1) * scale_y, max(x0, x1) * scale_x, max(y0, y1) * scale_y)
        beyond = max(-corners[0], -corners[1], corners[2] - width, corners[3] - height)
        if beyond > OVERSHOOT_PX:
            raise InputError(f"a box that reaches {beyond:.0f} pixels beyond the image of {width} x {height}")
        box = Box(
            max(0, round(corners[0])),
            max(0, round(corners[1])),
            min(width, round(corners[2])),
            min(height, round(corners[3])),
        )
        if box.width < 1 or box.height < 1:
            raise InputError("a box without an area")
        return box

    return locate
