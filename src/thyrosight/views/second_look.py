"""Mask probability of the views -> the part of each that a second look takes, larger, around what the first has found.

A small nodule fills few of the network's pixels. The second look shows it larger, and the mean of both looks is kept
where both have been. How much of a view it takes: docs/experiments.md 23.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thyrosight.types import BoolArray, Box, FloatArray

SHARE = 0.7
"""Of the view's height and width that a second look takes."""
ROOM = 1.6
"""Times the extent of what was found, where that is more."""
FOUND = 0.5
"""Mask probability from which there is something to look at, whatever the threshold that a bundle outlines by."""


def closer_views(probability_HW: FloatArray, views: Sequence[Box]) -> tuple[Box, ...]:
    """Mask probability of the frame, its views -> one box in every view in which anything lies above FOUND."""
    found = (_around(probability_HW[view.slices] > FOUND, view) for view in views)
    return tuple(box for box in found if box is not None)


def _around(found_HW: BoolArray, view: Box) -> Box | None:
    """-> the box around what was found, inside the view and centred on it as far as the view's border allows."""
    if not found_HW.any():
        return None
    spans = []
    for axis, size in ((1, view.width), (0, view.height)):
        places = np.flatnonzero(found_HW.any(axis=1 - axis))
        first, last = int(places[0]), int(places[-1]) + 1
        length = min(size, round(max(SHARE * size, ROOM * (last - first))))
        start = min(max(0, round((first + last - length) / 2)), size - length)
        spans.append((start, start + length))
    (x0, x1), (y0, y1) = spans
    return Box(view.x0 + x0, view.y0 + y0, view.x0 + x1, view.y0 + y1)
