"""The network's maps of a frame -> how much a person's outline of it would teach: its own doubt about its outlines."""

from __future__ import annotations

import numpy as np

from thyrosight.inference.records import RawPrediction


def outline_doubt(raw: RawPrediction) -> float:
    """-> 0 to 1: one minus the Dice to expect, where each pixel is the nodule's with the probability that is stated.

    The ratio of expectations, 2 sum(p in the mask) / (pixels of the mask + sum(p)). Without an outline it is the
    highest mask probability: how nearly there was one.
    """
    if not raw.mask_HW.any():
        return round(float(raw.probability_HW.max(initial=0.0)), 6)
    inside = float(raw.probability_HW[raw.mask_HW].sum())
    expected = 2 * inside / (np.count_nonzero(raw.mask_HW) + float(raw.probability_HW.sum()))
    return round(min(1.0, max(0.0, 1.0 - expected)), 6)
