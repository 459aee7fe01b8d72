"""What the web server and the DICOM listener share: the loopback test, private files, a folder's lock, a thread."""

from __future__ import annotations

import ipaddress
import os
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
    """Path of a lock file inside a folder -> an open connection. Until it is closed, only this process uses the folder.

    InputError where another process uses the folder (the message ends with the text `fix`), and where the lock file
    can't be used.
    """
    try:
        make_private_file(lock_path)
    except OSError as error:
        raise InputError(f"{lock_path}: can't be written ({error.strerror}); check its permissions") from error
    lock: sqlite3.Connection | None = None
    try:
        lock = sqlite3.connect(lock_path, timeout=0.2, isolation_level=None, check_same_thread=False)
        lock.execute("PRAGMA locking_mode = EXCLUSIVE")
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if lock is not None:
            lock.close()
        if error.sqlite_errorname not in ("SQLITE_BUSY", "SQLITE_LOCKED"):
            raise InputError(f"{lock_path}: can't be used ({error}); free space, or check its permissions") from None
        raise InputError(f"{lock_path.parent}: {fix}") from None
    except sqlite3.DatabaseError:
        if lock is not None:
            lock.close()
        raise InputError(f"{lock_path}: damaged; remove this file, which holds no data") from None
    return lock


def make_private_folder(folder: Path) -> None:
    """Makes the folder if it is missing, and lets only its owner open it. OSError where the system refuses."""
    folder.mkdir(exist_ok=True, mode=0o700)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def make_private_file(path: Path) -> None:
    """Makes the file if it is missing, and lets only its owner open it. OSError where the system refuses."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


class BackgroundThread(threading.Thread):
    """Calls `step` again and again until `stop`.

    step: does one piece of work -> seconds to wait before the next call (0: no wait); `wake` ends the wait early. It
    must not raise: an exception would end the thread.
    """

    def __init__(self, name: str, step: Callable[[], float]) -> None:
        super().__init__(name=f"thyrosight-{name}", daemon=True)
        self._call_step = step
        self._woken, self._stopping = threading.Event(), threading.Event()

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called; a long step checks this in between."""
        return self._stopping.is_set()

    def wake(self) -> None:
        """Tells the thread that there is new work."""
        self._woken.set()

    def stop(self) -> None:
        """Tells the thread to end after the present step; `join` waits for that."""
        self._stopping.set()
        self._woken.set()

    def run(self) -> None:
        while not self.is_stopping:
            self._woken.clear()
            pause_seconds = self._call_step()
            if pause_seconds > 0 and not self.is_stopping:
                self._woken.wait(pause_seconds)
