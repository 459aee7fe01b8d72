"""A table with boxes, a network -> the same table with the network's outlines where they fit the boxes.

    python studies/outline_boxes.py OUT/fold0/bundle --cases cases/tn5000/cases.csv -o second/fold0/tn5000

The mean of the whole view and a closer one around the box is cut at the threshold whose extent fits the box best, and
smoothed. Rows of which every box is fitted get a mask; the others stay boxes. With --stretch each outline is stretched
to its box, and a box without an outline gets the ellipse inscribed in it. Train the next network of the same fold on
that table; never on outlines by a network that has seen the fold.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.sets.layout import write_mask
from thyrosight.datasets.table import read_cases, write_cases
from thyrosight.inference.box_outlines import BoxOutline, closer_view, outline_in_box, stretched
from thyrosight.inference.predictor import Predictor
from thyrosight.measurement.outlines import smoothed
from thyrosight.types import Box, Case, FloatArray, Frame
from thyrosight.views.boxes import box_masks


def probability_around(predictor: Predictor, frame: Frame, case: Case, box: Box, whole_HW: FloatArray) -> FloatArray:
    """Network, frame, one box, the map of the whole view -> the mean of that map and a closer look at the box."""
    field = case.fov or Box(0, 0, frame.size_hw[1], frame.size_hw[0])
    view = closer_view(box, field)
    near_HW = predictor.run(frame, fov=field, panels=(view,)).probability_HW
    mean_HW = whole_HW.copy()
    mean_HW[view.slices] = (whole_HW[view.slices] + near_HW[view.slices]) / 2
    return mean_HW


def outlined(predictor: Predictor, case: Case, least_iou: float, is_stretched: bool) -> list[BoxOutline | None]:
    """Case with boxes -> an outline per box, None where none fits as well as least_iou.

    is_stretched: outlines touch the sides of their boxes, and where none fits there is an ellipse.
    """
    frame = load_image(case)
    whole_HW = predictor.run(frame, fov=case.fov, panels=case.panels).probability_HW
    found = []
    for box in case.boxes:
        outline = outline_in_box(probability_around(predictor, frame, case, box, whole_HW), box, least_iou)
        if outline is not None:
            mask_HW = smoothed(outline.mask_HW)
            outline = replace(outline, mask_HW=stretched(mask_HW, box) if is_stretched else mask_HW)
        elif is_stretched:
            height, width = frame.size_hw
            outline = BoxOutline(box_masks([box], Box(0, 0, width, height)).ellipse_HW, threshold=0.0, iou=1.0)
        found.append(outline)
    return found


def with_masks(
    predictor: Predictor, cases: Sequence[Case], masks: Path, least_iou: float, is_stretched: bool
) -> tuple[list[Case], Counter[str]]:
    """Cases -> (the same, with a mask where every box has its outline; counts of both, and a sum of thresholds)."""
    counts: Counter[str] = Counter()
    result = []
    for case in cases:
        found = outlined(predictor, case, least_iou, is_stretched) if case.boxes and case.mask is None else []
        fitting = [outline for outline in found if outline is not None]
        if found and len(fitting) == len(found):
            path = masks / f"{case.case_id}.png"
            write_mask(path, np.logical_or.reduce([outline.mask_HW for outline in fitting]))
            result.append(replace(case, mask=path.resolve()))
            counts["outlined"] += 1
            counts["thresholds times 100"] += round(100 * float(np.mean([outline.threshold for outline in fitting])))
        else:
            result.append(case)
            counts["left as they were"] += 1
    return result, counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--not-fold", type=int, help="leave this fold's rows as they are: they train nothing anyway")
    parser.add_argument("--tta", action="store_true", help="average with mirrored and closer views: slower")
    parser.add_argument("--least-iou", type=float, default=0.8, help="of the outline's extent with the box")
    parser.add_argument("--stretch", action="store_true", help="outlines touch their boxes; ellipses where none fits")
    arguments = parser.parse_args()
    predictor = Predictor.load(arguments.bundle, threads=arguments.threads, tta=arguments.tta)
    cases = read_cases(arguments.cases)
    kept = [case for case in cases if case.fold == arguments.not_fold and arguments.not_fold is not None]
    chosen = [case for case in cases if case not in kept]
    done, counts = with_masks(predictor, chosen, arguments.out / "masks", arguments.least_iou, arguments.stretch)
    write_cases([*done, *kept], arguments.out / "cases.csv")
    mean = counts["thresholds times 100"] / 100 / max(1, counts["outlined"])
    print(f"{counts['outlined']} outlined (mean threshold {mean:.2f}), {counts['left as they were']} left as they were")


if __name__ == "__main__":
    main()
