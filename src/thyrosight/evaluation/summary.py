"""CaseScores, what was evaluated -> Evaluation: one frozen record with all scores, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from thyrosight.errors import InputError
from thyrosight.evaluation.box_scores import Froc, box_scores, froc
from thyrosight.evaluation.case_scores import CaseScore, is_case_scores
from thyrosight.evaluation.estimates import Estimate, EvaluationSettings
from thyrosight.evaluation.mask_rule import OutOfFoldRule
from thyrosight.evaluation.metrics.calibration import ReliabilityBin, reliability
from thyrosight.evaluation.metrics.overlap import Agreement, bland_altman, bland_altman_percent
from thyrosight.evaluation.scores import (
    GroupScore,
    ModelThreshold,
    Roc,
    Subgroup,
    ThresholdScore,
    detection_scores,
    diameter_pairs,
    diameter_scores,
    group_scores,
    labelled,
    outline_scores,
    risk_scores,
    roc_of,
    subgroup_scores,
    threshold_score,
)
from thyrosight.evaluation.selective_scores import Selective, selective_scores
from thyrosight.files import raise_disk_fault
from thyrosight.files.earlier_files import json_table, refuse_strangers

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class EvaluationContext:
    """What was evaluated: model, cases, selection of rows, time and hardware."""

    model_name: str
    model_id: str
    trained_on: tuple[str, ...]
    risk_meaning: str
    operating_points: tuple[ModelThreshold, ...]
    cases: str
    cases_sha256: str
    selection: str
    created: str
    hardware: dict[str, str]
    notes: tuple[str, ...] = ()
    with_tta: bool = False
    mask_rule: OutOfFoldRule | None = None
    """The mask rules, if the rule of each fold was chosen on the other folds; None: each bundle used its own rule."""
    left_out_as_seen: tuple[str, ...] = ()
    """Cases without a score, because the model had seen them in training."""
    scored_although_seen: tuple[str, ...] = ()
    """Cases with a score that the model had seen in training (`--even-if-seen`). Their scores tell nothing about other
    images."""


@dataclass(frozen=True)
class UnscoredCase:
    """A case that could not be scored, and the reason."""

    case_id: str
    message: str


def summarise(
    rows: Sequence[CaseScore],
    evaluated: EvaluationContext,
    settings: EvaluationSettings,
    failures: Sequence[UnscoredCase] = (),
) -> Evaluation:
    """Scores of every image, what was evaluated, settings -> Evaluation. InputError where there is no row."""
    if not rows:
        first = f"; the first: {failures[0].case_id}: {failures[0].message}" if failures else ""
        raise InputError(f"{evaluated.cases}: none of the {len(failures)} chosen cases could be scored{first}")
    scores_of_groups, groups = group_scores(rows, settings)
    labels, risks, _ = labelled(rows)
    reference_px, predicted_px, _ = diameter_pairs(rows, "px")
    reference_mm, predicted_mm, _ = diameter_pairs(rows, "mm")
    return Evaluation(
        schema_version=SCHEMA_VERSION,
        evaluated=evaluated,
        settings=settings,
        num_images=len(rows),
        num_groups=len(groups),
        num_outlined=sum(row.is_outlined for row in rows),
        num_empty=sum(row.reference_area_px == 0 for row in rows),
        num_labelled=len(labels),
        num_high=sum(labels),
        seconds_per_image=_median([row.seconds for row in rows if row.seconds is not None]),
        policies=policies(settings),
        scores=(
            *outline_scores(rows, settings),
            *detection_scores(rows, settings),
            *diameter_scores(rows, settings),
            *risk_scores(rows, settings),
            *box_scores(rows, settings),
        ),
        group_scores=scores_of_groups,
        operating_points=tuple(threshold_score(point, rows, settings) for point in evaluated.operating_points),
        subgroups=subgroup_scores(rows, settings),
        roc=roc_of(rows, settings),
        reliability=reliability(labels, risks, settings.num_bins) if labels else (),
        longest_px=bland_altman(reference_px, predicted_px),
        longest_percent=bland_altman_percent(reference_px, predicted_px),
        longest_mm=bland_altman(reference_mm, predicted_mm),
        selective=selective_scores(rows, settings),
        failures=tuple(failures),
        groups=groups,
        cases=tuple(rows),
        froc=froc(rows),
    )


def policies(settings: EvaluationSettings) -> dict[str, str]:
    """Settings -> how each score is defined here, in sentences."""
    masks = settings.masks
    return {
        "Geometry": "Every mask is scored in the source image's own pixels, over the whole image: what is drawn "
        "outside the ultrasound field counts as wrong.",
        "Which images": "Dice, IoU, NSD and HD95 are means over the images whose reference holds a nodule; images "
        "without a reference outline are left out there. AUROC and the other risk scores are over the images with "
        "a label, whatever their outline.",
        "Empty masks": "An empty reference asks for an empty prediction: both empty scores 1, one empty 0. An "
        "image whose reference states that there is no nodule counts in detection and in 'images without a nodule left "
        "empty', not in the mean Dice.",
        "NSD": f"Share of both boundaries' length within {masks.nsd_tolerance_px:g} pixels of the other "
        f"({masks.nsd_tolerance_mm:g} mm where the spacing is known); Nikolov et al. 2018, length-weighted.",
        "HD95": "The larger of the two directed 95th percentiles, by boundary length. Not defined where nothing was "
        "predicted: those images are left out of its mean and counted in n; the mean next to it counts "
        "them with the diagonal of the ultrasound field.",
        "Nodules found": "8-connected regions, matched one to one, largest IoU first; found from IoU "
        f"{masks.min_iou:g} on (Metrics Reloaded 2024: mask IoU, lenient where the boundary is uncertain). A predicted "
        "region without a match is a false positive.",
        "Boxes found": "Where only boxes are known: the box around each 8-connected region against the reference's, "
        "matched one to one, largest IoU first. A region without a match at IoU 0.5 counts as another region; further "
        "nodules may be unlisted. AP50: regions by falling mean probability, precision made monotone, area below it "
        "(Everingham et al. 2015); the curve ends at the regions that the mask threshold leaves.",
        "Longest diameter": "Over the nodules found only; percent of the mean of both. Nodules that were missed do "
        "not appear there.",
        "Risk": "The model's calibrated risk of the image. The points at 90 % are read off the ROC curve of the same "
        "images and are a little optimistic; the model's own operating points were set elsewhere.",
        "ECE": f"{settings.num_bins} bins of equal mass. Even a perfect model's ECE is above 0 with few images, so the "
        "ECE that it would have is next to it; the bootstrap interval of the ECE is biased upwards.",
        "Selective prediction": "The least sure images are declined first: the risk's by its distance from 0.5, the "
        "outline's by the mean probability inside it (nothing outlined: before all others). Coverage is the share that "
        "is answered (Geifman & El-Yaniv 2017). AURC is the mean loss over all coverages, lower is better (Geifman et "
        "al. 2019; Ding et al. 2020).",
        "Intervals": f"95 %, percentile bootstrap of {settings.draws} draws that resample whole groups (patients, or "
        "clusters of near duplicates), not images. No correction for looking at many scores.",
    }


@dataclass(frozen=True)
class Evaluation:
    """All results of one evaluation. In `scores` every image has the same weight, in `group_scores` every group."""

    schema_version: int
    evaluated: EvaluationContext
    settings: EvaluationSettings
    num_images: int
    num_groups: int
    num_outlined: int
    num_empty: int
    num_labelled: int
    num_high: int
    seconds_per_image: float | None
    policies: dict[str, str]
    scores: tuple[Estimate, ...]
    group_scores: tuple[Estimate, ...]
    operating_points: tuple[ThresholdScore, ...]
    subgroups: tuple[Subgroup, ...]
    roc: Roc | None
    reliability: tuple[ReliabilityBin, ...]
    longest_px: Agreement | None
    longest_percent: Agreement | None
    longest_mm: Agreement | None
    selective: tuple[Selective, ...]
    failures: tuple[UnscoredCase, ...]
    groups: tuple[GroupScore, ...]
    cases: tuple[CaseScore, ...]
    froc: Froc | None = None
    """The FROC curve, where boxes are the reference; else None."""

    def score(self, name: str) -> Estimate:
        """Name -> the estimate of that name; KeyError lists the names."""
        for estimate in (*self.scores, *self.group_scores, *(part.aurc for part in self.selective)):
            if estimate.name == name:
                return estimate
        raise KeyError(f"no score {name!r}; there are {', '.join(estimate.name for estimate in self.scores)}")


def evaluation_json(evaluation: Evaluation) -> str:
    """Evaluation -> indented JSON; every value is finite or null."""
    return json.dumps(asdict(evaluation), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _median(values: Sequence[float]) -> float | None:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return None
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def refuse_other_evaluation(out: Path, evaluated: EvaluationContext) -> None:
    """InputError where `out` holds an evaluation of another model or of other cases, or files of another program."""
    was = json_table(out / "evaluation.json").get("evaluated")
    was = was if isinstance(was, dict) else {}
    names = ("model_id", "cases", "cases_sha256", "selection", "with_tta")
    if evaluated.model_id and all(name in was and was[name] == getattr(evaluated, name) for name in names):
        return
    what = "an evaluation of this model on these cases"
    refuse_strangers([out / name for name in ("evaluation.json", "report.html")], lambda path: False, what)
    refuse_strangers([out / "per_case.csv"], is_case_scores, what)


def read_evaluation(path: Path) -> dict[str, Any]:
    """Path of an evaluation.json -> its content; InputError where the file is something else."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(record["evaluated"], dict)
        assert isinstance(record["scores"], list)
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise_disk_fault(error, path)
        raise InputError(f"{path}: not an evaluation.json of `thyrosight evaluate` or `pool` ({error})") from None
    return dict(record)
