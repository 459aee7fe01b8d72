"""A folder -> the hold of one process on it, which the system drops when that process ends, however it ends."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from thyrosight.errors import InputError


def hold_folder(lock_path: Path, mend: str) -> sqlite3.Connection:
    """A file in the folder that serves as its lock -> the hold; close it to let go. InputError where another has it."""
    guard = sqlite3.connect(lock_path, timeout=0.2, isolation_level=None, check_same_thread=False)
    try:
        guard.execute("PRAGMA locking_mode = EXCLUSIVE")
        guard.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        guard.close()
        raise InputError(f"{lock_path.parent}: {mend}") from None
    return guard
