"""Images -> small sketches, which recognise a picture after a crop, a mirror, another coding or drawn marks.

A sketch has one bit per cell of a 48 x 48 grid: whether the cell is brighter than what is around it (the sign of a
difference of Gaussians of the logarithm; D. Marr and E. Hildreth, "Theory of edge detection", 1980). Gain, gamma and
a lossy coding hardly change a sign, and a drawn mark changes those below it. To find a crop, windows of one sketch are
compared with the whole of the other.

Measured on 400 images each of DDTI, BUSI, BUS-BRA and TN5000: two images of different groups that are not copies agree
by at most 0.53 (99.99 % of them by at most 0.41). An image and its copy agree by at least 0.63, where the copy is saved
as JPEG at quality 60, marked with calipers, brightened, or moved by some pixels with new speckle. For a copy that is
cropped by 10 % on every side it is at least 0.53 in 99 of 100.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from thyrosight.datasets.prints.bits import count_bits
from thyrosight.types import UInt8Array

SKETCH_SIDE, WINDOW_SIDE = 48, 32
SKETCH_BYTES = SKETCH_SIDE * SKETCH_SIDE // 8
NUM_BITS = WINDOW_SIDE * WINDOW_SIDE
MIN_AGREEMENT, MIN_AGREEMENT_OF_CROP = 0.58, 0.53
"""Least agreement of the bits of two sketches of one picture. Agreement is -1 where all bits differ, 0 by chance, 1
where all are equal."""
BLUR_SIDE, FINE_PX, COARSE_PX = 96, 1.5, 6.0
EARLY_WORDS, EARLY_SHARE = 4, 0.36
"""A pair that differs in more than this share of the first words of its bits is not compared further."""
SPREAD = 389
"""Bit k of a window is its cell number SPREAD * k modulo NUM_BITS, so that the first words hold cells from everywhere.
SPREAD is odd and NUM_BITS a power of two, so each cell comes once."""
MAX_PAIRS_WITH_CROPS = 12_000**2
NUM_ROWS, NUM_COLUMNS = 128, 4096
"""Size of a block of the search; it bounds the memory."""

Words = NDArray[np.uint64]
Window = tuple[float, float, float, float]


def sketch(image_HW: UInt8Array) -> UInt8Array:
    """Gray image of any size -> its sketch, uint8 (288,)."""
    import cv2

    small_HW = cv2.resize(image_HW, (BLUR_SIDE, BLUR_SIDE), interpolation=cv2.INTER_AREA)
    log_HW = np.log1p(small_HW.astype(np.float32))
    edges_HW = cv2.GaussianBlur(log_HW, (0, 0), FINE_PX) - cv2.GaussianBlur(log_HW, (0, 0), COARSE_PX)
    cells_HW = cv2.resize(edges_HW, (SKETCH_SIDE, SKETCH_SIDE), interpolation=cv2.INTER_AREA)
    return np.packbits(cells_HW > 0)


def windows() -> tuple[Window, ...]:
    """-> (x0, y0, x1, y1) as shares of the picture: the whole, then what a crop of all, one or two sides leaves."""
    found: list[Window] = [(0.0, 0.0, 1.0, 1.0)]
    found += [(m, m, 1 - m, 1 - m) for m in (0.04, 0.08, 0.12, 0.16)]
    for m in (0.06, 0.12, 0.18):
        found += [(m, 0.0, 1.0, 1.0), (0.0, m, 1.0, 1.0), (0.0, 0.0, 1 - m, 1.0), (0.0, 0.0, 1.0, 1 - m)]
    for m in (0.08, 0.15):
        found += [(m, 0.0, 1 - m, 1.0), (0.0, m, 1.0, 1 - m)]
    return tuple(found)


WINDOWS = windows()


def alike(one_NK: UInt8Array, other_MK: UInt8Array) -> set[tuple[int, int]]:
    """Sketches (N, 288), sketches (M, 288) -> every (i, j) where one[i] and other[j] show one picture.

    Mirrored pictures are found too, and crops for up to MAX_PAIRS_WITH_CROPS pairs. A blank picture is never in a pair.
    """
    one, other = _cells(one_NK), _cells(other_MK)
    is_itself = one_NK is other_MK  # then a window of i on j has been compared as one of j on i
    whole_one, whole_other = _words(one, WINDOWS[0]), _words(other, WINDOWS[0])
    flipped_other = other[:, :, ::-1]
    whole_flipped = _words(flipped_other, WINDOWS[0])
    found: set[tuple[int, int]] = set()
    for number, window in enumerate(WINDOWS if looks_for_crops(len(one), len(other)) else WINDOWS[:1]):
        least = MIN_AGREEMENT if number == 0 else MIN_AGREEMENT_OF_CROP
        words = _words(one, window)
        found |= set(_close(words, whole_other, least))
        found |= set(_close(words, whole_flipped, least))
        if number and not is_itself:
            found |= set(_close(whole_one, _words(other, window), least))
            found |= set(_close(whole_one, _words(flipped_other, window), least))
    if is_itself:
        found |= {(j, i) for i, j in found}
    blank_one, blank_other = _is_blank(one), _is_blank(other)
    return {(i, j) for i, j in found if not (blank_one[i] or blank_other[j])}


def looks_for_crops(num_one: int, num_other: int) -> bool:
    """Whether crops are looked for among this many images: each window costs as much time as the whole pictures."""
    return num_one * num_other <= MAX_PAIRS_WITH_CROPS


def alike_pairs(sketches: Sequence[UInt8Array]) -> list[tuple[int, int]]:
    """Sketches -> the pairs (i < j) that show one picture."""
    if len(sketches) < 2:
        return []
    stacked_NK = np.stack(list(sketches))
    return sorted((i, j) for i, j in alike(stacked_NK, stacked_NK) if i < j)


def _cells(sketches_NK: UInt8Array) -> NDArray[np.bool_]:
    return np.unpackbits(sketches_NK, axis=1).reshape(-1, SKETCH_SIDE, SKETCH_SIDE).astype(np.bool_)


def _is_blank(cells_NHW: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether nearly all cells of a sketch are alike: a black image, or one of a single gray."""
    share_N = cells_NHW.mean(axis=(1, 2))
    return np.asarray((share_N < 0.1) | (share_N > 0.9))


