"""Zip file -> an error, before it is read or inflated, where its directory or its sizes can't be those of a bundle.

zipfile reads the whole directory of an archive at once, and a few kilobytes of deflated zeros claim gigabytes. A bundle
has few files, and its weights hardly compress. So the number of entries and their sizes show that a zip is no bundle.

Source: PKWARE's APPNOTE.TXT 6.3, section 4.3.16 (end of central directory record).
"""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

from thyrosight.errors import BundleError

MAX_ENTRIES = 64
MAX_DIRECTORY_BYTES = 1 << 16
MAX_RATIO = 16
"""Largest ratio of inflated to compressed bytes. Real weights have less than 2, the constant weights of a test more."""
SMALL_BYTES = 1 << 20
"""An entry of at most this size may have any ratio, because text compresses well."""
_END_RECORD, _END_RECORD_64 = b"PK\5\6", b"PK\6\7"
_END_BYTES, _MAX_COMMENT_BYTES = 22, 0xFFFF


def check_directory(path: Path) -> None:
    """Zip file -> BundleError where its directory has more entries or bytes than that of a bundle can have."""
    num_bytes = path.stat().st_size
    with open(path, "rb") as stream:
        stream.seek(max(0, num_bytes - _END_BYTES - _MAX_COMMENT_BYTES))
        tail = stream.read(_END_BYTES + _MAX_COMMENT_BYTES)
    at = tail.rfind(_END_RECORD)
    if at < 0 or len(tail) - at < _END_BYTES:
        return  # no zip: its reader reports it
    num_entries, directory_bytes = struct.unpack_from("<HI", tail, at + 10)
    if (
        num_entries > MAX_ENTRIES
        or directory_bytes > MAX_DIRECTORY_BYTES
        or _END_RECORD_64 in tail[max(0, at - 20) : at]
    ):
        raise BundleError(f"{path}: its directory is larger than that of a bundle; zip one bundle alone")


def check_entry(path: Path, entry: zipfile.ZipInfo) -> None:
    """One entry -> BundleError where its inflated size is far larger than its compressed size."""
    if entry.file_size > max(SMALL_BYTES, MAX_RATIO * entry.compress_size):
        raise BundleError(
            f"{path}: {os.path.basename(entry.filename)[:60]} would inflate from {entry.compress_size:,} bytes to "
            f"{entry.file_size:,}, which no weights do; get the bundle again"
        )
