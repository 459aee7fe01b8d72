"""Validation rows of a run -> what its bundle sets on them: calibration, mask threshold, least mean probability.

By the very path that predicts. The rows are groups of the training folds that the network was not fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thyrosight.bundle import BundleInfo, Calibration, Score
from thyrosight.calibration import fit_platt, platt_covariance
from thyrosight.cases.load import load_mask
from thyrosight.config import Config
from thyrosight.images import load_frame
from thyrosight.metrics import dice
from thyrosight.predict import Predictor, RawPrediction, regions_of
from thyrosight.types import BoolArray, Case

MIN_CALIBRATION_IMAGES = 20
"""Fewer labelled validation images than this calibrate nothing: the fit would be noise."""
THRESHOLDS = tuple(float(value) for value in np.round(np.arange(0.2, 0.81, 0.05), 2))
LEAST_MEANS = (0.0, *(float(value) for value in np.round(np.arange(0.5, 0.951, 0.025), 3)))
"""What is tried of min_mean_probability where some validation images hold no nodule."""


def calibrated(info: BundleInfo, bundle: Path, cases: Sequence[Case], config: Config) -> BundleInfo:
    """Info, its bundle, validation rows -> the info with calibration, threshold and score from those rows."""
    predictor = Predictor.load(bundle)
    targets = {source.source for source in info.training_sets}
    logits, labels = [], []
    thresholds = THRESHOLDS if config.run.choose_threshold else (info.mask_threshold,)
    dices, has_empty = [], False
    for case in cases:
        if case.source not in targets:
            continue
        frame = load_frame(case.image)
        raw = predictor.raw(frame, fov=case.fov, panels=case.panels)
        rated = not config.data.malignancy_sources or case.source in config.data.malignancy_sources
        if case.malignancy is not None and rated:
            logits.append(raw.malignancy_logit)
            labels.append(case.malignancy)
        if case.mask is not None and case.target in config.data.mask_targets:
            reference_HW = load_mask(case, frame.size_hw)
            has_empty |= not reference_HW.any()
            dices.append([dices_of(reference_HW, raw, threshold, info.min_area_fraction) for threshold in thresholds])
    changes: dict[str, Any] = {}
    if info.has_malignancy and len(labels) >= MIN_CALIBRATION_IMAGES and len(set(labels)) == 2:
        scale, offset = fit_platt(logits, labels)
        changes["calibration"] = Calibration(
            scale=scale,
            offset=offset,
            covariance=platt_covariance(logits, scale, offset),
            n=len(labels),
            fitted_on="validation groups of the training rows",
        )
    if info.has_mask and dices:
        changes |= chosen_rule(np.array(dices), thresholds, may_drop=has_empty and config.run.choose_threshold)
    return info.model_copy(update=changes)


def chosen_rule(dices_NTL: NDArray[Any], thresholds: Sequence[float], *, may_drop: bool) -> dict[str, Any]:
    """Dice of N images by T thresholds and L least means -> the rule of the best mean, fields of a BundleInfo.

    may_drop: whether regions may be dropped for a low mean probability. Only images without a nodule can ask for that.
    """
    means_TL = dices_NTL.mean(axis=0)[:, : len(LEAST_MEANS) if may_drop else 1]
    threshold, least_mean = np.unravel_index(int(np.argmax(means_TL)), means_TL.shape)
    score = Score(
        name="Dice, validation",
        value=float(means_TL.max()),
        low=None,
        high=None,
        n=len(dices_NTL),
        split="validation",
    )
    return {
        "mask_threshold": thresholds[int(threshold)],
        "min_mean_probability": LEAST_MEANS[int(least_mean)],
        "scores": (score,),
    }


def dices_of(
    reference_HW: BoolArray, raw: RawPrediction, threshold: float, min_area_fraction: float
) -> NDArray[np.float64]:
    """Reference and raw prediction of one image, a threshold -> Dice for each of LEAST_MEANS (L,).

    Without a nodule in the reference it is 1 where nothing is outlined, else 0.
    """
    means_of_HW = np.full(reference_HW.shape, -1.0, np.float32)
    for panel in raw.panels:
        probability_HW, means_HW = raw.probability_HW[panel.slices], means_of_HW[panel.slices]
        for region_HW in regions_of(probability_HW, threshold, min_area_fraction):
            means_HW[region_HW] = probability_HW[region_HW].mean()
    return np.array([dice(reference_HW, means_of_HW >= least_mean) for least_mean in LEAST_MEANS])
