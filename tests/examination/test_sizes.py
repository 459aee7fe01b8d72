"""Sections and calipers -> diameters, volume, intervals: values computed by hand."""

from __future__ import annotations

import math

import pytest

from examinations import ellipsoid_ml, examined, nodule_of, view_image
from thyrosight.examination.records import CaliperSizes, ExaminedNodule, Gland, Lobe, Section, ThyroidExam
from thyrosight.examination.sizes import (
    NETWORK_ERROR,
    READER_ERROR,
    gland_volume_ml,
    lobe_volume_ml,
    nodule_dimensions,
)
from thyrosight.prediction import Nodule


def of_views(views: dict[str, tuple[str | None, Nodule]], by: str = "MANUAL", **changes: object) -> ThyroidExam:
    images = tuple(view_image(key, [nodule], view) for key, (view, nodule) in views.items())  # type: ignore[arg-type]
    sections = tuple(
        Section(image=key, nodule=nodule, outlined_by=by)  # type: ignore[arg-type]
        for key, (_, nodule) in views.items()
    )
    one = ExaminedNodule(uid="2.25.1", number=1, sections=sections, **changes)  # type: ignore[arg-type]
    return ThyroidExam(uid="2.25.9", images=images, nodules=(one,))


def test_three_diameters_and_the_volume() -> None:
    one = examined([(20, 12, 8)])
    found = nodule_dimensions(one.nodules[0], one)
    assert [item.direction for item in found.diameters] == ["length", "width", "depth"]
    assert [item.mm for item in found.diameters] == pytest.approx([20, 12, 8], rel=0.015)
    assert found.longest_mm == pytest.approx(20, rel=0.015)
    assert found.volume_ml == pytest.approx(ellipsoid_ml(20, 12, 8), rel=0.03)
    assert found.reason is None


def test_a_nodule_taller_than_wide_keeps_its_directions() -> None:
    one = examined([(9, 8, 14)])
    found = nodule_dimensions(one.nodules[0], one)
    assert [item.mm for item in found.diameters] == pytest.approx([9, 8, 14], rel=0.02)


def test_intervals_follow_the_error_of_who_measured() -> None:
    reader = examined([(20, 12, 8)])
    width = nodule_dimensions(reader.nodules[0], reader).diameter("width")
    assert width is not None
    assert width.high_mm / width.mm == pytest.approx(math.exp(1.96 * READER_ERROR.sd_log))
    assert width.by == "reader"
    network = of_views({"a": ("transverse", nodule_of(12, 8))}, by="AUTOMATIC")
    width = nodule_dimensions(network.nodules[0], network).diameter("width")
    assert width is not None
    assert width.by == "network"
    assert width.low_mm / width.mm == pytest.approx(math.exp(-1.96 * NETWORK_ERROR.sd_log))


def test_the_volume_knows_that_one_outline_gave_two_diameters() -> None:
    one = examined([(20, 12, 8)])
    sd, rho = READER_ERROR.sd_log, READER_ERROR.within_outline
    assert nodule_dimensions(one.nodules[0], one).volume_sd_log == pytest.approx(sd * math.sqrt(3 + 2 * rho))
    by_hand = one.nodules[0].model_copy(update={"calipers": CaliperSizes(length_mm=20, width_mm=12, depth_mm=8)})
    assert nodule_dimensions(by_hand, one).volume_sd_log == pytest.approx(sd * math.sqrt(3))


def test_calipers_count_before_outlines() -> None:
    one = examined([(20, 12, 8)])
    by_hand = one.nodules[0].model_copy(update={"calipers": CaliperSizes(length_mm=15)})
    found = nodule_dimensions(by_hand, one)
    assert found.diameter("length").mm == 15  # type: ignore[union-attr]
    assert found.longest_mm == 15
    assert found.volume_ml == pytest.approx(ellipsoid_ml(15, 12, 8), rel=0.03)


def test_the_largest_section_of_a_view_counts() -> None:
    views = {"a": ("transverse", nodule_of(8, 6)), "b": ("transverse", nodule_of(12, 8))}
    one = of_views(views)  # type: ignore[arg-type]
    assert nodule_dimensions(one.nodules[0], one).diameter("width").mm == pytest.approx(12, rel=0.02)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("views", "told"),
    [
        ({"a": ("transverse", nodule_of(12, 8))}, "no length: no longitudinal view is outlined"),
        ({"a": ("longitudinal", nodule_of(12, 8))}, "no width: no transverse view is outlined"),
        ({"a": (None, nodule_of(12, 8))}, "no length and width and depth: nobody said which view image 'a' shows"),
        ({}, "no length and width and depth: no longitudinal view is outlined"),
    ],
)
def test_what_is_missing_has_its_reason(views: dict[str, tuple[str | None, Nodule]], told: str) -> None:
    one = of_views(views)
    found = nodule_dimensions(one.nodules[0], one)
    assert (found.volume_ml, found.reason) == (None, told)


def test_an_unknown_view_still_has_a_longest_diameter() -> None:
    one = of_views({"a": (None, nodule_of(12, 8))})
    assert nodule_dimensions(one.nodules[0], one).longest_mm == pytest.approx(12, rel=0.02)


def test_lobes_and_gland() -> None:
    lobe = Lobe(length_mm=50, width_mm=20, depth_mm=15)
    assert lobe_volume_ml(lobe) == pytest.approx(7.854, abs=0.001)
    assert gland_volume_ml(Gland(right=lobe, left=lobe)) == pytest.approx(15.708, abs=0.001)
    assert gland_volume_ml(Gland(right=lobe)) is None


def test_a_known_bias_moves_the_intervals_of_diameters_and_volume() -> None:
    one = examined([(20, 12, 8)])
    error = READER_ERROR.model_copy(update={"bias_log": 0.1})
    found = nodule_dimensions(one.nodules[0], one, (error, NETWORK_ERROR))
    width = found.diameter("width")
    assert width is not None
    assert math.sqrt(width.low_mm * width.high_mm) / width.mm == pytest.approx(math.exp(-0.1))
    assert found.volume_low_ml is not None
    assert found.volume_high_ml is not None
    middle_ml = math.sqrt(found.volume_low_ml * found.volume_high_ml)
    assert middle_ml / found.volume_ml == pytest.approx(math.exp(-0.3))
