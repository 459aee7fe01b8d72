"""DICOM bytes -> the picture shown, or the refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thyrosight.errors import InputError
from thyrosight.frames.load import decode_frame

Array = np.ndarray[Any, Any]


def refusal(data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        decode_frame(data, Path("x.dcm"))
    message = str(caught.value)
    assert message.startswith("x.dcm: ")
    assert "\n" not in message
    return message.removeprefix("x.dcm: ")


def shown(data: bytes, frame_index: int | None = None) -> Array:
    """File -> the picture of the frame: RGB where it has colour, else gray."""
    frame = decode_frame(data, None, frame_index)
    return frame.image_HW if frame.rgb_HW3 is None else frame.rgb_HW3
