"""Work in a forked child that is killed at its n-th write to the disk, or that finds the disk full there.

A write is a call by which files appear, are kept or disappear: os.replace, os.rename, os.fsync, os.link, os.mkdir,
os.unlink. The disk then holds what the child has written so far, as a crash would leave it. Each of these calls is a
point at which a wrong order of steps would show.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRITES = ("replace", "rename", "fsync", "link", "mkdir", "unlink")
ENDED, FAILED = 0, 3
LONGEST_SECONDS = 600
AtWrite = Callable[[int, str], None]
"""Called before each write with its number, counted from 1, and the name of the call."""


def in_child(work: Callable[[], Any], at_write: AtWrite | None = None) -> tuple[int, int]:
    """-> (exit status, or minus the signal that ended it; writes until then). `at_write` is called before each."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        gc.freeze()  # garbage of the parent stays: the end of an ONNX session would wait for threads that aren't here
        os.close(told)
        signal.alarm(LONGEST_SECONDS)  # a child that waits for ever ends the test, not the run
        status = FAILED
        try:
            _hook(lambda number, name: (os.write(tell, b"."), at_write(number, name) if at_write else None))
            work()
            status = ENDED
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    os.close(tell)
    num_writes = 0
    while block := os.read(told, 65536):
        num_writes += len(block)
    os.close(told)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), num_writes


def killed_at(number: int) -> AtWrite:
    """-> a function for `in_child`: at that write (counted from 1) the process dies, as by `kill -9`."""

    def at_write(now: int, name: str) -> None:
        if now == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return at_write


def full_from(number: int, code: int = errno.ENOSPC) -> AtWrite:
    """-> a function for `in_child`: from that write on the system refuses each write with this errno.

    Removing a file is allowed, because it needs no space.
    """

    def at_write(now: int, name: str) -> None:
        if now >= number and name != "unlink":
            raise OSError(code, os.strerror(code))

    return at_write


def _hook(at_write: Callable[[int, str], Any]) -> None:
    count = 0
    for name in WRITES:
        real = getattr(os, name)

        def hooked(*given: Any, _real: Any = real, _name: str = name, **options: Any) -> Any:
            nonlocal count
            if not (given and isinstance(given[0], str | Path) and str(given[0]).startswith(("/dev", "/proc"))):
                count += 1
                at_write(count, _name)
            return _real(*given, **options)

        setattr(os, name, hooked)


def same_files(one: Path, other: Path, ignored: frozenset[str] = frozenset()) -> list[str]:
    """-> names of the files that differ between two folders, or are in one alone."""

    def files(folder: Path) -> dict[str, bytes]:
        found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in found.items() if not set(Path(name).parts) & ignored}

    ours, theirs = files(one), files(other)
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
