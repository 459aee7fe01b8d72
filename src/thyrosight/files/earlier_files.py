"""Path of an output -> it may be written, or an InputError: a file that this program did not write is never replaced.

A file is recognised as ours by its content, never by its name alone: `report.html` and `run.json` are names that others
use too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from thyrosight.errors import InputError
from thyrosight.files.leftovers import Deletions
from thyrosight.files.whole_files import (
    named,
    raise_disk_fault,
    sha256_of,
    sha256_of_bytes,
    write_atomic,
    write_files_atomic,
    write_folder_atomic,
)

UNFINISHED = ".thyrosight-unfinished.json"
"""Checksums of the files that `write_set` writes into the folder; it exists only until all of them are written."""


def refuse_strangers(paths: Iterable[Path], is_ours: Callable[[Path], bool], what: str) -> None:
    """InputError where a path exists and `is_ours` is False for it. what: the kind of file ("a comparison")."""
    for path in paths:
        if os.path.lexists(path) and not (path.is_file() and not path.is_symlink() and is_ours(path)):
            raise InputError(f"{path}: is there already and is not {what}, so it stays; choose another path")


def write_new(path: Path, content: bytes) -> None:
    """Writes a file as `write_atomic` does, if none exists; an existing file with this content stays as it is.

    So the same command can be given twice. InputError where the path holds anything else.
    """
    if is_other(path, content):
        refuse_strangers([path], lambda there: False, "what this command would write")
    if not os.path.lexists(path):
        write_atomic(path, content)


def is_other(path: Path, content: bytes) -> bool:
    """Whether the path holds anything else than a file with this content."""
    return os.path.lexists(path) and (path.is_symlink() or not path.is_file() or path.read_bytes() != content)


def write_new_folder(path: Path, contents: Mapping[str, bytes]) -> None:
    """Writes a folder as `write_folder_atomic` does, if none exists; an existing folder of exactly these files stays.

    So the same command can be given twice. InputError where the path holds anything else.
    """
    if not os.path.lexists(path):
        write_folder_atomic(path, contents)
    elif not _holds_exactly(path, contents):
        refuse_strangers([path], lambda there: False, "what this command would write")


def write_set(folder: Path, contents: Mapping[str, bytes], *, overwrite: bool = False) -> None:
    """Folder, {file name: bytes} -> the files, for a set whose bytes differ at each run (new UIDs, another time).

    The same command may be given again after it was stopped: a file whose checksum the stopped run noted is replaced.
    Where one file can't be written, no new file stays. InputError where the disk refuses, or where a path holds
    anything else and `overwrite` is not set.
    """
    notes, paths, deletions = folder / UNFINISHED, [folder / name for name in contents], Deletions()
    noted = set(json_table(notes).get("sha256", []))
    old = [path for path in paths if os.path.lexists(path) and not (path.is_file() and sha256_of(path) in noted)]
    if not overwrite:
        refuse_strangers(old, lambda path: False, "replaced without --overwrite")
    noted.update(sha256_of_bytes(content) for content in contents.values())
    write_atomic(notes, json.dumps({"sha256": sorted(noted)}))
    try:
        write_files_atomic(folder, contents)
    except BaseException:
        for path in paths:
            if path not in old:
                deletions.delete(path)
        deletions.delete(notes)
        raise
    try:
        notes.unlink()
    except OSError as error:
        raise named(error, notes) from None


def _holds_exactly(folder: Path, contents: Mapping[str, bytes]) -> bool:
    if folder.is_symlink() or not folder.is_dir() or set(os.listdir(folder)) != contents.keys():
        return False
    return all((folder / name).read_bytes() == content for name, content in contents.items())


def json_table(path: Path) -> dict[str, Any]:
    """File -> the JSON object that it holds; empty where it holds none. OSError as `raise_disk_fault`."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise_disk_fault(error, path)
        return {}
    return table if isinstance(table, dict) else {}
