"""Outlines of several views -> nodules: pairs by what both views show, none against what the images state."""

from __future__ import annotations

import numpy as np
import pytest

from examinations import nodule_of, signs_of_nodule, view_image
from thyrosight.examination.pairing import Seen, pair_gain, propose_nodules, seen_by_network
from thyrosight.examination.records import ExaminedNodule, ViewImage


def proposed(images: list[ViewImage]) -> tuple[ExaminedNodule, ...]:
    seen = seen_by_network(images)
    return propose_nodules(seen, [f"2.25.{k + 1}" for k in range(len(seen))])


def test_two_nodules_in_two_views_are_paired_by_depth() -> None:
    across = view_image("t", [nodule_of(14, 10), nodule_of(9, 6, 2)], "transverse", "right")
    along = view_image("l", [nodule_of(11, 6.2), nodule_of(18, 9.7, 2)], "longitudinal", "right")
    large, small = proposed([across, along])
    assert [section.nodule.number for section in large.sections] == [1, 2]
    assert [section.nodule.number for section in small.sections] == [2, 1]
    assert (large.number, large.side, large.paired_by) == (1, "right", "program")
    assert "depths 10.0 mm and 9.7 mm" in large.pairing_reason or "depths" in large.pairing_reason


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("transverse", "right", None), ("longitudinal", "left", None)),
        (("transverse", "right", "upper"), ("longitudinal", "right", "lower")),
        (("transverse", None, None), ("transverse", None, None)),
    ],
)
def test_what_the_images_state_is_not_contradicted(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    one = view_image("a", [nodule_of(12, 8)], *first)  # type: ignore[arg-type]
    other = view_image("b", [nodule_of(12, 8)], *second)  # type: ignore[arg-type]
    assert [len(nodule.sections) for nodule in proposed([one, other])] == [1, 1]
    assert all(nodule.paired_by is None for nodule in proposed([one, other]))


def test_unlike_nodules_are_not_paired() -> None:
    solid = view_image("a", [nodule_of(12, 8)], "transverse")
    cyst = view_image("b", [nodule_of(12, 8, signs=signs_of_nodule(0.2, 0.95))], "longitudinal")
    deep = view_image("c", [nodule_of(12, 14)], "longitudinal")
    assert len(proposed([solid, cyst])) == 2
    assert len(proposed([solid, deep])) == 2


def test_images_of_unknown_view_may_pair() -> None:
    one, other = view_image("a", [nodule_of(12, 8)], None), view_image("b", [nodule_of(16, 8)], None)
    (nodule,) = proposed([one, other])
    assert nodule.paired_by == "program"
    assert {section.image for section in nodule.sections} == {"a", "b"}


def test_no_outline_is_lost_or_used_twice() -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        images = []
        for k in range(int(rng.integers(1, 6))):
            outlines = [nodule_of(*rng.uniform(4, 20, 2), n) for n in range(1, int(rng.integers(1, 4)))]
            view = rng.choice(["transverse", "longitudinal", ""])
            images.append(view_image(f"i{k}", outlines, view or None))  # type: ignore[arg-type]
        nodules = proposed(images)
        there = sorted((s.image, s.nodule.number) for nodule in nodules for s in nodule.sections)
        assert there == sorted((one.image.key, one.nodule.number) for one in seen_by_network(images))
        assert [nodule.number for nodule in nodules] == list(range(1, len(nodules) + 1))


def test_the_gain_is_symmetric() -> None:
    one = Seen(view_image("a", [nodule_of(12, 8)], "transverse", "right", "upper"), nodule_of(12, 8))
    other = Seen(view_image("b", [nodule_of(12, 9)], "longitudinal", None, "middle"), nodule_of(12, 9))
    assert pair_gain(one, other) == pytest.approx(pair_gain(other, one))
    assert 0 < pair_gain(one, other) < 1
