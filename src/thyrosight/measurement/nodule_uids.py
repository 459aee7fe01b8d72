"""Image, frame, outline -> the UID that a nodule keeps."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from thyrosight.prediction import PointXY


def nodule_uid(image_sha256: str, frame_index: int, outline_xy: Iterable[PointXY]) -> str:
    """Image, frame, outline -> the nodule's UID: a UUID of version 5 below the root 2.25 (DICOM PS3.5, B.2).

    The same outline on the same frame is the same nodule, whichever run found it.
    """
    points = " ".join(f"{x:g},{y:g}" for x, y in outline_xy)
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{image_sha256} {frame_index} {points}').int}"


def new_nodule_uid() -> str:
    """-> the UID of a nodule that a person adds."""
    return f"2.25.{uuid.uuid4().int}"
