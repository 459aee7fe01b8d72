"""A trial that could not begin says nothing of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from thyrosight.files import disk_fault_of
from thyrosight.inference.trial import survives


def test_a_child_that_can_not_begin_is_no_death(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="temporarily") as raised:
        survives(tmp_path / "no bundle", tmp_path / "a.png")
    assert disk_fault_of(raised.value) is not None, "it is tried again later"
