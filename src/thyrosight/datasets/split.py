"""Cases -> groups, folds and splits: whole groups only, balanced on class and count, the same for the same seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from thyrosight.datasets.duplicates import Fingerprint, clusters, near_duplicates
from thyrosight.errors import InputError
from thyrosight.types import Case

MAX_FOLDS = 1000


def with_groups(cases: Sequence[Case], prints: Sequence[Fingerprint | None]) -> list[Case]:
    """Cases, fingerprints -> the cases in groups: near-duplicates and what groups they have already, united.

    A case alone in its cluster gets a group of its own, named by its id.
    """
    readable = [index for index, print in enumerate(prints) if print is not None]
    found = near_duplicates([print for print in prints if print is not None])
    pairs = [(readable[i], readable[j]) for i, j in found]
    first: dict[str, int] = {}
    for index, case in enumerate(cases):
        if case.group:
            pairs.append((first.setdefault(f"{case.source}/{case.group}", index), index))
    roots = clusters(len(cases), pairs)
    names = _cluster_names(cases, roots)
    return [replace(case, group=names[root]) for case, root in zip(cases, roots, strict=True)]


def _cluster_names(cases: Sequence[Case], roots: Sequence[int]) -> dict[int, str]:
    """Cases, the first member of each one's cluster -> first member -> a name that no other cluster has."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    given_first = sorted(set(roots), key=lambda root: (not cases[root].group, root))
    for root in given_first:
        name = wanted = cases[root].group or cases[root].case_id
        number = 2
        while name in taken:
            name, number = f"{wanted}~{number}", number + 1
        names[root] = name
        taken.add(name)
    return names


def with_folds(cases: Sequence[Case], num_folds: int, seed: int) -> list[Case]:
    """Cases with groups -> the same with fold 0..num_folds-1, but None in the test split."""
    inside = [case for case in cases if case.split != "test"]
    parts = assign_groups(inside, [1.0] * num_folds, seed)
    return [replace(case, fold=None if case.split == "test" else parts[case.group]) for case in cases]


def with_hold_out(cases: Sequence[Case], fraction: float, seed: int) -> list[Case]:
    """Cases with groups -> the same, whole groups of about this fraction of the images as "test", others "train"."""
    if not 0 < fraction < 1:
        raise InputError(f"hold-out {fraction}; it is a fraction of the images between 0 and 1, e.g. 0.2")
    parts = assign_groups(cases, [1 - fraction, fraction], seed)
    return [replace(case, split=("train", "test")[parts[case.group]]) for case in cases]


def assign_groups(cases: Sequence[Case], shares: Sequence[float], seed: int) -> dict[str, int]:
    """Cases with groups, the share of each part -> group -> part.

    Greedy, as scikit-learn's StratifiedGroupKFold: groups in the order of how hard they are to place (ties by chance),
    each put where the parts' counts come out most even. Evenness of a stratum: the sum over the parts of count² /
    share, least when counts go as shares; the number of images counts as one more stratum.
    """
    strata = _strata(cases)
    if not 2 <= len(shares) <= MAX_FOLDS:
        raise InputError(f"{len(shares)} folds; 2 to {MAX_FOLDS} make sense")
    if len(strata) < len(shares):
        raise InputError(
            f"{len(strata)} groups can't fill {len(shares)} parts; ask for fewer folds, or check the group column "
            "(it should differ from patient to patient)"
        )
    totals: Counter[str] = sum(strata.values(), Counter())
    groups = sorted(strata)
    np.random.default_rng(seed).shuffle(groups)
    groups.sort(key=lambda group: -_unevenness(strata[group], totals))
    counts: list[Counter[str]] = [Counter() for _ in shares]
    parts: dict[str, int] = {}
    for group in groups:
        costs = [_cost(counts[part], strata[group], totals, share) for part, share in enumerate(shares)]
        best = min(range(len(shares)), key=lambda part: (costs[part], counts[part]["images"] / shares[part]))
        parts[group] = best
        counts[best].update(strata[group])
    return parts


def _strata(cases: Sequence[Case]) -> dict[str, Counter[str]]:
    strata: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        label = "none" if case.malignancy is None else str(case.malignancy)
        strata[case.group].update(
            ("images", f"label {label}", f"mask {case.mask is not None}", f"source {case.source}")
        )
    return dict(strata)


def _unevenness(counts: Counter[str], totals: Counter[str]) -> float:
    """The largest share that the group has of any stratum: what is hard to place comes first."""
    return max(number / totals[stratum] for stratum, number in counts.items())


def _cost(there: Counter[str], added: Counter[str], totals: Counter[str], share: float) -> float:
    """How much the sum of squares grows when the group is added to the part."""
    return sum(
        ((there[stratum] + number) ** 2 - there[stratum] ** 2) / (share * totals[stratum] ** 2)
        for stratum, number in added.items()
    )
