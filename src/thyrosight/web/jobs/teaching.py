"""The network's maps of a frame, its risk -> how much the network would learn from a reading. It can order the list."""

from __future__ import annotations

import numpy as np

from thyrosight.inference.records import RawPrediction

RISK_WEIGHT = UNLIKE_WEIGHT = 0.5


def outline_doubt(raw: RawPrediction) -> float:
    """-> 0 to 1: one minus the expected Dice, where each pixel belongs to a nodule with its mask probability p.

    The expected Dice is taken as the ratio of expectations, 2 sum(p in the mask) / (pixels of the mask + sum(p)).
    Without an outline the result is the highest mask probability, which is large where an outline was nearly drawn.
    """
    if not raw.mask_HW.any():
        return round(float(raw.probability_HW.max(initial=0.0)), 6)
    inside = float(raw.probability_HW[raw.mask_HW].sum())
    expected = 2 * inside / (np.count_nonzero(raw.mask_HW) + float(raw.probability_HW.sum()))
    return round(min(1.0, max(0.0, 1.0 - expected)), 6)


def teaching_score(doubt: float, risk: float | None, is_unlike: bool) -> float:
    """Doubt about the outline (0 to 1), risk, whether the image is unlike the training images -> score, 0 to 2.

    It is the sum of the doubt about the outline, half the doubt about the risk (which is 1 at a risk of 0.5), and 0.5
    where the image is unlike the training images.
    """
    of_risk = 0.0 if risk is None else 1.0 - abs(2.0 * risk - 1.0)
    return round(doubt + RISK_WEIGHT * of_risk + UNLIKE_WEIGHT * is_unlike, 4)
