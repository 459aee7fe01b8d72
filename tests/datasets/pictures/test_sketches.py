"""A sketch knows a picture again in every disguise of a leak, and takes no two pictures for one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from planted_leaks import DISGUISES
from thyrosight.datasets.pictures import sketches
from thyrosight.datasets.pictures.sketches import WINDOWS, alike, alike_pairs, sketch
from thyrosight.types import UInt8Array


def scan(seed: int) -> UInt8Array:
    """Soft blobs of three sizes with speckle, 300 x 400."""
    rng = np.random.default_rng(seed)
    tissue_HW = sum(
        cv2.resize(rng.random((rows, rows + 2)).astype(np.float32), (400, 300), interpolation=cv2.INTER_CUBIC)
        for rows in (4, 8, 16)
    )
    speckle_HW = cv2.GaussianBlur(rng.standard_normal((300, 400)).astype(np.float32), (0, 0), 1.5)
    return np.clip(60 * np.asarray(tissue_HW) * (1 + 0.5 * speckle_HW), 1, 255).astype(np.uint8)


SCANS = [scan(seed) for seed in range(8)]


def test_a_sketch_is_288_bytes_whatever_the_size() -> None:
    for image_HW in (SCANS[0], SCANS[0][:31, :17], np.zeros((1, 1), np.uint8)):
        assert sketch(image_HW).shape == (288,)
        assert sketch(image_HW).dtype == np.uint8


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_picture_in_disguise_is_known_again(disguise: str) -> None:
    disguised = np.stack([sketch(DISGUISES[disguise](image_HW)) for image_HW in SCANS])
    plain = np.stack([sketch(image_HW) for image_HW in SCANS])
    assert alike(plain, disguised) == {(k, k) for k in range(len(SCANS))}
    assert alike(disguised, plain) == {(k, k) for k in range(len(SCANS))}


def test_pairs_are_listed_once_and_a_picture_is_no_pair_with_itself() -> None:
    again = [*SCANS, DISGUISES["calipers"](SCANS[3]), DISGUISES["mirrored"](SCANS[3])]
    assert alike_pairs([sketch(image_HW) for image_HW in again]) == [(3, 8), (3, 9), (8, 9)]
    assert alike_pairs([sketch(SCANS[0])]) == []


def test_blank_pictures_are_like_none() -> None:
    blank = [sketch(np.full((100, 100), value, np.uint8)) for value in (0, 0, 200)]
    assert alike_pairs(blank) == []


def test_the_whole_comes_first_and_every_window_is_inside() -> None:
    assert WINDOWS[0] == (0.0, 0.0, 1.0, 1.0)
    assert len(set(WINDOWS)) == len(WINDOWS)
    assert all(0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1 for x0, y0, x1, y1 in WINDOWS)
    mirrored = {(round(1 - x1, 3), y0, round(1 - x0, 3), y1) for x0, y0, x1, y1 in WINDOWS}
    assert mirrored == {(round(x0, 3), y0, round(x1, 3), y1) for x0, y0, x1, y1 in WINDOWS}


def test_among_too_many_pictures_copies_are_found_and_crops_not(monkeypatch: pytest.MonkeyPatch) -> None:
    again = [*SCANS[:3], DISGUISES["JPEG"](SCANS[0]), DISGUISES["cropped and resized"](SCANS[1])]
    prints = [sketch(image_HW) for image_HW in again]
    assert alike_pairs(prints) == [(0, 3), (1, 4)]
    monkeypatch.setattr(sketches, "MAX_PAIRS_WITH_CROPS", 10)
    assert alike_pairs(prints) == [(0, 3)]
