"""README and docs: links lead somewhere, commands shown are commands that there are, the reference leaves none out."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer.main

import thyrosight
from checkout import PACKAGE, ROOT
from thyrosight.cli import COMMANDS, app

PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
HISTORY = {"CHANGELOG.md", "experiments.md"}
"""What they tell of was so when it was written."""


def test_reference_holds_every_setting_and_every_option() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import make_reference
    finally:
        sys.path.remove(str(ROOT / "tools"))
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert make_reference.settings_text().strip() in text, "run `make reference`"
    assert make_reference.python_text().strip() in text, "run `make reference`"
    sections = dict(re.findall(r"^### ([a-z-]+)\n(.*?)(?=^##|^<!--)", text, re.MULTILINE | re.DOTALL))
    for name, function in COMMANDS.items():
        options = [option for option in options_of(function) if option not in sections[name]]
        assert not options, f"docs/reference.md says nothing of {name} {options}; run `make reference`"


def options_of(function: Callable[..., None]) -> list[str]:
    """A command -> its options' long names."""
    declared = [getattr(hint.__metadata__[0], "param_decls", ()) for hint in hints_of(function)]
    return [name for names in declared for name in names or () if name.startswith("--")]


def hints_of(function: Callable[..., None]) -> list[Any]:
    return [hint for hint in get_type_hints(function, include_extras=True).values() if hasattr(hint, "__metadata__")]


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert not broken


def test_files_that_documents_name_exist() -> None:
    missing = []
    for page in (*PAGES, ROOT / "CONTRIBUTING.md"):
        if page.name not in HISTORY:
            text = page.read_text(encoding="utf-8").partition("## The plan and the house")[0]
            for name in re.findall(r"`((?:[\w.-]+/)+[\w-]+\.(?:py|toml))`", text):
                if "NAME" not in name and not any((folder / name).is_file() for folder in (ROOT, PACKAGE)):
                    missing.append(f"{page.name}: {name}")
    assert not missing


def test_commands_in_documents_are_commands_that_there_are() -> None:
    shown, wrong = 0, []
    for page in PAGES:
        for line in commands_in(page) if page.name not in HISTORY else ():
            shown += 1
            if refusal := refused(line):
                wrong.append(f"{page.name}: thyrosight {line}: {refusal}")
    assert shown > 50
    assert not wrong


def test_calls_in_the_documents_python_fit_their_functions() -> None:
    """What the documents call of `from thyrosight import ...` takes the arguments that they give."""
    blocks = [block for page in PAGES for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S)]
    calls = [node for block in blocks for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    ours = [call for call in calls if re.match(rf"({'|'.join(thyrosight.__all__)})(\.\w+)?$", ast.unparse(call.func))]
    assert len(ours) > 5
    for call in ours:
        name, _, method = ast.unparse(call.func).partition(".")
        if name == "train":
            pytest.importorskip("torch")
        function = getattr(thyrosight, name)
        named = {str(keyword.arg): None for keyword in call.keywords}
        inspect.signature(getattr(function, method) if method else function).bind(*[None] * len(call.args), **named)


def commands_in(page: Path) -> Iterator[str]:
    """-> what follows `thyrosight` in indented lines, fenced code and inline code, without comment or pipe."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    code = [*re.findall(r"^(?: {4}|> ).*$", text, re.M), *re.findall(r"```.*?```", text, re.S)]
    code += [inline.replace("\n", " ") for inline in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
    for part in code:
        for line in re.split(r"\n|&&|\|", part):
            if found := re.match(r"\W*(?:\.venv/bin/)?thyrosight ([a-z-]+\b[^#]*)", line):
                yield " ".join(found[1].split())


def refused(line: str) -> str | None:
    """Command, arguments -> why it can't be parsed; None where it can. Paths need not exist."""
    name, *arguments = shlex.split(line.strip("`"))
    if name not in COMMANDS:
        return "no such command"
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    try:
        command.make_parser(command.context_class(command, info_name=name)).parse_args(arguments)
    except Exception as error:
        return str(error)
    return None
