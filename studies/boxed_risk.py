"""Risks of a set with boxes (TN5000), each by a network that has not seen its fold: does the risk come from the nodule?

AUROC of all cases; within thirds of box size; of cases that are in a run of fewer than 40 of one class, in the order of
the set; of cases away from the ends of their group; and with the nodules painted out. Prints a table with n, and with
intervals by resampling groups.

    python studies/boxed_risk.py RUNS --cases cases/tn5000/cases.csv --fold 0
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.table import read_cases
from thyrosight.evaluation.case_scores import CaseScore, read_case_scores
from thyrosight.evaluation.metrics.bootstrap import grouped_bootstrap
from thyrosight.evaluation.metrics.ranking import auroc_of
from thyrosight.evaluation.scores import box_tertiles
from thyrosight.inference.predictor import Predictor
from thyrosight.types import Box, Case, UInt8Array

SHORT_RUN = 40
MARGIN_SHARE = 0.1
"""Margin around a box that is painted out, as a share of its sides."""


def run_lengths(labels: Sequence[int]) -> list[int]:
    """Labels in the set's order -> for each the length of its run of equal labels."""
    lengths: list[int] = []
    for _, run in groupby(labels):
        number = len(list(run))
        lengths += [number] * number
    return lengths


def inner_places(groups: Sequence[str], margin: int = 5) -> list[bool]:
    """Groups in the set's order -> whether each place has `margin` neighbours of its own group on both sides."""
    return [
        place >= margin and place + margin < len(groups) and len(set(groups[place - margin : place + margin + 1])) == 1
        for place in range(len(groups))
    ]


def painted_out(image_HW: UInt8Array, boxes: Sequence[Box]) -> UInt8Array:
    """Picture, boxes -> the picture with boxes and a margin filled in from their surroundings (Telea 2004)."""
    hole_HW = np.zeros(image_HW.shape, np.uint8)
    for box in boxes:
        x, y = round(MARGIN_SHARE * box.width), round(MARGIN_SHARE * box.height)
        hole_HW[max(0, box.y0 - y) : box.y1 + y, max(0, box.x0 - x) : box.x1 + x] = 255
    return np.asarray(cv2.inpaint(image_HW, hole_HW, 5, cv2.INPAINT_TELEA), np.uint8)


def risks_without_nodules(predictor: Predictor, cases: Sequence[Case]) -> list[float]:
    """Cases -> their risks with the nodules painted out."""
    risks = []
    for case in cases:
        image_HW = painted_out(load_image(case).image_HW, case.boxes)
        prediction = predictor.predict(image_HW)
        risks.append(float(prediction.risk or 0.0))
    return risks


def told(name: str, rows: Sequence[CaseScore], risks: Sequence[float]) -> str:
    """Rows, their risks -> one line of the table."""
    labels = [int(row.malignancy or 0) for row in rows]
    if len(set(labels)) < 2:
        return f"{name:42s} n {len(rows):5d}, one class alone"
    interval = grouped_bootstrap(auroc_of(labels, list(risks)), [row.group for row in rows], np.random.default_rng(0))
    span = "-" if interval.low is None else f"{interval.low:.3f} to {interval.high:.3f}"
    return f"{name:42s} n {len(rows):5d}, {sum(labels):5d} malignant  AUROC {interval.value:.3f} ({span})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, help="folder that holds foldK/bundle and foldK/evaluation-tn5000")
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--fold", type=int, action="append", required=True)
    parser.add_argument("--evaluation", default="evaluation-tn5000", help="name of the evaluation's folder in a run")
    arguments = parser.parse_args()
    cases = sorted(read_cases(arguments.cases), key=lambda case: case.case_id)
    names = [case.case_id for case in cases]
    length = dict(zip(names, run_lengths([case.malignancy or 0 for case in cases]), strict=True))
    inner = dict(zip(names, inner_places([case.group for case in cases]), strict=True))
    rows: list[CaseScore] = []
    without: dict[str, float] = {}
    for fold in arguments.fold:
        run = arguments.runs / f"fold{fold}"
        own = [row for row in read_case_scores(run / arguments.evaluation) if row.risk is not None]
        chosen = [case for case in cases if case.fold == fold]
        risks = risks_without_nodules(Predictor.load(run / "bundle"), chosen)
        without |= {case.case_id: risk for case, risk in zip(chosen, risks, strict=True)}
        rows += own
    print(told("as it is", rows, [row.risk or 0.0 for row in rows]))
    for name, part in box_tertiles(rows).items():
        print(told(f"box size {name}", part, [row.risk or 0.0 for row in part]))
    for name, part in (
        (f"runs of one class shorter than {SHORT_RUN}", [row for row in rows if length[row.case_id] < SHORT_RUN]),
        ("five neighbours of its group on both sides", [row for row in rows if inner[row.case_id]]),
    ):
        print(told(name, part, [row.risk or 0.0 for row in part]))
    print(told("nodules painted out", rows, [without[row.case_id] for row in rows]))


if __name__ == "__main__":
    main()
