"""Cases, their prints -> the pairs that show one picture, how each is known, and what that means for a set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from thyrosight.datasets.audit_case import CaseFindings
from thyrosight.datasets.pictures.sketches import alike_pairs
from thyrosight.datasets.prints.duplicates import near_duplicates
from thyrosight.datasets.table import is_labelled
from thyrosight.types import Case

IDENTICAL, MIRRORED, NEARLY = "identical", "mirrored", "nearly identical, perhaps cropped, marked or the next frame"
PairFinding = tuple[Literal["error", "warning", "note"], str, str, list[tuple[int, int]]]
"""Severity, kind, message, the pairs that have it."""


@dataclass(frozen=True)
class PicturePair:
    """Two rows that show one picture. is_apart: a network may learn from one and be scored on the other."""

    first: str
    second: str
    kind: str
    is_apart: bool
    labels_differ: bool


@dataclass(frozen=True)
class FoundPairs:
    """Pairs (i < j) of row numbers in the table. kind_of: {pair that shows one picture: how this is known}.

    of_one_mask: pairs of different pictures with the same mask.
    """

    kind_of: dict[tuple[int, int], str]
    of_one_mask: list[tuple[int, int]]


def find_pairs(checks: Sequence[CaseFindings]) -> FoundPairs:
    """Findings of all rows -> the pairs of rows that show one picture, or have one mask."""
    usable = [place for place, check in enumerate(checks) if check.print is not None and check.sketch is not None]
    prints = [print for check in checks if (print := check.print) is not None and check.sketch is not None]
    sketches = [sketch for check in checks if (sketch := check.sketch) is not None and check.print is not None]
    near = {(usable[i], usable[j]) for i, j in (*near_duplicates(prints), *alike_pairs(sketches))}
    kind_of = {
        (i, j): IDENTICAL
        if checks[i].crop_sha256 == checks[j].crop_sha256
        else MIRRORED
        if checks[i].crop_sha256 == checks[j].mirrored_sha256
        else NEARLY
        for i, j in sorted(near)
    }
    by_mask: dict[str, list[int]] = defaultdict(list)
    for place, check in enumerate(checks):
        if check.mask_sha256:
            by_mask[check.mask_sha256].append(place)
    of_one_mask = [
        (members[0], other)
        for members in by_mask.values()
        for other in members[1:]
        if (members[0], other) not in kind_of
    ]
    return FoundPairs(kind_of, of_one_mask)


def pair_findings(cases: Sequence[Case], found: FoundPairs) -> Iterator[PairFinding]:
    """Cases, their pairs -> what is wrong with them."""
    apart = [pair for pair in found.kind_of if are_apart(cases[pair[0]], cases[pair[1]])]
    same = [pair for pair in apart if found.kind_of[pair] != NEARLY]
    near = [pair for pair in apart if found.kind_of[pair] == NEARLY]
    if same:
        yield (
            "error",
            "duplicates apart",
            f"{_counted(same)} of identical pictures in different splits or folds: prepare with refold, which "
            "joins them",
            same,
        )
    if near:
        yield (
            "warning",
            "near-duplicates apart",
            f"{_counted(near)} of nearly identical pictures in different splits or folds: look at them; "
            f"if they show one nodule, prepare with refold, which joins them. First: {_names(cases, near[0])}",
            near,
        )
    if within := [pair for pair in found.kind_of if pair not in set(apart)]:
        num_same = sum(found.kind_of[pair] != NEARLY for pair in within)
        yield (
            "note",
            "duplicates within",
            f"{_counted(within)} on one side ({num_same} identical, the others nearly): they count twice",
            within,
        )
    if torn := [pair for pair in found.kind_of if _labels_differ(cases[pair[0]], cases[pair[1]])]:
        yield (
            "warning",
            "conflicting labels",
            f"{_counted(torn)} of nearly identical pictures, one with label 1 and one with 0: leave "
            f"both out or correct one. First: {_names(cases, torn[0])}",
            torn,
        )
    if found.of_one_mask:
        yield (
            "warning",
            "one mask twice",
            f"{_counted(found.of_one_mask)} of different pictures with the very same mask: one of the two is wrong. "
            f"First: {_names(cases, found.of_one_mask[0])}",
            found.of_one_mask,
        )


def picture_pairs(cases: Sequence[Case], found: FoundPairs) -> tuple[PicturePair, ...]:
    """Cases, their pairs -> a PicturePair per pair that shows one picture; those that are apart first."""
    pairs = [
        PicturePair(
            cases[i].case_id,
            cases[j].case_id,
            kind,
            are_apart(cases[i], cases[j]),
            _labels_differ(cases[i], cases[j]),
        )
        for (i, j), kind in found.kind_of.items()
    ]
    return tuple(sorted(pairs, key=lambda pair: (not pair.is_apart, pair.kind == NEARLY)))


def are_apart(one: Case, other: Case) -> bool:
    """Whether a network may learn from one of the two and be scored on the other.

    A row outside the test split that has no fold is in the training of every fold.
    """
    if not (is_labelled(one) and is_labelled(other)):
        return False
    is_other_fold = "test" not in (one.split, other.split) and one.fold != other.fold
    return side_of(one) != side_of(other) or is_other_fold or {one.split, other.split} == {"train", "val"}


def side_of(case: Case) -> str:
    """Case -> "test" or "training"."""
    return "test" if case.split == "test" else "training"


def _labels_differ(one: Case, other: Case) -> bool:
    return {one.malignancy, other.malignancy} == {0, 1}


def _names(cases: Sequence[Case], pair: tuple[int, int]) -> str:
    return f"{cases[pair[0]].case_id} and {cases[pair[1]].case_id}"


def _counted(pairs: Sequence[tuple[int, int]]) -> str:
    return f"{len(pairs)} pair{'' if len(pairs) == 1 else 's'}"
