"""A tiny bundle and a few phantoms for the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import runner
from thyrosight.cli import app
from tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    done = runner.invoke(app, ["phantom", "-n", "4", "-o", str(folder), "--seed", "3"])
    assert done.exit_code == 0
    assert done.stdout.strip() == str(folder / "cases.csv")
    return folder
