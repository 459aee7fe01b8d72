"""The report as PDF."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scans import run, write_scans
from thyrosight.inference.predictor import Predictor


def test_a_pdf_is_refused_before_the_work_where_its_part_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from thyrosight.cli import app

    monkeypatch.setitem(sys.modules, "weasyprint", None)
    write_scans(tmp_path / "in", "a.png")
    done = CliRunner().invoke(app, ["predict", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--pdf"])
    assert done.exit_code == 2
    assert "thyrosight[pdf]" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_report_prints_to_a_pdf(tiny: Predictor, tmp_path: Path) -> None:
    pytest.importorskip("weasyprint", reason="the extra pdf is not installed")
    from thyrosight.results.pages import write_pdf

    write_scans(tmp_path / "in", "a.png", "b.png")
    summary = run(tmp_path / "in", tmp_path / "out", tiny)
    path = write_pdf(Path(summary.report))
    assert path == tmp_path / "out" / "report.pdf"
    assert path.read_bytes().startswith(b"%PDF-")
    assert path.stat().st_size > 5_000
