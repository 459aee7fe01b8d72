"""Two examinations -> growth by the definition, and whether it is beyond the error; phantom pairs with known change."""

from __future__ import annotations

import pytest

from examinations import examined
from thyrosight.examination.growth import compare_examinations, growth_of
from thyrosight.examination.records import CaliperSizes, ThyroidExam
from thyrosight.examination.sizes import SizeError, nodule_dimensions

EXACT = SizeError(sd_log=1e-6, within_outline=0, source="none")


def by_calipers(length: float, width: float, depth: float, **changes: object) -> ThyroidExam:
    one = examined([(20, 12, 8)], **changes)  # type: ignore[arg-type]
    calipers = CaliperSizes(length_mm=length, width_mm=width, depth_mm=depth)
    return one.model_copy(update={"nodules": (one.nodules[0].model_copy(update={"calipers": calipers}),)})


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        ((10, 10, 10), (12, 12, 10), "grown"),  # 20 % and 2 mm in two
        ((10, 10, 10), (11.9, 12, 10), "not grown"),
        ((9, 9, 9), (10.9, 10.9, 9), "not grown"),  # above 20 %, yet below 2 mm: volume + 47 %
        ((30, 20, 10), (35, 23, 10), "not grown"),  # above 2 mm, yet below 20 %
        ((10, 10, 10), (15, 10, 10), "grown"),  # one diameter alone, and 50 % of volume
        ((10, 10, 10), (14.9, 10, 10), "not grown"),
        ((20, 20, 20), (10, 10, 10), "not grown"),
    ],
)
def test_growth_is_what_the_definition_says(
    before: tuple[float, float, float], now: tuple[float, float, float], verdict: str
) -> None:
    one, other = by_calipers(*now, day=2), by_calipers(*before)
    dimensions = [nodule_dimensions(exam.nodules[0], exam, (EXACT, EXACT)) for exam in (other, one)]
    growth = growth_of(*dimensions)
    assert (growth.verdict, growth.is_certain) == (verdict, True)


def test_growth_within_the_error_is_said_to_be() -> None:
    growth = compare_examinations(by_calipers(12.2, 12.2, 10, day=2), by_calipers(10, 10, 10)).growth[1]
    assert (growth.verdict, growth.is_certain) == ("grown", False)
    assert "lies within what two measurements differ by" in growth.words
    growth = compare_examinations(by_calipers(20, 20, 20, day=2), by_calipers(10, 10, 10)).growth[1]
    assert (growth.verdict, growth.is_certain) == ("grown", True)
    assert "beyond what two measurements differ by" in growth.words
    growth = compare_examinations(by_calipers(5, 5, 5, day=2), by_calipers(10, 10, 10)).growth[1]
    assert growth.words.startswith("smaller (")


def test_without_a_second_view_there_is_no_verdict_by_volume() -> None:
    one = examined([(20, 12, 8)], day=2)
    short = one.nodules[0].model_copy(update={"sections": one.nodules[0].sections[1:]})
    growth = compare_examinations(one.model_copy(update={"nodules": (short,)}), examined([(20, 12, 8)])).growth[1]
    assert [change.name for change in growth.changes] == ["length", "depth"]
    alone = one.nodules[0].model_copy(update={"sections": ()})
    growth = compare_examinations(one.model_copy(update={"nodules": (alone,)}), examined([(20, 12, 8)])).growth[1]
    assert growth.verdict == "not judged"


def test_nodules_are_matched_by_place_and_size_and_new_ones_are_named() -> None:
    earlier = examined(
        [(20, 12, 8), (10, 8, 7), (6, 5, 4)], places=[("right", "upper"), ("right", "lower"), ("left", "middle")]
    )
    now = examined(
        [(11, 8, 7), (22, 13, 8), (9, 9, 9)],
        places=[("right", "lower"), ("right", "upper"), ("isthmus", None)],
        day=2,
    )
    found = compare_examinations(now, earlier)
    assert {number: growth.earlier_number for number, growth in found.growth.items()} == {1: 2, 2: 1}
    assert (found.new, found.not_seen_again) == ((3,), (3,))
    assert all(growth.matched_by == "program" for growth in found.growth.values())


def test_a_uid_matches_before_any_likeness() -> None:
    earlier = examined([(20, 12, 8), (10, 8, 7)], places=[("right", "upper"), ("left", "lower")])
    now = examined([(20, 12, 8)], places=[("right", "upper")], day=2)
    same = now.nodules[0].model_copy(update={"uid": earlier.nodules[1].uid})
    growth = compare_examinations(now.model_copy(update={"nodules": (same,)}), earlier).growth[1]
    assert (growth.earlier_number, growth.matched_by) == (2, "uid")
