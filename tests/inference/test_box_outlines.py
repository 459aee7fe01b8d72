"""Outlines inside boxes, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from thyrosight.inference.box_outlines import closer_view, outline_in_box, stretched
from thyrosight.measurement.outlines import bounding_box
from thyrosight.types import Box

BOX = Box(20, 10, 50, 40)


def cone(peak: float = 1.0) -> np.ndarray:
    """A map that falls from the box's middle, past the box's sides at 0.5 of its peak."""
    rows, columns = np.mgrid[0:60, 0:80]
    distance = np.hypot((columns - 34.5) / 15, (rows - 24.5) / 15)
    return np.clip(peak * (1 - distance / 2), 0, 1).astype(np.float32)


def test_the_threshold_is_the_one_whose_extent_is_the_boxs() -> None:
    found = outline_in_box(cone(), BOX)
    assert found is not None
    assert found.threshold == pytest.approx(0.5)
    assert found.iou > 0.85
    rows, columns = np.flatnonzero(found.mask_HW.any(axis=1)), np.flatnonzero(found.mask_HW.any(axis=0))
    assert abs(rows[0] - 10) <= 1
    assert abs(columns[-1] - 49) <= 1
    assert outline_in_box(cone(0.8), BOX).threshold == pytest.approx(0.4)  # type: ignore[union-attr]


def test_what_fits_no_threshold_is_dropped() -> None:
    assert outline_in_box(np.zeros((60, 80), np.float32), BOX) is None
    beside = np.zeros((60, 80), np.float32)
    beside[10:40, 20:30] = 0.9  # a third of the box
    assert outline_in_box(beside, BOX) is None
    assert outline_in_box(beside, BOX, least_iou=0.3) is not None


def test_a_hole_in_the_outline_is_filled_and_what_lies_outside_is_cut_off() -> None:
    map_HW = np.zeros((60, 80), np.float32)
    map_HW[10:40, :50] = 0.9
    map_HW[20:25, 30:35] = 0.0
    found = outline_in_box(map_HW, BOX)
    assert found is not None
    assert found.mask_HW[22, 32]
    assert not found.mask_HW[:, :17].any()


def test_the_closer_view_holds_the_box_and_stays_in_the_field() -> None:
    assert closer_view(BOX, Box(0, 0, 500, 400)) == Box(0, 0, 75, 75)
    assert closer_view(Box(200, 200, 240, 220), Box(0, 0, 500, 400)) == Box(170, 160, 270, 260)
    assert closer_view(Box(0, 0, 90, 90), Box(0, 0, 100, 95)) == Box(0, 0, 100, 95)


def test_a_stretched_outline_touches_its_box() -> None:
    mask_HW = np.zeros((60, 80), bool)
    mask_HW[20:30, 22:40] = True
    mask_HW[24:34, 30:36] = True
    for box in (Box(18, 15, 45, 40), Box(25, 22, 33, 28), Box(60, 40, 90, 70)):
        found_HW = stretched(mask_HW, box)
        assert bounding_box(found_HW) == Box(box.x0, box.y0, min(box.x1, 80), min(box.y1, 60))
    assert not stretched(mask_HW, Box(200, 200, 220, 220)).any()
