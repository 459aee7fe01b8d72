"""Remarks of the service -> lines on stderr, with their time and nothing that a file said of a patient."""

from __future__ import annotations

import sys
import traceback
from datetime import datetime

MAX_LINE = 400


def log_line(text: str) -> None:
    """A remark -> one line on stderr, whatever is in it."""
    line = plain_line(text, MAX_LINE)
    print(f"{datetime.now().isoformat(' ', 'seconds')} {line}", file=sys.stderr, flush=True)


def plain_line(text: str, max_length: int) -> str:
    """Text -> one line of printable characters, cut where it is longer."""
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    return line if len(line) <= max_length else f"{line[: max_length - 1]}…"


def internal_error_line(error: BaseException) -> str:
    """An error of ours -> its kind and place. Its own words are left out: they may hold what a file says."""
    places = traceback.extract_tb(error.__traceback__)
    place = f" at {places[-1].filename.rpartition('/')[2]}:{places[-1].lineno}" if places else ""
    return f"internal error ({type(error).__name__}{place}); please report it"
