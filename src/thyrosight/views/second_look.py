"""Mask probability of the views -> for each view the box around the found nodules, for a second look of the network.

A small nodule fills few of the network's pixels; the second look shows it larger. Inside the box, the mean of both
looks is used. docs/experiments.md 23 has the trials of the box's size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thyrosight.types import BoolArray, Box, FloatArray
from thyrosight.views.boxes import span_within

SHARE = 0.7
"""The box has at least this share of the view's height and width."""
ROOM = 1.6
"""The box has at least this many times the extent of the found pixels."""
FOUND = 0.5
"""A pixel above this mask probability is found; the bundle's own mask threshold is not used."""


def closer_views(probability_HW: FloatArray, views: Sequence[Box]) -> tuple[Box, ...]:
    """Mask probability of the frame, its views -> one box per view with a pixel above FOUND."""
    found = (_around(probability_HW[view.slices] > FOUND, view) for view in views)
    return tuple(box for box in found if box is not None)


def _around(found_HW: BoolArray, view: Box) -> Box | None:
    """-> the box around the found pixels, inside the view and, if possible, centred on them.

    None without found pixels.
    """
    if not found_HW.any():
        return None
    spans = []
    for axis, size in ((1, view.width), (0, view.height)):
        places = np.flatnonzero(found_HW.any(axis=1 - axis))
        first, last = int(places[0]), int(places[-1]) + 1
        spans.append(span_within((first + last) / 2, max(SHARE * size, ROOM * (last - first)), size))
    (x0, x1), (y0, y1) = spans
    return Box(view.x0 + x0, view.y0 + y0, view.x0 + x1, view.y0 + y1)
