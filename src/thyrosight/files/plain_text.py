"""Text of any origin -> text without control sequences that a terminal would obey.

File names, bundles, DICOM headers and tables may hold escape sequences that move the cursor, rename the window or fill
the clipboard, and marks that change the direction of writing. Code that prints calls `printable` first. The program's
own streams (`PrintableStream`) do it again, in case some code does not.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Any, TextIO

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""C0 except tab and line feed, DEL, C1, line separators, marks of direction, halves of a surrogate pair."""
_UNPRINTABLE = re.compile(f"[{_CONTROLS}]")
_OWN_SEQUENCE = re.compile(r"(\x1b\[[0-9;]{0,20}m|\x1b\[[0-9]{0,3}A|\x1b\[2K|\x1b\[\?25[lh]|\r)")
"""The sequences of progress bars and coloured tables: colour, line up, clear line, hide and show the cursor."""


def printable(text: str) -> str:
    """Text -> the text with each control character written as `\\x1b` or the like; tabs and line feeds stay."""
    return _UNPRINTABLE.sub(_escaped, text)


def printable_json(text: str) -> str:
    """JSON text -> the same document with each control character as a JSON escape."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def is_printable(text: str) -> bool:
    """Whether `printable` would leave the text as it is."""
    return _UNPRINTABLE.search(text) is None


class PrintableStream:
    """A text stream that makes text printable and writes it to another stream.

    A terminal also gets the escape sequences (colours) that the library rich writes.

    Where the other stream fails (its reader has gone, its disk is full), the text is dropped and `fault` keeps the
    error: the work of a command must not depend on its reader.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.fault: OSError | None = None

    @property
    def is_lost(self) -> bool:
        """Whether text was lost that a reader still waits for; False where the reader has gone."""
        return self.fault is not None and self.fault.errno != errno.EPIPE

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("write() argument must be str")
        safe = text
        if not is_printable(text):
            parts = _OWN_SEQUENCE.split(text) if self._stream.isatty() else [text]
            safe = "".join(part if at % 2 else printable(part) for at, part in enumerate(parts))
        try:
            self._stream.write(safe)
        except OSError as error:
            self._drop(error)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        """Stores the first error of the stream.

        Text that is still in the stream's buffer, and all later text, is dropped.
        """
        self.fault = self.fault or error
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
