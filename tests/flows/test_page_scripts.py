"""The page's scripts without a browser: their types, their format, their unit tests, and words that Python has too."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from checkout import ROOT
from fake_server import STATIC
from parts import part_path

TESTS = ROOT / "tests" / "web" / "page"


def check(*command: str | Path) -> None:
    done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.part("node")
def test_unit_tests_of_the_scripts_pass() -> None:
    check("node", "--test", *sorted(TESTS.glob("*.test.js")))


@pytest.mark.part("node", "page-tools")
def test_scripts_use_the_records_of_the_api_as_they_are() -> None:
    check(part_path("page-tools") / "tsc", "--project", TESTS / "tsconfig.json")


@pytest.mark.part("node", "page-tools")
def test_scripts_are_formatted() -> None:
    check(part_path("page-tools") / "prettier", "--check", STATIC / "**" / "*.js", TESTS / "*.js")


def test_types_are_made_from_the_api() -> None:
    path = ROOT / "tools" / "make_page_types.py"
    spec = importlib.util.spec_from_file_location("make_page_types", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TYPES.read_text(encoding="utf-8") == module.types_text(), "run: make page-types"


def test_lexicon_of_the_page_is_that_of_tirads() -> None:
    from thyrosight.tirads.assessment import SYSTEMS
    from thyrosight.tirads.descriptors import HAS_DEFAULT, LEXICON, NO_FOCI, UNDETERMINED

    text = (STATIC / "panel" / "lexicon.js").read_text(encoding="utf-8").replace("UNDETERMINED,", f'"{UNDETERMINED}",')
    text = text.replace("UNDETERMINED]", f'"{UNDETERMINED}"]')
    found = re.findall(r'name: "(\w+)",\s+title: "[\w ]+",.*?terms: \[(.*?)\]', text, re.DOTALL)
    terms = {name: tuple(re.findall(r'"([^"]+)"', block)) for name, block in found}
    assert terms == {name: words + (UNDETERMINED,) * (name in HAS_DEFAULT) for name, words in LEXICON.items()}
    assert f'none: "{NO_FOCI}"' in text
    systems = text[text.index("SYSTEMS = [") : text.index("];")]
    assert re.findall(r'name: "(\w+)"', systems) == list(SYSTEMS)
