"""What a long-running process needs: is an address this machine alone, a folder held by one process, a work thread.

The web server, the DICOM listener and their clients use it.
"""

from __future__ import annotations

import ipaddress
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from thyrosight.errors import InputError


def is_loopback(host: str) -> bool:
    """Host name or address -> whether only this machine can reach it: `127.0.0.1`, `::1`, `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def hold_folder(lock_path: Path, fix: str) -> sqlite3.Connection:
    """Lock file inside a folder -> a connection that holds the folder until it is closed.

    InputError with `fix` where another process holds it.
    """
    lock = sqlite3.connect(lock_path, timeout=0.2, isolation_level=None, check_same_thread=False)
    try:
        lock.execute("PRAGMA locking_mode = EXCLUSIVE")
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        lock.close()
        raise InputError(f"{lock_path.parent}: {fix}") from None
    return lock


class BackgroundThread(threading.Thread):
    """Calls `step` again and again until `stop`.

    step: does one piece of work -> seconds to wait before the next call (0: none); `wake` ends the wait early. It may
    not raise: an exception ends the thread.
    """

    def __init__(self, name: str, step: Callable[[], float]) -> None:
        super().__init__(name=f"thyrosight-{name}", daemon=True)
        self._call_step = step
        self._woken, self._stopping = threading.Event(), threading.Event()

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called; long work asks this in between."""
        return self._stopping.is_set()

    def wake(self) -> None:
        """There is new work."""
        self._woken.set()

    def stop(self) -> None:
        """Ends after the present step; `join` waits for it."""
        self._stopping.set()
        self._woken.set()

    def run(self) -> None:
        while not self.is_stopping:
            self._woken.clear()
            pause_seconds = self._call_step()
            if pause_seconds > 0 and not self.is_stopping:
                self._woken.wait(pause_seconds)
