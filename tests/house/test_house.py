"""The house: floors, size of rooms, what may be loaded, what may be called. The picture is in docs/architecture.md."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from checkout import ROOT

SOURCE = ROOT / "src" / "thyrosight"
PICTURE = ROOT / "docs" / "architecture.md"

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
"""House style asks for about 40; beyond 60 a function does two things."""
MAX_ARGUMENTS, MAX_BY_PLACE = 12, 7
"""House style asks for about 6; beyond these a record is missing. Those given by name alone may be a few more."""

ONE_LONG_LOOP = {"train.py"}
"""The training loop reads top to bottom; it may be longer."""
ARGUMENTS_ARE_OPTIONS = "commands/"
"""A command's arguments are its options; they are as many as the user may give."""

MAY_IMPORT_TORCH = (
    "augment.py",
    "callbacks.py",
    "data.py",
    "ensemble.py",
    "export.py",
    "losses.py",
    "train.py",
    "model/",
)
MAY_IMPORT_MATPLOTLIB = ("callbacks.py",)
NOT_BEHIND_PREDICT = ("augment", "cases", "data", "losses", "model", "train", "callbacks", "export", "phantom")
"""Nothing that `predict` reaches may reach one of these."""
NEVER_IMPORTED = {"pickle", "cPickle", "dill", "joblib", "requests", "httpx", "aiohttp", "socket", "ftplib", "smtplib"}
"""No pickle from anybody, and nothing that could send something somewhere."""
HEAVY = {"torch", "lightning", "pytorch_lightning", "matplotlib", "tensorflow", "scipy", "tensorboard", "torchmetrics"}


