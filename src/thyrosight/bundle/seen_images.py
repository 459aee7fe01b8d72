"""The images that a network has learned from <-> seen_images.bin: two hashes and a sketch of each, and no picture.

A row has 304 bytes: the first 8 bytes of the SHA-256 of the file, the first 8 bytes of the SHA-256 of the decoded gray
pixels (which a lossless re-encoding does not change), and the sketch of datasets/pictures/sketches.py. A person who has
an image can find out by this file whether the network learned from it. Nobody can find out from the file what an image
shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thyrosight.types import UInt8Array

MAGIC = b"thyrosight seen images 1\n"
HASH_BYTES, SKETCH_BYTES = 8, 288
ROW_BYTES = 2 * HASH_BYTES + SKETCH_BYTES


@dataclass(frozen=True)
class ImagePrint:
    """file, pixels: the first 8 bytes of the SHA-256 of the file and of the gray pixels. sketch: uint8 (288,)."""

    file: bytes
    pixels: bytes
    sketch: UInt8Array


@dataclass(frozen=True)
class SeenImages:
    """rows_NB: uint8 (N, 304), each row once. Rows are sorted, so their order tells nothing about the training."""

    rows_NB: UInt8Array

    @classmethod
    def of(cls, prints: Sequence[ImagePrint]) -> SeenImages:
        """Prints of images -> their record."""
        return cls.joined([b"".join(_row(one) for one in prints)])

    @classmethod
    def joined(cls, parts: Sequence[bytes]) -> SeenImages:
        """The rows of several records, as bytes -> one record."""
        rows = np.frombuffer(b"".join(parts), np.uint8).reshape(-1, ROW_BYTES)
        return cls(np.unique(rows, axis=0) if len(rows) else rows)

    @classmethod
    def from_bytes(cls, data: bytes) -> SeenImages:
        """Content of seen_images.bin -> the record; no bytes: a record without images.

        ValueError for any other content.
        """
        if not data:
            return cls(np.zeros((0, ROW_BYTES), np.uint8))
        if not data.startswith(MAGIC) or (len(data) - len(MAGIC)) % ROW_BYTES:
            raise ValueError("not a record of seen images, or cut off")
        return cls(np.frombuffer(data, np.uint8, offset=len(MAGIC)).reshape(-1, ROW_BYTES))

    def to_bytes(self) -> bytes:
        """-> the content of seen_images.bin."""
        return MAGIC + self.rows_NB.tobytes()

    def __len__(self) -> int:
        return len(self.rows_NB)

    @property
    def files(self) -> frozenset[bytes]:
        return _column(self.rows_NB[:, :HASH_BYTES])

    @property
    def pixels(self) -> frozenset[bytes]:
        return _column(self.rows_NB[:, HASH_BYTES : 2 * HASH_BYTES])

    @property
    def sketches_NK(self) -> UInt8Array:
        return self.rows_NB[:, 2 * HASH_BYTES :]


def short_hash(sha256: str) -> bytes:
    """SHA-256 as 64 hexadecimal digits -> its first 8 bytes, as a print holds them; of an empty text, no bytes."""
    return bytes.fromhex(sha256)[:HASH_BYTES]


def pixel_hash(image_HW: UInt8Array) -> bytes:
    """Gray pixels -> the first bytes of the SHA-256 of their size and values."""
    return hashlib.sha256(repr(image_HW.shape).encode() + np.ascontiguousarray(image_HW).tobytes()).digest()[
        :HASH_BYTES
    ]


def _row(one: ImagePrint) -> bytes:
    row = one.file.ljust(HASH_BYTES, b"\0") + one.pixels + one.sketch.tobytes()
    assert len(row) == ROW_BYTES, len(row)
    return row


def _column(part_NB: NDArray[np.uint8]) -> frozenset[bytes]:
    return frozenset(bytes(row) for row in part_NB if row.any())
