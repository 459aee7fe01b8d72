"""The network's maps of a frame, its risk -> what a reading of the image would teach; the list can be ordered by it."""

from __future__ import annotations

import numpy as np

from thyrosight.inference.records import RawPrediction

RISK_WEIGHT = UNLIKE_WEIGHT = 0.5


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


def teaching_score(doubt: float, risk: float | None, is_unlike: bool) -> float:
    """Doubt about the outline, 0 to 1, the risk, unlike the training images? -> what a reading would teach, 0 to 2.

    The outline's doubt, half the doubt about the risk (1 at a risk of one half), and half a point where the image is
    unlike what the network has learned from.
    """
    of_risk = 0.0 if risk is None else 1.0 - abs(2.0 * risk - 1.0)
    return round(doubt + RISK_WEIGHT * of_risk + UNLIKE_WEIGHT * is_unlike, 4)
