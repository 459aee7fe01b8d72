"""What a Python program holds of an image -> the same Frame as its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thyrosight.errors import InputError
from thyrosight.frames.load import load_frame
from thyrosight.frames.source import as_frame

RNG = np.random.default_rng(0)
GRAY_HW = RNG.integers(0, 256, (40, 50)).astype(np.uint8)
RGB_HW3 = RNG.integers(0, 256, (40, 50, 3)).astype(np.uint8)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I", "I;16"])
def test_a_pillow_image_of_any_mode_is_read_as_its_file(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(RGB_HW3 if mode in ("P", "RGB", "RGBA") else GRAY_HW)
    image = Image.fromarray(GRAY_HW.astype(np.uint16) * 16) if mode == "I;16" else image.convert(mode)
    path = tmp_path / ("x.tif" if mode == "I" else "x.png")  # Pillow writes 32 bits to TIFF only
    image.save(path)
    from_file, from_image = load_frame(path), as_frame(image)
    assert np.array_equal(from_file.image_HW, from_image.image_HW)
    assert (from_file.rgb_HW3 is None) == (from_image.rgb_HW3 is None)


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "CMYK", "LAB"])
def test_colours_that_no_png_has_become_rgb(mode: str) -> None:
    try:
        image = Image.fromarray(RGB_HW3).convert(mode)
    except ValueError:  # LAB in Pillow before 13
        with pytest.raises(InputError, match="convert it to L or RGB"):
            as_frame(Image.new(mode, (40, 40)))
        return
    found = as_frame(image)
    assert np.abs(found.image_HW.astype(int) - as_frame(RGB_HW3).image_HW).mean() < 4


def test_a_string_is_a_path(tmp_path: Path) -> None:
    Image.fromarray(GRAY_HW).save(tmp_path / "x.png")
    assert np.array_equal(as_frame(str(tmp_path / "x.png")).image_HW, GRAY_HW)


def test_deep_arrays_are_scaled_by_the_bits_that_they_use() -> None:
    assert np.array_equal(as_frame(GRAY_HW.astype(np.uint16)).image_HW, GRAY_HW)
    assert np.abs(as_frame((GRAY_HW / 255).astype(np.float32)).image_HW.astype(int) - GRAY_HW).max() <= 1
    assert np.abs(as_frame(GRAY_HW.astype(np.uint16) * 16).image_HW.astype(int) - GRAY_HW).max() <= 1
    colour = as_frame((RGB_HW3 / 255).astype(np.float64)).rgb_HW3
    assert colour is not None
    assert np.abs(colour.astype(int) - RGB_HW3).max() <= 1


@pytest.mark.parametrize(
    "array", [np.zeros((0, 5), np.uint8), np.zeros((4, 5, 2), np.uint8), np.zeros((4, 5), bool), np.array("x")]
)
def test_what_is_no_image_is_refused(array: np.ndarray) -> None:
    with pytest.raises(InputError, match="is no image; give numbers of shape"):
        as_frame(array)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="not finite"):
        as_frame(np.full((40, 40), np.nan, np.float32))
