"""How good is an outline by one click? A table with masks, networks -> Dice with and without a click, and clicks.

    python studies/click_outline.py 'runs/ddti/fold{fold}/bundle' --cases cases/ddti --num 200 -o clicks.csv
    python studies/click_outline.py runs/ddti/fold0/bundle --cases cases/ddti --fold 0 --num 60

With {fold} in the bundle's path each row is outlined by the network that has not seen it. Otherwise one bundle outlines
all rows, or those of --fold; the first line states what it has learned from, and which fold it has not seen. The first
click is at the reference's deepest point, which is the pixel farthest from its border. Each further click is at the
deepest point of the largest error: inside where the outline misses, outside where it is too large. Without a click, the
network's own nodule with the highest Dice counts.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import group_key, read_cases
from thyrosight.inference.point_outline import PointedAt, outline_where
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.records import RawPrediction
from thyrosight.measurement.outlines import components
from thyrosight.types import BoolArray, Case

ENOUGH = 0.85
MAX_CLICKS = 5
NUM_RESAMPLES = 5_000


def deepest(mask_HW: BoolArray) -> tuple[float, float]:
    """Mask -> (x, y) of the pixel farthest from its border."""
    inside = cv2.distanceTransform(np.pad(mask_HW, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return float(column), float(row)


def dice(a_HW: BoolArray, b_HW: BoolArray) -> float:
    """Two masks -> Dice; 1 where both are empty."""
    sizes = np.count_nonzero(a_HW) + np.count_nonzero(b_HW)
    return 2 * np.count_nonzero(a_HW & b_HW) / sizes if sizes else 1.0


def without_click(raw: RawPrediction, reference_HW: BoolArray) -> float:
    """-> the highest Dice of one of the network's nodules with the reference; 0 where it has none."""
    found = []
    for panel, masks in zip(raw.panels, raw.nodule_masks, strict=True):
        for nodule_HW in masks:
            mask_HW = np.zeros_like(reference_HW)
            mask_HW[panel.slices] = nodule_HW
            found.append(dice(mask_HW, reference_HW))
    return max(found, default=0.0)


def with_clicks(predictor: Predictor, case: Case, raw: RawPrediction, reference_HW: BoolArray) -> list[float]:
    """-> Dice after one click, two, ... until ENOUGH is reached or MAX_CLICKS are made."""
    frame = load_image(case)
    inside, outside, scores = [deepest(reference_HW)], [], []
    while True:
        found = outline_where(predictor, frame, raw, PointedAt(tuple(inside), tuple(outside)))
        mask_HW = np.zeros_like(reference_HW) if found is None else found.mask_HW
        scores.append(dice(mask_HW, reference_HW))
        if scores[-1] >= ENOUGH or len(scores) == MAX_CLICKS:
            return scores
        missed, beyond = (components(error_HW)[:1] for error_HW in (reference_HW & ~mask_HW, mask_HW & ~reference_HW))
        if not beyond or (missed and np.count_nonzero(missed[0]) >= np.count_nonzero(beyond[0])):
            inside.append(deepest(missed[0]))
        else:
            outside.append(deepest(beyond[0]))


def rows_of(cases: Sequence[Case], bundle: str, threads: int) -> list[dict[str, object]]:
    """Cases, path of a bundle (with {fold} in it: one per fold) -> one row per case that has a nodule."""
    predictors: dict[str, Predictor] = {}
    rows = []
    for case in cases:
        path = bundle.replace("{fold}", str(case.fold))
        if path not in predictors:
            predictors = {path: Predictor.load(path, threads=threads)}
        predictor = predictors[path]
        frame = load_image(case)
        parts = components(load_mask(case, frame.size_hw))
        if not parts:  # no nodule to click at
            continue
        reference_HW = parts[0]
        raw = predictor.run(frame, fov=case.fov, panels=case.panels)
        scores = with_clicks(predictor, case, raw, reference_HW)
        rows.append(
            {
                "case_id": case.case_id,
                "group": group_key(case),
                "without": round(without_click(raw, reference_HW), 4),
                "one_click": round(scores[0], 4),
                "clicks": len(scores) if scores[-1] >= ENOUGH else "",
                "last": round(scores[-1], 4),
            }
        )
    return rows


def interval(values: Sequence[float], groups: Sequence[str]) -> tuple[float, float]:
    """Values, their groups -> 95 % interval of the mean, by resampling groups."""
    of_group: dict[str, list[float]] = defaultdict(list)
    for value, group in zip(values, groups, strict=True):
        of_group[group].append(value)
    sums = np.array([[sum(found), len(found)] for found in of_group.values()])
    chosen = np.random.default_rng(0).integers(0, len(sums), (NUM_RESAMPLES, len(sums)))
    totals = sums[chosen].sum(axis=1)
    low, high = np.percentile(totals[:, 0] / totals[:, 1], [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    """Prints the figures and writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", help="path, with {fold} for one per fold")
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--fold", type=int, help="rows of this fold alone: the one that the bundle has not seen")
    parser.add_argument("--num", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    cases = [case for case in read_cases(given.cases) if case.mask is not None]
    if given.fold is not None:
        cases = [case for case in cases if case.fold == given.fold]
    if not cases:
        parser.error(f"{given.cases}: no row with a mask in fold {given.fold}")
    order = np.random.default_rng(given.seed).permutation(len(cases))[: given.num]
    chosen = sorted((cases[index] for index in order), key=lambda case: (case.fold or 0, case.case_id))
    if "{fold}" not in given.bundle:
        info = Predictor.load(given.bundle, threads=1).info
        sets = [
            one.source if one.held_out_fold is None else f"{one.source} without fold {one.held_out_fold}"
            for one in info.training_sets
        ]
        print(f"one bundle for all rows: {info.name}, which has learned from {', '.join(sets)}")
    rows = rows_of(chosen, given.bundle, given.threads)
    groups = [str(row["group"]) for row in rows]
    before, after = (np.array([float(str(row[name])) for row in rows]) for name in ("without", "one_click"))
    for name, values in (("without a click", before), ("one click", after), ("difference", after - before)):
        low, high = interval(values.tolist(), groups)
        print(f"{name}: mean {values.mean():.3f} (95 % {low:.3f} to {high:.3f}), n = {len(values)}")
    print(f"below 0.5: {int((before < 0.5).sum())} without, {int((after < 0.5).sum())} with one click")
    print(f"at least {ENOUGH}: {int((before >= ENOUGH).sum())} without, {int((after >= ENOUGH).sum())} with one click")
    needed = [row["clicks"] for row in rows]
    counts = ", ".join(f"{number}: {needed.count(number)}" for number in range(1, MAX_CLICKS + 1))
    print(f"clicks to reach {ENOUGH}: {counts}, not in {MAX_CLICKS}: {needed.count('')}")
    if given.out:
        with open(given.out, "w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
