"""The program's own commands, settings, functions and disturbances -> docs/reference.md, between its markers."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference.md"
PACKAGE = ROOT / "src" / "thyrosight"


PYTHON_ORDER = (
    *("Predictor", "Prediction", "predict_folder", "FolderOptions", "prepare", "PrepareOptions", "train", "evaluate"),
    *("RowChoice", "compare", "__version__"),
)
"""The order of docs/reference.md: from one image to a comparison of models."""


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


def python_text() -> str:
    """-> the names for `from thyrosight import ...`.

    They are read from the source, because importing `train` needs torch.
    """
    door = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(door) if isinstance(node, ast.ImportFrom) and node.col_offset == 4]
    parts = []
    pairs = [(alias.name, node) for node in imports for alias in node.names]
    for name, node in sorted(pairs, key=lambda pair: PYTHON_ORDER.index(pair[0])):
        assert node.module is not None
        path = PACKAGE.parent / f"{node.module.replace('.', '/')}.py"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts += [_definition_text(item, "") for item in tree.body if getattr(item, "name", "") == name]
    return "\n\n".join(parts)


def _definition_text(node: ast.stmt, owner: str) -> str:
    """A function, or a class with its public methods -> heading, signature, docstring."""
    if isinstance(node, ast.ClassDef):
        methods = [item for item in node.body if isinstance(item, ast.FunctionDef) and not item.name.startswith("_")]
        inner = [_definition_text(item, f"{node.name}.") for item in methods]
        return "\n\n".join([f"### {node.name}\n\n{_docstring(node)}", *_fields_text(node), *inner])
    assert isinstance(node, ast.FunctionDef)
    parameters = [name for name in _parameters(node.args) if name not in ("self", "cls")]
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    short = f"{owner}{node.name}({', '.join(parameters)}){result}"
    lines = (
        [short]
        if len(short) <= 110
        else [f"{owner}{node.name}(", *(f"    {name}," for name in parameters), f"){result}"]
    )
    is_property = any(ast.unparse(decorator).endswith("property") for decorator in node.decorator_list)
    shown = [f"{owner}{node.name}: {result[4:]}"] if is_property else lines
    signature = "\n".join(f"    {line}" for line in shown)
    heading = "" if owner else f"### {node.name}()\n\n"
    return f"{heading}{signature}\n\n{_docstring(node)}"


def _fields_text(node: ast.ClassDef) -> list[str]:
    """A record -> its fields with their defaults and what they mean, as one part; a class without fields: nothing."""
    meanings = _meanings(node)
    rows = []
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and not ast.unparse(item.target).startswith("_"):
            name, default = ast.unparse(item.target), ast.unparse(item.value) if item.value else ""
            default = re.sub(r"field\(default_factory=(.*)\)", r"\1()", default)
            rows.append(f"| `{name}` | `{default}` | {meanings.get(name, '')} |")
    return ["\n".join(["| field | default | |\n|---|---|---|", *rows])] if rows else []


def _parameters(arguments: ast.arguments) -> list[str]:
    """Arguments of a function -> each with its annotation and default, as written."""
    inner = ast.unparse(ast.FunctionDef("f", arguments, [ast.Pass()], [], type_params=[], lineno=0))
    tree = inner[len("def f(") : inner.index("):\n")]
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(tree):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            parts.append(tree[start:place].strip())
            start = place + 1
    parts.append(tree[start:].strip())
    return [re.sub(r"(?<=\S)=(?=\S)", " = ", part, count=1) for part in parts if part]


def _docstring(node: ast.FunctionDef | ast.ClassDef) -> str:
    return (ast.get_docstring(node) or "").replace("\n    ", "\n")


def settings_text() -> str:
    """-> every table of the configuration with its settings, defaults and what they mean."""
    from thyrosight.config import settings as config

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
    """-> every disturbance of a stress test, one row per strength."""
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
    """docs/reference.md -> the same with new text between its markers."""
    parts = {
        "python": python_text(),
        "commands": commands_text(),
        "settings": settings_text(),
        "disturbances": disturbances_text(),
    }
    for name, made in parts.items():
        begin, end = f"<!-- {name}: made by tools/make_reference.py -->", f"<!-- end of {name} -->"
        if begin not in text or end not in text:
            sys.exit(f"error: {REFERENCE.name} has no markers for {name}")
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}\n\n{made.strip()}\n\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    REFERENCE.write_text(filled(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8")
