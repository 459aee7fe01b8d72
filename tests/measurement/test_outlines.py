"""Masks -> outlines and components, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thyrosight.measurement import outlines as module
from thyrosight.measurement.outlines import components, fill_outlines, outlines, smoothed


def test_outlines_largest_first_and_exact_corners():
    mask_HW = np.zeros((20, 20), bool)
    mask_HW[1, 1] = mask_HW[15, 2:19] = True
    mask_HW[3:7, 4:10] = True
    first_xy, second_xy, third_xy = outlines(mask_HW)
    assert sorted(map(tuple, first_xy.tolist())) == [(4, 3), (4, 6), (9, 3), (9, 6)]
    assert sorted(map(tuple, second_xy.tolist())) == [(2, 15), (18, 15)]
    assert third_xy.tolist() == [[1, 1]]
    assert outlines(np.zeros((5, 5), bool)) == []


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_outlines_fill_back_to_the_mask_without_holes(seed, density):
    mask_HW = np.random.default_rng(seed).random((24, 31)) < density
    filled_HW = fill_outlines(outlines(mask_HW), mask_HW.shape)
    assert np.all(filled_HW[mask_HW])
    assert np.array_equal(filled_HW, _without_holes(mask_HW))


def _without_holes(mask_HW: np.ndarray) -> np.ndarray:
    """Background that 4-neighbours connect with the outside stays background."""
    outside_HW = np.zeros((mask_HW.shape[0] + 2, mask_HW.shape[1] + 2), bool)
    padded_HW = np.pad(mask_HW, 1)
    outside_HW[0, 0] = True
    while True:
        grown_HW = outside_HW.copy()
        for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
            grown_HW |= np.roll(outside_HW, shift, axis)
        grown_HW &= ~padded_HW
        if np.array_equal(grown_HW, outside_HW):
            return ~outside_HW[1:-1, 1:-1]
        outside_HW = grown_HW


def test_fill_outlines_joins_overlaps_and_cuts_at_the_edge():
    square_xy = np.array([[1, 1], [4, 1], [4, 4], [1, 4]])
    filled_HW = fill_outlines([square_xy, square_xy + 2, square_xy - 3], (6, 6))
    expected_HW = np.zeros((6, 6), bool)
    expected_HW[1:5, 1:5] = expected_HW[3:6, 3:6] = expected_HW[0:2, 0:2] = True
    assert np.array_equal(filled_HW, expected_HW)
    assert not fill_outlines([], (3, 3)).any()
    assert not fill_outlines([np.zeros((0, 2))], (3, 3)).any()


def test_components_by_size():
    mask_HW = np.zeros((10, 10), bool)
    mask_HW[0:2, 0:2] = mask_HW[2, 2] = True  # joined by a corner
    mask_HW[5:9, 5:9] = True
    mask_HW[9, 0] = True
    assert [int(part.sum()) for part in components(mask_HW)] == [16, 5, 1]
    assert [int(part.sum()) for part in components(mask_HW, min_area_px=5)] == [16, 5]
    assert components(np.zeros((4, 4), bool)) == []


def disc(size: int, centre_xy: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.ogrid[:size, :size]
    return (x - centre_xy[0]) ** 2 + (y - centre_xy[1]) ** 2 <= radius**2


def test_a_smoothed_region_has_no_spur_and_no_notch_and_stays_where_it_was():
    round_HW = disc(200, (100, 100), 40)
    ragged_HW = round_HW.copy()
    ragged_HW[98:101, 60:180] = True
    ragged_HW[55:75, 99:102] = False
    found_HW = smoothed(ragged_HW)
    assert (found_HW ^ round_HW).sum() < 0.03 * round_HW.sum()
    assert not found_HW[:, 145:].any()


@settings(max_examples=40, deadline=None)
@given(st.floats(1, 60), st.floats(0, 99), st.floats(0, 99))
def test_a_disc_keeps_its_area_also_at_the_edge_of_the_image(radius, x, y):
    mask_HW = disc(100, (x, y), radius)
    found_HW = smoothed(mask_HW)
    assert len(components(found_HW)) == 1
    assert abs(int(found_HW.sum()) - int(mask_HW.sum())) <= max(4, 0.06 * mask_HW.sum())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.95))
def test_any_region_smooths_to_one_without_holes(seed, density):
    noise_HW = np.random.default_rng(seed).random((40, 50)) < density
    region_HW = fill_outlines(outlines(noise_HW)[:1], noise_HW.shape)
    found_HW = smoothed(region_HW)
    assert len(components(found_HW)) == 1
    assert (fill_outlines(outlines(found_HW), found_HW.shape) == found_HW).all()


@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_what_is_smoothed_does_not_depend_on_how_far_around_the_region_is_looked(seed: int, x: int, y: int) -> None:
    rng = np.random.default_rng(seed)
    mask_HW = np.zeros((50, 60), np.bool_)
    for _ in range(3):  # regions that the edge cuts off, and whole ones
        height, width = rng.integers(2, 40, 2)
        mask_HW[y : y + height, x : x + width] = True
        y, x = rng.integers(0, 40, 2)
    for outline_xy in outlines(mask_HW):
        region_HW = fill_outlines([outline_xy], mask_HW.shape)
        near_HW = smoothed(region_HW)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "BLUR_REACH", 30)
            np.testing.assert_array_equal(near_HW, smoothed(region_HW))
