"""Remarks of the service -> lines on stderr with their time.

They hold no text from a file, because it may name a patient.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from datetime import datetime

from thyrosight.errors import ThyrosightError
from thyrosight.files import disk_fault_of

Log = Callable[[str], None]
"""Takes one line."""
MAX_LINE = 400


def log_line(text: str) -> None:
    """A remark -> one line on stderr. Its time has the zone, because one hour occurs twice when summer time ends."""
    line = plain_line(text, MAX_LINE)
    print(f"{datetime.now().astimezone().isoformat(' ', 'seconds')} {line}", file=sys.stderr, flush=True)


def plain_line(text: str, max_length: int) -> str:
    """Text -> one line of at most max_length printable characters."""
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    return line if len(line) <= max_length else f"{line[: max_length - 1]}…"


def error_line(error: Exception) -> str:
    """Error in a thread that continues -> one line on a refusal of the system, an error for the user, or our bug."""
    if isinstance(error, ThyrosightError):
        return str(error)
    refused = disk_fault_of(error)
    if refused is not None:
        return f"the spool can't be used ({refused.strerror}); what is in it waits"
    return internal_error_line(error)


def internal_error_line(error: BaseException) -> str:
    """A bug of ours -> its kind and place, without its message, which may hold text from a file."""
    places = traceback.extract_tb(error.__traceback__)
    place = f" at {places[-1].filename.rpartition('/')[2]}:{places[-1].lineno}" if places else ""
    return f"internal error ({type(error).__name__}{place}); please report it"
