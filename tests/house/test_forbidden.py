"""What no file of the source may do (print, unpickle, speak to a network ...), and what git may not track."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkout import ROOT
from source_tree import FILES, imports_of, room_of, tree_of

NEVER_IMPORTED = {"pickle", "cPickle", "dill", "joblib", "requests", "httpx", "aiohttp", "socket", "ftplib", "smtplib"}
"""No pickle from anybody, and nothing that could send something somewhere."""
MAY_PRINT = {"cli", "pacs.log", "training.callbacks"}
"""Beside the commands: errors of the program, the log of a listener, the progress of a training."""
PRINTERS = {"print", "typer.echo", "typer.secho", "Console", "rich.print", "rich.progress.track", "track"}
MAY_NAME_A_MODULE = {"frames.decoder.client", "inference.trial"}
"""They start a child by `python -m`."""


def calls_of(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call))


def test_only_commands_print() -> None:
    wrong = [
        f"{name}:{call.lineno}: {ast.unparse(call.func)}"
        for name, path in FILES.items()
        if room_of(name) != "commands" and name not in MAY_PRINT
        for call in calls_of(path)
        if ast.unparse(call.func) in PRINTERS
    ]
    assert not wrong, "give the text to a command: return it, or take a callback"


def test_no_import_by_string() -> None:
    """Ours are imported by an import statement, so that these tests and mypy see it."""
    wrong = []
    for name, path in FILES.items():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and name not in MAY_NAME_A_MODULE:
                module = re.fullmatch(r"thyrosight\.([\w.]+)(?::\w+)?", node.value)
                if module and module[1] in FILES:
                    wrong.append(f"{name}:{node.lineno}: {node.value}")
    assert not wrong


def test_nothing_unpickles_or_speaks_to_a_network() -> None:
    found = {name: {full.split(".")[0] for full in imports_of(path)} & NEVER_IMPORTED for name, path in FILES.items()}
    assert not {name: wrong for name, wrong in found.items() if wrong}
    for name, path in FILES.items():
        assert "urllib.request" not in imports_of(path), name
        for call in calls_of(path):
            if ast.unparse(call.func) == "torch.load":
                keywords = {word.arg: ast.unparse(word.value) for word in call.keywords}
                assert keywords.get("weights_only") == "True", f"{name}:{call.lineno}: torch.load without weights_only"


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