def _words(cells_NHW: NDArray[np.bool_], window: Window) -> Words:
    """Cells of N sketches, a window -> its cells, sampled on a grid of 32 x 32, as the bits of uint64 (N, 16)."""
    x0, y0, x1, y1 = window
    centres = (np.arange(WINDOW_SIDE) + 0.5) / WINDOW_SIDE * SKETCH_SIDE
    rows = (y0 * SKETCH_SIDE + centres * (y1 - y0)).astype(np.int64)
    columns = (x0 * SKETCH_SIDE + centres * (x1 - x0)).astype(np.int64)
    bits_NK = cells_NHW[:, rows[:, None], columns[None, :]].reshape(-1, NUM_BITS)
    order = np.arange(NUM_BITS) * SPREAD % NUM_BITS
    return np.ascontiguousarray(np.packbits(bits_NK[:, order], axis=1)).view(np.uint64)


def _close(one: Words, other: Words, least: float) -> Iterator[tuple[int, int]]:
    """Words (N, 16), words (M, 16) -> every (i, j) where the bits of one[i] and other[j] agree by at least `least`."""
    most = int((1 - least) / 2 * NUM_BITS)
    early = int(EARLY_SHARE * 64 * EARLY_WORDS)
    for row in range(0, len(one), NUM_ROWS):
        for column in range(0, len(other), NUM_COLUMNS):
            left, right = one[row : row + NUM_ROWS], other[column : column + NUM_COLUMNS]
            distance = np.zeros((len(left), len(right)), np.uint16)
            for word in range(EARLY_WORDS):
                distance += count_bits(left[:, None, word] ^ right[None, :, word])
            i, j = np.nonzero(distance <= early)
            whole = count_bits(left[i] ^ right[j]).sum(axis=1, dtype=np.int64)
            near = whole <= most
            yield from zip((i[near] + row).tolist(), (j[near] + column).tolist(), strict=True)
