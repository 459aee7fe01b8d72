"""Request -> reply of a child process that decodes DICOM and video.

This is the parent's side; worker.py is the child's.

Large C libraries decode these files; they were not written for hostile input. So they run in a child process that may
use MAX_MEMORY_BYTES and CPU_SECONDS and may not write a file. It is killed after WALL_SECONDS, and a new child is
started. Starting a child takes most of a second, so a child serves many files, one at a time.

The protocol: one line of JSON in each direction; its `num_bytes` is the number of bytes that follow. Nothing is
pickled.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from thyrosight.errors import InputError

MAX_MEMORY_BYTES = 1 << 30
CPU_SECONDS = 60
WALL_SECONDS = 180.0
MAX_FILES_PER_CHILD = 200
MAX_IDLE_CHILDREN = 2
MAX_LINE_BYTES = 1 << 20
MAX_REPLY_BYTES = 64 << 20

_COMMAND = ("-P", "-s", "-S", "-B", "-m", "thyrosight.frames.decoder.worker")


class DecodeChild:
    """One child process, for one caller at a time. InputError where the system refuses to start it."""

    def __init__(self) -> None:
        home = str(Path(__file__).resolve().parents[3])
        environment = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TMPDIR") if name in os.environ}
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        environment["PYTHONPATH"] = os.pathsep.join([home, *(part for part in sys.path if part)])
        limits = [str(MAX_MEMORY_BYTES), str(CPU_SECONDS)]
        try:
            self._process = subprocess.Popen(
                [sys.executable, *_COMMAND, *limits],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        except OSError as error:
            raise InputError(
                f"the program that decodes it can't be started ({error.strerror}); free resources"
            ) from error
        self._is_late = False
        self.num_files = 0
        self.is_fit = True
        """False after a failure that may have damaged it; it is then not used again."""

    def ask(self, request: dict[str, Any], body: bytes = b"") -> tuple[dict[str, Any], bytearray]:
        """Request, its bytes -> (reply, its bytes).

        InputError where the file can't be decoded or the child ended; callers add the file's name to the message.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.num_files += request["op"] == "open"
        watchdog = threading.Timer(WALL_SECONDS, self._stop_late)
        watchdog.daemon = True
        watchdog.start()
        try:
            with suppress(BrokenPipeError):  # it may have answered before it ended
                self._process.stdin.write(json.dumps(request | {"num_bytes": len(body)}).encode() + b"\n")
                self._process.stdin.write(body)
                self._process.stdin.flush()
            reply = json.loads(self._process.stdout.readline(MAX_LINE_BYTES))
            content = self._read(int(reply.get("num_bytes", 0)))
        except (OSError, ValueError, EOFError):
            raise InputError(self._why_it_died()) from None
        finally:
            watchdog.cancel()
        if "error" in reply:
            self.is_fit = bool(reply.get("is_fit", False))
            raise InputError(str(reply["error"]))
        return reply, content

    def _read(self, num_bytes: int) -> bytearray:
        assert self._process.stdout is not None
        if not 0 <= num_bytes <= MAX_REPLY_BYTES:
            raise ValueError(num_bytes)
        content = bytearray(num_bytes)
        if self._process.stdout.readinto(content) != num_bytes:  # type: ignore[attr-defined]
            raise EOFError
        return content

    def _stop_late(self) -> None:
        self._is_late = True
        self._process.kill()

    def _why_it_died(self) -> str:
        self.is_fit = False
        self._process.kill()
        code = self._process.wait()
        if self._is_late or code == -getattr(signal, "SIGXCPU", 0):
            return f"takes more than {CPU_SECONDS} s to decode; export the frames that you need as PNG"
        return f"damaged: its decoder ended without an answer (code {code}); copy or export the image again"

    def close(self) -> None:
        """Ends the process, also in the middle of a request."""
        self.is_fit = False
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._process.wait()


_idle: list[DecodeChild] = []
_idle_of_process = os.getpid()
_lock = threading.Lock()


@contextmanager
def borrowed_child() -> Iterator[DecodeChild]:
    """-> a child for this caller alone: an idle one, or a new one.

    After the block it is idle again, unless it has ended.
    """
    child = _idle_child() or DecodeChild()
    try:
        yield child
    except InputError:
        _give_back(child)
        raise
    except BaseException:  # it may be in the middle of an answer
        child.close()
        raise
    _give_back(child)


def end_children() -> None:
    """Ends every idle child. Later requests start new ones."""
    with _lock:
        children, _idle[:] = list(_idle), []
    for child in children:
        child.close()


def _idle_child() -> DecodeChild | None:
    global _idle_of_process
    with _lock:
        if _idle_of_process != os.getpid():  # after a fork the children belong to the other process
            _idle.clear()
            _idle_of_process = os.getpid()
        return _idle.pop() if _idle else None


def _give_back(child: DecodeChild) -> None:
    with _lock:
        is_kept = child.is_fit and child.num_files < MAX_FILES_PER_CHILD and len(_idle) < MAX_IDLE_CHILDREN
        if is_kept:
            _idle.append(child)
    if not is_kept:
        child.close()


atexit.register(end_children)
