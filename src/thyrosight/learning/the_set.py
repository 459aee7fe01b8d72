"""Prepared rows -> the facts that decide the plan; rows that the present network has seen are set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from thyrosight.bundle.records import BundleInfo
from thyrosight.bundle.seen_images import SeenImages
from thyrosight.bundle.training_sets import names_a_set, without_record
from thyrosight.datasets.pictures.seen_rows import rows_seen_by
from thyrosight.datasets.table import group_key, read_cases, write_cases
from thyrosight.learning.plan import MAX_SEEN_SHARE
from thyrosight.learning.records import SetFacts
from thyrosight.types import Case


@dataclass(frozen=True)
class Memory:
    """What a bundle learned from: its sets, and the record of their images."""

    info: BundleInfo
    images: SeenImages


def facts_of(cases: Sequence[Case], present: Memory | None) -> SetFacts:
    """All rows, what the present network has seen (None: there is none) -> facts of the rows outside the test split."""
    inside = [case for case in cases if case.split != "test"]
    return SetFacts(
        num_images=len(inside),
        num_views=sum(max(1, len(case.panels)) for case in inside),
        num_groups=len({group_key(case) for case in inside}),
        num_outlined=sum(case.mask is not None for case in inside),
        num_boxed=sum(case.mask is None and bool(case.boxes) for case in inside),
        num_low=sum(case.malignancy == 0 for case in inside),
        num_high=sum(case.malignancy == 1 for case in inside),
        num_folds=len({case.fold for case in inside if case.fold is not None}),
        num_test=len(cases) - len(inside),
        num_seen=len(seen_rows(present, inside)) if present else 0,
    )


def seen_rows(memory: Memory, cases: Sequence[Case]) -> list[Case]:
    """-> the rows that a bundle has learned from, by its record of images, or by a set's name without a record."""
    return rows_seen_by(memory.info, memory.images, cases).of(cases)


def sets_by_name(info: BundleInfo) -> tuple[str, ...]:
    """-> the published sets that a bundle learned from without a record of their images."""
    return tuple(sorted({entry.source for entry in without_record(info.training_sets) if names_a_set(entry)}))


def set_aside(table: Path, memory: Memory) -> None:
    """Rewrites a cases.csv: a group that the bundle has seen gets no fold, so it is used in training and never scored.

    Where these groups have more than MAX_SEEN_SHARE of the rows outside the test split, the file stays as it is, and
    the run starts from other weights.
    """
    cases = read_cases(table)
    inside = [case for case in cases if case.split != "test"]
    seen = {group_key(case) for case in seen_rows(memory, inside)}
    if seen and sum(group_key(case) in seen for case in inside) <= MAX_SEEN_SHARE * len(inside):
        write_cases([replace(case, fold=None) if group_key(case) in seen else case for case in cases], table)


def rows_in_folds(cases: Sequence[Case]) -> list[Case]:
    """All rows -> the rows that are scored: those with a fold that are not in the test split."""
    return [case for case in cases if case.fold is not None and case.split != "test"]
