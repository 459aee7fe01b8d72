"""Raw predictions, reference masks -> the mask rule of a bundle: mask threshold, least mean probability.

The rule is the one with the best mean Dice over the images on which it is chosen. On few images it fits noise. A run
can only use its validation groups; a cross-validation can use all images, because each is outlined by a model that has
not seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thyrosight.bundle.records import BundleInfo
from thyrosight.evaluation.metrics.overlap import dice
from thyrosight.inference.nodule_masks import regions_of
from thyrosight.inference.records import RawPrediction
from thyrosight.types import BoolArray

THRESHOLDS = tuple(float(value) for value in np.round(np.arange(0.2, 0.81, 0.05), 2))
LEAST_MEANS = (0.0, *(float(value) for value in np.round(np.arange(0.5, 0.951, 0.025), 3)))
"""The values of min_mean_probability that are tried where regions may be dropped."""
FLAT = 0.001
"""A difference in mean Dice that no choice rests on."""
LIKELY = 0.75
"""A region with this mean probability is dropped only where that raises Dice."""


@dataclass(frozen=True)
class MaskRule:
    """A pixel above the threshold is part of a region.

    A region is a nodule where its mean probability is at least min_mean_probability.
    """

    threshold: float
    min_mean_probability: float

    def in_bundle(self, info: BundleInfo) -> BundleInfo:
        """BundleInfo -> the same with this rule."""
        changes = {"mask_threshold": self.threshold, "min_mean_probability": self.min_mean_probability}
        return info.model_copy(update=changes)


@dataclass(frozen=True)
class OutOfFoldRule:
    """The mask rules of a cross-validation. rule: chosen on the images of all folds.

    by_fold: for the scores of each fold, a rule that was chosen on the other folds.

    network_settings: settings of the networks that made the predictions; a bundle of another network refuses the rule.
    """

    rule: MaskRule
    by_fold: dict[int, MaskRule]
    num_images: int
    network_settings: dict[str, Any]


def dices_of(
    reference_HW: BoolArray, raw: RawPrediction, thresholds: Sequence[float], info: BundleInfo
) -> NDArray[np.float64]:
    """Reference and raw prediction of one image -> Dice (T, L) for each of T thresholds and L LEAST_MEANS.

    Dice of a reference without a nodule is 1 where nothing is outlined, else 0.
    """
    return np.array([_dices_at(reference_HW, raw, threshold, info) for threshold in thresholds])


def _dices_at(reference_HW: BoolArray, raw: RawPrediction, threshold: float, info: BundleInfo) -> list[float]:
    means_of_HW = np.full(reference_HW.shape, -1.0, np.float32)
    for panel in raw.panels:
        probability_HW, means_HW = raw.probability_HW[panel.slices], means_of_HW[panel.slices]
        for region_HW in regions_of(probability_HW, threshold, info.min_area_fraction, info.smooth_outlines):
            means_HW[region_HW] = probability_HW[region_HW].mean()
    return [dice(reference_HW, means_of_HW >= least_mean) for least_mean in LEAST_MEANS]


def best_rule(dices_NTL: NDArray[np.float64], thresholds: Sequence[float], *, may_drop: bool) -> tuple[MaskRule, float]:
    """Dice of N images by T thresholds and L LEAST_MEANS -> (the rule with the best mean Dice, this mean).

    For the choice, each mean is averaged with the means of neighbouring rules, because the highest point of a flat
    curve is noise. may_drop: whether the rule may drop regions of low mean probability. Allow it only where some images
    have no nodule, or where there are many images: fewer images do not show whether it helps. At the best threshold, of
    the rules that are as good but for FLAT, the one that drops most is taken, up to LIKELY: sets hold few images
    without a nodule, so they hardly show what a doubtful region costs there.
    """
    means_TL = dices_NTL.mean(axis=0)[:, : len(LEAST_MEANS) if may_drop else 1]
    smooth_TL = _with_neighbours(means_TL)
    threshold, best = (int(index) for index in np.unravel_index(int(np.argmax(smooth_TL)), smooth_TL.shape))
    means_L = smooth_TL[threshold]
    as_good = [place for place, mean in enumerate(means_L) if mean >= means_L[best] - FLAT]
    least_mean = max(best, *(place for place in as_good if LEAST_MEANS[place] <= LIKELY), 0)
    return MaskRule(thresholds[threshold], LEAST_MEANS[least_mean]), float(means_TL[threshold, least_mean])


def _with_neighbours(means_TL: NDArray[np.float64]) -> NDArray[np.float64]:
    """-> for each entry, the mean of this entry and the eight around it.

    Entries at the border are repeated outwards.
    """
    num_rows, num_columns = means_TL.shape
    padded = np.pad(means_TL, 1, mode="edge")
    shifted = [padded[row : row + num_rows, column : column + num_columns] for row in range(3) for column in range(3)]
    mean_TL: NDArray[np.float64] = np.mean(shifted, axis=0)
    return mean_TL


def out_of_fold_rule(
    dices_of_fold: dict[int, NDArray[np.float64]], network_settings: dict[str, Any], *, may_drop: bool
) -> OutOfFoldRule:
    """Dice (N, T, L) per fold, of a model that has not seen the fold -> the rule of all folds, and one per fold."""
    by_fold = {}
    for fold in dices_of_fold:
        others = [dices_NTL for other, dices_NTL in dices_of_fold.items() if other != fold]
        by_fold[fold], _ = best_rule(np.concatenate(others), THRESHOLDS, may_drop=may_drop)
    all_NTL = np.concatenate(list(dices_of_fold.values()))
    rule, _ = best_rule(all_NTL, THRESHOLDS, may_drop=may_drop)
    return OutOfFoldRule(rule, by_fold, len(all_NTL), network_settings)
