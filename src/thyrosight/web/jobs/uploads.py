"""A multipart request -> files on the disk. They are written as they arrive: memory holds one block at a time.

The sender's claims (length, file name, type) are not trusted: bytes are counted, and files get random names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from thyrosight.files import sync_folder
from thyrosight.frames.load import MAX_FILE_BYTES
from thyrosight.web.errors import ApiError
from thyrosight.web.jobs.store import SOURCE_NAME, new_id

FIELD_NAME = "files"
MAX_NAME = 160
MAX_PATH = 400
HEAD_BYTES = 512
DRAIN_BYTES = 16 << 20
"""This many bytes are still read from a refused sender, so that it gets the answer instead of a broken connection."""

_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, characters that reverse the direction of text, and halves of surrogate pairs."""
_OTHER_KINDS = ((b"%PDF", "a PDF"), (b"PK\x03\x04", "a ZIP archive"), (b"\x1f\x8b", "a gzip archive"))


@dataclass(frozen=True)
class Upload:
    """One file that arrived: its id, the sender's name for it, size, first bytes. path: the name with folders."""

    id: str
    name: str
    num_bytes: int
    head: bytes
    path: str = ""

    @property
    def fault(self) -> str | None:
        """-> why this can't be an image, by its first bytes; None where it may be one."""
        if not self.num_bytes:
            return f"{self.name}: the file is empty; copy it again"
        for magic, kind in _OTHER_KINDS:
            if self.head.startswith(magic):
                return f"{self.name}: {kind}, not an image; send the images themselves"
        if all(byte >= 32 or byte in b"\t\n\r\f" for byte in self.head):
            return f"{self.name}: text, not an image; send the image itself"
        return None


@dataclass(frozen=True)
class UploadLimits:
    """Limits of one upload. max_bytes: most bytes of the whole request.

    A single file has at most MAX_FILE_BYTES, as any image.
    """

    max_bytes: int
    max_files: int


async def receive_files(request: Request, folder: Path, limits: UploadLimits) -> list[Upload]:
    """Request, an empty folder -> its files as folder/ID/source, synced to the disk. ApiError where it is refused."""
    receiver = _Receiver(folder, limits)
    try:
        parser = MultipartParser(_boundary(request), receiver.callbacks)
        async for block in request.stream():
            receiver.count(len(block))
            await run_in_threadpool(parser.write, block)
        if not receiver.is_complete:
            raise ApiError(400, "cut_off", "the upload ends before its closing boundary; send it again")
        await run_in_threadpool(sync_folder, folder)
    except FormParserError as error:
        raise ApiError(400, "bad_multipart", f"not a well-formed multipart body ({error})") from error
    except ClientDisconnect as error:
        raise ApiError(400, "cut_off", "the sender closed the connection before the upload was complete") from error
    finally:
        await run_in_threadpool(receiver.close)
    check_usable(receiver.uploads)
    return receiver.uploads


def check_usable(uploads: Sequence[Upload]) -> None:
    """ApiError 422 where an upload has no file, 415 where none of its files can be an image.

    A bad file next to good ones is accepted, and fails on its own.
    """
    if not uploads:
        raise ApiError(422, "no_files", f"no file in the request; send one or more in the field {FIELD_NAME!r}")
    faults = [upload.fault for upload in uploads]
    if all(faults):
        message = faults[0] if len(faults) == 1 else "none of these files is an image"
        raise ApiError(415, "no_image", str(message), detail=[{"fault": str(fault)} for fault in faults[:20]])


async def drain(request: Request) -> None:
    """Reads what a refused sender still sends, up to DRAIN_BYTES, and drops it."""
    num_bytes = 0
    try:
        async for block in request.stream():
            num_bytes += len(block)
            if num_bytes > DRAIN_BYTES:
                return
    except (ClientDisconnect, RuntimeError, ApiError):
        return


