"""bench/, studies/, tools/: what they import from the package exists, so that a renamed definition is noticed here."""

from __future__ import annotations

import ast
import importlib
from importlib.util import find_spec
from pathlib import Path

import pytest

from checkout import ROOT

SCRIPTS = sorted(path for folder in ("bench", "studies", "tools") for path in (ROOT / folder).glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_scripts_import_what_exists(script: Path) -> None:
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("thyrosight"):
            assert node.module is not None
            if node.module.startswith(("thyrosight.networks", "thyrosight.training", "thyrosight.export")):
                pytest.importorskip("torch")
            module = importlib.import_module(node.module)
            names = [alias.name for alias in node.names]
            is_package = hasattr(module, "__path__")
            missing = [
                name
                for name in names
                if not hasattr(module, name) and not (is_package and find_spec(f"{node.module}.{name}"))
            ]
            assert not missing, f"line {node.lineno}: {node.module} has no {missing}"