def module_name(path: Path) -> str:
    """A file of the package -> its dotted name below thyrosight, '' for the package itself."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports_of(path: Path) -> Iterator[str]:
    """A file -> every module that it imports when it runs, in functions too; not those for type checkers alone."""
    todo: list[ast.AST] = [tree_of(path)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo.extend(node.orelse)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)}:{node.lineno}: a relative import; write the full name"
            assert node.module is not None
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name.removeprefix("thyrosight.") in FILES else node.module for name in names)
        else:
            todo.extend(ast.iter_child_nodes(node))


def inner_imports_of(name: str) -> set[str]:
    """A module -> the modules of the package that it imports ('' for the package's own door)."""
    found = (full for full in imports_of(FILES[name]) if full.split(".")[0] == "thyrosight")
    return {full.removeprefix("thyrosight").removeprefix(".") for full in found}


def floors_in_the_picture() -> dict[str, int]:
    """docs/architecture.md -> {module or package: floor}, from lines like `geometry.py    what it does    2`."""
    line = re.compile(r"^ +([\w/]+)(?:\.py|/) {2,}.* (\d)$", re.MULTILINE)
    found = line.findall(PICTURE.read_text(encoding="utf-8"))
    names = [name.replace("/", ".") for name, _ in found]
    assert len(names) == len(set(names)), f"twice in the picture: {sorted({n for n in names if names.count(n) > 1})}"
    return {name: int(floor) for name, (_, floor) in zip(names, found, strict=True)}


def floor_of(name: str) -> int:
    """A module -> its floor; the package's own __init__ is the door and counts as the ground."""
    floors = floors_in_the_picture()
    return 0 if name == "" else floors[name] if name in floors else floors[name.split(".")[0]]


def everything_behind(name: str) -> set[str]:
    """A module -> all modules of the package that importing or calling it can reach."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo.extend(inner_imports_of(current) - {""})
    return seen


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def is_one_of(path: Path, allowed: tuple[str, ...]) -> bool:
    return path.relative_to(SOURCE).as_posix().startswith(allowed)


# The floors.


def test_every_file_is_in_the_picture_and_the_picture_holds_no_others() -> None:
    floors = floors_in_the_picture()
    homeless = [n for n in FILES if n and n != "__main__" and n not in floors and n.split(".")[0] not in floors]
    assert not homeless, f"give {homeless} a floor in docs/architecture.md"
    ghosts = [name for name in floors if name not in FILES]
    assert not ghosts, f"docs/architecture.md shows {ghosts}, which do not exist"


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("", "__main__")])
def test_imports_go_down_or_stay_on_the_floor(name: str) -> None:
    climbs = {other: floor_of(other) for other in inner_imports_of(name) if floor_of(other) > floor_of(name)}
    assert not climbs, f"{name} is on floor {floor_of(name)} and imports upwards: {climbs}"


def test_no_circle_of_imports() -> None:
    graph = {name: {other for other in inner_imports_of(name) if other} for name in FILES if name}
    while leaves := [name for name, others in graph.items() if not others & graph.keys()]:
        for name in leaves:
            del graph[name]
    assert not graph, f"these import each other in a circle: {sorted(graph)}"


@pytest.mark.parametrize("door", ["predict", "predict_folder", "report", "bundle", "images"])
def test_prediction_never_reaches_training(door: str) -> None:
    reached = sorted(name for name in everything_behind(door) if name.split(".")[0] in NOT_BEHIND_PREDICT)
    assert not reached, f"{door} reaches {reached}"


def test_only_training_imports_torch() -> None:
    wrong = []
    for name, path in FILES.items():
        roots = {full.split(".")[0] for full in imports_of(path)}
        if roots & (HEAVY - {"matplotlib"}) and not is_one_of(path, MAY_IMPORT_TORCH):
            wrong.append((name, sorted(roots & HEAVY)))
        if "matplotlib" in roots and not is_one_of(path, MAY_IMPORT_MATPLOTLIB):
            wrong.append((name, ["matplotlib"]))
    assert not wrong


# What may not be there at all.


def test_nothing_unpickles_or_speaks_to_a_network() -> None:
    found = {name: {full.split(".")[0] for full in imports_of(path)} & NEVER_IMPORTED for name, path in FILES.items()}
    assert not {name: wrong for name, wrong in found.items() if wrong}
    for name, path in FILES.items():
        assert "urllib.request" not in set(imports_of(path)), name
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert keywords.get("weights_only") == "True", f"{name}:{node.lineno}: torch.load without weights_only"


def test_no_room_without_a_name() -> None:
    assert not [name for name in FILES if name.split(".")[-1] in ("utils", "util", "base", "helpers", "misc", "common")]


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_tracked_text_is_finished_and_of_no_machine() -> None:
    marks = ["<" * 7 + " ", ">" * 7 + " ", "FIX" + "ME", "TO" + "DO:", "X" * 3 + ":"]
    own_machine = re.compile(r"(?<![\w.\-])/(?:home|Users|root|work|mnt|tmp)/\w")
    wrong = []
    for path in tracked_files():
        if (
            path.suffix not in {".py", ".md", ".toml", ".txt", ".cff", ".html", ".jinja", ""}
            or path.stat().st_size > 1e6
        ):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if any(mark in line for mark in marks) or own_machine.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not wrong


def test_no_image_of_a_patient_is_tracked() -> None:
    pictures = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".dcm"}
    allowed = ("docs/pictures/", "tests/golden/")
    names = [path.relative_to(ROOT).as_posix() for path in tracked_files() if path.suffix.lower() in pictures]
    assert not [name for name in names if not name.startswith(allowed)]


# The size of the rooms, and the sign on each door.


def test_files_fit_the_head() -> None:
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES.values()}
    assert not {name: n for name, n in lines.items() if n > MAX_FILE_LINES and name not in ONE_LONG_LOOP}


def test_functions_do_one_thing() -> None:
    wrong = []
    for name, path in FILES.items():
        for function in functions_of(path):
            num_lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if num_lines > MAX_FUNCTION_LINES and path.name not in ONE_LONG_LOOP:
                wrong.append(f"{name}.{function.name}: {num_lines} lines")
            arguments = function.args
            by_place = len(arguments.posonlyargs) + len(arguments.args)
            is_too_many = by_place > MAX_BY_PLACE or by_place + len(arguments.kwonlyargs) > MAX_ARGUMENTS
            if is_too_many and not is_one_of(path, (ARGUMENTS_ARE_OPTIONS,)):
                wrong.append(f"{name}.{function.name}: {by_place} arguments by place, more by name")
    assert not wrong


def test_every_public_thing_says_what_it_is() -> None:
    silent = [name or "__init__" for name, path in FILES.items() if not ast.get_docstring(tree_of(path))]
    for name, path in FILES.items():
        for node in tree_of(path).body:
            is_public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if is_public and not (ast.get_docstring(node) or "").partition("\n")[0].strip():
                silent.append(f"{name}.{node.name}")
    assert not silent


# What is loaded when it runs.


def run_and_list_modules(code: str) -> set[str]:
    """Code for a fresh Python -> the top-level modules that are loaded at its end."""
    report = "\nimport json, sys\nprint('MODULES ' + json.dumps(sorted({n.split('.')[0] for n in sys.modules})))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.rpartition("MODULES ")[2]))


def test_import_thyrosight_loads_nothing_heavy() -> None:
    loaded = run_and_list_modules("import thyrosight; assert thyrosight.__version__")
    assert not loaded & (HEAVY | {"numpy", "cv2", "onnxruntime", "pydantic", "typer", "PIL", "rich"})


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['thyrosight', '--help']\nfrom thyrosight.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code"
    )
    loaded = run_and_list_modules(code)
    assert not loaded & (HEAVY | {"numpy", "cv2", "onnxruntime", "pydantic", "PIL"})


def test_predictor_comes_from_the_front_door() -> None:
    loaded = run_and_list_modules("from thyrosight import Predictor; assert Predictor.__name__ == 'Predictor'")
    assert not loaded & HEAVY


def test_unknown_name_of_the_package_is_told_what_there_is() -> None:
    import thyrosight

    with pytest.raises(AttributeError, match="it has Predictor, __version__, compare"):
        thyrosight.Predicter  # noqa: B018
    names = ["Predictor", "__version__", "compare", "evaluate", "predict_folder", "prepare", "train"]
    assert dir(thyrosight) == thyrosight.__all__ == names


@pytest.mark.parametrize("name", ["Predictor", "compare", "evaluate", "predict_folder", "prepare", "train"])
def test_each_name_of_the_package_is_what_it_says(name: str) -> None:
    if name == "train":
        pytest.importorskip("lightning", reason="the training extra is not installed")
    code = f"from thyrosight import {name}; assert callable({name}) and {name}.__name__ == {name!r}"
    assert not run_and_list_modules(code) & (HEAVY if name != "train" else set())
