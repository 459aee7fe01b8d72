"""Command line, configuration, disturbances as they are -> the tables of docs/reference.md, between its markers."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"


def commands_text() -> str:
    """-> every command with its help, as the program prints it."""
    from typer.testing import CliRunner

    from thyrosight.cli import COMMANDS, app

    parts = []
    for name in COMMANDS:
        text = CliRunner().invoke(app, [name, "--help"], terminal_width=110).stdout
        body = "\n".join(f"    {line}".rstrip() for line in text.strip().splitlines())
        parts.append(f"### {name}\n\n{body}\n")
    return "\n".join(parts)


def settings_text() -> str:
    """-> every table of the configuration with its settings, defaults and what they mean."""
    from thyrosight import config

    tree = ast.parse(inspect.getsource(config))
    meanings = {node.name: _meanings(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    hints = get_type_hints(config.Config)
    parts = []
    for table in fields(config.Config):
        kind: Any = hints[table.name]
        if not is_dataclass(kind):
            continue
        parts.append(f"### [{table.name}]\n\n{inspect.getdoc(kind)}\n\n| setting | default | |\n|---|---|---|")
        default = kind()
        for setting in fields(kind):
            meaning = meanings[kind.__name__].get(setting.name, "")
            choices = _choices(inspect.getsource(kind), setting.name)
            words = " ".join(part for part in (meaning, choices) if part)
            parts.append(f"| `{setting.name}` | `{toml_text(getattr(default, setting.name))}` | {words} |")
        parts.append("")
    return "\n".join(parts)


def disturbances_text() -> str:
    """-> every disturbance of a stress test, a row a strength."""
    from thyrosight.evaluation.stress.perturb import PERTURBATIONS

    lines = ["| perturbation | strength | |", "|---|---|---|"]
    for name, strengths in PERTURBATIONS.items():
        lines += [f"| `{name}` | {number} | {strength.meaning} |" for number, strength in enumerate(strengths, start=1)]
    return "\n".join(lines)


def toml_text(value: Any) -> str:
    """A default -> how it is written in TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml_text(item) for item in value)}]"
    return str(value)


def _meanings(node: ast.ClassDef) -> dict[str, str]:
    """A class -> {attribute: the string below it}."""
    found = {}
    for before, after in zip(node.body, node.body[1:], strict=False):
        if not (isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name)):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[before.target.id] = " ".join(str(after.value.value).split())
    return found


def _choices(source: str, name: str) -> str:
    """The source of a class, a setting -> `One of ...` where its type is a list of literals."""
    match = re.search(rf"^    {name}: Literal\[(.*?)\]", source, re.MULTILINE)
    return f"One of {match[1]}.".replace('"', "`") if match else ""


def filled(text: str) -> str:
    """docs/reference.md -> the same with what stands between its markers made new."""
    parts = {"commands": commands_text(), "settings": settings_text(), "disturbances": disturbances_text()}
    for name, made in parts.items():
        begin, end = f"<!-- {name}: made by tools/make_reference.py -->", f"<!-- end of {name} -->"
        if begin not in text or end not in text:
            sys.exit(f"error: {REFERENCE.name} has no markers for {name}")
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}\n\n{made.strip()}\n\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    REFERENCE.write_text(filled(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8")
