"""Names: their order, and as text that every document shows."""

from __future__ import annotations

from thyrosight.files import natural_key


def test_natural_order_counts_and_ignores_case() -> None:
    names = ["10.png", "9.png", "a2", "A10", "1_2", "b"]
    assert sorted(names, key=natural_key) == ["1_2", "9.png", "10.png", "a2", "A10", "b"]
