"""Stream of a DICOMDIR -> the image files that it names; runs in the decoding child (worker.py).

Source: DICOM PS3.3 annex F (directory records), PS3.10 section 8 (file IDs).
"""

from __future__ import annotations

from typing import Any, BinaryIO

from thyrosight.frames.decoder.dicom_header import Bounded, read_dataset
from thyrosight.frames.headers import HeaderError

IMAGE_RECORD = "IMAGE"


def listed_files(source: BinaryIO) -> list[tuple[str, ...]]:
    """DICOMDIR -> the parts of each image's path below the DICOMDIR's folder, in its order. HeaderError if damaged."""
    _, _, dataset = read_dataset(Bounded(source), ("DirectoryRecordSequence",))
    records = dataset.get("DirectoryRecordSequence")
    if records is None:
        raise HeaderError("damaged: it names no files")
    return [_parts(record) for record in records if _is_image(record)]


def _is_image(record: Any) -> bool:
    return record.get("DirectoryRecordType") == IMAGE_RECORD and bool(record.get("ReferencedFileID"))


def _parts(record: Any) -> tuple[str, ...]:
    value = record.ReferencedFileID
    parts = (value,) if isinstance(value, str) else tuple(str(part) for part in value)
    if not all(part.strip(". ") and "/" not in part and part.isprintable() for part in parts):
        raise HeaderError("damaged: it names a file that can't be below its folder")
    return parts
