"""Bytes of a C-STORE -> a file in the spool, or the reason why the disk refused it.

pynetdicom writes a data set as it arrives. Where a write fails, pynetdicom cuts the connection, and the sender gets no
reason. So a ReceivedFile accepts every write and records the first refusal; the listener answers the C-STORE with this
refusal.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from pynetdicom import dimse_messages

_MAKER = "NamedTemporaryFile"


class ReceivedFile:
    """Replaces tempfile.NamedTemporaryFile, and never raises.

    refusal: why the system refused a write; None: all is stored.
    """

    def __init__(self, folder: Path) -> None:
        self.name = str(folder / f"{secrets.token_hex(8)}.dcm")
        self.refusal: str | None = None
        self._stream: BinaryIO | None = None
        try:
            descriptor = os.open(self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
            self._stream = os.fdopen(descriptor, "wb", buffering=0)
        except OSError as error:
            self._refuse(error)

    @property
    def file(self) -> ReceivedFile:
        """pynetdicom calls `flush` on the `file` of a temporary file."""
        return self

    def write(self, data: bytes) -> int:
        try:
            left = memoryview(data)
            while self._stream is not None and left:
                left = left[self._stream.write(left) :]
        except OSError as error:
            self._refuse(error)
        return len(data)

    def flush(self) -> None:
        """Writes are not buffered."""

    def close(self) -> None:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()

    def _refuse(self, error: OSError) -> None:
        self.refusal = error.strerror or type(error).__name__
        self.close()
        self._stream = None
        with suppress(OSError):
            os.unlink(self.name)  # at once, because other files may need the space


class ReceivedFiles:
    """The files that no C-STORE has taken yet. Each belongs to the thread that reads its connection.

    A complete instance is taken by its C-STORE. Anything else that a peer sends stays here until its connection ends.
    pynetdicom drops data without a valid request, and data that waited when the association ended, but does not delete
    their files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        self._readers: dict[ReceivedFile, threading.Thread] = {}

    def new(self, **options: Any) -> ReceivedFile:
        """Called by pynetdicom in the thread that reads the connection."""
        file = ReceivedFile(self._folder)
        with self._lock:
            self._readers[file] = threading.current_thread()
        return file

    def take(self, file: ReceivedFile) -> None:
        """Gives the file to the caller, who deletes it."""
        with self._lock:
            self._readers.pop(file, None)

    def take_left(self, reader: threading.Thread | None = None) -> list[Path]:
        """-> the files left by the connection that thread `reader` reads (None: by all); the caller deletes them."""
        with self._lock:
            left = [file for file, owner in self._readers.items() if reader in (None, owner)]
            for file in left:
                del self._readers[file]
        for file in left:
            file.close()
        return [Path(file.name) for file in left]


@contextmanager
def received_files_in(folder: Path) -> Iterator[ReceivedFiles]:
    """Within the block pynetdicom writes what it receives into ReceivedFiles of this folder."""
    files = ReceivedFiles(folder)
    before = getattr(dimse_messages, _MAKER)
    setattr(dimse_messages, _MAKER, files.new)
    try:
        yield files
    finally:
        setattr(dimse_messages, _MAKER, before)
