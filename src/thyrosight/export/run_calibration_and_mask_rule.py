"""Validation rows of a run -> settings of its bundle: calibration, operating points, mask rule.

The bundle itself predicts these rows, in the same way as any image. The network was not fitted on them.
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
from thyrosight.evaluation.estimates import DEFAULT_SETTINGS
from thyrosight.evaluation.mask_rule import LEAST_MEANS, THRESHOLDS, best_rule, dices_of
from thyrosight.evaluation.metrics.calibration import MIN_CALIBRATION_IMAGES, fit_platt, platt_covariance
from thyrosight.evaluation.out_of_fold import LabelledLogits, can_choose_thresholds, dealt
from thyrosight.export.operating_points import operating_points
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.risk import Fit
from thyrosight.types import BoolArray, Box, Case
from thyrosight.views.boxes import box_masks

BOXED_DICE = "Dice, validation; where there are boxes alone, of the ellipses inscribed in them"
MANY_IMAGES = 200
"""With this many validation images the least mean probability is chosen even if each image has a nodule; with fewer it
would fit noise."""


def with_validation_settings(info: BundleInfo, bundle: Path, cases: Sequence[Case], config: Config) -> BundleInfo:
    """Info, its bundle, validation rows -> info with calibration, operating points, mask rule and score.

    Where a row has boxes and no outline, the reference of the mask rule is the ellipses inscribed in its boxes. All
    sources have the same weight in the choice of the mask rule, whatever their numbers of rows.
    """
    predictor = Predictor.load(bundle)
    targets = {source.source for source in info.training_sets}
    rated = []
    thresholds = THRESHOLDS if config.run.choose_threshold else (info.mask_threshold,)
    dices, sources, has_empty, name = [], [], False, "Dice, validation"
    for case in cases:
        if case.source not in targets:
            continue
        frame = load_image(case)
        raw = predictor.run(frame, fov=case.fov, panels=case.panels)
        teaches_risk = not config.data.malignancy_sources or case.source in config.data.malignancy_sources
        if case.malignancy is not None and teaches_risk:
            rated.append((case.malignancy, raw.malignancy_logit, f"{case.source}/{case.group or case.case_id}"))
        if (case.mask is not None or case.boxes) and case.target in config.data.mask_targets:
            reference_HW = reference_mask(case, frame.size_hw)
            has_empty |= not reference_HW.any()
            name = name if case.mask is not None else BOXED_DICE
            dices.append(dices_of(reference_HW, raw, thresholds, info))
            sources.append(case.source)
    changes: dict[str, Any] = {}
    if info.has_malignancy and len(rated) >= MIN_CALIBRATION_IMAGES and {label for label, _, _ in rated} == {0, 1}:
        changes |= risk_settings(rated)
    if info.has_mask and dices:
        may_drop = config.run.choose_threshold and (has_empty or len(dices) >= MANY_IMAGES)
        changes |= chosen_rule(np.array(dices), thresholds, sources, may_drop=may_drop, name=name)
    return info.model_copy(update=changes)


def reference_mask(case: Case, size_hw: tuple[int, int]) -> BoolArray:
    """The outline of the case in source pixels, or the ellipses inscribed in its boxes."""
    if case.mask is not None:
        return load_mask(case, size_hw)
    return box_masks(case.boxes, Box(0, 0, size_hw[1], size_hw[0])).ellipse_HW


def risk_settings(rows: Sequence[tuple[int, float, str]]) -> dict[str, Any]:
    """(label, logit, group) of each rated row -> fields of a BundleInfo: calibration and operating points.

    `dealt` puts the groups into folds. An operating point's rates on one fold are taken at the threshold that the
    other folds choose.
    """
    labels, logits, groups = zip(*rows, strict=True)
    rated = LabelledLogits(labels, logits, groups, dealt(groups))
    scale, offset = fit_platt(logits, labels)
    covariance = platt_covariance(logits, scale, offset)
    calibration = Calibration(
        scale=scale,
        offset=offset,
        covariance=covariance,
        n=len(labels),
        fitted_on="validation groups of the training rows",
        prevalence=sum(labels) / len(labels),
    )
    changes: dict[str, Any] = {"calibration": calibration}
    if scale > 0 and can_choose_thresholds(rated):
        fit = Fit(scale, offset, covariance)
        words = "On validation groups, by thresholds that the other groups choose"
        changes["operating_points"] = operating_points(rated, fit, DEFAULT_SETTINGS, words)
    return changes


def chosen_rule(
    dices_NTL: NDArray[Any],
    thresholds: Sequence[float],
    sources: Sequence[str],
    *,
    may_drop: bool,
    name: str = "Dice, validation",
) -> dict[str, Any]:
    """Dice per validation image and rule, source of each -> fields of a BundleInfo: the best rule, its mean Dice.

    dices_NTL: N images, T thresholds, L least mean probabilities (LEAST_MEANS). The best rule has the best mean of the
    sources' means. Its score is the mean over all images. may_drop: whether a rule may drop regions by their mean
    probability.
    """
    is_of = [np.array([one == source for one in sources]) for source in dict.fromkeys(sources)]
    means_STL = np.array([dices_NTL[rows].mean(axis=0) for rows in is_of])
    rule, _ = best_rule(means_STL, thresholds, may_drop=may_drop)
    chosen_N = dices_NTL[:, thresholds.index(rule.threshold), LEAST_MEANS.index(rule.min_mean_probability)]
    score = Score(name=name, value=float(chosen_N.mean()), low=None, high=None, n=len(chosen_N), split="validation")
    return {
        "mask_threshold": rule.threshold,
        "min_mean_probability": rule.min_mean_probability,
        "scores": (score,),
    }
