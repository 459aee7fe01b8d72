"""cases.csv with masks, a second reader's masks -> how far two readers' sizes of one nodule differ, as logarithms.

    python studies/reader_sizes.py cases/ddti/cases.csv DDTI/second_reader

A nodule of the set and one of the second reader are the same where their IoU is at least 0.3. The standard deviations
are those of `thyrosight.examination.sizes`; a nodule's two diameters correlate because one outline gives both.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from thyrosight.datasets.masks import load_mask, read_mask
from thyrosight.datasets.table import read_cases
from thyrosight.evaluation.metrics.overlap import MIN_IOU_OF_FOUND_NODULE, iou
from thyrosight.frames.load import load_frame
from thyrosight.measurement.outlines import components
from thyrosight.measurement.size import measure

SIZES = ("longest_px", "perpendicular_px", "anteroposterior_px", "transverse_px", "area_px")
MIN_PX = 16


def main() -> None:
    """Prints the table of means, standard deviations, 95 % ranges and correlations."""
    cases_csv, second = Path(sys.argv[1]), Path(sys.argv[2])
    logs, groups = [], set()
    for case in read_cases(cases_csv):
        other = second / f"{case.case_id}.png"
        if case.mask is None or not other.exists():
            continue
        size_hw = load_frame(case.image).size_hw
        theirs = components(read_mask(other, size_hw), MIN_PX)
        for mask_HW in components(load_mask(case, size_hw), MIN_PX):
            best_HW = max(theirs, key=lambda one_HW: iou(mask_HW, one_HW), default=None)
            if best_HW is None or iou(mask_HW, best_HW) < MIN_IOU_OF_FOUND_NODULE:
                continue
            first, other_size = measure(mask_HW, None), measure(best_HW, None)
            logs.append([np.log(getattr(other_size, name) / getattr(first, name)) for name in SIZES])
            groups.add(case.group)
    log_NS = np.array(logs)
    print(f"{len(log_NS)} nodules of {len(groups)} groups; log(second reader / set)\n")
    print("| | mean | sd | 95 % of nodules | correlation with longest |")
    print("|---|---|---|---|---|")
    correlation_SS = np.corrcoef(log_NS.T)
    for k, name in enumerate(SIZES):
        low, high = np.percentile(log_NS[:, k], [2.5, 97.5])
        mean, sd = log_NS[:, k].mean(), log_NS[:, k].std(ddof=1)
        print(f"| {name} | {mean:+.3f} | {sd:.3f} | {low:+.3f} to {high:+.3f} | {correlation_SS[0, k]:.2f} |")


if __name__ == "__main__":
    main()
