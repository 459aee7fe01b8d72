"""The nodules of a view, rng -> a closer part of the view, like the part that a second look or a click shows.

A network that has learned from whole views only draws worse outlines in a closer view (docs/experiments.md 42).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from thyrosight.types import Box
from thyrosight.views.boxes import span_within

SCALES = (1.5, 4.0)
"""Smallest and largest side of the part, over the longer side of the nodule's box; drawn log-uniformly."""
EMPTY_SHARES = (0.3, 1.0)
"""The same for a view without a nodule, over the shorter side of the view."""
LEAST_SIDE_PX = 48
OFF_CENTRE = 0.8
"""The nodule's box may be off the centre of the part, by up to this share of the way to its edge."""


def closer_part(nodules: Sequence[Box], size_hw: tuple[int, int], rng: np.random.Generator) -> Box:
    """Boxes of nodules in the view's pixels, the view's size, rng -> a square part, cut off at the view's edges.

    One nodule is chosen, with equal chances. Without nodules the part is anywhere in the view.
    """
    height, width = size_hw
    if nodules:
        box = nodules[int(rng.integers(len(nodules)))]
        longest = max(box.width, box.height)
        side = longest * math.exp(rng.uniform(*np.log(SCALES)))
        spare = (OFF_CENTRE * (side - box.width) / 2, OFF_CENTRE * (side - box.height) / 2)
        x, y = (
            (box.x0 + box.x1) / 2 + rng.uniform(-1, 1) * spare[0],
            (box.y0 + box.y1) / 2 + rng.uniform(-1, 1) * spare[1],
        )
    else:
        side = min(height, width) * math.exp(rng.uniform(*np.log(EMPTY_SHARES)))
        x, y = rng.uniform(0, width), rng.uniform(0, height)
    x0, x1 = span_within(x, max(side, LEAST_SIDE_PX), width)
    y0, y1 = span_within(y, max(side, LEAST_SIDE_PX), height)
    return Box(x0, y0, x1, y1)
