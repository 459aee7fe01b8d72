"""phantom, prepare and audit."""

from __future__ import annotations

import json
import re
from pathlib import Path

from command_line import error_line, runner
from thyrosight.cli import app


def test_phantom_in_a_public_sets_layout_is_recognised_by_prepare(tmp_path: Path) -> None:
    done = runner.invoke(app, ["phantom", "-n", "6", "-o", str(tmp_path / "set"), "--layout", "ddti"])
    assert Path(done.stdout.strip()) == tmp_path / "set"
    prepared = runner.invoke(app, ["prepare", str(tmp_path / "set"), "-o", str(tmp_path / "out"), "--json"])
    assert prepared.exit_code == 0, prepared.stderr
    assert json.loads(prepared.stdout)["source"] == "ddti"
    wrong = runner.invoke(app, ["phantom", "-n", "6", "-o", str(tmp_path / "set"), "--layout", "ddtx"])
    assert wrong.exit_code == 1
    assert "ddti" in error_line(wrong.stderr)


def test_audit_passes_a_sound_set_and_fails_one_that_leaks(phantoms: Path, tmp_path: Path) -> None:
    run = ["prepare", str(phantoms), "-o", str(tmp_path), "--folds", "2"]
    assert runner.invoke(app, run).exit_code == 0
    sound = runner.invoke(app, ["audit", str(tmp_path / "cases.csv"), "--json"])
    assert sound.exit_code == 0, sound.stdout
    assert json.loads(sound.stdout)["is_valid"] is True
    table = (tmp_path / "cases.csv").read_text(encoding="utf-8")
    groups = re.findall(r"phantom_3_000\d", table)
    leaky = tmp_path / "leaky.csv"
    leaky.write_text(
        "\n".join(re.sub(r"(?<=[01],)phantom_3_000\d(?=,phantom,)", groups[0], line) for line in table.splitlines())
    )
    assert leaky.read_text() != table
    done = runner.invoke(app, ["audit", str(leaky)])
    assert done.exit_code == 1
    assert groups[0] in done.stdout
    assert "[red]" not in done.stdout
