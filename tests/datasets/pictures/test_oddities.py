"""Images and masks that can teach nothing are told from those that can, at their limits."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from thyrosight.datasets.pictures.oddities import image_oddity, mask_oddity
from thyrosight.phantom.cohort import phantom_case


@pytest.mark.parametrize("seed", range(6))
def test_a_phantom_is_not_odd(seed: int) -> None:
    phantom = phantom_case(seed, 0)
    assert image_oddity(phantom.image_HW[phantom.field.slices]) == ""


def test_blank_and_noise() -> None:
    rng = np.random.default_rng(0)
    assert image_oddity(np.zeros((50, 60), np.uint8)) == "blank"
    assert image_oddity(np.full((50, 60), 90, np.uint8)) == "blank"
    assert image_oddity(np.full((1, 2), 90, np.uint8)) == "blank"
    assert image_oddity((90 + rng.integers(0, 3, (50, 60))).astype(np.uint8)) == "blank"
    noise = rng.integers(0, 255, (200, 300), dtype=np.uint8)
    assert image_oddity(noise) == "noise"
    assert image_oddity(cv2.GaussianBlur(noise, (0, 0), 1.0)) == ""


def test_few_pixels_and_nearly_all() -> None:
    mask = np.zeros((100, 200), np.bool_)
    assert mask_oddity(mask) == "", "an empty mask says that there is no nodule"
    mask.flat[:29] = True
    assert mask_oddity(mask) == "few pixels"
    mask.flat[:30] = True
    assert mask_oddity(mask) == ""
    mask.flat[:16_000] = True
    assert mask_oddity(mask) == ""
    mask.flat[:16_001] = True
    assert mask_oddity(mask) == "nearly all"
    large = np.zeros((1000, 1000), np.bool_)
    large.flat[:299] = True
    assert mask_oddity(large) == "few pixels"
