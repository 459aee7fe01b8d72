"""A cross-validation, its scores across folds, cases.csv and a second reader's masks -> how well all agree.

    thyrosight evaluate runs/lite2 --cases cases/ddti/cases.csv --across-folds -o scores
    python studies/second_reader.py runs/lite2 scores cases/ddti/cases.csv DDTI/second_reader

Second reader against the set's outlines, and the network against each, on the images that both readers outlined. The
first row is the standard for the others. Each fold's network outlines the images that it has not seen, by the mask rule
of the scores; with the scores of one fold (evaluate runs/lite2/fold0/bundle --fold 0) that fold's alone, by its
bundle's rule. Intervals are by bootstrap over groups. A table says how irregular each outline is: its length over that
of its convex hull, less 1. The file groups.csv next to the masks holds the second reader's level: the last lines
compare that level, and the network's risk, with the set's label.
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from thyrosight.bundle.store import fold_bundles, load_bundle
from thyrosight.datasets.masks import load_mask, read_mask
from thyrosight.datasets.table import read_cases
from thyrosight.evaluation.case_scores import CasePrediction, CaseScore, score_case
from thyrosight.evaluation.estimates import Estimate, EvaluationSettings
from thyrosight.evaluation.mask_rule import MaskRule
from thyrosight.evaluation.metrics.bootstrap import grouped_bootstrap
from thyrosight.evaluation.metrics.ranking import auroc_of
from thyrosight.evaluation.scores import detection_scores, diameter_scores, outline_scores
from thyrosight.frames.load import load_frame
from thyrosight.inference.predictor import Predictor
from thyrosight.types import BoolArray, Case

PAIRS = ("second reader against the set", "network against the set", "network against the second reader")
SHOWN = ("dice", "nodule_sensitivity", "longest_percent_bias", "longest_percent_lower_limit")
READERS = ("set", "second reader", "network")
SETTINGS = EvaluationSettings()


class Read(NamedTuple):
    """One image: the scores of PAIRS, and the irregularity of the outlines of READERS."""

    scores: tuple[CaseScore, ...]
    irregularity: tuple[float, ...]


def irregularity(mask_HW: BoolArray) -> float:
    """Mask -> of its largest region, length of the outline over that of the convex hull, less 1; NaN without a region.

    Length is that of the polygon through the pixels of the border. Each of its points is the mean of five pixels, which
    removes the steps of the grid.
    """
    found, _ = cv2.findContours(mask_HW.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not found:
        return float("nan")
    xy_N2 = max(found, key=cv2.contourArea)[:, 0].astype(np.float32)
    smooth_N2 = sum(np.roll(xy_N2, step, axis=0) for step in range(-2, 3)) / np.float32(5)
    hull_length = cv2.arcLength(cv2.convexHull(smooth_N2), True)
    return cv2.arcLength(smooth_N2, True) / hull_length - 1 if hull_length else float("nan")


def read(predictor: Predictor, case: Case, second_mask: Path) -> Read | None:
    """Case that the predictor has not seen -> scores of the three outlines; None where a reader outlined nothing."""
    frame = load_frame(case.image)
    set_HW, second_HW = load_mask(case, frame.size_hw), read_mask(second_mask, frame.size_hw)
    if not set_HW.any() or not second_HW.any():
        return None
    raw = predictor.run(frame, fov=case.fov, panels=case.panels)
    network_HW = raw.mask_HW
    predicted = CasePrediction(case.fov or raw.fov, len(raw.panels))
    masks = ((set_HW, second_HW), (set_HW, network_HW), (second_HW, network_HW))
    scores = tuple(score_case(case, reference_HW, HW, predicted, SETTINGS.masks) for reference_HW, HW in masks)
    return Read(scores, tuple(irregularity(mask_HW) for mask_HW in (set_HW, second_HW, network_HW)))


def row_of(name: str, rows: list[CaseScore]) -> str:
    """Pair, its scores -> a row of the table."""
    kinds = (outline_scores, detection_scores, diameter_scores)
    scores = {one.name: one for kind in kinds for one in kind(rows, SETTINGS)}
    upper = scores["longest_percent_upper_limit"]
    cells = [_cell(scores[score], "+.1f" if "percent" in score else ".3f") for score in SHOWN]
    return f"| {name} | {' | '.join(cells)} | {_cell(upper, '+.1f')} | {upper.n} |"


def _cell(estimate: Estimate, digits: str) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "-" if estimate.value is None else f"{estimate.value:{digits}}"
    return f"{estimate.value:{digits}} ({estimate.low:{digits}} to {estimate.high:{digits}})"


def irregularity_rows(found: list[Read]) -> list[str]:
    """Images -> one table row per reader: median, quartiles, and its median divided by that of the second reader."""
    values_N3 = np.array([one.irregularity for one in found])
    values_N3 = values_N3[np.isfinite(values_N3).all(axis=1)]
    low, middle, high = np.percentile(values_N3, (25, 50, 75), axis=0)
    return [
        f"| {name} | {middle[place]:.4f} | {low[place]:.4f} to {high[place]:.4f} | {middle[place] / middle[1]:.2f} | "
        f"{len(values_N3)} |"
        for place, name in enumerate(READERS)
    ]


def risk_lines(cases: list[Case], groups_csv: Path, risk_of: dict[str, float]) -> list[str]:
    """Cases, groups.csv with the second reader's levels, {case: risk} -> lines with the AUROC of both for the label."""
    with groups_csv.open(newline="", encoding="utf-8") as file:
        level_of = {row["image_id"]: float(row["tirads_second_reader"] or "nan") for row in csv.DictReader(file)}
    known = [case for case in cases if case.malignancy is not None and case.case_id in risk_of]
    rated = [case for case in known if np.isfinite(level_of[case.case_id])]
    labels, groups = np.array([case.malignancy for case in rated]), [case.group for case in rated]
    lines = []
    for name, value_of in (("second reader's level", level_of), ("network's risk", risk_of)):
        values = np.array([value_of[case.case_id] for case in rated])
        area = grouped_bootstrap(auroc_of(labels, values), groups, np.random.default_rng(0))
        lines.append(f"AUROC of the {name}: {area.value:.3f} ({area.low:.3f} to {area.high:.3f}), {len(rated)} images")
    return lines


