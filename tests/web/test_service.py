"""A data folder that can't be tidied at the start is one line, not a failed start of the server."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi")

from thyrosight.errors import InputError
from thyrosight.web.service import Service


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), OSError(30, "Read-only file system")])
def test_a_folder_that_can_not_be_tidied_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    predictor: Any = SimpleNamespace(bundle_path=None, model=SimpleNamespace(id="0123456789abcdef"))
    service = Service(predictor, tmp_path / "data")

    def refuse() -> None:
        raise error

    monkeypatch.setattr(service.queue, "recover", refuse)
    with pytest.raises(InputError, match=r"can't be written \((disk I/O error|Read-only file system)\); free space"):
        service.tidy()
