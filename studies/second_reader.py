"""A cross-validation, its scores across folds, cases.csv and a second reader's masks -> who agrees with whom.

    thyrosight evaluate runs/lite2 --cases cases/ddti/cases.csv --across-folds -o scores
    python studies/second_reader.py runs/lite2 scores cases/ddti/cases.csv DDTI/second_reader

Second reader against the set's outlines, and the network against each, on the images that both readers outlined. The
first row is the standard for the others. Each fold's network outlines the images that it has not seen, by the mask rule
of the scores. Intervals are by bootstrap over groups. The file groups.csv next to the masks holds the second reader's
level: the last lines compare that level, and the network's risk, with the set's label.
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

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
from thyrosight.types import Case

PAIRS = ("second reader against the set", "network against the set", "network against the second reader")
SHOWN = ("dice", "nodule_sensitivity", "longest_percent_bias", "longest_percent_lower_limit")
SETTINGS = EvaluationSettings()


def scored(predictor: Predictor, case: Case, second_mask: Path) -> tuple[CaseScore, ...] | None:
    """Case that the predictor has not seen -> the scores of PAIRS; None where a reader outlined nothing."""
    frame = load_frame(case.image)
    set_HW, second_HW = load_mask(case, frame.size_hw), read_mask(second_mask, frame.size_hw)
    if not set_HW.any() or not second_HW.any():
        return None
    raw = predictor.run(frame, fov=case.fov, panels=case.panels)
    network_HW = raw.mask_HW
    predicted = CasePrediction(case.fov or raw.fov, len(raw.panels))
    masks = ((set_HW, second_HW), (set_HW, network_HW), (second_HW, network_HW))
    return tuple(score_case(case, reference_HW, HW, predicted, SETTINGS.masks) for reference_HW, HW in masks)


def row_of(name: str, rows: list[CaseScore]) -> str:
    """Pair, its scores -> a row of the table."""
    kinds = (outline_scores, detection_scores, diameter_scores)
    scores = {one.name: one for kind in kinds for one in kind(rows, SETTINGS)}
    upper = scores["longest_percent_upper_limit"]
    cells = [_cell(scores[score], "+.1f" if "percent" in score else ".3f") for score in SHOWN]
    return f"| {name} | {' | '.join(cells)} | {_cell(upper, '+.1f')} | {upper.n} |"


def _cell(estimate: Estimate, digits: str) -> str:
    return f"{estimate.value:{digits}} ({estimate.low:{digits}} to {estimate.high:{digits}})"


def risk_lines(cases: list[Case], groups_csv: Path, risk_of: dict[str, float]) -> list[str]:
    """Cases, the set's groups.csv, out-of-fold risks -> how well both separate the set's low from its high."""
    with groups_csv.open(newline="", encoding="utf-8") as file:
        level_of = {row["image_id"]: float(row["tirads_second_reader"] or "nan") for row in csv.DictReader(file)}
    rated = [case for case in cases if case.malignancy is not None and np.isfinite(level_of[case.case_id])]
    labels, groups = np.array([case.malignancy for case in rated]), [case.group for case in rated]
    lines = []
    for name, value_of in (("second reader's level", level_of), ("network's risk", risk_of)):
        values = np.array([value_of[case.case_id] for case in rated])
        area = grouped_bootstrap(auroc_of(labels, values), groups, np.random.default_rng(0))
        lines.append(f"AUROC of the {name}: {area.value:.3f} ({area.low:.3f} to {area.high:.3f}), {len(rated)} images")
    return lines


def main() -> None:
    runs, scores, cases_csv, second = (Path(argument) for argument in sys.argv[1:5])
    evaluation = scores if scores.is_file() else scores / "pooled" / "evaluation.json"
    record = json.loads(evaluation.read_text(encoding="utf-8"))
    evaluated, risk_of = record["evaluated"], {case["case_id"]: case["risk"] for case in record["cases"]}
    rules = evaluated["mask_rule"]["by_fold"]
    every = read_cases(cases_csv)
    cases = [case for case in every if case.mask and (second / f"{case.case_id}.png").exists()]
    found = []
    for fold, path in fold_bundles(runs).items():
        bundle = load_bundle(path)
        info = MaskRule(**rules[str(fold)]).in_bundle(bundle.info)
        predictor = Predictor(replace(bundle, info=info), tta=evaluated["with_tta"])
        unseen = [case for case in cases if case.fold == fold]
        found += [one for case in unseen if (one := scored(predictor, case, second / f"{case.case_id}.png"))]
    print(f"{len(found)} images of {len({one[0].group for one in found})} groups\n")
    print("| | Dice | nodules found | longest diameter, bias % | lower limit % | upper limit % | nodules |")
    print("|---|---|---|---|---|---|---|")
    for name, rows in zip(PAIRS, zip(*found, strict=True), strict=True):
        print(row_of(name, list(rows)))
    print("", *risk_lines(every, second.parent / "groups.csv", risk_of), sep="\n")


if __name__ == "__main__":
    main()
