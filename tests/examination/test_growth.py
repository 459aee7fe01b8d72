"""Two examinations -> growth by the definition, and whether it is beyond the error; phantom pairs with known change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from examinations import MM, SIZE_HW, examined, nodule_of, view_image
from thyrosight.examination.growth import compare_examinations, growth_of
from thyrosight.examination.records import CaliperSizes, ExaminedNodule, Section, ThyroidExam
from thyrosight.examination.sizes import READER_ERROR, SizeError, nodule_dimensions
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.measurement.size import measure
from thyrosight.phantom.follow_up import NoduleShape, draw_shape, grown_shape
from thyrosight.types import Spacing

EXACT = SizeError(sd_log=1e-9, within_outline=0, source="none")


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
    assert (growth.verdict, growth.is_certain, growth.is_beyond_error) == ("grown", False, False)
    assert "is within the error of two measurements" in growth.words
    growth = compare_examinations(by_calipers(14, 14, 12, day=2), by_calipers(10, 10, 10)).growth[1]
    assert (growth.verdict, growth.is_certain, growth.is_beyond_error) == ("grown", False, True)
    assert "more than the error of two measurements" in growth.words
    growth = compare_examinations(by_calipers(20, 20, 20, day=2), by_calipers(10, 10, 10)).growth[1]
    assert (growth.verdict, growth.is_certain) == ("grown", True)
    assert "the whole interval is growth" in growth.words
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


def outlined_by_a_reader(rng: np.random.Generator, shape: NoduleShape, day: int) -> ThyroidExam:
    """A nodule's shape -> an examination whose outlines differ from the truth as one reader's do (rng None: the truth).

    The axes of an outline are wrong by a factor whose logarithm has READER_ERROR's sd and correlation.
    """
    sections = []
    for view in ("transverse", "longitudinal"):
        outline = shape.sections[view]  # type: ignore[index]
        rho = READER_ERROR.within_outline
        covariance = READER_ERROR.sd_log**2 * np.array([[1, rho], [rho, 1]])
        wrong = np.exp(rng.multivariate_normal((0, 0), covariance)) if rng is not None else (1.0, 1.0)
        half = (outline.half_mm[0] * float(wrong[0]), outline.half_mm[1] * float(wrong[1]))
        points_xy = replace(outline, half_mm=half).vertices_mm() / MM + (199.5, 149.5)
        mask_HW = fill_outlines([points_xy], SIZE_HW)
        nodule = nodule_of(1, 1, size=measure(mask_HW, Spacing(MM, MM)))
        sections.append((view, nodule))
    images = tuple(view_image(view, [nodule], view) for view, nodule in sections)  # type: ignore[arg-type]
    outlines = tuple(Section(image=view, nodule=nodule, outlined_by="MANUAL") for view, nodule in sections)
    one = ExaminedNodule(uid="2.25.7", number=1, sections=outlines, paired_by="reader")
    return ThyroidExam(uid=f"2.25.{day}", images=images, nodules=(one,))


def test_a_hundred_phantom_pairs_with_known_change() -> None:
    """Growth is called right, and the sizes' intervals cover the truth in 95 % +- 4 of the cases."""
    covered, volumes, changes, verdicts, sure, beyond = [], [], [], [], [], []
    for k in range(100):
        rng = np.random.default_rng([6, k])
        shape = draw_shape(rng)
        shapes = [shape, grown_shape(rng, shape, (1.0, 0.6, 1.25, 1.5, 1.8, 2.2, 3.0, 4.0)[k % 8])]
        read = [outlined_by_a_reader(rng, one, day) for day, one in enumerate(shapes)]
        true = [outlined_by_a_reader(None, one, day) for day, one in enumerate(shapes)]  # type: ignore[arg-type]
        sizes = [nodule_dimensions(exam.nodules[0], exam) for exam in read]
        truth = [nodule_dimensions(exam.nodules[0], exam, (EXACT, EXACT)) for exam in true]
        for size, exact in zip(sizes, truth, strict=True):
            pairs = zip(size.diameters, exact.diameters, strict=True)
            covered += [one.low_mm <= other.mm <= one.high_mm for one, other in pairs]
            volumes.append(size.volume_low_ml <= exact.volume_ml <= size.volume_high_ml)  # type: ignore[operator]
        growth, exact_growth = growth_of(*sizes), growth_of(*truth)
        changes.append(growth.changes[-1].low <= exact_growth.changes[-1].share <= growth.changes[-1].high)
        verdicts.append(growth.verdict == exact_growth.verdict)
        sure += [verdicts[-1]] if growth.is_certain else []
        beyond += [exact_growth.changes[-1].share > 0] if growth.is_beyond_error else []
    assert 0.91 <= np.mean(covered) <= 0.99
    assert 0.91 <= np.mean(volumes) <= 0.99
    assert 0.91 <= np.mean(changes) <= 0.99
    assert np.mean(verdicts) >= 0.7
    assert len(sure) >= 15
    assert np.mean(sure) >= 0.95
    assert len(beyond) >= 25
    assert np.mean(beyond) >= 0.95
