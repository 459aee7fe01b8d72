"""evaluation.json, stress.json -> the part that a bundle quotes: scores, subgroups, failures, robustness."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from thyrosight.bundle.records import Count, Score, SubgroupScores
from thyrosight.errors import InputError
from thyrosight.evaluation.summary import read_evaluation
from thyrosight.files import raise_disk_fault

QUOTED_SCORES = (
    "dice",
    "dice_median",
    "iou",
    "nsd_px",
    "nodule_sensitivity",
    "false_positives_per_image",
    "empty_left_empty",
    "box_recall_50",
    "box_ap_50",
    "box_false_per_image",
    "longest_percent_lower_limit",
    "longest_percent_upper_limit",
    "auroc",
    "average_precision",
    "brier",
    "ece",
    "ece_of_perfect_model",
)
"""The scores of an evaluation that a bundle quotes."""
QUOTED_OF_SUBGROUPS = ("dice", "nodule_sensitivity", "box_recall_50", "auroc")
POOR_DICE, ELSEWHERE_DICE = 0.5, 0.05

Json = Mapping[str, Any]


def evaluation_scores(path: Path, model_name: str) -> tuple[Score, ...]:
    """evaluation.json of this model -> the quoted scores, each with interval, n and split."""
    record = read_evaluation(path)
    if record["evaluated"]["model_name"] != model_name:
        raise InputError(
            f"{path}: scores of {record['evaluated']['model_name']}, not of {model_name}; evaluate this run's bundle"
        )
    return scores_of(record)


def scores_of(record: Json) -> tuple[Score, ...]:
    """Evaluation -> its quoted scores, and the areas under its risk-coverage curves."""
    rows = [row for row in record["scores"] if row["name"] in QUOTED_SCORES]
    rows += [part["aurc"] for part in record.get("selective", ())]
    return _as_scores(rows, split_of(record))


def split_of(record: Json) -> str:
    """Evaluation -> a phrase that says which cases it scored."""
    return f"{record['evaluated']['cases']}, {record['evaluated']['selection']}"


def subgroups_of(record: Json) -> tuple[SubgroupScores, ...]:
    """Evaluation -> Dice, nodules found, boxes found and AUROC of each subgroup that has one of these scores."""
    made = [
        SubgroupScores(
            by=part["by"],
            name=part["name"],
            num_images=part["num_images"],
            scores=_as_scores([row for row in part["scores"] if row["name"] in QUOTED_OF_SUBGROUPS], split_of(record)),
        )
        for part in record["subgroups"]
    ]
    return tuple(part for part in made if part.scores)


def failures_of(record: Json) -> tuple[Count, ...]:
    """Evaluation -> how often its outlines fail, by kind of failure; a kind that no case can show is left out."""
    cases: Sequence[Json] = record["cases"]
    outlined = [row for row in cases if row["dice"] is not None and row["reference_area_px"]]
    known = [row for row in cases if row["num_reference"] is not None]
    empty = [row for row in cases if row["reference_area_px"] == 0 and row["predicted_area_px"] is not None]
    elsewhere = [row for row in outlined if row["predicted_area_px"] and row["dice"] < ELSEWHERE_DICE]
    num_nodules = sum(row["num_reference"] for row in known)
    counts = (
        (f"images with Dice below {POOR_DICE:g}", sum(row["dice"] < POOR_DICE for row in outlined), len(outlined)),
        ("images with a nodule in which nothing was outlined", _empty(outlined), len(outlined)),
        (f"images in which only another place was outlined (Dice < {ELSEWHERE_DICE:g})", len(elsewhere), len(outlined)),
        (
            "nodules of the reference that were not found",
            num_nodules - sum(row["num_found"] for row in known),
            num_nodules,
        ),
        ("images with a region that is no nodule of the reference", sum(map(_is_false, known)), len(known)),
        ("images without a nodule in which something was outlined", len(empty) - _empty(empty), len(empty)),
    )
    return tuple(Count(name=name, number=number, of=of) for name, number, of in counts if of)


def robustness_of(path: Path) -> tuple[Score, ...]:
    """stress.json -> largest loss of Dice at everyday strengths, and how much drawn calipers change the risk."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        worst, stressed = record["worst_daily"], record["stressed"]
        split = f"{stressed['cases']}, {stressed['selection']}"
        rows = [record["caliper_risk_change_daily"] and {**record["caliper_risk_change_daily"], "title": CALIPERS}]
        if worst is not None:
            title = f"Mean Dice lost by the worst disturbance met daily: {worst['perturbation']}, {worst['meaning']}"
            rows.insert(0, {**worst["dice_drop"], "title": title})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_disk_fault(error, path)
        raise InputError(f"{path}: not a stress.json of `thyrosight stress` or `pool-stress` ({error})") from None
    return _as_scores([row for row in rows if row], split)


CALIPERS = "Mean change of the risk, up or down, when calipers are drawn on (strengths 1 and 2)"


def _as_scores(rows: Sequence[Json], split: str) -> tuple[Score, ...]:
    return tuple(
        Score(name=_titled(row), value=row["value"], low=row["low"], high=row["high"], n=row["n"], split=split)
        for row in rows
        if row["value"] is not None and row["n"]
    )


def _titled(row: Json) -> str:
    return f"{row['title']} [{row['unit']}]" if row.get("unit") else str(row["title"])


def _empty(rows: Sequence[Json]) -> int:
    return sum(row["predicted_area_px"] == 0 for row in rows)


def _is_false(row: Json) -> bool:
    return bool((row["num_predicted"] or 0) > (row["num_found"] or 0))
