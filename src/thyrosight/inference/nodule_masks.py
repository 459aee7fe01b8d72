"""Mask probability of one view -> the masks of its nodules: threshold, filled holes, smooth outlines, no specks."""

from __future__ import annotations

import math

import numpy as np

from thyrosight.bundle.records import BundleInfo
from thyrosight.measurement.outlines import fill_outlines, outlines, smoothed
from thyrosight.types import BoolArray, FloatArray

MAX_NODULES_PER_PANEL = 16
"""Where there are more regions, the smaller ones are noise; this many of the largest are kept."""


def nodule_masks_of(probability_HW: FloatArray, info: BundleInfo) -> tuple[BoolArray, ...]:
    """Mask probability of one view, the bundle's info -> its nodules' masks, the largest first.

    A region is above mask_threshold. Its holes are filled, and its outline is smoothed where the model states so. The
    region is a nodule if it then covers at least min_area_fraction of the view and its mean probability is at least
    min_mean_probability.
    """
    if not info.has_mask:
        return ()
    regions = regions_of(probability_HW, info.mask_threshold, info.min_area_fraction, info.smooth_outlines)
    return tuple(mask_HW for mask_HW in regions if probability_HW[mask_HW].mean() >= info.min_mean_probability)


def regions_of(
    probability_HW: FloatArray, threshold: float, min_area_fraction: float, smooth_outlines: bool = False
) -> tuple[BoolArray, ...]:
    """Mask probability of one view -> the masks of its regions above the threshold, holes filled, the largest first.

    Regions do not overlap: where smoothing makes two regions meet, the larger one gets the pixels.
    """
    min_area_px = max(1, math.ceil(min_area_fraction * probability_HW.size))
    found: list[BoolArray] = []
    taken_HW = np.zeros(probability_HW.shape, np.bool_)
    for outline_xy in outlines(probability_HW > threshold)[:MAX_NODULES_PER_PANEL]:
        mask_HW = fill_outlines([outline_xy], probability_HW.shape)
        if smooth_outlines and np.count_nonzero(mask_HW) >= min_area_px:
            mask_HW = smoothed(mask_HW) & ~taken_HW
            taken_HW |= mask_HW
        if np.count_nonzero(mask_HW) >= min_area_px:
            found.append(mask_HW)
    return tuple(sorted(found, key=np.count_nonzero, reverse=True))
