"""Mask files as people make them -> the pixels that they mean, or one line with the fix."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from thyrosight.errors import InputError
from thyrosight.frames.mask_image import read_mask_image

SHAPE = (100, 140)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]]
LARGE_HW = (ROWS - 50) ** 2 + (COLUMNS - 45) ** 2 <= 25**2
SMALL_HW = (ROWS - 50) ** 2 + (COLUMNS - 105) ** 2 <= 12**2
BOTH_HW = LARGE_HW | SMALL_HW
GLAND_HW = (ROWS > 10) & (ROWS < 90) & (COLUMNS > 5) & (COLUMNS < 135)
IMAGE_HW = np.random.default_rng(5).integers(20, 130, SHAPE).astype(np.uint8)
BLURRED_HW = cv2.GaussianBlur(BOTH_HW.astype(np.float32), (0, 0), 2.0)


def gray(*levels: int) -> np.ndarray:
    """The large and the small nodule at these gray levels."""
    return (LARGE_HW * levels[0] + SMALL_HW * levels[-1]).astype(np.uint8)


def palette(values_HW: np.ndarray, *colours: tuple[int, int, int]) -> Image.Image:
    image = Image.fromarray(values_HW.astype(np.uint8), mode="P")
    image.putpalette([part for colour in colours for part in colour])
    return image


def rgb(background: tuple[int, int, int], *colours: tuple[int, int, int]) -> Image.Image:
    pixels_HW3 = np.zeros((*SHAPE, 3), np.uint8) + np.array(background, np.uint8)
    for mask_HW, colour in zip((LARGE_HW, SMALL_HW), colours, strict=False):
        pixels_HW3[mask_HW] = colour
    return Image.fromarray(pixels_HW3)


def with_alpha(pixels_HW: np.ndarray, alpha_HW: np.ndarray) -> Image.Image:
    return Image.fromarray(np.stack([pixels_HW] * 3 + [alpha_HW], axis=2).astype(np.uint8))


def save_pages(path: Path, *pages: np.ndarray) -> None:
    first, *others = [Image.fromarray(page) for page in pages]
    first.save(path, save_all=True, append_images=others)


def save_turned(path: Path) -> None:
    """Stored lying on its side, with the tag that turns it back."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(BOTH_HW.astype(np.uint8) * 255)).save(path, exif=exif)


Saver = Callable[[Path], object]

