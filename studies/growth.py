"""Phantom nodules at two times, a bundle -> how often growth is judged right, and how often intervals hold the truth.

    python studies/growth.py [--bundle BUNDLE] [--pairs 100] [--calibration 60] [--rows rows.jsonl]

The error of the network's sizes (log of measured over true diameter: bias, standard deviation, correlation within an
outline and between two of one nodule) is measured on the calibration and on all pairs except the one for which it is
used. The truth of growth is the definition on the true diameters. A nodule that the network misses in a view has no
size and is counted apart. With --rows, each finished nodule is a line of that file, and the next call goes on from it.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np

from thyrosight.evaluation.metrics.overlap import MIN_IOU_OF_FOUND_NODULE, iou
from thyrosight.examination.growth import growth_of
from thyrosight.examination.sizes import DIRECTIONS, Diameter, NoduleDimensions, SizeError
from thyrosight.inference.predictor import Predictor
from thyrosight.measurement.size import ellipsoid_volume_mm3
from thyrosight.phantom.follow_up import PhantomVisit, draw_shape, draw_visit, grown_shape
from thyrosight.phantom.records import Phantom
from thyrosight.results.dicom.seg import nodule_mask
from thyrosight.types import Frame

RATIOS = (1.0, 1.0, 0.6, 1.25, 1.5, 1.8, 2.2, 3.0)
"""Factors of volume between the times: none, shrinking, and growth on both sides of the definition."""
Sizes = dict[str, float]


def measured(predictor: Predictor, phantom: Phantom, number: str) -> Sizes | None:
    """A phantom -> the network's extents of its nodule in mm; None where it is missed."""
    frame = Frame(None, phantom.image_HW, None, phantom.spacing, None, number.encode().hex().ljust(64, "0")[:64])
    prediction = predictor.examine(frame).prediction
    pairs = [(iou(phantom.mask_HW, nodule_mask(prediction, nodule)), nodule) for nodule in prediction.nodules]
    best, nodule = max(pairs, key=lambda pair: pair[0], default=(0.0, None))
    if nodule is None or best < MIN_IOU_OF_FOUND_NODULE:
        return None
    size = nodule.size
    longest, other = size.longest_mm or 0, size.perpendicular_mm or 0
    is_upright = (size.anteroposterior_mm or 0) > (size.transverse_mm or 0)
    return {
        "along": size.transverse_mm or 0,
        "width": other if is_upright else longest,
        "depth": longest if is_upright else other,
    }


def row_of(predictor: Predictor, visit: PhantomVisit, number: str) -> dict[str, Sizes | None]:
    """A visit -> true and measured length, width and depth; measured is None where a view misses the nodule."""
    across = measured(predictor, visit.views["transverse"], number)
    along = measured(predictor, visit.views["longitudinal"], number)
    true = {"length": visit.length_mm, "width": visit.width_mm, "depth": visit.depth_mm}
    if across is None or along is None:
        return {"true": true, "measured": None}
    return {"true": true, "measured": {"length": along["along"], "width": across["width"], "depth": across["depth"]}}


def dimensions_of(sizes: Sizes, error: SizeError) -> NoduleDimensions:
    """Three diameters, their error -> dimensions; width and depth come from one outline."""
    diameters = []
    for name in DIRECTIONS:
        low, high = error.interval(sizes[name] * math.exp(-error.bias_log))
        diameters.append(
            Diameter(
                direction=name, mm=sizes[name], low_mm=low, high_mm=high, by="network", image=None, sd_log=error.sd_log
            )
        )
    volume_ml = ellipsoid_volume_mm3(*(sizes[name] for name in DIRECTIONS)) / 1000
    sd_log = error.sd_log * math.sqrt(3 + 2 * error.within_outline + 4 * error.between_outlines)
    corrected = volume_ml * math.exp(-3 * error.bias_log)
    return NoduleDimensions(
        diameters=tuple(diameters),
        longest_mm=max(sizes.values()),
        volume_ml=volume_ml,
        volume_low_ml=corrected * math.exp(-1.96 * sd_log),
        volume_high_ml=corrected * math.exp(1.96 * sd_log),
        volume_sd_log=sd_log,
        reason=None,
    )


