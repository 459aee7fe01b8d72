"""Masks -> outlines and components, and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from thyrosight.measurement.outlines import components, fill_outlines, outlines


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
