"""A host's name or address -> is it this machine alone; known to everything that listens or calls."""

from __future__ import annotations

import ipaddress
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from thyrosight.errors import InputError


def is_loopback(host: str) -> bool:
    """`127.0.0.1`, `::1`, `localhost` -> True: only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


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


class Hand(threading.Thread):
    """What worker and sender share; `run` goes on until `_stopping` is set, and waits on `_wanted` in between."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        super().__init__(name=f"thyrosight-{name}", daemon=True)
        self._say = say
        self._wanted, self._stopping = threading.Event(), threading.Event()

    def wake(self) -> None:
        """There is something new to do."""
        self._wanted.set()

    def stop(self) -> None:
        """Ends after what is in work."""
        self._stopping.set()
        self._wanted.set()
