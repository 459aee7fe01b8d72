"""Error messages that libtiff writes while Pillow decodes a TIFF -> an exception; Pillow itself ignores them.

libtiff writes these messages to the process's standard error and continues with guessed pixels. So standard error is
redirected while a TIFF is decoded; other text on it is passed on afterwards.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

MAX_CAUGHT_BYTES = 1 << 20
_COMPLAINT = re.compile(rb"\w*(?:Decode|JPEGLib|Fax)\w*: [^\n]*\n")
_STDERR = 2
_lock = threading.Lock()


@contextmanager
def complaints_raised() -> Iterator[None]:
    """Wraps a block that decodes a TIFF; only one thread at a time is in such a block.

    ValueError at the end of the block where libtiff found damaged pixels.
    """
    with _lock:
        try:
            before = os.dup(_STDERR)
        except OSError:  # there is no standard error
            yield
            return
        try:
            with _file() as caught:
                os.dup2(caught.fileno(), _STDERR)
                try:
                    yield
                finally:
                    os.dup2(before, _STDERR)
                caught.seek(0)
                text = caught.read(MAX_CAUGHT_BYTES)
        finally:
            os.close(before)
    others = _COMPLAINT.sub(b"", text)
    if others:
        os.write(_STDERR, others)
    if len(others) < len(text):
        raise ValueError("its compressed pixels hold invalid codes")


def _file() -> IO[bytes]:
    """-> a file without a name, in memory where the system can."""
    return os.fdopen(os.memfd_create("stderr"), "w+b") if hasattr(os, "memfd_create") else tempfile.TemporaryFile()
