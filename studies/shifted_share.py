"""Does the risk hold where few nodules are malignant? Scores of a set with labels -> ECE at another share of malignant.

    python studies/shifted_share.py runs/fold0/evaluation-tn5000 --bundle runs/fold0/bundle --share 0.10

All benign images stay; malignant ones are drawn without replacement until they have the wanted share, many times. The
risks are restated as `predict --prevalence` does. Prints the ECE as it is and after the shift, next to the ECE that a
perfect model would have at that n (evaluation/metrics/calibration.py), and the ECE without restating.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from thyrosight.bundle.store import load_bundle
from thyrosight.evaluation.case_scores import read_case_scores
from thyrosight.evaluation.metrics.calibration import ece_of, ece_of_perfect_model
from thyrosight.inference.prevalence import at_share
from thyrosight.types import Float64Array

DRAWS = 200


def eces(labels_N: Float64Array, risks_N: Float64Array, rng: np.random.Generator) -> tuple[float, float]:
    """Labels, risks -> (ECE, mean ECE of a perfect model with these risks)."""
    perfect = ece_of_perfect_model(risks_N, rng, DRAWS).value
    return float(ece_of(labels_N, risks_N)(np.ones((1, len(risks_N))))[0]), float(perfect or 0.0)


def drawn(labels_N: Float64Array, share: float, rng: np.random.Generator) -> Float64Array:
    """Labels, wanted share of 1 -> places of all 0 and of as many 1 as give that share, chosen at random."""
    benign, malignant = np.flatnonzero(labels_N == 0), np.flatnonzero(labels_N == 1)
    wanted = round(len(benign) * share / (1 - share))
    if not 0 < wanted <= len(malignant):
        raise SystemExit(f"a share of {share:g} needs {wanted} malignant images of {len(malignant)}; give another")
    return np.concatenate([benign, rng.choice(malignant, wanted, replace=False)])


def told(name: str, values_D2: Float64Array, n: int) -> str:
    """(ECE, of a perfect model) per draw -> a line."""
    ece, perfect = values_D2.mean(axis=0)
    low, high = np.percentile(values_D2[:, 0] - values_D2[:, 1], (2.5, 97.5))
    eces_said = f"ECE {ece:.3f}, of a perfect model {perfect:.3f}"
    return f"{name:26s} n {n:5d}  {eces_said}: {ece - perfect:+.3f} ({low:+.3f} to {high:+.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scores", type=Path, help="folder or per_case.csv of `evaluate`")
    parser.add_argument("--bundle", type=Path, help="whose risks they are; default: the shipped one")
    parser.add_argument("--share", type=float, default=0.10)
    arguments = parser.parse_args()
    own = load_bundle(arguments.bundle).info.calibration.prevalence
    if own is None:
        raise SystemExit(f"{arguments.bundle}: the bundle does not say at which share it was calibrated")
    rows = [row for row in read_case_scores(arguments.scores) if row.malignancy is not None and row.risk is not None]
    labels = np.array([row.malignancy for row in rows], np.float64)
    risks = np.array([row.risk for row in rows], np.float64)
    restated = np.array([at_share(risk, own, arguments.share) for risk in risks])
    rng = np.random.default_rng(0)
    places = [drawn(labels, arguments.share, rng) for _ in range(DRAWS)]
    print(f"calibrated at {own:.3f}; here {labels.mean():.3f} of {len(rows)} images are malignant")
    print(told("as it is", np.array([eces(labels, risks, rng)]), len(rows)))
    for name, values in (
        (f"at {arguments.share:g}, restated", restated),
        (f"at {arguments.share:g}, not restated", risks),
    ):
        print(told(name, np.array([eces(labels[place], values[place], rng) for place in places]), len(places[0])))


if __name__ == "__main__":
    main()
