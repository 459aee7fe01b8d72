"""Words of 64 bits -> how many bits are set. Of the exclusive or of two hashes this number is their distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def count_bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Words -> the number of bits that are set in each."""
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(words), dtype=np.uint8)
    table = np.array([value.bit_count() for value in range(256)], dtype=np.uint8)
    return np.asarray(table[words[..., None].view(np.uint8)].sum(axis=-1), dtype=np.uint8)
