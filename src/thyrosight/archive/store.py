"""Folder on this machine, or an address that fsspec reads (s3://, gs://, az://, memory://) -> a place for files.

Both write a file whole or not at all. On this machine a temporary file is renamed; an object store takes whole files
only.
"""

from __future__ import annotations

import importlib
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from thyrosight.errors import InputError, MissingExtraError
from thyrosight.files import write_atomic
from thyrosight.files.leftovers import remove_leftovers

OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl"}
"""Object stores have no folders, so none are made in them. For a mistyped name fsspec would make a new bucket."""


class TableStore(Protocol):
    """A place that stores files under names such as `images/part-00000.parquet`."""

    name: str

    def read(self, name: str) -> bytes | None:
        """-> the file's bytes; None where there is none."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Stores the bytes as a file, whole or not at all. InputError where the store refuses."""
        ...

    def names(self, folder: str) -> list[str]:
        """-> names of the files directly in the folder, sorted."""
        ...


def is_address(text: str) -> bool:
    """Whether the text is an address such as `s3://bucket/folder`; a path of Windows (`C:\\scans`) is not one."""
    scheme, _, rest = text.partition("://")
    return bool(rest) and scheme.isalnum()


def open_store(text: str) -> TableStore:
    """Path or address -> TableStore; a folder that is missing is made with the first file."""
    return _Remote(text) if is_address(text) else _Local(Path(text))


class _Local:
    def __init__(self, folder: Path) -> None:
        self.name, self._folder = str(folder), folder

    def read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{self._folder / name}: can't be read ({error.strerror}); check the path") from error

    def write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(path.parent)
        except OSError as error:
            raise InputError(f"{path.parent}: can't be made a folder ({error.strerror}); choose another") from error
        write_atomic(path, content)

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(path.name for path in (self._folder / folder).iterdir() if path.is_file())
        except (FileNotFoundError, NotADirectoryError):
            return []


class _Remote:
    def __init__(self, address: str) -> None:
        self.name = address.rstrip("/")
        self._system, self._root = filesystem_of(self.name)
        protocol = self._system.protocol
        self._protocols = {protocol} if isinstance(protocol, str) else set(protocol)

    def read(self, name: str) -> bytes | None:
        try:
            with self._system.open(f"{self._root}/{name}", "rb") as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None
        except Exception as error:
            raise store_refusal(f"{self.name}/{name}", error) from error

    def write(self, name: str, content: bytes) -> None:
        path = f"{self._root}/{name}"
        try:
            if OBJECT_STORES.isdisjoint(self._protocols):
                self._system.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
            with self._system.open(path, "wb") as stream:
                stream.write(content)
        except Exception as error:
            raise store_refusal(f"{self.name}/{name}", error) from error

    def names(self, folder: str) -> list[str]:
        try:
            found = self._system.ls(f"{self._root}/{folder}", detail=True, refresh=True)
        except FileNotFoundError:
            return []
        except Exception as error:
            raise store_refusal(f"{self.name}/{folder}", error) from error
        return sorted(PurePosixPath(entry["name"]).name for entry in found if entry["type"] == "file")


def filesystem_of(address: str) -> tuple[Any, str]:
    """Address -> (fsspec's file system, the path in it).

    MissingExtraError where fsspec, or the package that it needs for this address, is missing; InputError where the
    store refuses.
    """
    try:
        fsspec = importlib.import_module("fsspec")
        system, path = fsspec.core.url_to_fs(address)
        return system, str(path).rstrip("/")
    except ImportError as error:
        fix = 'run: pip install "thyrosight[archive]", and s3fs, gcsfs or adlfs for S3, Google or Azure'
        raise MissingExtraError(f"{address}: {error}; {fix}") from error
    except Exception as error:
        raise store_refusal(address, error) from error


def store_refusal(name: str, error: Exception) -> InputError:
    """Any error of a store -> InputError in one line; the libraries of stores raise dozens of types."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return InputError(f"{name}: the store refuses ({reason}); check the address, your rights and the network")
