"""The facts of a set, and the rows that the shipped network has seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from thyrosight.bundle.seen_images import SeenImages
from thyrosight.bundle.store import load_bundle
from thyrosight.datasets.table import read_cases, write_cases
from thyrosight.learning.the_set import Memory, facts_of, rows_in_folds, seen_rows, set_aside, sets_by_name
from thyrosight.types import Box, Case

BUNDLE = load_bundle("shipped")
SHIPPED = Memory(BUNDLE.info, SeenImages.from_bytes(b""))
"""What a bundle of earlier versions knows: the names of its sets, and none of its images."""


def rows(folder: Path) -> list[Case]:
    """20 rows of own, the last two of ddti; two are of the test split, two have boxes alone, one has two views."""
    one = Case("c", folder / "i.png", folder / "m.png", None, "g", "own")
    cases = [
        replace(one, case_id=f"c{at}", group=f"g{at // 2}", fold=at // 2 % 5, malignancy=(0, 1, None)[at % 3])
        for at in range(20)
    ]
    cases[18:] = [replace(case, source="ddti") for case in cases[18:]]
    cases[:2] = [replace(case, split="test", fold=None) for case in cases[:2]]
    cases[2:4] = [replace(case, mask=None, boxes=(Box(0, 0, 9, 9),)) for case in cases[2:4]]
    cases[4] = replace(cases[4], panels=(Box(0, 0, 9, 9), Box(9, 0, 20, 9)))
    return cases


def test_facts_count_what_is_outside_the_test_split(tmp_path: Path) -> None:
    facts = facts_of(rows(tmp_path), SHIPPED)
    assert (facts.num_images, facts.num_views, facts.num_groups, facts.num_test) == (18, 19, 9, 2)
    assert (facts.num_outlined, facts.num_boxed, facts.num_low, facts.num_high) == (16, 2, 6, 6)
    assert (facts.num_folds, facts.num_seen) == (5, 2)
    assert facts_of(rows(tmp_path), None).num_seen == 0


def test_sets_are_known_by_name() -> None:
    assert sets_by_name(BUNDLE.info) == (), "its images are recorded"
    sets = tuple(entry.model_copy(update={"is_recorded": False}) for entry in BUNDLE.info.training_sets)
    older = BUNDLE.info.model_copy(update={"training_sets": sets})
    assert sets_by_name(older) == ("busbra", "busi", "ddti", "tg3k", "tn5000")


def test_a_few_seen_groups_teach_and_are_not_scored(tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    write_cases(rows(tmp_path), table)
    set_aside(table, SHIPPED)
    after = read_cases(table)
    assert [case.case_id for case in seen_rows(SHIPPED, after)] == ["c18", "c19"]
    assert {case.case_id for case in after if case.fold is None} == {"c0", "c1", "c18", "c19"}
    assert len(rows_in_folds(after)) == 16


def test_where_most_rows_are_seen_the_folds_stay(tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    write_cases([replace(case, source="ddti") for case in rows(tmp_path)], table)
    before = table.read_bytes()
    set_aside(table, SHIPPED)
    assert table.read_bytes() == before
