"""Frames without a nodule and a bundle -> on how many of them it draws one, with an interval by group.

    python studies/empty_frames.py BUNDLE --cases cases/tg3k/cases.csv --fold 0

For sets that `evaluate` has no reference for, such as TG3K: its masks are of the gland, and no frame shows a nodule.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.table import group_key, read_cases
from thyrosight.inference.predictor import Predictor

NUM_RESAMPLES = 5_000


def main() -> None:
    """Prints the share of frames without a region, and the regions per frame."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle")
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--fold", type=int, help="rows of this fold alone: the one that the bundle has not seen")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    predictor = Predictor.load(given.bundle, threads=given.threads)
    cases = [case for case in read_cases(given.cases) if given.fold in (None, case.fold)]
    counts: dict[str, list[int]] = defaultdict(list)
    for case in cases:
        raw = predictor.run(load_image(case), fov=case.fov, panels=case.panels)
        counts[group_key(case)].append(sum(map(len, raw.nodule_masks)))
    sums = np.array([[sum(number == 0 for number in found), sum(found), len(found)] for found in counts.values()])
    chosen = np.random.default_rng(0).integers(0, len(sums), (NUM_RESAMPLES, len(sums)))
    totals = sums[chosen].sum(axis=1)
    low, high = np.percentile(totals[:, 0] / totals[:, 2], [2.5, 97.5])
    empty, regions, number = sums.sum(axis=0)
    print(f"left empty: {empty / number:.3f} (95 % {low:.3f} to {high:.3f}), n = {number} in {len(sums)} groups")
    print(f"regions per frame: {regions / number:.3f}")


if __name__ == "__main__":
    main()
