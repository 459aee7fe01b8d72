"""Bytes of a C-STORE -> a file in the spool, or the reason why the disk refused it.

pynetdicom writes a data set as it arrives. Where a write fails it cuts the connection; the sender gets no reason. So
this file accepts every write and records the first refusal, and the listener answers the C-STORE with it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from pynetdicom import dimse_messages

_MAKER = "NamedTemporaryFile"


class ReceivedFile:
    """Replaces tempfile.NamedTemporaryFile and never raises. refusal: the reason of the system; None: all is stored."""

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
        """pynetdicom flushes the `file` of a temporary file."""
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
            os.unlink(self.name)  # at once: other files may need the room


@contextmanager
def received_files_in(folder: Path) -> Iterator[None]:
    """Within the block pynetdicom writes what it receives into ReceivedFiles of this folder."""

    def new_file(**options: Any) -> ReceivedFile:
        return ReceivedFile(folder)

    before = getattr(dimse_messages, _MAKER)
    setattr(dimse_messages, _MAKER, new_file)
    try:
        yield
    finally:
        setattr(dimse_messages, _MAKER, before)
