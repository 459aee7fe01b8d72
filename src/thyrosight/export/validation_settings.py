"""Validation rows of a run -> settings of its bundle: calibration, mask threshold, least mean probability.

The bundle itself predicts them, as it predicts any image. The network was not fitted on these rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thyrosight.bundle.records import BundleInfo, Calibration, Score
from thyrosight.config import Config
from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.masks import load_mask
from thyrosight.evaluation.mask_rule import THRESHOLDS, best_rule, dices_of
from thyrosight.evaluation.metrics.calibration import MIN_CALIBRATION_IMAGES, fit_platt, platt_covariance
from thyrosight.inference.predictor import Predictor
from thyrosight.types import Case


def with_validation_settings(info: BundleInfo, bundle: Path, cases: Sequence[Case], config: Config) -> BundleInfo:
    """Info, its bundle, validation rows -> info with calibration, mask rule and score from these rows."""
    predictor = Predictor.load(bundle)
    targets = {source.source for source in info.training_sets}
    logits, labels = [], []
    thresholds = THRESHOLDS if config.run.choose_threshold else (info.mask_threshold,)
    dices, has_empty = [], False
    for case in cases:
        if case.source not in targets:
            continue
        frame = load_image(case)
        raw = predictor.run(frame, fov=case.fov, panels=case.panels)
        rated = not config.data.malignancy_sources or case.source in config.data.malignancy_sources
        if case.malignancy is not None and rated:
            logits.append(raw.malignancy_logit)
            labels.append(case.malignancy)
        if case.mask is not None and case.target in config.data.mask_targets:
            reference_HW = load_mask(case, frame.size_hw)
            has_empty |= not reference_HW.any()
            dices.append(dices_of(reference_HW, raw, thresholds, info.min_area_fraction))
    changes: dict[str, Any] = {}
    if info.has_malignancy and len(labels) >= MIN_CALIBRATION_IMAGES and len(set(labels)) == 2:
        scale, offset = fit_platt(logits, labels)
        changes["calibration"] = Calibration(
            scale=scale,
            offset=offset,
            covariance=platt_covariance(logits, scale, offset),
            n=len(labels),
            fitted_on="validation groups of the training rows",
            prevalence=sum(labels) / len(labels),
        )
    if info.has_mask and dices:
        changes |= chosen_rule(np.array(dices), thresholds, may_drop=has_empty and config.run.choose_threshold)
    return info.model_copy(update=changes)


def chosen_rule(dices_NTL: NDArray[Any], thresholds: Sequence[float], *, may_drop: bool) -> dict[str, Any]:
    """Dice per validation image and rule -> fields of a BundleInfo: the best rule and its mean Dice."""
    rule, value = best_rule(dices_NTL, thresholds, may_drop=may_drop)
    score = Score(name="Dice, validation", value=value, low=None, high=None, n=len(dices_NTL), split="validation")
    return {
        "mask_threshold": rule.threshold,
        "min_mean_probability": rule.min_mean_probability,
        "scores": (score,),
    }
