"""The source as trees: its modules, what each imports and defines, and the rooms of docs/architecture.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from checkout import PACKAGE, ROOT

PICTURE = ROOT / "docs" / "architecture.md"
DOORS = ("", "__main__")
"""What `import thyrosight` and `python -m thyrosight` run."""


def module_name(path: Path) -> str:
    """File of the package -> its dotted name below thyrosight, '' for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
"""Dotted name of every module and package below thyrosight -> its file."""


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def imports_of(path: Path, for_types: bool = False) -> frozenset[str]:
    """File -> every module that it imports, in functions too; with `for_types` also those for type checkers alone."""
    found: set[str] = set()
    todo: list[ast.AST] = [tree_of(path)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and not for_types:
            todo.extend(node.orelse)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)}:{node.lineno}: a relative import; write the full name"
            assert node.module is not None
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update(name if name.removeprefix("thyrosight.") in FILES else node.module for name in names)
        else:
            todo.extend(ast.iter_child_nodes(node))
    return frozenset(found)


def inner_imports_of(name: str, for_types: bool = False) -> set[str]:
    """Module -> the modules of ours that it imports ('' for the package's own door)."""
    found = (full for full in imports_of(FILES[name], for_types) if full.split(".")[0] == "thyrosight")
    return {full.removeprefix("thyrosight").removeprefix(".") for full in found}


def everything_behind(name: str) -> set[str]:
    """Module -> all modules of ours that its import or its call can reach."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo.extend(inner_imports_of(current) - {""})
    return seen


def room_of(name: str) -> str:
    """Module -> its room: the package at the top, or the module itself if it is at the top."""
    return name.split(".")[0]


def floors_in_the_picture() -> dict[str, int]:
    """docs/architecture.md -> {room: floor}, from lines like `    5  inference/   Frame -> Prediction`."""
    line = re.compile(r"^ {4,}(\d+)  ([\w/. ]+?)  +\S", re.MULTILINE)
    found: dict[str, int] = {}
    for floor, rooms in line.findall(PICTURE.read_text(encoding="utf-8")):
        for room in rooms.split():
            name = room.removesuffix("/").removesuffix(".py")
            assert name not in found, f"twice in docs/architecture.md: {name}"
            found[name] = int(floor)
    return found


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def circles_in(graph: dict[str, set[str]]) -> list[str]:
    """{node: the nodes that it points at} -> the nodes on or between circles, [] where there is none."""
    rest = {name: others & graph.keys() for name, others in graph.items()}
    while True:
        targets = {other for name, others in rest.items() for other in others & rest.keys()}
        ends = [name for name, others in rest.items() if not others & rest.keys() or name not in targets]
        if not ends:
            return sorted(rest)
        for name in ends:
            del rest[name]
