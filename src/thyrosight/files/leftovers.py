"""Path -> a temporary name that states the writing process; folder -> removal of temporary files of dead processes.

Several programs may write into one folder at a time: the temporary files of running programs stay. A program that runs
for weeks deletes by `Deletions`: a file that the disk refuses to delete now is deleted later.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

FOREIGN_SECONDS = 7 * 86_400.0
"""After this time, a temporary file of another machine or of an older version is a leftover."""
MAX_TIDIED = 1_000
_TIDIED: set[Path] = set()
"""Folders from which this process has already removed leftovers."""
_NAME = re.compile(r"\.thyrosight-(?:([0-9a-f]{8})-(\d{1,10})-(\d{1,20})-)?[0-9a-f]{16}\.tmp")


class Deletions:
    """Deletes files and folders, and tries again where the disk refused. Several threads may use it."""

    def __init__(self) -> None:
        self._left: set[Path] = set()

    def delete(self, path: Path) -> None:
        """Deletes a file, a link or a folder, if it is there; where the disk refuses, `again` deletes it."""
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            is_left = os.path.lexists(path)
        except OSError:
            is_left = True
        if is_left:
            self._left.add(path)
        else:
            self._left.discard(path)

    def again(self) -> None:
        """Deletes what the disk refused to delete before."""
        for path in tuple(self._left):
            self.delete(path)


def temporary_path(path: Path) -> Path:
    """Path -> a new hidden name in the same folder, so that a rename stays on one file system."""
    pid = os.getpid()
    return path.parent / f".thyrosight-{_machine()}-{pid}-{_started(pid)}-{secrets.token_hex(8)}.tmp"


def remove_leftovers(folder: Path) -> None:
    """Removes from a folder the temporary files and folders of ended processes. OSError where it can't be read."""
    with os.scandir(folder) as entries:
        found = [Path(entry.path) for entry in entries if _NAME.fullmatch(entry.name)]
    for path in found:
        if is_left_over(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def remove_leftovers_once(folder: Path) -> None:
    """As `remove_leftovers`, at the first write of this process into a folder. A file that can't be removed stays."""
    if folder in _TIDIED:
        return
    if len(_TIDIED) >= MAX_TIDIED:
        _TIDIED.clear()
    _TIDIED.add(folder)
    with suppress(OSError):
        remove_leftovers(folder)


def is_left_over(path: Path) -> bool:
    """Whether the process that made this temporary path has ended.

    Where that can't be asked (another machine, Windows): whether the path is older than FOREIGN_SECONDS.
    """
    found = _NAME.fullmatch(path.name)
    if found is None:
        return False
    machine, pid, started = found.groups()
    if machine != _machine() or sys.platform == "win32":
        try:
            return path.lstat().st_mtime < time.time() - FOREIGN_SECONDS
        except OSError:
            return False
    if not _is_running(int(pid)):
        return True
    starts = {_started(int(pid)), int(started)}
    return len(starts) == 2 and 0 not in starts  # without room for one more open file a start is unknown


@functools.cache
def _machine() -> str:
    """-> 8 hexadecimal digits that stand for this machine or container.

    A temporary name states them because two machines or containers may use the same process number.
    """
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{platform.node()}\0{space}".encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _started(pid: int) -> int:
    """-> start of a process in clock ticks since the system's start; 0 if unknown.

    It is needed because the system reuses process numbers.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(text.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
