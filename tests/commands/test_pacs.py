"""Commands next to a PACS: what they hand to the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("pynetdicom")
pytest.importorskip("dicomweb_client")

from thyrosight.cli import app
from thyrosight.errors import InputError
from thyrosight.inference.predictor import Predictor
from thyrosight.pacs.dicomweb_client import WebArchive

LINES = (
    ["listen", "--send-to", "A@127.0.0.1:9", "--port", "0"],
    ["dicomweb", "http://127.0.0.1:9/dicom-web", "--study", "1.2", "--out", "results"],
)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_risks_are_restated_for_the_share_that_is_given(line: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []

    def load(bundle: Path | None, **settings: Any) -> Predictor:
        given.append(settings)
        raise InputError("far enough")

    monkeypatch.setattr(Predictor, "load", load)
    monkeypatch.setattr(WebArchive, "find", lambda *_, **__: ["an image"])
    assert "far enough" in CliRunner().invoke(app, [*line, "--prevalence", "0.1"]).output
    assert [settings["prevalence"] for settings in given] == [0.1]