READ: dict[str, tuple[str, Saver, int]] = {
    "0 and 255": ("m.png", lambda path: Image.fromarray(gray(255)).save(path), 1),
    "0 and 1": ("m.png", lambda path: Image.fromarray(gray(1)).save(path), 1),
    "0 and 1, 16 bit": ("m.png", lambda path: Image.fromarray(gray(1).astype(np.uint16)).save(path), 1),
    "one bit": ("m.png", lambda path: Image.fromarray(BOTH_HW).save(path), 1),
    "one bit TIFF G4": ("m.tif", lambda path: Image.fromarray(BOTH_HW).save(path, compression="group4"), 1),
    "labels": ("m.png", lambda path: Image.fromarray(gray(1, 2)).save(path), 2),
    "labels and void": (
        "m.png",
        lambda path: Image.fromarray(np.where(ROWS < 3, 255, gray(1, 2)).astype(np.uint8)).save(path),
        2,
    ),
    "gray levels": ("m.png", lambda path: Image.fromarray(gray(100, 200)).save(path), 2),
    "16-bit levels": ("m.png", lambda path: Image.fromarray(gray(1, 2).astype(np.uint16) * 1000).save(path), 2),
    "palette": ("m.png", lambda path: palette(gray(1, 2), (0, 0, 0), (255, 0, 0), (0, 255, 0)).save(path), 2),
    "palette, all black": ("m.png", lambda path: palette(gray(1, 2), (0, 0, 0), (0, 0, 0), (0, 0, 0)).save(path), 2),
    "gray palette": ("m.bmp", lambda path: palette(gray(1), (0, 0, 0), (255, 255, 255)).save(path), 1),
    "red on black": ("m.png", lambda path: rgb((0, 0, 0), (255, 0, 0), (255, 0, 0)).save(path), 1),
    "two colours": ("m.png", lambda path: rgb((0, 0, 0), (255, 0, 0), (0, 0, 255)).save(path), 2),
    "alpha alone": ("m.png", lambda path: with_alpha(gray(255) * 0 + 255, gray(255)).save(path), 1),
    "cut out by alpha": ("m.png", lambda path: with_alpha(IMAGE_HW, gray(255)).save(path), 1),
    "probabilities": ("m.tif", lambda path: Image.fromarray(BLURRED_HW).save(path), 1),
    "probabilities, 16 bit": (
        "m.png",
        lambda path: Image.fromarray((BLURRED_HW * 65535).astype(np.uint16)).save(path),
        1,
    ),
    "probabilities, 8 bit": ("m.png", lambda path: Image.fromarray((BLURRED_HW * 255).astype(np.uint8)).save(path), 1),
    "float 0 and 1": ("m.tif", lambda path: Image.fromarray(BOTH_HW.astype(np.float32)).save(path), 1),
    "float labels": ("m.tif", lambda path: Image.fromarray(gray(1, 2).astype(np.float32)).save(path), 2),
    "JPEG": ("m.jpg", lambda path: Image.fromarray(gray(255)).save(path, quality=60), 1),
    "JPEG, then PNG": (
        "m.png",
        lambda path: (
            Image.fromarray(gray(255)).save(path.with_suffix(".jpg"), quality=60),
            Image.open(path.with_suffix(".jpg")).save(path),
        ),
        1,
    ),
    "a page per nodule": (
        "m.tif",
        lambda path: save_pages(path, LARGE_HW.astype(np.uint8), SMALL_HW.astype(np.uint8) * 255),
        2,
    ),
    "turned by its tag": ("m.jpg", lambda path: save_turned(path), 1),
}

