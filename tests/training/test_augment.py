"""Augmentation: image and mask move together, black stays black, randomness is the generator's alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thyrosight.config import AugmentConfig
from thyrosight.training.augment import PHOTOMETRIC, augment, random_calipers, random_time_gain, warp
from thyrosight.views.calipers import INK_LEVEL

STILL = AugmentConfig(flip=0, rotate_degrees=0, zoom=0, shift=0)


def view(size: int = 64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[:size, :size]
    mask_HW = (rows - 20) ** 2 + (columns - 40) ** 2 < 81
    image_HW = np.where(mask_HW, 0.9, 0.3).astype(np.float32)
    valid_HW = np.ones((size, size), bool)
    valid_HW[-8:] = False
    return image_HW * valid_HW, mask_HW, valid_HW


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_whatever_is_drawn_stays_an_image_with_its_mask(seed: int) -> None:
    image_HW, mask_HW, valid_HW = augment(view(), AugmentConfig(elastic=0.03), np.random.default_rng(seed))
    assert image_HW.dtype == np.float32
    assert mask_HW.dtype == valid_HW.dtype == np.bool_
    assert 0 <= image_HW.min() <= image_HW.max() <= 1
    assert not image_HW[~valid_HW].any()


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_image_and_mask_move_together(seed: int) -> None:
    image_HW, mask_HW, _ = warp(view(), AugmentConfig(), np.random.default_rng(seed))
    # The nodule is the only bright thing, so thresholding the warped image gives the warped mask but for its rim.
    wrong = np.logical_xor(image_HW > 0.6, mask_HW).sum()
    assert wrong <= 0.15 * max(mask_HW.sum(), 1) + 6


def test_the_flip_is_horizontal_and_exact() -> None:
    image_HW, mask_HW, _ = warp(view(), replace(STILL, flip=1.0), np.random.default_rng(0))
    np.testing.assert_allclose(image_HW, view()[0][:, ::-1], atol=1e-6)
    np.testing.assert_array_equal(mask_HW, view()[1][:, ::-1])


def test_the_same_generator_gives_the_same_view() -> None:
    first = augment(view(), AugmentConfig(), np.random.default_rng(5))
    again = augment(view(), AugmentConfig(), np.random.default_rng(5))
    other = augment(view(), AugmentConfig(), np.random.default_rng(6))
    np.testing.assert_array_equal(first[0], again[0])
    assert np.abs(first[0] - other[0]).max() > 0.01


def test_off_means_untouched() -> None:
    before = view()
    after = augment(before, AugmentConfig(enabled=False), np.random.default_rng(0))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("change", PHOTOMETRIC, ids=lambda change: change.__name__)
def test_black_stays_black(change: object) -> None:
    image_HW = np.zeros((48, 48), np.float32)
    strong = AugmentConfig(shadow=1.0, blur=1.0, speckle=0.5)
    for seed in range(5):
        assert np.abs(change(image_HW, strong, np.random.default_rng(seed))).max() == 0  # type: ignore[operator]


def test_time_gain_changes_with_depth_alone() -> None:
    changed_HW = random_time_gain(np.full((40, 30), 0.5, np.float32), AugmentConfig(), np.random.default_rng(1))
    assert np.ptp(changed_HW, axis=1).max() < 1e-6
    assert np.ptp(changed_HW[:, 0]) > 0.01


def test_calipers_lie_on_a_nodule_as_often_as_elsewhere() -> None:
    rows, columns = np.mgrid[:256, :256]
    mask_HW = ((rows - 80) / 20) ** 2 + ((columns - 160) / 40) ** 2 < 1
    near_HW = ((rows - 80) / 36) ** 2 + ((columns - 160) / 56) ** 2 < 1
    image_HW = np.full((256, 256), 0.3, np.float32)
    settings, num_on_it = AugmentConfig(calipers=1.0), 0
    for seed in range(200):
        drawn_HW = random_calipers(image_HW, mask_HW, settings, np.random.default_rng(seed))
        ink_HW = drawn_HW != image_HW
        assert ink_HW.any()
        np.testing.assert_allclose(drawn_HW[ink_HW], INK_LEVEL / 255)
        num_on_it += not ink_HW[~near_HW].any()
    assert 75 <= num_on_it <= 125, num_on_it  # 100 expected, SD 7


def test_calipers_are_drawn_without_a_nodule_and_not_unless_asked_for() -> None:
    image_HW, none_HW = np.full((128, 128), 0.3, np.float32), np.zeros((128, 128), bool)
    drawn_HW = random_calipers(image_HW, none_HW, AugmentConfig(calipers=1.0), np.random.default_rng(3))
    assert (drawn_HW != image_HW).any()
    assert random_calipers(image_HW, none_HW, AugmentConfig(), np.random.default_rng(3)) is image_HW


def test_further_masks_move_with_the_mask_and_leave_it_as_it_was() -> None:
    image_HW, mask_HW, valid_HW = view()
    rng = np.random.default_rng
    alone = augment((image_HW, mask_HW, valid_HW), AugmentConfig(), rng(3))
    together = augment((image_HW, mask_HW, valid_HW, mask_HW, ~mask_HW), AugmentConfig(), rng(3))
    for one, other in zip(alone, together[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(together[3], together[1])
    assert not (together[4] & together[1]).any()
