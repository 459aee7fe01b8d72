"""A file that the system refuses for now is not taken for one that is absent: who catches OSError says so."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from source_tree import FILES, tree_of

TELLS = {"raise_disk_fault", "raise_shortage", "disk_fault_of", "is_shortage"}
MAY_SWALLOW = {
    "children": "the pipe of a child that has ended",
    "environment": "git and /proc, which are asked for words in a record",
    "files.leftovers": "deletes, and asks what runs; each is tried again later",
    "files.plain_text": "the terminal has gone; it is told at the end",
    "files.whole_files": "some file systems refuse to sync a folder",
    "frames.libtiff": "there is no standard error",
    "inference.onnx_runtime": "/sys, which is asked for the number of cores",
    "pacs.bounded_server": "a peer's connection",
    "pacs.listener": "is answered with a status of DICOM",
    "pacs.received_file": "is answered with a status of DICOM",
    "pacs.sender": "a peer's connection",
    "pacs.spool": "copies where it can't link",
    "web.jobs.models": "a bundle that can't be read is named so on the page",
    "web.jobs.store": "deletes where the trash can't be used",
}
"""Module -> why an OSError may end there. A new place needs a reason, or `raise_disk_fault`."""


def handlers_that_swallow() -> Iterator[tuple[str, str]]:
    """-> (module, line) of each handler of OSError that neither raises nor asks what it was."""
    for name, path in FILES.items():
        for handler in (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ExceptHandler)):
            caught = ast.unparse(handler.type) if handler.type else ""
            inside = [node for statement in handler.body for node in ast.walk(statement)]
            called = {ast.unparse(node.func) for node in inside if isinstance(node, ast.Call)}
            if "OSError" in caught and not called & TELLS and not any(isinstance(node, ast.Raise) for node in inside):
                yield name, f"{name}:{handler.lineno}: except {caught}"


def test_who_catches_a_refusal_of_the_system_says_so() -> None:
    found = dict(handlers_that_swallow())
    assert not [line for name, line in found.items() if name not in MAY_SWALLOW]
    assert MAY_SWALLOW.keys() <= found.keys(), "a reason without its place"


def test_a_walk_through_folders_tells_what_it_could_not_list() -> None:
    """os.walk passes over a folder that can't be listed: its images would be missing without a word."""
    calls = [
        (name, node)
        for name, path in FILES.items()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.walk"
    ]
    assert len(calls) >= 2
    assert not [name for name, call in calls if "onerror" not in {word.arg for word in call.keywords}]
