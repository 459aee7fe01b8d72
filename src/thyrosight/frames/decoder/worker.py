"""The child process: sets limits for itself, then turns requests on stdin into decoded frames on stdout.

client.py runs it as `python -m thyrosight.frames.decoder.worker MEMORY_BYTES CPU_SECONDS` and describes the protocol.
The fault of a file becomes one line for the user. Text from the file never gets into that line, because it may name a
patient.
"""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import sys
from typing import Any, BinaryIO, Protocol

from thyrosight.frames.headers import HeaderError
from thyrosight.types import UInt8Array

MAX_REQUEST_BYTES = 1 << 16


class Frames(Protocol):
    """An open file: facts of its header, and its frames one at a time."""

    header: dict[str, Any]

    def frame(self, index: int) -> UInt8Array:
        """Index -> uint8 _HW gray or _HW3 RGB."""
        ...


def main() -> None:
    """Serves requests until stdin ends."""
    memory_bytes, cpu_seconds = (int(argument) for argument in sys.argv[1:3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and ends this process
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of C libraries must not mix with the replies
    _silence()
    set_limits(memory_bytes)
    frames: Frames | None = None
    while line := requests.readline(MAX_REQUEST_BYTES):
        request = json.loads(line)
        allow_cpu(cpu_seconds)
        pixels: bytes | memoryview = b""
        is_fit = True
        try:
            if request["op"] == "open":
                frames = None
                frames = open_request(request["kind"], request["path"], requests.read(request["num_bytes"]))
                reply: dict[str, Any] = {"header": frames.header}
            elif request["op"] == "index":
                reply, pixels = {}, index_request(request["path"], requests.read(request["num_bytes"]))
            else:
                assert frames is not None
                image = frames.frame(request["index"])
                reply, pixels = {"shape": image.shape}, image.data.cast("B")
        except BaseException as error:  # answer in any case
            frames, is_fit = None, isinstance(error, HeaderError)
            reply = {"error": fault(error), "is_fit": is_fit}
        replies.write(json.dumps(reply | {"num_bytes": len(pixels)}).encode() + b"\n")
        replies.write(pixels)
        replies.flush()
        if not is_fit:
            return


def open_request(kind: str, path: str | None, body: bytes) -> Frames:
    """Kind ("dicom", "video"), path or the file's bytes -> its frames."""
    stream = _open_regular(path) if path is not None else io.BytesIO(body)
    if kind == "video":
        from thyrosight.frames.decoder.video import VideoFrames

        return VideoFrames(stream)
    from thyrosight.frames.decoder.dicom_frames import open_dicom

    return open_dicom(stream)


def index_request(path: str | None, body: bytes) -> bytes:
    """Path of a DICOMDIR or its bytes -> JSON of the paths that it names, each in parts."""
    from thyrosight.frames.decoder.dicom_index import listed_files

    return json.dumps(listed_files(_open_regular(path) if path is not None else io.BytesIO(body))).encode()


def fault(error: BaseException) -> str:
    """Exception -> a line for the user, without text from the file."""
    if isinstance(error, HeaderError):
        return str(error)
    if _is_behind(error, MemoryError):
        return "takes more memory to decode than it is allowed; export the frames that you need as PNG"
    if isinstance(error, ImportError):
        return "can't be decoded here, a library is missing; install thyrosight again with all that it needs"
    if _is_behind(error, RecursionError):
        return "damaged: sequences nested too deep; export the image again"
    return f"damaged: it can't be decoded ({type(error).__name__}); copy or export the image again"


def _is_behind(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether the error is of this kind, or was raised while the program handled an error of this kind."""
    while error is not None and not isinstance(error, kind):
        error = error.__context__
    return error is not None


def set_limits(memory_bytes: int) -> None:
    """Limits the address space and forbids files and core dumps, where the system can do this (not on Windows)."""
    try:
        import resource
    except ImportError:
        return
    limits = ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0))
    for kind, limit in limits:
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))


def allow_cpu(seconds: int) -> None:
    """Allows this many more seconds of processor time; then the system kills the process."""
    try:
        import resource
    except ImportError:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    limit = int(usage.ru_utime + usage.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _silence() -> None:
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)


def _open_regular(path: str) -> BinaryIO:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    stream = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        raise HeaderError("not a regular file", "copy it to one")
    return stream


if __name__ == "__main__":
    main()