def label(name: str) -> str:
    """A sender's file name -> the name shown: its last part without control characters, at most MAX_NAME, not empty."""
    last = re.split(r"[/\\]", name)[-1]
    clean = " ".join(_NOT_SHOWN.sub("", last).split())
    if len(clean) > MAX_NAME:
        stem, dot, suffix = clean.rpartition(".")
        end = dot + suffix if stem and len(suffix) <= 8 else ""
        clean = clean[: MAX_NAME - 1 - len(end)] + "…" + end
    return clean if clean.strip(".") else "image"


def path_label(name: str) -> str:
    """A sender's file name with its folders -> the path shown, each part as `label` shows it, at most MAX_PATH."""
    parts = [part for part in re.split(r"[/\\]", name) if part.strip(". ")]
    clean = "/".join(label(part) for part in parts) or label(name)
    return clean if len(clean) <= MAX_PATH else "…" + clean[1 - MAX_PATH :]


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise ApiError(415, "not_multipart", f"send files as multipart/form-data, in the field {FIELD_NAME!r}")
    if not options.get(b"boundary"):
        raise ApiError(400, "bad_multipart", "the multipart body names no boundary")
    return options[b"boundary"]


class _Receiver:
    """The functions that the parser of one request calls. At most one file is open at a time."""

    def __init__(self, folder: Path, limits: UploadLimits) -> None:
        self.uploads: list[Upload] = []
        self.is_complete = False
        self._folder, self._limits = folder, limits
        self._num_bytes = 0
        self._header_name, self._header_value = b"", b""
        self._disposition: bytes | None = None
        self._stream: IO[bytes] | None = None
        self._id, self._name, self._path, self._num_file_bytes, self._head = "", "", "", 0, b""

    @property
    def callbacks(self) -> Any:
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end")
        return {f"on_{name}": getattr(self, f"_on_{name}") for name in (*names, "headers_finished", "end")}

    def count(self, num_bytes: int) -> None:
        self._num_bytes += num_bytes
        if self._num_bytes > self._limits.max_bytes:
            limit_mb = self._limits.max_bytes / 1024**2
            raise ApiError(413, "too_large", f"more than {limit_mb:,.0f} MB in one upload; send fewer files at a time")

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _on_part_begin(self) -> None:
        self._disposition = None

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name, self._header_value = b"", b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        field, name = options.get(b"name", b""), options.get(b"filename")
        if field != FIELD_NAME.encode() or name is None:
            shown = label(field.decode("utf-8", "replace")) if field else "without a name"
            raise ApiError(
                422, "unknown_field", f"field {shown}: only files are taken, each as a field {FIELD_NAME!r} of its own"
            )
        if len(self.uploads) >= self._limits.max_files:
            raise ApiError(413, "too_many_files", f"more than {self._limits.max_files} files; send them in parts")
        shown = name.decode("utf-8", "replace")
        self._id, self._name, self._path = new_id(), label(shown), path_label(shown)
        self._num_file_bytes, self._head = 0, b""
        (self._folder / self._id).mkdir()
        self._stream = open(self._folder / self._id / SOURCE_NAME, "xb")  # noqa: SIM115 (closed at the part's end)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        assert self._stream is not None
        self._num_file_bytes += end - start
        if self._num_file_bytes > MAX_FILE_BYTES:
            raise ApiError(413, "too_large", f"{self._name}: more than {MAX_FILE_BYTES // 1024**2} MB in one file")
        if len(self._head) < HEAD_BYTES:
            self._head += data[start : min(end, start + HEAD_BYTES - len(self._head))]
        self._stream.write(data[start:end])

    def _on_part_end(self) -> None:
        assert self._stream is not None
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self.close()
        sync_folder(self._folder / self._id)
        self.uploads.append(Upload(self._id, self._name, self._num_file_bytes, self._head, self._path))

    def _on_end(self) -> None:
        self.is_complete = True
