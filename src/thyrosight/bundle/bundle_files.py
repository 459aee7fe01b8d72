"""Path of a bundle (folder or zip) -> the bytes of its files, after a check of their names, kinds and sizes."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thyrosight.bundle.zip_checks import check_directory, check_entry
from thyrosight.errors import BundleError
from thyrosight.files import mend_of

INFO_NAME, ONNX_NAME, WEIGHTS_NAME, CARD_NAME = "bundle.json", "model.onnx", "weights.safetensors", "MODEL_CARD.md"
SEEN_NAME = "seen_images.bin"
MAX_BYTES = {INFO_NAME: 1 << 20, CARD_NAME: 1 << 20, ONNX_NAME: 1 << 30, WEIGHTS_NAME: 1 << 30, SEEN_NAME: 1 << 29}
"""Name of each file of a bundle -> how large it may be."""
NEEDED = MAX_BYTES.keys() - {SEEN_NAME}

IGNORED = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})  # what file managers leave behind
GET_IT_AGAIN = "get the bundle again"


class BundleReader:
    """Path of a bundle -> bytes of its files, after their names are checked.

    may_link: whether its files may be links, as installers make them in the shipped bundle.
    """

    def __init__(self, path: Path, may_link: bool = False) -> None:
        self.path, self.may_link = path, may_link
        self.is_zip = path.is_file()
        with as_bundle_error(path):
            if self.is_zip:
                check_directory(path)
                with zipfile.ZipFile(path) as archive:
                    self.entries = _zip_entries(path, archive)
                self.names = set(self.entries)
            else:
                self.names = set(os.listdir(path)) - IGNORED
                _refuse_names(path, self.names)

    def read(self, name: str) -> bytes:
        """Name of one of the bundle's files (a key of MAX_BYTES) -> its bytes.

        BundleError where it is larger than MAX_BYTES allows, is cut off, is no regular file, or can't be read.
        """
        with as_bundle_error(self.path):
            if not self.is_zip:
                return _read_file(self.path, name, self.may_link)
            entry = self.entries[name]
            if entry.file_size > MAX_BYTES[name]:
                raise _too_large(self.path, name)
            check_entry(self.path, entry)
            with zipfile.ZipFile(self.path) as archive, archive.open(entry) as stream:
                data = stream.read(MAX_BYTES[name] + 1)
                if len(data) != entry.file_size:
                    raise BundleError(f"{self.path}: {name} is cut off; {GET_IT_AGAIN}")
                return data


def _read_file(folder: Path, name: str, may_link: bool) -> bytes:
    """A regular file of the folder -> its bytes."""
    path = folder / name
    status = path.stat() if may_link else path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise BundleError(f"{folder}: {name} is a link or no regular file; copy the file itself into the bundle")
    if status.st_size > MAX_BYTES[name]:
        raise _too_large(folder, name)
    with open(path, "rb") as stream:
        return stream.read(status.st_size + 1)  # not the limit + 1: Python would first set aside that much memory


def _zip_entries(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Archive -> {name: entry}. The files are at the top, or all in one folder (a zip of a folder)."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    for entry in entries:
        parts = entry.filename.split("/")
        if len(parts) > 2 or any(part in ("", ".", "..") or re.search(r"[\\:\0]", part) for part in parts):
            raise BundleError(
                f"{path}: the zip holds {entry.filename[:100]!r}, which has no place in a bundle; don't use this zip"
            )
        mode = entry.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or entry.flag_bits & 0x1:
            raise BundleError(f"{path}: {entry.filename[:100]} is a link or encrypted; zip the plain files")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BundleError(f"{path}: {entry.filename[:100]} is compressed in an unusual way; zip with deflate")
    names = [entry.filename.rpartition("/") for entry in entries if entry.filename.rpartition("/")[2] not in IGNORED]
    if len({folder for folder, _, _ in names}) > 1 or len(set(names)) != len(names):
        raise BundleError(f"{path}: the zip holds more than one bundle or a file twice; zip one bundle alone")
    _refuse_names(path, {name for _, _, name in names})
    found = {entry.filename.rpartition("/")[2]: entry for entry in entries}
    return {name: entry for name, entry in found.items() if name not in IGNORED}


def _refuse_names(path: Path, names: set[str]) -> None:
    if INFO_NAME not in names:
        raise BundleError(f"{path}: no {INFO_NAME}, so this is no bundle; pass a folder or zip that `train` wrote")
    if missing := sorted(NEEDED - names):
        raise BundleError(f"{path}: lacks {', '.join(missing)}; {GET_IT_AGAIN}")
    if unknown := sorted(names - MAX_BYTES.keys()):
        shown = ", ".join(name[:60] for name in unknown[:3])
        raise BundleError(f"{path}: holds files unknown to this version: {shown}; move them away or update thyrosight")


def _too_large(path: Path, name: str) -> BundleError:
    return BundleError(f"{path}: {name} is larger than {MAX_BYTES[name]:,} bytes; {GET_IT_AGAIN}")


@contextmanager
def as_bundle_error(path: Path) -> Iterator[None]:
    """Any error of the system or of the zip reader -> BundleError."""
    try:
        yield
    except BundleError:
        raise
    except OSError as error:
        raise BundleError(
            f"{path}: can't be read ({error.strerror or error}); {mend_of(error, 'check the path and its permissions')}"
        ) from error
    except MemoryError:
        raise BundleError(f"{path}: not enough memory to read it; use a machine with more") from None
    except Exception as error:  # zipfile raises half a dozen types on damaged archives
        if path.name in MAX_BYTES and (path.parent / INFO_NAME).is_file():
            raise BundleError(f"{path}: one file of a bundle; pass its folder, {path.parent}") from None
        raise BundleError(
            f"{path}: not a bundle folder, nor a sound zip ({str(error)[:100]}); {GET_IT_AGAIN}"
        ) from error
