"""The size of rooms, files and functions; one name means one thing; every public thing has its sentence."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict

from checkout import PACKAGE
from source_tree import FILES, functions_of, room_of, tree_of

MAX_MODULES = 14
MAX_FILES_AT_THE_TOP = 10
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
"""House style asks for about 40; beyond 60 a function does two things."""
MAX_ARGUMENTS, MAX_BY_PLACE = 12, 7
"""House style asks for about 6; beyond these a record is missing. Those given by name alone may be a few more."""

ONE_PER_FILE = {"recognise", "read", "level_of", "notes", "main"}
"""The same question asked of every data set, or of every TI-RADS system; what a program runs."""
ONE_PER_OPERATOR = "bundle.graph.onnx_shapes"
"""A function per ONNX operator: the operator is what it does."""


def test_rooms_are_small() -> None:
    num_modules = Counter(path.parent for path in FILES.values() if path.name != "__init__.py")
    num_modules.pop(PACKAGE)
    full = {folder.name: num for folder, num in num_modules.items() if num > MAX_MODULES}
    assert not full, f"at most {MAX_MODULES} modules per folder: move what belongs together into a folder of its own"


def test_ten_files_at_the_top() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= MAX_FILES_AT_THE_TOP


def test_files_are_short() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in FILES.items()}
    long = {name: num for name, num in lines.items() if num > MAX_FILE_LINES}
    assert not long, f"at most {MAX_FILE_LINES} lines per file: a longer one holds two ideas"


def test_functions_do_one_thing() -> None:
    wrong = []
    for name, path in FILES.items():
        for function in functions_of(path):
            num_lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if num_lines > MAX_FUNCTION_LINES:
                wrong.append(f"{name}.{function.name}: {num_lines} lines")
            arguments = function.args
            by_place = len(arguments.posonlyargs) + len(arguments.args)
            is_too_many = by_place > MAX_BY_PLACE or by_place + len(arguments.kwonlyargs) > MAX_ARGUMENTS
            if is_too_many and room_of(name) != "commands":  # there the arguments are the options
                wrong.append(f"{name}.{function.name}: {by_place} arguments by place, more by name")
    assert not wrong


def test_one_name_one_thing() -> None:
    """A command may share its name with the function that it calls."""
    homes: dict[str, set[str]] = defaultdict(set)
    for name, path in FILES.items():
        for node in tree_of(path).body:
            is_public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if is_public and room_of(name) != "commands" and name != ONE_PER_OPERATOR:
                homes[node.name].add(name)
    twice = {name: found for name, found in homes.items() if len(found) > 1 and name not in ONE_PER_FILE}
    assert not {name: sorted(found) for name, found in sorted(twice.items())}, "rename one, or give it an underscore"


def test_no_room_without_a_name() -> None:
    empty = {"utils", "util", "base", "helpers", "misc", "common", "tools", "shared"}
    assert not [name for name in FILES if empty & set(name.split("."))]


def test_every_public_thing_says_what_it_is() -> None:
    silent = [name or "__init__" for name, path in FILES.items() if not ast.get_docstring(tree_of(path))]
    for name, path in FILES.items():
        for node in tree_of(path).body:
            is_public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if (
                is_public
                and name != ONE_PER_OPERATOR
                and not (ast.get_docstring(node) or "").partition("\n")[0].strip()
            ):
                silent.append(f"{name}.{node.name}")
    assert not silent
