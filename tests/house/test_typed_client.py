"""A client that uses every public name passes `mypy --strict`: the types that a user's editor sees are whole."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import thyrosight
from checkout import PACKAGE, ROOT, SOURCE

CLIENT = ROOT / "tests" / "support" / "typed_client.py"


def test_the_client_uses_every_public_name() -> None:
    used = {node.id for node in ast.walk(ast.parse(CLIENT.read_text("utf-8"))) if isinstance(node, ast.Name)}
    assert set(thyrosight.__all__) <= used


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_the_client_passes_mypy_strict(tmp_path: Path) -> None:
    cache = ROOT / ".mypy_cache"
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache if cache.exists() else tmp_path)]
    command += ["--config-file", str(ROOT / "pyproject.toml"), str(CLIENT)]
    environment = os.environ | {"MYPYPATH": str(SOURCE)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no issues found in 1 source file" in done.stdout
