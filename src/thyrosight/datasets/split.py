"""Cases, seed -> groups, folds and splits; a fold holds whole groups, and folds are balanced by class and count."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from thyrosight.datasets.prints.duplicates import Fingerprint, clusters, near_duplicates
from thyrosight.errors import InputError
from thyrosight.types import Case

MAX_FOLDS = 1000


def with_groups(cases: Sequence[Case], prints: Sequence[Fingerprint | None]) -> list[Case]:
    """Cases, fingerprints -> the cases with groups: groups that share near-duplicates become one.

    A case without group and near-duplicate gets a group of its own, named after its id.
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
    """Cases, and per case the first member of its cluster -> {first member: a name that no other cluster has}."""
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


def folds_that_fit(cases: Sequence[Case], most: int) -> int:
    """Cases with groups -> number of folds such that a fold has on average four groups or more, two of them per label.

    At least 2 and at most `most`.
    """
    inside = [case for case in cases if case.split != "test"]
    labelled = [{case.group for case in inside if case.malignancy == label} for label in (0, 1)]
    limits = [most, len({case.group for case in inside}) // 4]
    if all(labelled):
        limits.append(min(map(len, labelled)) // 2)
    return max(2, min(limits))


def with_hold_out(cases: Sequence[Case], fraction: float, seed: int) -> list[Case]:
    """Cases with groups -> the same with split "test" for about this fraction of the images, else "train"."""
    if not 0 < fraction < 1:
        raise InputError(f"hold-out {fraction}; it is a fraction of the images between 0 and 1, e.g. 0.2")
    parts = assign_groups(cases, [1 - fraction, fraction], seed)
    return [replace(case, split=("train", "test")[parts[case.group]]) for case in cases]


def assign_groups(cases: Sequence[Case], shares: Sequence[float], seed: int) -> dict[str, int]:
    """Cases with groups, the share of each part -> {group: part}.

    Greedy, as scikit-learn's StratifiedGroupKFold: the groups that are hardest to place come first (ties in random
    order), and each goes to the part that leaves the counts most even. The unevenness of a stratum (a label, for
    example) is the sum over the parts of count² / share. It is smallest where counts are proportional to shares. All
    images together are one more stratum. InputError where there are fewer than 2 shares or more than MAX_FOLDS, or
    fewer groups than shares.
    """
    strata = _strata(cases)
    if not 2 <= len(shares) <= MAX_FOLDS:
        raise InputError(f"{len(shares)} folds; 2 to {MAX_FOLDS} make sense")
    if len(strata) < len(shares):
        raise InputError(
            f"{len(strata)} groups can't fill {len(shares)} parts; ask for fewer folds "
            f"(--folds {len(strata) if len(strata) > 1 else '0 for none'}), or check the group column (it should "
            "differ from patient to patient)"
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
    """-> over all strata, the largest share of a stratum that is in this group.

    A large share makes the group hard to place.
    """
    return max(number / totals[stratum] for stratum, number in counts.items())


def _cost(there: Counter[str], added: Counter[str], totals: Counter[str], share: float) -> float:
    """-> how much the sum of squares grows when the group is added to the part."""
    return sum(
        ((there[stratum] + number) ** 2 - there[stratum] ** 2) / (share * totals[stratum] ** 2)
        for stratum, number in added.items()
    )
