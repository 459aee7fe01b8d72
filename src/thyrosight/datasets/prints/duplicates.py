"""Images -> the pairs that show the same picture: fingerprints, a Hamming search, and clusters.

A fingerprint is a 128-bit difference hash (signs of the differences across and down a small reduction; N. Krawetz,
"Kind of like that", 2013) and a 32 x 32 thumbnail. Hashes propose pairs and thumbnails decide, because ultrasound
frames have so much layout in common that different images may have equal hashes.

On the breast set BUSI, whose duplicates were grouped by hand, this finds all 143 pairs. It finds 28 more, whose images
show one lesion at two moments or with two crops.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thyrosight.datasets.prints.bits import count_bits
from thyrosight.types import FloatArray, UInt8Array

HASH_SIDE, THUMBNAIL_SIDE = 8, 32
NUM_WORDS = 2 * HASH_SIDE * HASH_SIDE // 64
MAX_BITS = 31
"""Hashes of a pair differ in at most this many of 128 bits; hashes of different images differ in about 64, rarely in
fewer than 35."""
MIN_CORRELATION = 0.95
"""Thumbnails of a pair correlate at least this much."""
NUM_ROWS, NUM_COLUMNS = 256, 8192
"""Size of a block of the search; with it 2 million pairs of hashes are in memory at once."""


@dataclass(frozen=True)
class Fingerprint:
    """bits: the hash, uint64 (2,). mirrored: the hash of the mirror image. thumbnail_HW: uint8 (32, 32)."""

    bits: NDArray[np.uint64]
    mirrored: NDArray[np.uint64]
    thumbnail_HW: UInt8Array


def fingerprint(image_HW: UInt8Array) -> Fingerprint:
    """Gray image of any size -> its fingerprint."""
    import cv2

    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    thumbnail_HW = np.asarray(cv2.resize(image_HW, side, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return Fingerprint(_difference_hash(thumbnail_HW), _difference_hash(thumbnail_HW[:, ::-1]), thumbnail_HW)


def _difference_hash(thumbnail_HW: UInt8Array) -> NDArray[np.uint64]:
    import cv2

    values_HW = np.ascontiguousarray(thumbnail_HW).astype(np.float32)
    across_HW = cv2.resize(values_HW, (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA)
    down_HW = cv2.resize(values_HW, (HASH_SIDE, HASH_SIDE + 1), interpolation=cv2.INTER_AREA)
    bits = np.concatenate([across_HW[:, 1:] > across_HW[:, :-1], (down_HW[1:] > down_HW[:-1])], axis=None)
    return np.packbits(bits).view(np.uint64)


def near_duplicates(prints: Sequence[Fingerprint], *, mirrored: bool = True) -> list[tuple[int, int]]:
    """Fingerprints -> the pairs (i < j) that show the same picture, or with `mirrored` its mirror image."""
    if len(prints) < 2:
        return []
    hashes = np.stack([print.bits for print in prints])
    thumbnails = _standardised(np.stack([print.thumbnail_HW for print in prints]))
    pairs = _confirmed(close_pairs(hashes, hashes), thumbnails, thumbnails)
    if mirrored:
        flipped = np.stack([print.mirrored for print in prints])
        flipped_thumbnails = _standardised(np.stack([print.thumbnail_HW[:, ::-1] for print in prints]))
        pairs |= _confirmed(close_pairs(hashes, flipped), thumbnails, flipped_thumbnails)
    return sorted(pairs)


def clusters(num_items: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Pairs of items that belong together -> for each item the smallest item of its cluster (union-find)."""
    parent = list(range(num_items))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return [root(item) for item in range(num_items)]


def close_pairs(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Hashes (N, 2), hashes (N, 2) -> pairs (i, j), i < j, where one[i] and other[j] differ in at most MAX_BITS bits.

    All pairs are compared, in blocks that bound the memory. For 100,000 images this takes 1 to 2 minutes; their
    decoding takes 10.
    """
    found = [np.zeros((0, 2), dtype=np.int64)]
    for row in range(0, len(one), NUM_ROWS):
        for column in range(row - row % NUM_COLUMNS, len(other), NUM_COLUMNS):
            left, right = one[row : row + NUM_ROWS, None], other[None, column : column + NUM_COLUMNS]
            distance = count_bits(left[..., 0] ^ right[..., 0])
            for word in range(1, NUM_WORDS):
                distance += count_bits(left[..., word] ^ right[..., word])
            i, j = np.nonzero(distance <= MAX_BITS)
            pairs = np.stack([i + row, j + column], axis=1)
            found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(found)


def _standardised(thumbnails_NHW: UInt8Array) -> FloatArray:
    """Thumbnails -> rows of mean 0 and length 1 (0 for a flat one); the product of two rows is their correlation."""
    flat = thumbnails_NHW.reshape(len(thumbnails_NHW), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    standardised: FloatArray = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
    return standardised


def _confirmed(pairs: NDArray[np.int64], one: FloatArray, other: FloatArray) -> set[tuple[int, int]]:
    """Proposed pairs -> those whose thumbnails correlate."""
    found: set[tuple[int, int]] = set()
    for start in range(0, len(pairs), NUM_COLUMNS):
        block = pairs[start : start + NUM_COLUMNS]
        correlation = np.einsum("nk,nk->n", one[block[:, 0]], other[block[:, 1]])
        found.update((i, j) for i, j in block[correlation >= MIN_CORRELATION].tolist())
    return found
