"""cases.csv with descriptors and a reader's TI-RADS -> how well computed levels agree with the reader's categories.

    python studies/tirads_readers.py cases/cases.csv

One row per group (a patient, or a cluster of near-duplicates), because images of one case repeat its descriptors.
Missing descriptors stay missing (DDTI has no shape at all), so a level is often a range. The tables show the lowest
level that is possible (everything missing is harmless) and the highest. Nothing is fitted.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thyrosight.datasets.table import read_cases
from thyrosight.tirads.assessment import assess
from thyrosight.tirads.descriptors import LEXICON, Descriptors
from thyrosight.types import Case

READERS = ("2", "3", "4a", "4b", "4c", "5")
LEVELS = {
    "acr": ("TR1", "TR2", "TR3", "TR4", "TR5"),
    "eu": tuple(f"EU-TIRADS {number}" for number in range(2, 6)),
    "k": tuple(f"K-TIRADS {number}" for number in range(2, 6)),
}


def descriptors_of(case: Case) -> Descriptors:
    """Case -> its descriptors; each of several foci is a term of its own."""
    words = {name: case.descriptors.get(name) for name in LEXICON if name != "foci"}
    foci = tuple(filter(None, case.descriptors.get("foci", "").split("; ")))
    return Descriptors(**words, foci=foci)


def rho(first_N: NDArray[np.float64], second_N: NDArray[np.float64]) -> float:
    """Two values per case -> Spearman's rank correlation, ties at their mean rank."""
    return float(np.corrcoef(mean_ranks(first_N), mean_ranks(second_N))[0, 1])


def mean_ranks(values_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values -> their ranks from 0 on; equal values share the mean of theirs."""
    ordered = np.sort(values_N)
    below, to = np.searchsorted(ordered, values_N, "left"), np.searchsorted(ordered, values_N, "right")
    return np.asarray((below + to - 1) / 2, dtype=np.float64)


def with_interval(first: list[int], second: list[int], draws: int = 2000) -> str:
    """-> rho with its bootstrap 95 % interval over groups."""
    one, two = np.array(first, dtype=np.float64), np.array(second, dtype=np.float64)
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(draws):
        index = rng.integers(0, one.size, one.size)
        if np.ptp(one[index]) and np.ptp(two[index]):
            drawn.append(rho(one[index], two[index]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{rho(one, two):.3f} ({low:.3f} to {high:.3f})"


def table(title: str, levels: tuple[str, ...], found: list[str], read: list[str]) -> None:
    """Levels and categories -> prints the cross table, its n and Spearman's rho."""
    counts = Counter(zip(found, read, strict=True))
    score = with_interval([levels.index(level) for level in found], [READERS.index(category) for category in read])
    print(f"\n{title}: n = {len(found)}, Spearman's rho {score}")
    print(f"{'':12}" + "".join(f"{category:>6}" for category in READERS))
    for level in levels:
        print(f"{level:12}" + "".join(f"{counts[level, category]:6d}" for category in READERS))


def main(cases_csv: Path) -> None:
    """Prints the table of each system, over the groups that a reader has rated and described."""
    first_of = {case.group: case for case in reversed(read_cases(cases_csv))}
    cases = [case for case in first_of.values() if case.descriptors.get("tirads") in READERS]
    described = [case for case in cases if {"composition", "echogenicity"} <= case.descriptors.keys()]
    print(f"{len(first_of)} groups, {len(cases)} with a category, {len(described)} of these with composition and")
    print("echogenicity; of those with margin and foci as well:", end=" ")
    print(sum({"margin", "foci"} <= case.descriptors.keys() for case in described))
    for system, levels in LEVELS.items():
        words = [descriptors_of(case) for case in described]
        read = [case.descriptors["tirads"] for case in described]
        rated = [assess(one, None, system) for one in words]  # type: ignore[arg-type]
        print(f"\n{system}: level certain in {sum(one.level is not None for one in rated)} of {len(rated)}")
        table(f"{system}, lowest still possible", levels, [one.lowest_level for one in rated], read)
        table(f"{system}, highest still possible", levels, [one.highest_level for one in rated], read)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
