"""Readings of a frame <-> every reader's history, in files that are added and never changed; the nodules' numbers.

ITEM/readings/N/VERSION-READER-ACTION.json  one version; READER is a hash of the name, ACTION is saved or removed
ITEM/readings/numbers.json                  {UID of a nodule: its number}, of every nodule that the item ever had
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from thyrosight.files import raise_disk_fault, write_atomic
from thyrosight.prediction import Record
from thyrosight.web.schemas import Correction, ReadingVersion

NUMBERS_NAME = "numbers.json"
_NAME = re.compile(r"(\d{6,})-([0-9a-f]{16})-(saved|removed)\.json")


class _Kept(Record):
    """Content of a version's file."""

    who: str
    saved_at: str
    correction: Correction | None


@dataclass(frozen=True)
class VersionFile:
    """One version: its number, the hash of its reader's name, the action (saved or removed), its file."""

    version: int
    reader: str
    action: Literal["saved", "removed"]
    path: Path


def etag_of(version: int) -> str:
    """Version -> the text of ETag and If-Match."""
    return f'"v{version}"'


def reader_hash(who: str) -> str:
    """Name of a reader -> 16 hexadecimal digits for a file name, which must not hold the name itself."""
    return hashlib.sha256(who.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def versions_in(folder: Path) -> list[VersionFile]:
    """ITEM/readings/N -> its versions, oldest first; none where there is no folder."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise_disk_fault(error)
        return []
    matches = [match for name in names if (match := _NAME.fullmatch(name))]
    found = [VersionFile(int(m[1]), m[2], "saved" if m[3] == "saved" else "removed", folder / m[0]) for m in matches]
    return sorted(found, key=lambda one: one.version)


def present_in(versions: Iterable[VersionFile]) -> list[VersionFile]:
    """Versions -> for each reader the last version, unless it removed the reading; the newest first."""
    last = {one.reader: one for one in versions}
    return sorted((one for one in last.values() if one.action == "saved"), key=lambda one: -one.version)


def read_version(file: VersionFile) -> Correction | None:
    """-> the reading of a version; None where it was removed, or its file is damaged."""
    try:
        return _Kept.model_validate_json(file.path.read_bytes()).correction
    except (OSError, ValueError) as error:
        raise_disk_fault(error)
        return None


def entry_of(file: VersionFile) -> ReadingVersion | None:
    """-> the version's entry in the history; None where its file is damaged."""
    try:
        kept = _Kept.model_validate_json(file.path.read_bytes())
    except (OSError, ValueError) as error:
        raise_disk_fault(error)
        return None
    num_findings = None if kept.correction is None else len(kept.correction.findings)
    return ReadingVersion(
        version=file.version,
        who=kept.who,
        saved_at=kept.saved_at,
        action=file.action,
        num_findings=num_findings,
        etag=etag_of(file.version),
    )


def add_version(folder: Path, version: int, who: str, saved_at: str, correction: Correction | None) -> None:
    """Writes a new version next to the others. correction=None: the reader removed theirs.

    InputError as `write_atomic`.

    FileNotFoundError where the item's folder is gone, because the folder of a deleted job must not come back.
    """
    folder.parent.mkdir(exist_ok=True)
    folder.mkdir(exist_ok=True)
    action = "removed" if correction is None else "saved"
    path = folder / f"{version:06d}-{reader_hash(who)}-{action}.json"
    kept = _Kept(who=who, saved_at=saved_at, correction=correction)
    write_atomic(path, kept.model_dump_json(indent=1) + "\n")


def read_numbers(readings_folder: Path) -> dict[str, int]:
    """ITEM/readings -> {UID: number}; empty where nothing was numbered yet."""
    try:
        found = json.loads((readings_folder / NUMBERS_NAME).read_bytes())
        return {str(uid): int(number) for uid, number in found.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise_disk_fault(error)
        return {}


def write_numbers(readings_folder: Path, numbers: dict[str, int]) -> None:
    """Writes {UID: number} of the item. InputError as write_atomic; FileNotFoundError where the item is deleted."""
    readings_folder.mkdir(exist_ok=True)
    write_atomic(readings_folder / NUMBERS_NAME, json.dumps(numbers) + "\n")
