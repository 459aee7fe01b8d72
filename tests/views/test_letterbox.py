"""geometry: the letterbox against hand-computed values, its inverse, and outlines against masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thyrosight.errors import InputError
from thyrosight.types import Box
from thyrosight.views.letterbox import letterbox, nearest_index

BOXES = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 90), st.integers(1, 90)).map(
    lambda b: Box(b[0], b[1], b[0] + b[2], b[1] + b[3])
)
SIZES = st.tuples(st.integers(1, 80), st.integers(1, 80))


def ramp_HW(height: int, width: int, along_rows: float, along_columns: float) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return (rows * along_rows + columns * along_columns).astype(np.float32)


@pytest.mark.parametrize(
    ("box", "size_hw", "scaled_hw", "offset_yx"),
    [
        (Box(0, 0, 560, 360), (256, 256), (165, 256), (45, 0)),  # 360 * 256 / 560 = 164.57
        (Box(10, 20, 210, 420), (100, 100), (100, 50), (0, 25)),
        (Box(0, 0, 64, 64), (64, 64), (64, 64), (0, 0)),
        (Box(0, 0, 1000, 1), (32, 32), (1, 32), (15, 0)),  # never thinner than a pixel
        (Box(3, 3, 4, 4), (8, 4), (4, 4), (2, 0)),
    ],
)
def test_letterbox_sizes(box, size_hw, scaled_hw, offset_yx):
    fit = letterbox(box, size_hw)
    assert (fit.scaled_hw, fit.offset_yx) == (scaled_hw, offset_yx)
    assert fit.valid().sum() == scaled_hw[0] * scaled_hw[1]


@given(BOXES, SIZES)
def test_letterbox_keeps_aspect_and_fills_one_side(box, size_hw):
    fit = letterbox(box, size_hw)
    assert fit.scaled_hw[0] == size_hw[0] or fit.scaled_hw[1] == size_hw[1]
    scale = min(size_hw[0] / box.height, size_hw[1] / box.width)
    assert abs(fit.scaled_hw[0] - box.height * scale) <= 1
    assert abs(fit.scaled_hw[1] - box.width * scale) <= 1
    spare = (size_hw[0] - fit.scaled_hw[0], size_hw[1] - fit.scaled_hw[1])
    assert fit.offset_yx == (spare[0] // 2, spare[1] // 2)


def test_image_at_same_size_is_the_crop():
    image_HW = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    np.testing.assert_allclose(letterbox(Box(5, 7, 45, 37), (30, 40)).image(image_HW), image_HW[7:37, 5:45] / 255)


def test_image_halved_averages_and_border_is_zero():
    image_HW = np.array([[0, 10, 20, 30], [40, 50, 60, 70]], np.uint8)
    input_HW = letterbox(Box(0, 0, 4, 2), (3, 2)).image(image_HW)
    np.testing.assert_allclose(input_HW, np.array([[0, 0], [25, 45], [0, 0]]) / 255, atol=1e-6)


def test_image_doubled_follows_pixel_centres():
    input_HW = letterbox(Box(0, 0, 2, 1), (2, 4)).image(np.array([[0, 100]], np.uint8))
    np.testing.assert_allclose(input_HW, np.array([[0, 25, 75, 100]] * 2) / 255, atol=1e-6)


def test_mask_takes_the_pixel_under_the_centre():
    assert nearest_index(8, 4).tolist() == [1, 3, 5, 7]
    assert nearest_index(4, 8).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert nearest_index(5, 3).tolist() == [0, 2, 4]
    assert nearest_index(3, 5).tolist() == [0, 0, 1, 2, 2]
    mask_HW = np.zeros((4, 4), bool)
    mask_HW[2, 3] = True
    assert np.argwhere(letterbox(Box(2, 2, 4, 4), (4, 4)).mask(mask_HW)).tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]


@given(BOXES, SIZES)
def test_mask_of_ones_is_valid(box, size_hw):
    fit = letterbox(box, size_hw)
    assert np.array_equal(fit.mask(np.ones((100, 100), bool)), fit.valid())


@given(st.integers(1, 300), st.integers(1, 300))
def test_nearest_index_is_symmetric(num_input, num_output):
    indices = nearest_index(num_input, num_output)
    position = (np.arange(num_output) + 0.5) * num_input / num_output
    assert np.all(np.abs(position - 0.5 - indices) <= 0.5 + 1e-9)
    assert indices.min() >= 0
    assert indices.max() <= num_input - 1


@pytest.mark.parametrize(("size_hw", "tolerance"), [((64, 64), 0.75), ((128, 96), 0.02), ((37, 91), 1.3)])
def test_restore_undoes_image_without_shift(size_hw, tolerance):
    """A linear ramp is its own bilinear and area interpolation, so inside the border the round trip must return it."""
    image_HW = ramp_HW(90, 120, 1.0, 1.0).astype(np.uint8)
    fit = letterbox(Box(10, 6, 106, 70), size_hw)
    restored_HW = fit.restore(fit.image(image_HW)) * 255
    assert restored_HW.shape == (64, 96)
    error_HW = restored_HW - image_HW[6:70, 10:106]
    assert np.abs(error_HW[4:-4, 4:-4]).max() < tolerance
    assert abs(error_HW[4:-4, 4:-4].mean()) < 0.02


@settings(max_examples=50)
@given(st.integers(8, 40), st.integers(8, 40), st.integers(2, 4))
def test_mask_restore_is_exact_at_whole_scales(height, width, scale):
    mask_HW = np.random.default_rng(height * 100 + width).random((height, width)) > 0.5
    fit = letterbox(Box(0, 0, width, height), (height * scale, width * scale))
    restored_HW = fit.restore(fit.mask(mask_HW).astype(np.float32))
    assert np.array_equal(restored_HW >= 0.5, mask_HW)


def test_wrong_inputs_are_named():
    with pytest.raises(InputError, match="is not inside the 10 x 8 image"):
        letterbox(Box(0, 0, 11, 8), (16, 16)).image(np.zeros((8, 10), np.uint8))
    with pytest.raises(InputError, match="at least one pixel"):
        letterbox(Box(4, 4, 4, 8), (16, 16))
    with pytest.raises(ValueError, match="can't be restored"):
        letterbox(Box(0, 0, 8, 8), (16, 16)).restore(np.zeros((8, 8), np.float32))
