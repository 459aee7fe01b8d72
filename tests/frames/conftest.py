"""No decoding child outlives the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from thyrosight.frames.decoder.client import end_children


@pytest.fixture(scope="module", autouse=True)
def _no_child_left() -> Iterator[None]:
    yield
    end_children()
