"""Exports of an item: what fails leaves nothing behind."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi")

from reader_desk import Desk
from thyrosight.web.errors import ApiError
from thyrosight.web.review import exports


def test_a_zip_that_fails_leaves_nothing_in_the_data_folder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    item = desk.send()

    def refuse(*_: object) -> None:
        raise ApiError(404, "no_frame", "gone")

    monkeypatch.setattr(exports, "export_csv", refuse)
    assert desk.client.get(f"/api/v1/items/{item}/export/zip").status_code == 404
    assert not list((desk.folder / "incoming").iterdir())
