"""Bytes -> files that are whole or absent; names and text of any origin -> what documents and terminals show."""

from __future__ import annotations

from thyrosight.files.leftovers import Deletions
from thyrosight.files.names import natural_key, readable
from thyrosight.files.whole_files import (
    DISK_FAULTS,
    disk_fault_of,
    is_shortage,
    is_whole_file,
    mend_of,
    named,
    open_atomic,
    raise_disk_fault,
    raise_shortage,
    sha256_of,
    sha256_of_bytes,
    sync_folder,
    write_atomic,
    write_files_atomic,
    write_folder_atomic,
)

__all__ = [
    "DISK_FAULTS",
    "Deletions",
    "disk_fault_of",
    "is_shortage",
    "is_whole_file",
    "mend_of",
    "named",
    "natural_key",
    "open_atomic",
    "raise_disk_fault",
    "raise_shortage",
    "readable",
    "sha256_of",
    "sha256_of_bytes",
    "sync_folder",
    "write_atomic",
    "write_files_atomic",
    "write_folder_atomic",
]
