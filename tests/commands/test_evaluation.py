"""evaluate, compare and pool."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import error_line, runner
from thyrosight.cli import app


def test_evaluate_compare_pool(bundle: Path, phantoms: Path, tmp_path: Path) -> None:
    evaluate = ["evaluate", str(bundle), "--cases", str(phantoms / "cases.csv")]
    first = runner.invoke(app, [*evaluate, "-o", str(tmp_path / "a"), "--json"])
    assert first.exit_code == 0, first.stderr
    evaluation = json.loads(first.stdout)
    assert evaluation["num_images"] == 4
    assert {"name", "value", "low", "high", "n"} <= evaluation["scores"][0].keys()
    second = runner.invoke(app, [*evaluate, "-o", str(tmp_path / "b")])
    assert second.exit_code == 0
    assert second.stdout.splitlines()[-1] == str(tmp_path / "b" / "report.html")
    tables = [str(tmp_path / name / "per_case.csv") for name in "ab"]
    folders = [str(tmp_path / name) for name in "ab"]
    compared = json.loads(runner.invoke(app, ["compare", *folders, "--json"]).stdout)
    assert compared["num_cases"] == 4
    assert all(score["difference"]["value"] in (0, None) for score in compared["scores"])
    pooled = runner.invoke(app, ["pool", folders[0], "-o", str(tmp_path / "pooled"), "--json"])
    dice = [
        next(s["value"] for s in json.loads(done.stdout)["scores"] if s["name"] == "dice") for done in (first, pooled)
    ]
    assert dice[0] == dice[1]
    twice = runner.invoke(app, ["pool", *tables, "-o", str(tmp_path / "twice")])
    assert twice.exit_code == 1
    assert "is in two of" in error_line(twice.stderr)
