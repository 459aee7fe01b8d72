"""Masks against hand-computed tables; distances against a plain search over all pairs; the empty-mask policy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thyrosight.evaluation.metrics.overlap import (
    SurfaceDistances,
    bland_altman,
    bland_altman_percent,
    detect,
    dice,
    hausdorff95,
    iou,
    normalised_surface_dice,
    surface_distances,
)
from thyrosight.types import BoolArray, Spacing

MASKS = arrays(np.bool_, (9, 11))
SQUARE_PIXELS = Spacing(0.25, 0.25)
TALL_PIXELS = Spacing(0.3, 0.1)


def rectangle(x0: int, y0: int, x1: int, y1: int, shape: tuple[int, int] = (12, 16)) -> BoolArray:
    mask_HW = np.zeros(shape, np.bool_)
    mask_HW[y0:y1, x0:x1] = True
    return mask_HW


EMPTY = rectangle(0, 0, 0, 0)
SQUARE = rectangle(2, 2, 6, 6)
SHIFTED = rectangle(4, 2, 8, 6)
CORNER = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("reference", "prediction", "expected_dice", "expected_iou"),
    [
        (SQUARE, SQUARE, 1.0, 1.0),
        (SQUARE, SHIFTED, 0.5, 8 / 24),
        (SQUARE, rectangle(2, 2, 6, 4), 16 / 24, 0.5),
        (SQUARE, rectangle(8, 8, 12, 12), 0.0, 0.0),
        (EMPTY, EMPTY, 1.0, 1.0),
        (EMPTY, SQUARE, 0.0, 0.0),
        (SQUARE, EMPTY, 0.0, 0.0),
    ],
)
def test_overlap_table(reference: BoolArray, prediction: BoolArray, expected_dice: float, expected_iou: float) -> None:
    assert dice(reference, prediction) == pytest.approx(expected_dice)
    assert iou(reference, prediction) == pytest.approx(expected_iou)


@given(MASKS, MASKS)
def test_overlap_is_symmetric_and_dice_follows_from_iou(a: BoolArray, b: BoolArray) -> None:
    assert dice(a, b) == dice(b, a)
    assert dice(a, b) == pytest.approx(2 * iou(a, b) / (1 + iou(a, b)))
    assert 0 <= iou(a, b) <= dice(a, b) <= 1


def test_masks_of_another_shape_or_kind_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(12, 16\).*\(3, 3\)"):
        dice(SQUARE, rectangle(0, 0, 1, 1, (3, 3)))
    with pytest.raises(ValueError, match="uint8"):
        iou(SQUARE, SQUARE.astype(np.uint8))  # type: ignore[arg-type]


def test_surface_of_two_shifted_squares_by_hand() -> None:
    """A 4 x 4 square has 12 edge elements of length 1 and 4 cut corners of length sqrt(1/2).

    Shifted by 2: further than 1 away are the whole far side (3 edges, 2 corners) and the middle of the near side.
    """
    surface = surface_distances(SQUARE, SHIFTED)
    length = 12 + 4 * CORNER
    assert surface.reference_length_N.sum() == pytest.approx(length)
    assert surface.prediction_length_N.sum() == pytest.approx(length)
    assert normalised_surface_dice(surface, 1.0) == pytest.approx((length - 4 - 2 * CORNER) / length)
    assert normalised_surface_dice(surface, 2.0) == 1.0
    assert hausdorff95(surface) == 2.0
    assert normalised_surface_dice(surface_distances(SQUARE, SQUARE), 0.0) == 1.0


def test_surface_in_millimetres() -> None:
    surface = surface_distances(SQUARE, SHIFTED, SQUARE_PIXELS)
    assert hausdorff95(surface) == pytest.approx(0.5)
    assert normalised_surface_dice(surface, 0.25) == pytest.approx((8 + 2 * CORNER) / (12 + 4 * CORNER))
    tall = surface_distances(SQUARE, SHIFTED, TALL_PIXELS)
    assert tall.reference_length_N.sum() == pytest.approx(6 * 0.1 + 6 * 0.3 + 2 * math.hypot(0.1, 0.3))
    assert hausdorff95(tall) == pytest.approx(0.2)


def test_empty_masks_on_the_surface() -> None:
    both, missed, invented = (
        surface_distances(EMPTY, EMPTY),
        surface_distances(SQUARE, EMPTY),
        surface_distances(EMPTY, SQUARE),
    )
    assert [normalised_surface_dice(surface, 100.0) for surface in (both, missed, invented)] == [1.0, 0.0, 0.0]
    assert [hausdorff95(surface) for surface in (both, missed, invented)] == [0.0, None, None]


def test_hausdorff95_takes_95_percent_of_the_length_and_the_worse_direction() -> None:
    lengths = np.ones(100)
    distances = np.concatenate([np.zeros(94), [3.0, 7.0], np.full(4, 50.0)])
    assert hausdorff95(SurfaceDistances(distances, lengths, np.zeros(100), lengths)) == 3.0
    assert hausdorff95(SurfaceDistances(np.zeros(100), lengths, np.flip(distances), lengths)) == 3.0
    long_tail = np.where(distances == 7.0, 5.0, 1.0)
    assert hausdorff95(SurfaceDistances(distances, long_tail, np.zeros(100), lengths)) == 7.0


def brute_edges(mask_HW: BoolArray) -> np.ndarray:
    padded = np.pad(mask_HW, 1)
    rows, columns = mask_HW.shape
    corners = itertools.product(range(rows + 1), range(columns + 1))
    return np.array([corner for corner in corners if 0 < padded[corner[0] :, corner[1] :][:2, :2].sum() < 4])


@settings(max_examples=60, deadline=None)
@given(MASKS, MASKS, st.sampled_from([None, SQUARE_PIXELS, TALL_PIXELS]))
def test_distances_equal_a_search_over_all_pairs(a: BoolArray, b: BoolArray, spacing: Spacing | None) -> None:
    surface = surface_distances(a, b, spacing)
    if not a.any() or not b.any():
        return
    unit = np.array(spacing or (1.0, 1.0))
    between = np.linalg.norm(brute_edges(a)[:, None] * unit - brute_edges(b)[None] * unit, axis=2)
    np.testing.assert_allclose(np.sort(surface.reference_distance_N), np.sort(between.min(axis=1)), atol=1e-5)
    np.testing.assert_allclose(np.sort(surface.prediction_distance_N), np.sort(between.min(axis=0)), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(MASKS, MASKS, st.floats(0, 12), st.floats(0, 12))
def test_nsd_grows_with_tolerance_and_is_symmetric(a: BoolArray, b: BoolArray, near: float, far: float) -> None:
    there, back = surface_distances(a, b), surface_distances(b, a)
    low, high = sorted([near, far])
    assert normalised_surface_dice(there, low) <= normalised_surface_dice(there, high)
    assert normalised_surface_dice(there, low) == pytest.approx(normalised_surface_dice(back, low))
    assert hausdorff95(there) == hausdorff95(back)


@given(MASKS, MASKS, st.integers(0, 3), st.integers(0, 3))
def test_background_around_the_masks_changes_nothing(a: BoolArray, b: BoolArray, rows: int, columns: int) -> None:
    border = ((rows, 2), (columns, 1))
    plain, padded = surface_distances(a, b), surface_distances(np.pad(a, border), np.pad(b, border))
    np.testing.assert_array_equal(plain.reference_distance_N, padded.reference_distance_N)
    np.testing.assert_array_equal(plain.prediction_length_N, padded.prediction_length_N)


def test_detection_by_hand() -> None:
    """Two reference nodules: one found with IoU 8/24, one missed; two predictions left over."""
    reference = SQUARE | rectangle(12, 0, 15, 3)
    prediction = SHIFTED | rectangle(0, 9, 3, 12) | rectangle(14, 10, 16, 12)
    found = detect(reference, prediction, min_iou=0.3)
    assert (found.num_reference, found.num_predicted, len(found.matches)) == (2, 3, 1)
    match = found.matches[0]
    assert match.iou == pytest.approx(8 / 24)
    np.testing.assert_array_equal(found.reference_labels_HW == match.reference, SQUARE)
    np.testing.assert_array_equal(found.prediction_labels_HW == match.prediction, SHIFTED)
    assert len(detect(reference, prediction, min_iou=0.34).matches) == 0


def test_one_prediction_finds_one_nodule_the_better_matched() -> None:
    both = rectangle(0, 0, 4, 4) | rectangle(6, 0, 10, 6)
    found = detect(both, rectangle(0, 0, 10, 6), min_iou=0.2)
    assert [(match.iou, match.reference) for match in found.matches] == [(pytest.approx(24 / 60), 2)]
    assert (found.num_reference, found.num_predicted) == (2, 1)
    pieces = detect(rectangle(0, 0, 10, 6), both, min_iou=0.2)
    assert (len(pieces.matches), pieces.num_reference, pieces.num_predicted) == (1, 1, 2)


def test_diagonal_neighbours_are_one_nodule_and_empty_masks_have_none() -> None:
    diagonal = np.eye(5, dtype=np.bool_)
    assert detect(diagonal, diagonal).num_reference == 1
    nothing = detect(EMPTY, EMPTY, min_iou=0.0)
    assert (nothing.num_reference, nothing.num_predicted, nothing.matches) == (0, 0, ())
    assert detect(SQUARE, rectangle(8, 8, 12, 12), min_iou=0.0).matches == ()


@given(MASKS, MASKS, st.floats(0.05, 0.9))
def test_detection_counts_add_up(a: BoolArray, b: BoolArray, min_iou: float) -> None:
    found = detect(a, b, min_iou)
    assert len({match.reference for match in found.matches}) == len(found.matches) <= found.num_reference
    assert len({match.prediction for match in found.matches}) == len(found.matches) <= found.num_predicted
    for match in found.matches:
        nodule, predicted = found.reference_labels_HW == match.reference, found.prediction_labels_HW == match.prediction
        assert match.iou == pytest.approx(iou(nodule, predicted))
        assert match.iou >= min_iou
    same = detect(a, a, min_iou)
    assert len(same.matches) == same.num_reference


def test_bland_altman_by_hand() -> None:
    agreement = bland_altman([10.0, 20.0, 30.0], [12.0, 21.0, 33.0])
    assert agreement is not None
    assert (agreement.bias, agreement.sd, agreement.n) == (2.0, 1.0, 3)
    assert (agreement.lower_limit, agreement.upper_limit) == (pytest.approx(0.04), pytest.approx(3.96))
    percent = bland_altman_percent([10.0, 20.0, 30.0], [12.0, 21.0, 33.0])
    assert percent is not None
    assert percent.bias == pytest.approx((200 * 2 / 22 + 200 / 41 + 200 * 3 / 63) / 3)
    assert bland_altman([1.0], [2.0]) is None
