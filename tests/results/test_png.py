"""PNG files: other programs read the very pixels, with and without ISA-L."""

from __future__ import annotations

import io
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from thyrosight.results import png
from thyrosight.results.png import mask_png, picture_png

SIDES = st.integers(1, 40)


@given(SIDES, SIDES, st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_a_picture_comes_back(height: int, width: int, top: int, seed: int) -> None:
    picture_HW3 = np.random.default_rng(seed).integers(0, top + 1, (height, width, 3), np.uint8)
    data = picture_png(picture_HW3)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), picture_HW3)
    decoded_HW3 = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded_HW3[..., ::-1], picture_HW3)


@given(SIDES, SIDES, st.integers(0, 2**32 - 1))
def test_a_mask_comes_back_as_0_and_255(height: int, width: int, seed: int) -> None:
    mask_HW = np.random.default_rng(seed).random((height, width)) > 0.5
    image = Image.open(io.BytesIO(mask_png(mask_HW)))
    assert image.mode == "L"
    np.testing.assert_array_equal(np.asarray(image), mask_HW * np.uint8(255))


def test_a_part_of_a_picture_and_zlib_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    picture_HW3 = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)[::2, 5:, ::-1]
    for compress in (png.compress, zlib.compress):
        monkeypatch.setattr(png, "compress", compress)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(picture_png(picture_HW3)))), picture_HW3)
