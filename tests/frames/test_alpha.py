"""Alpha channels: which are masks, and which are margins, covers and colours that somebody made transparent."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from drawn_images import SHAPE, picture
from thyrosight.errors import InputError
from thyrosight.frames.alpha import alpha_mask
from thyrosight.frames.source import as_frame

CLEAR, OPAQUE = np.zeros(SHAPE, np.uint8), np.full(SHAPE, 255, np.uint8)


def ellipse(size: tuple[int, int] = (20, 14), value: int = 255, ground: int = 0) -> np.ndarray:
    return cv2.ellipse(np.full(SHAPE, ground, np.uint8), (60, 45), size, 0, 0, 360, value, cv2.FILLED)


def sector() -> np.ndarray:
    return cv2.ellipse(CLEAR.copy(), (64, 4), (45, 85), 0, 40, 140, 255, cv2.FILLED)


def filled(alpha: np.ndarray, *corner: int) -> np.ndarray:
    x0, y0, x1, y1 = corner
    alpha = alpha.copy()
    alpha[y0:y1, x0:x1] = 255 - alpha[0, 0]
    return alpha


def below(alpha: np.ndarray, *, is_blank: bool) -> np.ndarray:
    """-> colour and alpha; where the alpha is 0 the picture goes on, or is black."""
    gray = np.where(alpha == 0, 0, picture(3)) if is_blank else picture(3)
    return np.dstack([gray, gray, gray, alpha]).astype(np.uint8)


MASKS = {
    "nodule shows": ellipse(),
    "nodule is hidden": ellipse(value=0, ground=255),
    "half transparent": ellipse(value=255, ground=128),
    "labels 0 and 1": ellipse(value=1),
    "soft edge": cv2.blur(ellipse(), (3, 1)),
    "a drawn box in the picture": filled(CLEAR, 40, 30, 81, 61),
    "two nodules": np.maximum(ellipse(), np.roll(ellipse((6, 6)), (30, 40), (0, 1))),
}
NO_MASKS = {
    "all opaque": OPAQUE,
    "all clear": CLEAR,
    "letterbox": filled(OPAQUE, 0, 0, 128, 12),
    "frame": filled(CLEAR, 8, 8, 120, 88),
    "cover over a corner": filled(OPAQUE, 0, 0, 40, 10),
    "large field": cv2.ellipse(CLEAR.copy(), (64, 48), (60, 44), 0, 0, 360, 255, cv2.FILLED),
    "gradient": np.tile(np.linspace(0, 255, SHAPE[1]).astype(np.uint8), (SHAPE[0], 1)),
    "shadow of a window": cv2.blur(filled(CLEAR, 12, 12, 116, 84), (13, 13)),
    "a colour made transparent": np.where(np.random.default_rng(1).random(SHAPE) < 0.1, 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_found(name: str) -> None:
    alpha = MASKS[name]
    found = alpha_mask(below(alpha, is_blank=False))
    assert found is not None
    assert found.has_picture
    ground = alpha[0, 0]
    differs = np.abs(alpha.astype(int) - int(ground)) > np.ptp(alpha) / 2
    assert np.array_equal(found.mask_HW, differs)


@pytest.mark.parametrize("is_blank", [True, False])
@pytest.mark.parametrize("name", NO_MASKS)
def test_no_mask(name: str, is_blank: bool) -> None:
    assert alpha_mask(below(NO_MASKS[name], is_blank=is_blank)) is None


def test_a_sector_on_a_clear_margin_is_the_field_of_view() -> None:
    assert alpha_mask(below(sector(), is_blank=True)) is None


def test_a_cut_out_has_no_picture_around_it() -> None:
    for alpha in (ellipse(), ellipse(value=0, ground=255)):
        found = alpha_mask(below(alpha, is_blank=True))
        assert found is not None
        assert not found.has_picture


def test_16_bits() -> None:
    deep = below(ellipse(), is_blank=False).astype(np.uint16) * 16
    deep[..., 3] *= 257 // 16
    found = alpha_mask(deep)
    assert found is not None
    assert found.has_picture


@pytest.mark.parametrize(
    "source", [lambda rgba: rgba, Image.fromarray, lambda rgba: Image.fromarray(rgba).convert("LA")]
)
def test_a_program_that_hands_such_an_image_is_told(source: Callable[[np.ndarray], np.ndarray]) -> None:
    with pytest.raises(InputError, match="its transparency outlines an area, as a mask does"):
        as_frame(source(below(ellipse(), is_blank=False)))
    with pytest.raises(InputError, match="its transparency outlines an area"):
        as_frame(Image.fromarray(below(ellipse(), is_blank=False)), value_range=(0, 255))
    assert as_frame(source(below(sector(), is_blank=True))).size_hw == SHAPE
