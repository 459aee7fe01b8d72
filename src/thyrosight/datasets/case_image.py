"""Case -> its Frame; refused where the file is another one than `prepare` saw."""

from __future__ import annotations

from thyrosight.errors import InputError
from thyrosight.frames.load import load_frame
from thyrosight.types import Case, Frame


def load_image(case: Case) -> Frame:
    """Case -> Frame. InputError where the file has changed since `prepare`: field and mask may no longer fit."""
    frame = load_frame(case.image)
    if case.image_sha256 and frame.sha256 != case.image_sha256:
        raise InputError(f"{case.image}: changed since `thyrosight prepare` read it (other hash); run prepare again")
    return frame
