"""What a peer sends -> a file in the spool, or the reason why the disk refused it.

pynetdicom writes a data set as it arrives, and cuts the connection where a write fails: the peer is told nothing. So
the file that it writes into takes everything, remembers the first refusal, and the C-STORE is answered with that.
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
    """Stands in for tempfile.NamedTemporaryFile and never raises. refusal: what the system said; None: all is kept."""

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
        """pynetdicom flushes the file behind the file."""
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
        """Nothing is held back."""

    def close(self) -> None:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()

    def _refuse(self, error: OSError) -> None:
        self.refusal = error.strerror or type(error).__name__
        self.close()
        self._stream = None
        with suppress(OSError):
            os.unlink(self.name)  # at once: others may need the room


@contextmanager
def received_files_in(folder: Path) -> Iterator[None]:
    """While inside, what pynetdicom receives goes into ReceivedFiles of this folder."""

    def new_file(**options: Any) -> ReceivedFile:
        return ReceivedFile(folder)

    before = getattr(dimse_messages, _MAKER)
    setattr(dimse_messages, _MAKER, new_file)
    try:
        yield
    finally:
        setattr(dimse_messages, _MAKER, before)
