"""Images -> which of them show the same picture: fingerprints, a Hamming search that scales, and clusters.

A fingerprint is a 256-bit difference hash (signs of horizontal differences of a 16 x 17 reduction; N. Krawetz,
"Kind of like that", 2013) and a 32 x 32 thumbnail. Hashes propose pairs, thumbnails decide: ultrasound frames share so
much layout that a hash alone calls strangers equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thyrosight.types import FloatArray, UInt8Array

HASH_SIDE, THUMBNAIL_SIDE = 16, 32
NUM_WORDS = HASH_SIDE * HASH_SIDE // 64
MAX_BITS = 31
"""Hashes of a pair differ in at most this many of 256 bits."""
MIN_CORRELATION = 0.95
"""Thumbnails of a pair correlate at least this much."""
NUM_BANDS = 32
"""Bands of 8 bits: 31 differing bits leave at least one of 32 bands equal, so no pair within MAX_BITS is missed."""
BLOCK = 2048


@dataclass(frozen=True)
class Fingerprint:
    """bits: uint64 (4,), the hash; mirrored: the hash of the mirror image; thumbnail_HW: uint8 (32, 32)."""

    bits: NDArray[np.uint64]
    mirrored: NDArray[np.uint64]
    thumbnail_HW: UInt8Array


def fingerprint(image_HW: UInt8Array) -> Fingerprint:
    """Gray image of any size -> its fingerprint."""
    import cv2

    thumbnail_HW = np.asarray(
        cv2.resize(image_HW, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8
    )
    return Fingerprint(
        _difference_hash(image_HW), _difference_hash(np.ascontiguousarray(image_HW[:, ::-1])), thumbnail_HW
    )


def _difference_hash(image_HW: UInt8Array) -> NDArray[np.uint64]:
    import cv2

    small_HW = cv2.resize(image_HW.astype(np.float32), (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA)
    # half a gray level: in a flat area the sign of the difference would be the coding noise
    bits = small_HW[:, 1:] > small_HW[:, :-1] + 0.5
    return np.packbits(bits).view(np.uint64)


def near_duplicates(prints: Sequence[Fingerprint], *, mirrored: bool = True) -> list[tuple[int, int]]:
    """Fingerprints -> the pairs (i < j) that show the same picture, or with `mirrored` its mirror image."""
    if len(prints) < 2:
        return []
    hashes = np.stack([print.bits for print in prints])
    thumbnails = _standardised(np.stack([print.thumbnail_HW for print in prints]))
    pairs = _confirmed(_hamming_pairs(hashes, hashes), thumbnails, thumbnails)
    if mirrored:
        flipped = np.stack([print.mirrored for print in prints])
        flipped_thumbnails = _standardised(np.stack([print.thumbnail_HW[:, ::-1] for print in prints]))
        pairs |= _confirmed(_hamming_pairs(hashes, flipped), thumbnails, flipped_thumbnails)
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


def _standardised(thumbnails_NHW: UInt8Array) -> FloatArray:
    """Thumbnails -> rows of mean 0 and length 1 (all 0 for a flat one), so that a product is the correlation."""
    flat = thumbnails_NHW.reshape(len(thumbnails_NHW), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    standardised: FloatArray = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
    return standardised


def _confirmed(pairs: NDArray[np.int64], one: FloatArray, other: FloatArray) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for start in range(0, len(pairs), BLOCK):
        block = pairs[start : start + BLOCK]
        correlation = np.einsum("nk,nk->n", one[block[:, 0]], other[block[:, 1]])
        found.update((min(i, j), max(i, j)) for i, j in block[correlation >= MIN_CORRELATION].tolist())
    return found


def _hamming_pairs(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Hashes (N, 4), hashes (N, 4) -> pairs (i, j), i < j, within MAX_BITS of each other.

    Multi-index hashing (Norouzi et al., CVPR 2012): only hashes that agree in some band are compared.
    """
    one_bands, other_bands = one.view(np.uint8), other.view(np.uint8)
    found = np.zeros((0, 2), dtype=np.int64)
    for band in range(NUM_BANDS):
        order = np.argsort(other_bands[:, band], kind="stable")
        values = other_bands[order, band]
        in_band = []
        for value in np.unique(one_bands[:, band]):
            low, high = np.searchsorted(values, [value, value + 1 if value < 255 else 256])
            left = np.flatnonzero(one_bands[:, band] == value)
            in_band.append(_close_pairs(one, other, left, order[low:high]))
        found = np.unique(np.concatenate([found, *in_band]), axis=0)
    return found


def _close_pairs(
    one: NDArray[np.uint64], other: NDArray[np.uint64], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Rows `left` of one against rows `right` of other -> pairs i < j within MAX_BITS, in blocks that bound memory."""
    found = []
    for start in range(0, len(left), BLOCK):
        rows = left[start : start + BLOCK]
        distance = np.zeros((len(rows), len(right)), dtype=np.uint16)
        for word in range(NUM_WORDS):
            distance += _count_bits(one[rows, word, None] ^ other[None, right, word])
        i, j = np.nonzero(distance <= MAX_BITS)
        pairs = np.stack([rows[i], right[j]], axis=1)
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(found) if found else np.zeros((0, 2), dtype=np.int64)


def _count_bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(words), dtype=np.uint8)
    table = np.array([bin(value).count("1") for value in range(256)], dtype=np.uint8)
    return np.asarray(table[words[..., None].view(np.uint8)].sum(axis=-1), dtype=np.uint8)
