"""Frames without a nodule and a bundle -> on how many of them it draws one, with an interval by group.

    python studies/empty_frames.py BUNDLE --cases cases/tg3k/cases.csv --fold 0

It is for sets for which `evaluate` has no reference, such as TG3K: its masks are of the gland, and no frame shows a
nodule.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.table import group_key, read_cases
from thyrosight.evaluation.metrics.bootstrap import grouped_bootstrap, mean_of
from thyrosight.inference.predictor import Predictor


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
    counts = []
    for case in cases:
        raw = predictor.run(load_image(case), fov=case.fov, panels=case.panels)
        counts.append(sum(map(len, raw.nodule_masks)))
    groups = [group_key(case) for case in cases]
    empty = grouped_bootstrap(mean_of([number == 0 for number in counts]), groups, np.random.default_rng(0))
    span = "no interval" if empty.low is None else f"95 % {empty.low:.3f} to {empty.high:.3f}"
    print(f"left empty: {empty.value:.3f} ({span}), n = {len(cases)} in {len(set(groups))} groups")
    print(f"regions per frame: {np.mean(counts):.3f}")


if __name__ == "__main__":
    main()
