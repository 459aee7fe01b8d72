"""Temporary files say whose they are: those of the dead go, those of the living and of other machines stay."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from thyrosight.files import leftovers
from thyrosight.files.leftovers import FOREIGN_SECONDS, Deletions, is_left_over, remove_leftovers, temporary_path

MAKE = """
import sys
from pathlib import Path
from thyrosight.files.leftovers import temporary_path
path = temporary_path(Path(sys.argv[1]) / "x")
path.touch()
print(path)
"""


def test_names_are_unique_and_of_this_folder(tmp_path: Path) -> None:
    names = {temporary_path(tmp_path / "x") for _ in range(100)}
    assert len(names) == 100
    assert {path.parent for path in names} == {tmp_path}


def test_what_a_living_process_writes_is_not_touched(tmp_path: Path) -> None:
    own = temporary_path(tmp_path / "x")
    own.touch()
    code = MAKE + "sys.stdout.flush(); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    theirs = Path(other.stdout.readline().decode().strip())
    remove_leftovers(tmp_path)
    assert own.exists()
    assert theirs.exists()
    other.communicate()
    remove_leftovers(tmp_path)
    assert own.exists()
    assert not theirs.exists()


def test_a_process_number_that_came_again_is_another_process(tmp_path: Path) -> None:
    parts = temporary_path(tmp_path / "x").name.split("-")
    parts[3] = str(int(parts[3]) + 1)
    assert is_left_over(tmp_path / "-".join(parts)) == (sys.platform == "linux")


def test_of_another_machine_or_an_older_version_only_what_is_old_goes(tmp_path: Path) -> None:
    name = temporary_path(tmp_path / "x").name
    foreign, older = tmp_path / name.replace(name.split("-")[1], "0" * 8), tmp_path / f".thyrosight-{'a' * 16}.tmp"
    stranger = tmp_path / ".thyrosight-mine.tmp"
    for path in (foreign, older, stranger):
        path.touch()
    remove_leftovers(tmp_path)
    assert foreign.exists()
    assert older.exists()
    before = time.time() - 2 * FOREIGN_SECONDS
    for path in (foreign, older, stranger):
        os.utime(path, (before, before))
    remove_leftovers(tmp_path)
    assert not foreign.exists()
    assert not older.exists()
    assert stranger.exists()


def test_what_can_not_be_deleted_now_is_deleted_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, file, deletions = tmp_path / "folder", tmp_path / "file", Deletions()
    folder.mkdir()
    (folder / "inner").touch()
    file.touch()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        for path in (folder, file, tmp_path / "nothing"):
            deletions.delete(path)
        deletions.again()
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file"}
    deletions.again()
    assert not list(tmp_path.iterdir())


def test_a_link_is_deleted_and_not_what_it_names(tmp_path: Path) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    (folder / "inner").touch()
    link.symlink_to(folder)
    Deletions().delete(link)
    assert not os.path.lexists(link)
    assert (folder / "inner").exists()


def test_a_process_whose_start_can_not_be_read_now_is_not_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With too many open files /proc can't be read: once that deleted what other threads were writing."""
    own = temporary_path(tmp_path / "x")
    own.touch()
    monkeypatch.setattr(leftovers, "_started", lambda pid: 0)
    assert not is_left_over(own)
    nameless = temporary_path(tmp_path / "x")
    monkeypatch.undo()
    assert not is_left_over(nameless)
