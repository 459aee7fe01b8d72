"""Work in a forked child -> killed, or refused by the system, at its n-th system call on the files below a folder.

The counting is done by syscall_faults.c, which is compiled here and loaded by LD_PRELOAD; so this module drives only a
process that was started by `preloaded`. Between two calls that change files nothing changes on the disk. So stopping
before each of them covers every state of the disk.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("syscall_faults.c")
STATE = "THYROSIGHT_SYSCALL_STATE"
LONGEST_SECONDS = 300
CHANGE, MAKE, MOVE, REMOVE, SYNC, MODE, LOOK, READ = (1 << bit for bit in range(8))
CHANGES = CHANGE | MAKE | MOVE | REMOVE | SYNC | MODE
FOR_EVER = 1 << 60


class _State(ctypes.Structure):
    """As `struct state` in syscall_faults.c."""

    _fields_ = [
        *(
            (name, ctypes.c_int64)
            for name in ("is_on", "kinds", "first", "last", "error", "pid", "count", "hits", "jump", "is_late")
        ),
        ("folder", ctypes.c_char * 1024),
        ("log", ctypes.c_char * 1024),
    ]


@dataclass(frozen=True)
class Fault:
    """From call `first` to `last` (counted from 1; 0: none) of these kinds: SIGKILL, or this errno.

    jump: seconds by which the clock is moved at call `first`, in place of an error.
    """

    first: int = 0
    last: int = FOR_EVER
    error: int = 0
    kinds: int = CHANGES
    jump: int = 0


@dataclass(frozen=True)
class Outcome:
    """status: exit status, or minus the signal. count: calls that were seen. hits: calls that met the fault."""

    status: int
    count: int
    hits: int
    stderr: str
    seconds: float


def preloaded(folder: Path, command: list[str], **options: Any) -> subprocess.CompletedProcess[str] | None:
    """Runs a command with the library -> its end; None on other systems than Linux, and without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return None
    library, state = folder / "syscall_faults.so", folder / "syscall_faults.state"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    state.write_bytes(bytes(ctypes.sizeof(_State)))
    environment = {**os.environ, "LD_PRELOAD": str(library), STATE: str(state)}
    return subprocess.run(command, env=environment, text=True, **options)


class Syscalls:
    """The state that is shared with the library, in a process that was started by `preloaded`."""

    def __init__(self) -> None:
        with open(os.environ[STATE], "r+b") as stream:
            self._map = mmap.mmap(stream.fileno(), ctypes.sizeof(_State))
        self.state = _State.from_buffer(self._map)

    def mend_after(self, seconds: float) -> None:
        """Waits for the first call that meets the fault; this many seconds later the fault is over."""
        while not self.state.hits:
            time.sleep(0.002)
        time.sleep(seconds)
        self.state.first = 0

    def in_child(
        self, work: Callable[[], Any], folder: Path, fault: Fault, notes: Path, log: Path | None = None
    ) -> Outcome:
        """Work in a forked child; the fault occurs at its calls below `folder`. notes: its output."""
        state, began = self.state, time.monotonic()
        state.is_on = state.count = state.hits = state.is_late = 0
        state.jump = fault.jump
        state.kinds, state.first, state.last, state.error = fault.kinds, fault.first, fault.last, fault.error
        state.folder, state.log = os.fsencode(folder), os.fsencode(log or "")
        child = os.fork()
        if child == 0:
            gc.freeze()  # as in kills.py
            status = 70
            try:
                signal.alarm(LONGEST_SECONDS)
                descriptor = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                os.dup2(descriptor, 1)
                os.dup2(descriptor, 2)
                sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
                state.pid = os.getpid()
                state.is_on = 1
                work()
                status = 0
            except SystemExit as ended:
                status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            except BaseException:
                traceback.print_exc()
            finally:
                state.is_on = 0
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        state.is_on = 0
        text = notes.read_text(errors="replace")
        return Outcome(os.waitstatus_to_exitcode(ended), state.count, state.hits, text, time.monotonic() - began)
