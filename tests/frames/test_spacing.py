"""Regions and pixel spacings -> millimetres, or why there are none."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydicom.dataset import Dataset

import dicom_files as files
from dicom_files import gray_picture, region, with_regions
from thyrosight.frames.dicom import with_spacing
from thyrosight.frames.load import decode_frame
from thyrosight.frames.spacing import NO_SCALE, checked_spacing, frame_spacing, read_regions
from thyrosight.types import Box, Frame, Region, Spacing

# Millimetres.

SCALED = Spacing(0.06, 0.05)


@pytest.mark.parametrize(
    ("items", "elements", "expected", "words"),
    [
        ([region()], {}, SCALED, "ultrasound regions"),
        ([region(), region(RegionLocationMaxX1=30)], {}, SCALED, "ultrasound regions"),
        ([region()], {"PixelSpacing": [0.2, 0.2]}, None, "0.06 x 0.05 mm by its ultrasound regions, 0.2 x 0.2 mm by"),
        ([region()], {"PixelSpacing": [0.05, 0.06]}, None, "contradicts itself"),
        ([region(RegionLocationMaxX1=31)], {"PixelSpacing": [0.03, 0.025]}, None, "contradicts itself"),
        ([region()], {"PixelSpacing": [0.06, 0.05]}, SCALED, "ultrasound regions"),
        ([region()], {"PixelSpacing": [1, 1]}, SCALED, "ultrasound regions"),
        ([region()], {"PixelSpacing": ["0.264583", "0.264583"]}, SCALED, "ultrasound regions"),
        ([], {"PixelSpacing": [0.07, 0.05]}, Spacing(0.07, 0.05), "PixelSpacing"),
        ([region(RegionLocationMaxX1=64, RegionLocationMaxY1=48)], {}, SCALED, "regions"),
        ([region(), region(RegionSpatialFormat=3, RegionDataType=3)], {}, SCALED, "regions"),
        ([region(RegionSpatialFormat=3)], {"PixelSpacing": [0.1, 0.1]}, Spacing(0.1, 0.1), "PixelSpacing"),
        ([region(PhysicalUnitsXDirection=4)], {"PixelSpacing": [0.1, 0.1]}, Spacing(0.1, 0.1), "PixelSpacing"),
        ([], {}, None, NO_SCALE),
        ([], {"ImagerPixelSpacing": [0.1, 0.1]}, None, NO_SCALE),
        ([], {"NominalScannedPixelSpacing": [0.1, 0.1]}, None, NO_SCALE),
        ([], {"PixelSpacing": [0.0, 0.1]}, None, "not above zero"),
        ([], {"PixelSpacing": [-0.1, 0.1]}, None, "not above zero"),
        ([], {"PixelSpacing": [0.1, 0.5]}, None, "more than 4 times as long as wide"),
        ([], {"PixelSpacing": [25.4, 25.4]}, None, "outside 0.005 to 2 mm"),
        ([region(RegionSpatialFormat=2)], {}, None, "is not 2-D"),
        ([region(RegionSpatialFormat=None)], {}, None, "is not 2-D"),
        ([region(PhysicalUnitsXDirection=4)], {}, None, "not measured in centimetres"),
        ([region(PhysicalUnitsYDirection=0)], {}, None, "not measured in centimetres"),
        ([region(PhysicalDeltaX=0.0)], {}, None, "not above zero"),
        ([region(PhysicalDeltaY=-0.006)], {"PixelSpacing": [0.1, 0.1]}, None, "not above zero"),
        ([region(PhysicalDeltaX=3.0, PhysicalDeltaY=3.0)], {}, None, "outside 0.005 to 2 mm"),
        ([region(PhysicalDeltaX=None)], {}, None, "gives no pixel size"),
        ([region(PhysicalDeltaX=0.001, PhysicalDeltaY=0.09)], {}, None, "more than 4 times"),
        ([region(RegionLocationMaxX1=65)], {"PixelSpacing": [0.1, 0.1]}, None, "ends beyond the image"),
        ([region(RegionLocationMaxY1=600)], {}, None, "it was cropped or resized after the scan"),
        (
            [region(), region(RegionDataType=4, RegionSpatialFormat=3, RegionLocationMaxY1=90)],
            {},
            None,
            "region 2 ends",
        ),
        ([region(), region(PhysicalDeltaX=0.01)], {}, None, "different scales"),
    ],
)
def test_millimetres_or_the_reason_why_not(
    items: list[Dataset], elements: dict[str, Any], expected: Spacing | None, words: str
) -> None:
    frame = decode_frame(with_regions(*items, **elements) if items else files.native(gray_picture(), **elements))
    assert frame.spacing == (pytest.approx(expected) if expected else None)
    assert words in str(frame.spacing_reason)


def test_a_part_has_the_scale_of_the_region_that_holds_it() -> None:
    left = region(RegionLocationMaxX1=29)
    right = region(RegionLocationMinX0=34, PhysicalDeltaX=0.01, PhysicalDeltaY=0.01)
    frame = decode_frame(with_regions(left, right))
    assert frame.spacing is None
    assert frame.spacing_in(Box(5, 5, 20, 20)) == (pytest.approx(SCALED), None)
    assert frame.spacing_in(Box(40, 5, 60, 20)) == (pytest.approx(Spacing(0.1, 0.1)), None)
    for box in (Box(20, 5, 45, 20), Box(0, 46, 64, 48)):
        assert frame.spacing_in(box) == (None, "it is outside the ultrasound regions that have a scale")
    inset = region(RegionLocationMinX0=40, RegionLocationMinY0=30, PhysicalDeltaX=0.01, PhysicalDeltaY=0.01)
    frame = decode_frame(with_regions(region(RegionFlags=1), inset))
    assert frame.spacing_in(Box(45, 32, 55, 40))[0] == pytest.approx(Spacing(0.1, 0.1)), "the one with priority"
    assert frame.spacing_in(Box(5, 5, 15, 15))[0] == pytest.approx(SCALED)
    frame = decode_frame(with_regions(region(), inset))
    assert frame.spacing_in(Box(45, 32, 55, 40)) == (None, "it is in several ultrasound regions of different scale")


def test_a_scale_that_the_header_contradicts_is_that_of_no_part() -> None:
    frame = decode_frame(with_regions(region(), PixelSpacing=[0.2, 0.2]))
    assert frame.spacing_in(Box(5, 5, 20, 20))[0] is None
    two = region(RegionLocationMaxX1=29), region(RegionLocationMinX0=34, PhysicalDeltaX=0.01, PhysicalDeltaY=0.01)
    frame = decode_frame(with_regions(*two, PixelSpacing=[0.1, 0.1]))
    assert frame.spacing_in(Box(5, 5, 20, 20))[0] == pytest.approx(SCALED), "it is the scale of the other region"


def test_one_region_does_not_measure_what_lies_outside_it() -> None:
    frame = decode_frame(with_regions(region(RegionLocationMaxX1=29)))
    assert frame.spacing == pytest.approx(SCALED)
    assert frame.spacing_in(Box(5, 5, 20, 20))[0] == pytest.approx(SCALED)
    assert frame.spacing_in(Box(40, 5, 60, 20))[0] is None


def test_a_persons_millimetres_go_before_the_files() -> None:
    frame = with_spacing(decode_frame(with_regions(region())), Spacing(0.2, 0.1))
    assert frame.spacing_in(Box(0, 0, 64, 48)) == ((0.2, 0.1), "given by the user (--mm-per-pixel)")
    assert with_spacing(frame, None) is frame


def test_numbers_that_are_none_are_no_spacing() -> None:
    for value in (float("nan"), float("inf"), None):
        assert checked_spacing(value, 0.1, "it") == (None, "it gives no pixel size")
    nowhere = {"x0": 1.0, "y0": None, "x1": 5.0, "y1": 5.0}
    assert read_regions([nowhere], 64, 48) == ((), None)
    assert frame_spacing((), None, None, (48, 64)) == (None, NO_SCALE)
    bars = {"x0": 1.0, "y0": 1.0, "x1": 5.0, "y1": 5.0, "format": 1.0, "data_type": 13.0}
    assert read_regions([bars], 64, 48) == ((), None)


def test_regions_are_records() -> None:
    item = {"x0": 0.0, "y0": 0.0, "x1": 63.0, "y1": 47.0, "format": 1.0, "data_type": 1.0}
    item |= {"units_x": 3.0, "units_y": 3.0, "delta_x": 0.01, "delta_y": 0.01}
    regions, fault = read_regions([item], 64, 48)
    assert fault is None
    assert regions == (Region(Box(0, 0, 64, 48), "tissue", True, True, Spacing(0.1, 0.1), None),)
    assert isinstance(decode_frame(with_regions(region())), Frame)


# Millimetres that cannot be.


@pytest.mark.parametrize(
    ("spacing", "size_hw", "why"),
    [
        ([1.0, 1.0], (480, 560), "which converters write"),
        ([25.4 / 96, 25.4 / 96], (480, 560), r"dots of a screen or printer \(96 per inch\)"),
        ([0.3528, 0.3528], (480, 560), r"dots of a screen or printer \(72 per inch\)"),
        ([0.01, 0.01], (480, 560), "makes the view 5.6 mm wide"),
        ([0.9, 0.9], (480, 560), "makes the view 504 mm wide"),
    ],
)
def test_millimetres_that_cannot_be_are_none(spacing: list[float | None], size_hw: tuple[int, int], why: str) -> None:
    found, reason = frame_spacing((), None, spacing, size_hw)
    assert found is None
    assert re.search(why, reason)


@pytest.mark.parametrize("spacing", [[0.08, 0.08], [0.1, 0.12], [0.21, 0.21]])
def test_millimetres_of_tissue_stay(spacing: list[float | None]) -> None:
    found, _ = frame_spacing((), None, spacing, (480, 560))
    assert found is not None
    assert list(found) == spacing
