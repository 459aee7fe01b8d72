"""docs/notebook.ipynb: every cell runs in order in an empty folder, and what it shows is stored and small."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from checkout import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
MAX_BYTES = 120_000


def kinds_of(cells: list[dict[str, Any]]) -> list[list[str]]:
    """Cells -> the kinds of output of each code cell: stdout, text, HTML, PNG."""
    return [
        sorted(kind for output in cell["outputs"] for kind in output.get("data", {output["output_type"]: ""}))
        for cell in cells
        if cell["cell_type"] == "code"
    ]


def test_every_cell_runs_and_shows_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    monkeypatch.chdir(tmp_path)
    import make_notebook

    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    done = make_notebook.executed(stored)
    sys.modules.pop("make_notebook")
    assert kinds_of(done) == kinds_of(stored), "run `python tools/make_notebook.py`"
    assert len(kinds_of(done)) >= 8
    printed = "".join(text for cell in done for output in cell.get("outputs", []) for text in output.get("text", []))
    assert "True\n" in printed
    assert "value_range=(0, 1)" in printed
    assert "6 done, 0 failed" in printed
    assert "6 images, 6 outlined; 6 scored" in printed


def test_the_notebook_is_small_and_names_no_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text.encode()) < MAX_BYTES
    assert "/tmp/" not in text
    assert "/home/" not in text