def error_of(rows: list[dict[str, Sizes | None]]) -> SizeError:
    """Measured rows -> SizeError: bias and standard deviation of the logarithms, and their correlations.

    Width and depth are of one outline; length is of the other.
    """
    logs = np.array([[math.log(row["measured"][name] / row["true"][name]) for name in DIRECTIONS] for row in rows])  # type: ignore[index]
    correlation = np.corrcoef(logs.T)
    return SizeError(
        bias_log=float(logs.mean()),
        sd_log=float(np.sqrt(np.mean((logs - logs.mean()) ** 2))),
        within_outline=max(0.0, float(correlation[1, 2])),
        between_outlines=max(0.0, float(correlation[0, 1:].mean())),
        source=f"{len(rows)} phantoms",
    )


def wilson(k: int, n: int) -> str:
    """k of n -> share with Wilson's 95 % interval."""
    if n == 0:
        return "none"
    z, p = 1.96, k / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return f"{k} of {n}, {p:.1%} ({(middle - half) / (1 + z * z / n):.1%} to {(middle + half) / (1 + z * z / n):.1%})"


def main() -> None:
    """Draws and measures the calibration, then the pairs; prints the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--calibration", type=int, default=60)
    parser.add_argument("--rows", type=Path)
    given = parser.parse_args()
    kept = (
        [json.loads(line) for line in given.rows.read_text().splitlines()] if given.rows and given.rows.exists() else []
    )
    done = {row["name"]: row for row in kept}
    predictor = Predictor.load(given.bundle, threads=1)
    for kind, num in (("calibration", given.calibration), ("pair", given.pairs)):
        for k in range(num):
            name = f"{kind} {k}"
            if name in done:
                continue
            rng = np.random.default_rng([2026, kind == "pair", k])
            shape = draw_shape(rng)
            visits = [draw_visit(rng, shape)]
            if kind == "pair":
                visits.append(draw_visit(rng, grown_shape(rng, shape, RATIOS[k % len(RATIOS)])))
            done[name] = {"name": name, "visits": [row_of(predictor, visit, name) for visit in visits]}
            if given.rows:
                with given.rows.open("a") as stream:
                    stream.write(json.dumps(done[name]) + "\n")
    calibration = [done[f"calibration {k}"]["visits"][0] for k in range(given.calibration)]
    pairs = [done[f"pair {k}"]["visits"] for k in range(given.pairs)]
    print_counts([row for row in calibration if row["measured"]], pairs)


def print_counts(calibration: list[dict[str, Sizes | None]], pairs: list[list[dict[str, Sizes | None]]]) -> None:
    """Phantoms of the calibration, pairs of visits -> the lines of the study; a pair's error is that of all others."""
    exact = SizeError(sd_log=1e-9, within_outline=0, source="truth")
    whole = [pair for pair in pairs if all(row["measured"] for row in pair)]
    error = error_of(calibration + [row for pair in whole for row in pair])
    told = f"bias {error.bias_log:+.3f}, sd {error.sd_log:.3f}, within an outline {error.within_outline:.2f}, "
    told += f"between outlines {error.between_outlines:.2f}"
    print(f"{error.source}: {told}")
    print(f"{len(whole)} of {len(pairs)} pairs measured in all four views")
    covered, volumes, changes, right, certain, certain_right, beyond = [], [], [], 0, 0, 0, []
    for pair in whole:
        error = error_of(calibration + [row for other in whole if other is not pair for row in other])
        found = [dimensions_of(row["measured"], error) for row in pair]  # type: ignore[arg-type]
        true = [dimensions_of(row["true"], exact) for row in pair]  # type: ignore[arg-type]
        for one, truth in zip(found, true, strict=True):
            covered += [d.low_mm <= t.mm <= d.high_mm for d, t in zip(one.diameters, truth.diameters, strict=True)]
            volumes.append((one.volume_low_ml or 0) <= (truth.volume_ml or 0) <= (one.volume_high_ml or 0))
        growth, truth_growth = growth_of(*found), growth_of(*true)
        change, true_change = growth.changes[-1], truth_growth.changes[-1]
        changes.append(change.low <= true_change.share <= change.high)
        right += growth.verdict == truth_growth.verdict
        certain += growth.is_certain
        certain_right += growth.is_certain and growth.verdict == truth_growth.verdict
        beyond += [true_change.share > 0] if growth.is_beyond_error else []
    print(f"diameters within their 95 % interval: {wilson(sum(covered), len(covered))}")
    print(f"volumes within theirs: {wilson(sum(volumes), len(volumes))}")
    print(f"changes of volume within theirs: {wilson(sum(changes), len(changes))}")
    print(f"growth called right: {wilson(right, len(whole))}")
    print(f"  of those said to be certain: {wilson(certain_right, certain)}")
    print(f"grown beyond the error, and truly larger: {wilson(sum(beyond), len(beyond))}")


if __name__ == "__main__":
    main()
