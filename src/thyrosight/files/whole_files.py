"""Bytes -> files that are whole or absent, by a temporary file, fsync and rename. File -> its SHA-256."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from thyrosight.errors import InputError
from thyrosight.files.leftovers import Deletions, remove_leftovers_once, temporary_path

_BLOCK_BYTES = 1 << 20
SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
"""Errors of a system that is short of something for a while (open files, memory); the file may be good."""
DISK_FAULTS = SHORTAGES | {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
_TEMPORARY = Deletions()
"""Temporary files of this process that the disk refused to delete; the next write deletes them."""
_PNG_END = b"\0\0\0\0IEND\xae\x42\x60\x82"
"""The last chunk of every PNG, with its length and its checksum."""


def write_atomic(path: Path, content: bytes | str) -> None:
    """Path, content (text as UTF-8, newlines as given) -> the file, whole; an interrupted write leaves the old file.

    The folder must exist. Raises InputError where the system refuses (no such folder, no space, no permission).
    """
    path = Path(path)
    temporary = temporary_path(path)
    remove_leftovers_once(path.parent)
    with _as_input_error(path):
        try:
            _write_new(temporary, content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
            os.replace(temporary, path)
            sync_folder(path.parent)
        finally:
            _TEMPORARY.delete(temporary)


def write_files_atomic(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Folder, {file name: bytes} -> the files, each whole or unchanged; they appear in the order given.

    The folder must exist. It is synced to the disk once, after the last file. Raises InputError where the system
    refuses.
    """
    temporary = {name: temporary_path(folder / name) for name in contents}
    try:
        for name, content in contents.items():
            with _as_input_error(folder / name):
                _write_new(temporary[name], content)
        for name in contents:
            with _as_input_error(folder / name):
                os.replace(temporary[name], folder / name)
        with _as_input_error(folder):
            sync_folder(folder)
    finally:
        for left in temporary.values():
            _TEMPORARY.delete(left)


def write_folder_atomic(path: Path, contents: Mapping[str, bytes]) -> None:
    """Path, {file name: bytes} -> a flat folder of exactly those files; an existing folder is replaced whole.

    The caller decides whether an existing folder may be replaced. Where the swap fails, the old folder is put back. The
    parent folder must exist. Raises InputError where the system refuses.
    """
    path = Path(path)
    temporary, old = temporary_path(path), temporary_path(path)
    remove_leftovers_once(path.parent)
    with _as_input_error(path):
        try:
            temporary.mkdir()
            for name, content in contents.items():
                _write_new(temporary / name, content)
            sync_folder(temporary)
            _swap(temporary, path, old)
            sync_folder(path.parent)
        finally:
            _TEMPORARY.delete(temporary)
    _TEMPORARY.delete(old)


@contextmanager
def open_atomic(path: Path) -> Iterator[TextIO]:
    """Path -> a text stream; the file appears whole when the block ends well, and not at all otherwise.

    Raises InputError where the system refuses, also for an OSError that the block itself raises.
    """
    temporary = temporary_path(path)
    remove_leftovers_once(path.parent)
    with _as_input_error(path):
        try:
            with open(temporary, "x", encoding="utf-8", errors="backslashreplace", newline="") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
        finally:
            _TEMPORARY.delete(temporary)


def disk_fault_of(error: BaseException | None) -> OSError | None:
    """Error -> the passing fault of the system that caused it (disk full, too many open files), or None."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_FAULTS:
            return error
        error = error.__cause__
    return None


def raise_disk_fault(error: BaseException, path: Path | None = None) -> None:
    """Raises the error that `disk_fault_of` finds, if any: the file may exist although it can't be opened now.

    An error without a file name, as after a failed read, gets the name of `path`.
    """
    refused = disk_fault_of(error)
    if refused is not None:
        raise named(refused, path)


def named(error: OSError, path: Path | None) -> OSError:
    """-> the error, with the file's name where the system gave none."""
    if error.filename is None and path is not None:
        error.filename = str(path)
    return error


def raise_shortage(error: BaseException) -> None:
    """As `raise_disk_fault`, only for a shortage: the caller reports other disk errors as faults of this file."""
    if is_shortage(error):
        raise_disk_fault(error)


def mend_of(error: BaseException, usual: str) -> str:
    """Error, the usual advice -> the advice for this error: shortage, bad disk and read-only path have their own."""
    if is_shortage(error):
        return "close other programs, then run the same command again"
    refused = disk_fault_of(error)
    if refused is not None and refused.errno == errno.EIO:
        return "check the disk, or take another copy or path"
    if refused is not None and refused.errno == errno.EROFS:
        return "choose a path that can be written"
    return usual


def is_shortage(error: BaseException) -> bool:
    """Whether the system was short of something (open files, memory); then the file may be good."""
    refused = disk_fault_of(error)
    return refused is not None and refused.errno in SHORTAGES


def is_whole_file(path: Path) -> bool:
    """Whether the file is there and not empty; a PNG must also have its last chunk. OSError as raise_disk_fault."""
    try:
        with open(path, "rb") as stream:
            num_bytes = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, num_bytes - len(_PNG_END)))
            return num_bytes > 0 and (path.suffix != ".png" or stream.read() == _PNG_END)
    except OSError as error:
        raise_disk_fault(error, path)
        return False


def sha256_of_bytes(content: bytes) -> str:
    """Bytes -> their SHA-256, 64 lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_of(path: Path) -> str:
    """File -> SHA-256 of its bytes, 64 lower-case hexadecimal digits, read in blocks."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise named(error, path) from None
    return digest.hexdigest()


def _write_new(path: Path, content: bytes) -> None:
    """Path that must not exist, bytes -> a file with the user's usual permissions, flushed to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with open(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Makes a rename inside the folder survive a power cut, where the system can (not on Windows)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some network file systems refuse to sync a folder; the rename is done all the same
    finally:
        os.close(descriptor)


def _swap(new: Path, path: Path, old: Path) -> None:
    """Renames `path` to `old` and `new` to `path`; undoes the first where the second fails."""
    existed = os.path.lexists(path)
    if existed:
        os.rename(path, old)
    try:
        os.rename(new, path)
    except BaseException:
        if existed:
            os.rename(old, path)
        raise


@contextmanager
def _as_input_error(path: Path) -> Iterator[None]:
    """An OSError of the block -> InputError that names the path and the fix."""
    _TEMPORARY.again()
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: can't be written, its folder does not exist; create it first") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        mend = mend_of(error, "free the space or choose another path")
        raise InputError(f"{path}: can't be written ({reason}); {mend}") from error
