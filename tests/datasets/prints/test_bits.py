"""Set bits are counted, with NumPy's own count and where an older NumPy has none."""

from __future__ import annotations

import numpy as np
import pytest

from thyrosight.datasets.prints.bits import count_bits


@pytest.mark.parametrize("is_old", [False, True])
def test_bits_are_counted(monkeypatch: pytest.MonkeyPatch, is_old: bool) -> None:
    if is_old:
        monkeypatch.delattr(np, "bitwise_count", raising=False)
    words = np.array([[0, 1], [2**64 - 1, 0b1011 << 60]], dtype=np.uint64)
    assert count_bits(words).tolist() == [[0, 1], [64, 3]]
