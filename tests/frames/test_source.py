"""What a Python program holds of an image -> the same Frame as its file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from thyrosight.errors import InputError
from thyrosight.frames.load import load_frame
from thyrosight.frames.source import as_frame

RNG = np.random.default_rng(0)
GRAY_HW = RNG.integers(0, 256, (40, 50)).astype(np.uint8)
RGB_HW3 = RNG.integers(0, 256, (40, 50, 3)).astype(np.uint8)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I", "I;16", "F"])
def test_a_pillow_image_of_any_mode_is_read_as_its_file(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(RGB_HW3 if mode in ("P", "RGB", "RGBA") else GRAY_HW)
    image = Image.fromarray(GRAY_HW.astype(np.uint16) * 16) if mode == "I;16" else image.convert(mode)
    path = tmp_path / ("x.tif" if mode in "IF" else "x.png")  # Pillow writes 32 bits to TIFF only
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


@pytest.mark.parametrize("mode", ["La", "RGBa", "PA"])
def test_colours_that_carry_their_alpha_are_read(mode: str) -> None:
    image = Image.fromarray(GRAY_HW).convert({"La": "LA", "RGBa": "RGBA", "PA": "P"}[mode]).convert(mode)
    assert np.array_equal(as_frame(image).image_HW, GRAY_HW)


def test_a_string_is_a_path(tmp_path: Path) -> None:
    Image.fromarray(GRAY_HW).save(tmp_path / "x.png")
    assert np.array_equal(as_frame(str(tmp_path / "x.png")).image_HW, GRAY_HW)


@pytest.mark.parametrize(
    ("array", "value_range"),
    [
        (GRAY_HW.astype(np.uint16) * 16, (0, 4080)),
        (GRAY_HW.astype(np.uint16) * 257, (0, 65535)),
        (GRAY_HW.astype(np.int64), (0, 255)),
        (GRAY_HW.astype(">i2") - 128, (-128, 127)),
        (GRAY_HW / 255, (0, 1)),
        ((GRAY_HW / 255).astype(np.float16), (0, 1)),
        (GRAY_HW / 255 + 1e-9, (0, 1)),
        (1 - GRAY_HW / 255, (1, 0)),
        (255 - GRAY_HW, (255, 0)),
    ],
)
def test_an_array_is_scaled_by_the_range_that_is_stated(array: np.ndarray, value_range: tuple[float, float]) -> None:
    found = as_frame(array, value_range=value_range).image_HW
    assert np.abs(found.astype(int) - GRAY_HW).max() <= (1 if array.dtype == np.float16 else 0)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (GRAY_HW.astype(np.uint16), r"uint16 with values from 0 to 255: say which .*value_range=\(0, 255\) or"),
        (GRAY_HW.astype(np.int32) * 16, r"int32 with values from 0 to 4080.*value_range="),
        ((GRAY_HW / 255).astype(np.float32), r"float32 with values from 0 to 1.*value_range=\(0, 1\)"),
        ((GRAY_HW / 1.0), r"float64 with values from 0 to 255.*value_range="),
    ],
)
def test_a_scale_that_nothing_states_is_asked_for(array: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        as_frame(array)


@pytest.mark.parametrize(
    ("value_range", "words"),
    [((0, 1), "does not hold"), ((5, 5), "two different"), ((0, np.inf), "finite"), ((0, 4000), "does not hold")],
)
def test_a_range_that_can_not_be_right_is_refused(value_range: tuple[float, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        as_frame(GRAY_HW.astype(np.uint16) * 16, value_range=value_range)


@pytest.mark.parametrize("value_range", ["0-1", (0,), (0, 1, 2), 255, ("a", "b"), (None, 1)])
def test_a_range_that_is_no_pair_of_numbers_is_refused(value_range: Any) -> None:
    with pytest.raises(InputError, match="give two numbers, the values of black and white"):
        as_frame(GRAY_HW / 255, value_range=value_range)


@pytest.mark.parametrize("frame_index", ["1", 1.0, True, -1])
def test_a_frame_index_is_a_whole_number(frame_index: Any) -> None:
    with pytest.raises(InputError, match=r"frame_index=.*: give a whole number, 0 or more"):
        as_frame(GRAY_HW, frame_index)


def test_the_home_folder_is_told_how_to_be_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    Image.fromarray(GRAY_HW).save(tmp_path / "x.png")
    with pytest.raises(InputError, match=r"give os.path.expanduser\('~/x.png'\)"):
        as_frame("~/x.png")


def test_a_file_states_its_own_scale(tmp_path: Path) -> None:
    Image.fromarray(GRAY_HW).save(tmp_path / "x.png")
    with pytest.raises(InputError, match="leave it out"):
        as_frame(tmp_path / "x.png", value_range=(0, 1))


def test_arrays_with_a_channel_axis_are_read_as_pillow_reads_them() -> None:
    rgba_HW4 = np.dstack([RGB_HW3, GRAY_HW])
    assert np.array_equal(as_frame(rgba_HW4).image_HW, as_frame(Image.fromarray(rgba_HW4)).image_HW)
    assert np.array_equal(as_frame(GRAY_HW[..., None]).image_HW, GRAY_HW)
    assert np.array_equal(as_frame(RGB_HW3[:, ::-1]).image_HW[:, ::-1], as_frame(RGB_HW3).image_HW)
    colour = as_frame(RGB_HW3 / 255, value_range=(0, 1)).rgb_HW3
    assert colour is not None
    assert np.array_equal(colour, RGB_HW3)


def test_a_pillow_image_of_several_frames_needs_a_choice(tmp_path: Path) -> None:
    other_HW = 255 - GRAY_HW
    Image.fromarray(GRAY_HW).save(tmp_path / "x.tif", save_all=True, append_images=[Image.fromarray(other_HW)])
    with Image.open(tmp_path / "x.tif") as image:
        with pytest.raises(InputError, match="2 frames"):
            as_frame(image)
        assert np.array_equal(as_frame(image, 1).image_HW, other_HW)
        assert image.tell() == 0


def test_a_pillow_image_of_16_bits_per_colour_is_not_cut_to_black(tmp_path: Path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "x.png"), RGB_HW3.astype(np.uint16) * 16)
    with Image.open(tmp_path / "x.png") as image:
        assert np.array_equal(as_frame(image).image_HW, load_frame(tmp_path / "x.png").image_HW)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((0, 5), np.uint8), ""),
        (np.zeros((40, 50, 2), np.uint8), ""),
        (np.zeros((40, 50), bool), "a mask is no image"),
        (np.array("x"), ""),
        (np.zeros((3, 40, 50), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((2, 40, 50, 3), np.uint8), "one image at a time"),
        (np.zeros((40, 50), complex), ""),
    ],
)
def test_what_is_no_image_is_refused(array: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=f"is no image; give numbers of shape.*{words}"):
        as_frame(array)


def test_an_icon_is_no_image() -> None:
    with pytest.raises(InputError, match="too small to hold a nodule"):
        as_frame(GRAY_HW[:20])


def test_a_frame_that_an_array_has_not_is_refused() -> None:
    with pytest.raises(InputError, match="no frame 3"):
        as_frame(GRAY_HW, 3)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="not finite"):
        as_frame(np.full((40, 40), np.nan, np.float32), value_range=(0, 1))


class OnAnotherDevice:
    """As a tensor on a GPU, or one with a gradient: numpy asks it for its numbers, and it refuses."""

    def __array__(self, *args: object, **options: object) -> np.ndarray:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (OnAnotherDevice(), r"cuda:0.*tensor.detach\(\).cpu\(\).float\(\).numpy\(\)"),
        (np.ma.masked_array(GRAY_HW, mask=GRAY_HW > 200), r"masked array.*filled\(0\)"),
        (b"\x89PNG", r"bytes is no image.*PIL.Image.open\(io.BytesIO"),
        (io.BytesIO(b"\x89PNG"), r"BytesIO is no image.*PIL.Image.open\(file\)"),
        (None, "NoneType is no image.*give a path"),
        ((one for one in GRAY_HW), "generator is no image.*one image at a time"),
        ("", "an empty path"),
        ("https://example.org/a.png", "https://example.org/a.png: an address; store the image in a file"),
        (["a.png", "b.png"], "list is no image.*one image at a time.*predict_folder"),
        ([GRAY_HW, GRAY_HW], "one image at a time"),
    ],
)
def test_what_is_no_array_is_told_what_to_give(source: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        as_frame(source)
