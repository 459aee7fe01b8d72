"""`thyrosight tirads`: level, points and advice in the terminal and as JSON; refusals in one line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from thyrosight.cli import app
from thyrosight.tirads.assessment import Assessment
from tirads_words import (
    TR4,
)

runner = CliRunner()


def test_command_prints_level_points_and_advice() -> None:
    done = runner.invoke(app, ["tirads", *TR4, "--foci", "none", "--longest-mm", "14"])
    assert done.exit_code == 0
    assert "TR4, moderately suspicious" in done.stdout
    assert "4 (composition: 2, echogenicity: 2, shape: 0, margin: 0, foci: 0)" in done.stdout
    assert "follow-up after 1, 2, 3 and 5 years (longest diameter 14 mm)" in done.stdout
    assert done.stderr == ""


def test_command_in_json_is_the_assessment() -> None:
    done = runner.invoke(app, ["tirads", *TR4, "--foci", "macro", "--foci", "punctate", "--system", "k", "--json"])
    found = Assessment.model_validate(json.loads(done.stdout))
    assert (found.level, found.advice.words, found.points) == ("K-TIRADS 5", "size unknown", None)
    assert found.descriptors.foci == ("macrocalcifications", "punctate echogenic foci")


def test_command_says_the_range_and_what_is_missing() -> None:
    done = runner.invoke(app, ["tirads", "--composition", "spongiform", "--margin", "irregular", "--system", "acr"])
    assert "TR1, benign" in done.stdout
    assert "spongiform, yet lobulated or irregular" in done.stderr
    done = runner.invoke(app, ["tirads", *TR4[:4]])
    assert "TR4 to TR5" in done.stdout
    assert "shape, margin, foci" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--composition", "sponge cake"], "spongiform"),
        (["--system", "ac"], "known: acr, eu, k"),
        (["--longest-mm", "0"], "above zero"),
    ],
)
def test_command_refuses_in_one_line(arguments: list[str], told: str) -> None:
    done = runner.invoke(app, ["tirads", *arguments])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
