"""Mask probability of one view -> the masks of its nodules: threshold, filled holes, no specks."""

from __future__ import annotations

import math

from thyrosight.bundle.records import BundleInfo
from thyrosight.measurement.outlines import fill_outlines, outlines
from thyrosight.types import BoolArray, FloatArray

MAX_NODULES_PER_PANEL = 16
"""More regions than this are noise; the largest are kept."""


def nodule_masks_of(probability_HW: FloatArray, info: BundleInfo) -> tuple[BoolArray, ...]:
    """Mask probability of one view, the model's declaration -> its nodules' masks, the largest first.

    A region counts if it is above mask_threshold, covers min_area_fraction of the view once its holes are filled, and
    has a mean probability of min_mean_probability.
    """
    if not info.has_mask:
        return ()
    regions = regions_of(probability_HW, info.mask_threshold, info.min_area_fraction)
    return tuple(mask_HW for mask_HW in regions if probability_HW[mask_HW].mean() >= info.min_mean_probability)


def regions_of(probability_HW: FloatArray, threshold: float, min_area_fraction: float) -> tuple[BoolArray, ...]:
    """Mask probability of one view -> the masks of its regions above the threshold, holes filled, the largest first."""
    min_area_px = max(1, math.ceil(min_area_fraction * probability_HW.size))
    filled = (
        fill_outlines([outline_xy], probability_HW.shape)
        for outline_xy in outlines(probability_HW > threshold)[:MAX_NODULES_PER_PANEL]
    )
    return tuple(mask_HW for mask_HW in filled if mask_HW.sum() >= min_area_px)
