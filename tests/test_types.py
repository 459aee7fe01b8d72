"""Whole numbers that a program gives: taken as they are, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from thyrosight.errors import InputError
from thyrosight.types import whole_given


@pytest.mark.parametrize("value", [0, 3, np.int64(3), np.uint8(3)])
def test_whole_numbers_pass(value: object) -> None:
    assert whole_given("n", value) == value
    assert type(whole_given("n", value)) is int


@pytest.mark.parametrize("value", ["3", 3.0, True, None, -1, np.float64(3), [3], 1_001])
def test_anything_else_is_refused_by_name(value: object) -> None:
    with pytest.raises(InputError, match=r"n=.*: give a whole number, 0 to 1,000"):
        whole_given("n", value, 0, 1_000)
