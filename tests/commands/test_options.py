"""Options that change nothing where they are given: refused in one line, never passed over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import error_line, runner
from thyrosight.cli import app

SUBMISSION = ("predict", "{png}", "-o", "{out}", "--submission")
IDLE: dict[str, tuple[list[str], str]] = {
    "a share in a submission": (
        ["predict", "{png}", "-o", "{out}", "--submission", "--prevalence", "0.1"],
        "prevalence",
    ),
    "a frame in a submission": ([*SUBMISSION, "--frame", "0"], "frame"),
    "steps in a submission": ([*SUBMISSION, "--every", "2"], "every"),
    "sizes in a submission": (
        ["predict", "{png}", "-o", "{out}", "--submission", "--mm-per-pixel", "0.1"],
        "mm-per-pix",
    ),
    "again in a submission": ([*SUBMISSION, "--overwrite"], "overwrite"),
    "a system of an examination": (["report", "{json}", "-o", "{out}", "--system", "eu"], "system"),
    "a day of an examination": (["report", "{json}", "-o", "{out}", "--date", "2026-01-01"], "date"),
    "an identity without DICOM": (["report", "{json}", "-o", "{out}", "--identity", "keep"], "identity keep"),
    "Label Studio's root in COCO": (["annotations", "{json}", "-o", "{out}", "--root", "/data"], "root"),
}


@pytest.mark.parametrize("what", IDLE)
def test_an_option_without_effect_is_refused(what: str, tmp_path: Path) -> None:
    words, option = IDLE[what]
    places = {name: tmp_path / f"x.{name}" for name in ("png", "json", "out")}
    for name in ("png", "json"):
        places[name].write_text("{}")
    done = runner.invoke(app, [word.format(**places) for word in words])
    assert done.exit_code == 2
    assert error_line(done.stderr).startswith(f"error: --{option}")
    assert "has no effect" in done.stderr
    assert not places["out"].exists()


def test_options_of_tables_go_with_tables(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("{}")
    done = runner.invoke(app, ["predict", str(tmp_path / "x.png"), "-o", str(tmp_path / "out"), "--shard-rows", "5"])
    assert done.exit_code == 2
    assert "--engine, --address and --shard-rows go with parquet" in error_line(done.stderr)
