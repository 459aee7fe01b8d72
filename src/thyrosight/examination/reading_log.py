"""A reading before or after the network was seen <-> one line of a log (JSON lines), for a study of readers.

A reader gives two readings of an image: one without the network (`network_shown` false), one after its result was
shown. The page writes both with `append_reading`; `thyrosight readers` compares them
(evaluation/others/reader_study.py).
Legend: `_xy` points (column, row) of pixel centres in the source image.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from thyrosight.errors import InputError
from thyrosight.prediction import PointXY, Record


class LoggedReading(Record):
    """One reading of one frame by one reader. A value that the reader did not give is None, and is never guessed.

    outlines_xy: empty where the reader says that there is no nodule. suspicion: the reader's own estimate that the
    nodule is malignant. tirads_points: points of the most suspicious nodule, where all its descriptors were given.
    """

    schema_version: Literal[1] = 1
    reader: str = Field(min_length=1, max_length=200)
    image_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the image's file, as in cases.csv")
    name: str = Field(default="", max_length=1000, description="of the image's file, for people")
    frame_index: int = Field(default=0, ge=0)
    width_px: int = Field(ge=1, le=100_000)
    height_px: int = Field(ge=1, le=100_000)
    network_shown: bool
    when: str = Field(max_length=64, description="ISO 8601, UTC; the last reading of a kind counts")
    outlines_xy: tuple[tuple[PointXY, ...], ...] | None = None
    suspicion: float | None = Field(default=None, ge=0, le=1)
    tirads_points: int | None = Field(default=None, ge=0, le=20)
    seconds: float | None = Field(default=None, ge=0, description="from the first sight of the image to this reading")
    model_id: str = Field(default="", max_length=100, description="of the network that was shown, or is hidden")

    @property
    def is_empty(self) -> bool:
        """Whether the reading holds neither an outline nor a rating."""
        return self.outlines_xy is None and self.suspicion is None and self.tirads_points is None


def append_reading(log: Path, reading: LoggedReading) -> None:
    """Log, a reading -> the log with one more line, on the disk before this returns; a missing file is made.

    One call of the system writes the whole line, so readers that write at the same time don't mix. Where a crash left
    half a line, the new reading begins on a line of its own, and `read_log` reports the half line. InputError where the
    disk refuses.
    """
    line = (json.dumps(reading.model_dump(mode="json"), ensure_ascii=False, allow_nan=False) + "\n").encode()
    try:
        handle = os.open(log, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                line = b"\n" + line
            if os.write(handle, line) != len(line):
                raise InputError(f"{log}: the disk is full, so the reading is not kept; free space and send it again")
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise InputError(f"{log}: can't be written ({error.strerror}); check permissions and free space") from error


def read_log(log: Path) -> tuple[list[LoggedReading], list[str]]:
    """Log -> its readings in their order, and one line of text per line that could not be read.

    InputError where the file can't be read or holds no reading at all.
    """
    readings, faults = [], []
    try:
        lines = log.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{log}: can't be read ({error.strerror}); give the log of readings") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            readings.append(LoggedReading.model_validate(_object_of(line)))
        except ValidationError as error:
            first = error.errors()[0]
            faults.append(f"{log}, line {number}: {'.'.join(map(str, first['loc'])) or 'line'}: {first['msg']}")
        except ValueError:
            faults.append(f"{log}, line {number}: is no JSON object; a crash may have cut it off")
    if not readings:
        detail = f"; {faults[0]}" if faults else ""
        raise InputError(f"{log}: holds no reading{detail}; give the log that the page wrote")
    return readings, faults


def _object_of(line: bytes) -> Any:
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found