REFUSED: dict[str, tuple[str, Saver, str]] = {
    "JPEG of 0 and 1": ("m.jpg", lambda path: Image.fromarray(gray(1)).save(path), "lossy file.*save it again as PNG"),
    "JPEG of labels": ("m.jpg", lambda path: Image.fromarray(gray(1, 2) * 10).save(path), "lossy file.*as PNG"),
    "JPEG of gray levels": ("m.jpg", lambda path: Image.fromarray(gray(100, 255)).save(path), "areas of gray.*as PNG"),
    "WebP picture": ("m.webp", lambda path: Image.fromarray(IMAGE_HW).save(path), "areas of gray|picture"),
    "the image": ("m.png", lambda path: Image.fromarray(IMAGE_HW).save(path), "not a mask but a picture"),
    "cut-out": (
        "m.png",
        lambda path: Image.fromarray(np.where(BOTH_HW, IMAGE_HW, 0).astype(np.uint8)).save(path),
        "picture",
    ),
    "inverted": ("m.png", lambda path: Image.fromarray(255 - gray(255)).save(path), "invert the mask"),
    "inverted colours": (
        "m.png",
        lambda path: rgb((255, 255, 255), (0, 0, 0), (0, 0, 0)).save(path),
        "invert the mask",
    ),
    "white page": ("m.png", lambda path: Image.fromarray(gray(0) + 255).save(path), "invert the mask"),
    "contour": ("m.png", lambda path: Image.fromarray(cv2.Canny(gray(255), 50, 100)).save(path), "fill the outline"),
    "gland and nodule": (
        "m.png",
        lambda path: Image.fromarray(GLAND_HW.astype(np.uint8) + SMALL_HW).save(path),
        "--mask-label nodule=2",
    ),
    "agreement": (
        "m.png",
        lambda path: Image.fromarray((LARGE_HW * 127 + GLAND_HW * 128).astype(np.uint8)).save(path),
        "inside label 128",
    ),
    "smoothed labels": (
        "m.png",
        lambda path: Image.fromarray(cv2.blur(gray(100, 200), (3, 3))).save(path),
        "without smoothing",
    ),
    "not finite": (
        "m.tif",
        lambda path: Image.fromarray(np.where(BOTH_HW, np.nan, 0).astype(np.float32)).save(path),
        "not finite",
    ),
    "logits": ("m.tif", lambda path: Image.fromarray(BLURRED_HW * 9 - 4).save(path), "negative values"),
    "percent": ("m.tif", lambda path: Image.fromarray(BLURRED_HW * 90.5).save(path), "fractions above 1"),
    "faint probabilities": (
        "m.tif",
        lambda path: Image.fromarray(BLURRED_HW * 0.4).save(path),
        "half of full scale|picture",
    ),
    "specks of small numbers": ("m.png", lambda path: Image.fromarray(IMAGE_HW // 20).save(path), "picture|specks"),
    "an array": ("m.npy", lambda path: np.save(path, BOTH_HW), "not a readable mask image"),
    "nothing": ("m.png", lambda path: path.write_bytes(b""), "not a readable mask image"),
    "pages of two sizes": ("m.tif", lambda path: save_pages(path, gray(255), gray(255)[:50]), "m.tif"),
}


@pytest.mark.parametrize("kind", READ)
def test_read(tmp_path: Path, kind: str) -> None:
    name, save, num_labels = READ[kind]
    save(tmp_path / name)
    image = read_mask_image(tmp_path / name, SHAPE)
    assert image.num_labels == num_labels
    slack = 0.02 if name.endswith(".jpg") or "JPEG" in kind else 0.0
    assert np.count_nonzero(image.mask_HW ^ BOTH_HW) <= max(slack * BOTH_HW.sum(), 30 if "probab" in kind else 0)
    if num_labels == 2:
        found = sorted(int((image.labels_HW == label).sum()) for label in (1, 2))
        assert found == [int(SMALL_HW.sum()), int(LARGE_HW.sum())]


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_in_one_line_with_the_file_and_the_fix(tmp_path: Path, kind: str) -> None:
    name, save, words = REFUSED[kind]
    save(tmp_path / name)
    with pytest.raises(InputError, match=words) as caught:
        read_mask_image(tmp_path / name, SHAPE)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_label_is_chosen_by_its_number_or_colour(tmp_path: Path) -> None:
    Image.fromarray(GLAND_HW.astype(np.uint8) + SMALL_HW).save(tmp_path / "m.png")
    chosen = read_mask_image(tmp_path / "m.png", SHAPE, frozenset({"2"}))
    assert np.array_equal(chosen.mask_HW, SMALL_HW)
    assert chosen.rule == "only label 2, as asked"
    rgb((0, 0, 0), (255, 0, 0), (0, 0, 255)).save(tmp_path / "c.png")
    assert np.array_equal(read_mask_image(tmp_path / "c.png", SHAPE, frozenset({"#0000ff"})).mask_HW, SMALL_HW)


def test_another_size_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    Image.fromarray(gray(255)).save(tmp_path / "m.png")
    with pytest.raises(InputError, match=re.escape("mask is 140 x 100 pixels, its image 141 x 100")):
        read_mask_image(tmp_path / "m.png", (100, 141))
    turned = Image.fromarray(np.ascontiguousarray(gray(255).T))
    turned.save(tmp_path / "t.png")
    with pytest.raises(InputError, match="its image 140 x 100"):
        read_mask_image(tmp_path / "t.png", SHAPE)


def test_an_empty_mask_is_empty(tmp_path: Path) -> None:
    Image.fromarray(gray(0)).save(tmp_path / "m.png")
    image = read_mask_image(tmp_path / "m.png", SHAPE)
    assert (image.num_labels, int(image.mask_HW.sum())) == (0, 0)