def networks(runs: Path, evaluated: dict[str, Any]) -> dict[int, Predictor]:
    """Cross-validation, its record of scores -> {fold: its network, with the mask rule of the scores}."""
    rules = (evaluated["mask_rule"] or {}).get("by_fold")
    found = {}
    for fold, path in fold_bundles(runs).items():
        bundle = load_bundle(path)
        info = MaskRule(**rules[str(fold)]).in_bundle(bundle.info) if rules else bundle.info
        if rules or evaluated["selection"] == f"fold {fold}":
            found[fold] = Predictor(replace(bundle, info=info), tta=evaluated["with_tta"])
    return found


def main() -> None:
    runs, scores, cases_csv, second = (Path(argument) for argument in sys.argv[1:5])
    names = ("pooled/evaluation.json", "evaluation.json")
    evaluation = scores if scores.is_file() else next(scores / name for name in names if (scores / name).is_file())
    record = json.loads(evaluation.read_text(encoding="utf-8"))
    evaluated, risk_of = record["evaluated"], {case["case_id"]: case["risk"] for case in record["cases"]}
    every = read_cases(cases_csv)
    cases = [case for case in every if case.mask and (second / f"{case.case_id}.png").exists()]
    found = []
    for fold, predictor in networks(runs, evaluated).items():
        unseen = [case for case in cases if case.fold == fold]
        found += [one for case in unseen if (one := read(predictor, case, second / f"{case.case_id}.png"))]
    print(f"{len(found)} images of {len({one.scores[0].group for one in found})} groups\n")
    print("| | Dice | nodules found | longest diameter, bias % | lower limit % | upper limit % | nodules |")
    print("|---|---|---|---|---|---|---|")
    for name, rows in zip(PAIRS, zip(*(one.scores for one in found), strict=True), strict=True):
        print(row_of(name, list(rows)))
    print("\n| irregularity of outlines | median | quartiles | over the second reader's | images |")
    print("|---|---|---|---|---|", *irregularity_rows(found), sep="\n")
    print("", *risk_lines(every, second.parent / "groups.csv", risk_of), sep="\n")


if __name__ == "__main__":
    main()
