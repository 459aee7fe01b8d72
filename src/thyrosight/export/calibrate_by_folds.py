"""Bundle of a final network, out-of-fold scores of its recipe -> the bundle with calibration, thresholds and scores.

A network that was trained on all rows has seen every label, so its own output on these rows must choose no setting. All
settings here come from models of the same recipe, each on the fold that it had not seen. To score a setting on a fold,
the other folds choose it. Where only one fold was scored, its groups are dealt into parts that take the place of folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from thyrosight.bundle.card import model_card
from thyrosight.bundle.records import BundleInfo, Calibration, Score
from thyrosight.bundle.store import load_bundle, refuse_other_network, write_bundle
from thyrosight.bundle.training_sets import has_left_out
from thyrosight.config import NetworkConfig
from thyrosight.environment import utc_now
from thyrosight.errors import InputError
from thyrosight.evaluation.case_scores import CaseScore, read_case_scores
from thyrosight.evaluation.estimates import DEFAULT_SETTINGS, EvaluationSettings
from thyrosight.evaluation.out_of_fold import fit_of, is_one_fold, labelled_logits, recalibrated, with_parts
from thyrosight.evaluation.scores import risk_scores
from thyrosight.evaluation.selective_scores import selective_scores
from thyrosight.evaluation.summary import read_evaluation
from thyrosight.export.operating_points import operating_points
from thyrosight.export.quoted_scores import failures_of, robustness_of, scores_of, subgroups_of
from thyrosight.files import sha256_of

OF_CALIBRATION = ("brier", "ece", "ece_of_perfect_model", "aurc_risk")
"""Scores that depend on the calibration. They are computed with the calibration of this bundle, not with those of the
folds."""


def recalibrate(
    bundle: Path,
    per_case: Path,
    out: Path,
    *,
    scores: Path | None = None,
    stress: Path | None = None,
    calibrates: bool = True,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
) -> Path:
    """Bundle of `train --fold all`, per_case.csv of one fold or of several pooled -> `out`, a new bundle, verified.

    scores: evaluation.json of the cross-validation (None: the one next to per_case.csv, if there is one). If it has a
    mask rule, the bundle gets this rule too. stress: a stress.json to quote. calibrates=False: the calibration of the
    risk stays as it is. InputError where these files do not belong together, or where the bundle was trained without
    one of the folds.
    """
    if out.resolve() == bundle.resolve():
        raise InputError(f"{out}: is the bundle itself; write the new one to another path")
    old = load_bundle(bundle)
    rows = read_case_scores(per_case)
    _refuse_strangers(old.info, rows, bundle, per_case)
    next_to_it = per_case.parent / "evaluation.json"
    scores = scores or (next_to_it if next_to_it.exists() else None)
    changes: dict[str, Any] = {"created": utc_now()}
    calibrates = calibrates and old.info.has_malignancy
    if calibrates:
        changes |= _calibration(rows, per_case, settings)
    if scores is not None:
        changes |= _declared(read_evaluation(scores), rows, old.info, scores)
        if calibrates:
            own = _calibration_scores(rows, per_case, settings)
            names = {score.name for score in own}
            changes["scores"] = (*(score for score in changes["scores"] if score.name not in names), *own)
    if stress is not None:
        changes["robustness"] = robustness_of(stress)
    info = old.info.model_copy(update=changes)
    weights = old.weights_bytes
    refuse_other_network(out, weights)
    path = write_bundle(out, info, old.onnx_bytes, weights, model_card(info), old.seen)
    return load_bundle(path).path


def _refuse_strangers(info: BundleInfo, rows: Sequence[CaseScore], bundle: Path, per_case: Path) -> None:
    """InputError where the bundle was trained without one of the folds, or not on the scored sets."""
    if has_left_out(info, {row.fold for row in rows if row.fold is not None}):
        raise InputError(
            f"{bundle}: was trained without one fold, and would be calibrated on it; pass the bundle of "
            "`train --fold all`, or keep this one's own calibration"
        )
    strangers = {row.source for row in rows} - {part.source for part in info.training_sets}
    if strangers:
        raise InputError(
            f"{per_case}: scores of {', '.join(sorted(strangers))}, from which {bundle} has not learned; pass the "
            "cross-validation of the same recipe on the same sets"
        )


# The risk


def _calibration(rows: Sequence[CaseScore], per_case: Path, settings: EvaluationSettings) -> dict[str, Any]:
    """Rows -> fields of a BundleInfo: calibration and operating points."""
    rated = labelled_logits(with_parts(rows), str(per_case))
    fit = fit_of(rated.logits, rated.labels, str(per_case))
    return {
        "calibration": Calibration(
            scale=fit.scale,
            offset=fit.offset,
            covariance=fit.covariance,
            n=len(rated.labels),
            fitted_on=_fitted_on(rows),
            prevalence=sum(rated.labels) / len(rated.labels),
            sha256=sha256_of(per_case / "per_case.csv" if per_case.is_dir() else per_case),
        ),
        "operating_points": operating_points(
            rated, fit, settings, f"Out of fold, by thresholds that the other {_chosen_by(rows)} choose"
        ),
    }


def _fitted_on(rows: Sequence[CaseScore]) -> str:
    """-> of which models on which rows the logits are, in words."""
    labelled = [row for row in rows if row.malignancy is not None]
    folds = sorted({row.fold for row in labelled if row.fold is not None})
    sources = ", ".join(sorted({row.source for row in labelled}))
    if is_one_fold(labelled):
        return f"out-of-fold logits of a model by the same recipe that had not seen them ({sources}, fold {folds[0]})"
    return (
        f"out-of-fold logits of {len(folds)} models by the same recipe, each on the fold that it had not seen "
        f"({sources}, folds {', '.join(map(str, folds))})"
    )


def _chosen_by(rows: Sequence[CaseScore]) -> str:
    """-> "folds", or "groups" where all rows are of one fold."""
    return "groups" if is_one_fold(rows) else "folds"


def _calibration_scores(rows: Sequence[CaseScore], per_case: Path, settings: EvaluationSettings) -> tuple[Score, ...]:
    """Rows -> Brier score, ECE, a perfect model's ECE, AURC; each risk is calibrated on the other folds or parts.

    These scores estimate the calibration of this bundle. The scores in evaluation.json estimate the calibrations of the
    folds.
    """
    risks = recalibrated(with_parts(rows), str(per_case))
    return tuple(
        Score(
            name=estimate.title,
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            n=estimate.n,
            split=f"{', '.join(sorted({row.source for row in rows}))}, each calibrated on other {_chosen_by(rows)}",
        )
        for estimate in (*risk_scores(risks, settings), *(part.aurc for part in selective_scores(risks, settings)))
        if estimate.name in OF_CALIBRATION and estimate.value is not None
    )


# What is declared


def _declared(record: Mapping[str, Any], rows: Sequence[CaseScore], info: BundleInfo, path: Path) -> dict[str, Any]:
    """evaluation.json -> fields of a BundleInfo: scores, their meaning, subgroups, failures; its mask rule if any.

    InputError where the file does not fit the bundle or the rows: it has other cases, it was scored with --tta or on
    images seen in training, its risk has another meaning, or its mask rule is that of another network.
    """
    if {case["case_id"] for case in record["cases"]} != {row.case_id for row in rows}:
        raise InputError(f"{path}: has other cases than the per_case.csv; pass the two of one cross-validation")
    if record["evaluated"].get("with_tta"):
        raise InputError(f"{path}: scored with --tta, which a bundle does not do by itself; pool the folds without")
    if seen := record["evaluated"].get("scored_although_seen"):
        raise InputError(f"{path}: {len(seen)} of its images had been seen in training; score without --even-if-seen")
    meaning = record["evaluated"]["risk_meaning"]
    if meaning and meaning != info.risk_meaning:
        raise InputError(f"{path}: its risk means {meaning!r}, the bundle's {info.risk_meaning!r}")
    num_models = len({row.fold for row in rows})
    of = f"{num_models} models by the same recipe, each on the fold it had not seen"
    if num_models == 1:
        of = "a model by the same recipe, on the one fold it had not seen"
    rule = record["evaluated"].get("mask_rule")
    if rule and _settings(rule["network_settings"]) != _settings(info.network_settings):
        raise InputError(f"{path}: its mask rule is that of another network; pass the cross-validation of this recipe")
    but = f" but {info.num_validation_images} kept for validation" if info.num_validation_images else ""
    return {
        "scores": scores_of(record),
        "scores_meaning": f"scores of {of}; this bundle's network was trained on all rows{but}",
        "subgroups": subgroups_of(record),
        "failures": failures_of(record),
        **(_mask_rule(rule) if rule else {}),
    }


# The mask


def _settings(network_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Network settings of a bundle -> the same, with the default of each setting that it does not have."""
    return asdict(NetworkConfig()) | dict(network_settings)


def _mask_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Mask rule of an evaluation -> threshold, least mean probability and their origin."""
    by_fold = sorted((int(fold), own["threshold"]) for fold, own in rule["by_fold"].items())
    chosen = ", ".join(f"{threshold:g}" for _, threshold in by_fold)
    return {
        "mask_threshold": rule["rule"]["threshold"],
        "min_mean_probability": rule["rule"]["min_mean_probability"],
        "mask_threshold_from": f"best mean Dice over {rule['num_images']} images, each outlined by a model by the same "
        f"recipe that had not seen it; the scores are by the thresholds that the other folds choose: {chosen}",
    }
