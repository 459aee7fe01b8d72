"""Frame, Prediction -> the picture for people: the field alone, with the burned-in text in it filled in."""

from __future__ import annotations

import cv2
import numpy as np

from thyrosight.prediction import Prediction
from thyrosight.types import Box, Frame, UInt8Array
from thyrosight.views.field import field_of_view
from thyrosight.views.screen_text import mask_text, without_text

BLANK = (16, 17, 20)
"""The colour of pixels that are left out."""


def shown_frame(frame: Frame, prediction: Prediction, text: tuple[Box, ...] | None = None) -> tuple[UInt8Array, Box]:
    """-> (RGB picture _HW3 in the source's pixels, the field); blank outside the field, text inside it filled in.

    text: the boxes of the text in the field; None: they are found here.
    """
    height, width = frame.size_hw
    field = prediction.field_of_view.box
    if field == Box(0, 0, width, height):  # a model for whole frames: pictures show the field all the same
        field, text = field_of_view(frame.image_HW, frame.rgb_HW3, frame.regions), None
    picture_HW3 = np.empty((height, width, 3), np.uint8)
    picture_HW3.reshape(height, -1)[:] = np.tile(np.array(BLANK, np.uint8), width)  # rows are copied faster than pixels
    clean_HWC = _without_text(frame, field, text)[field.slices]
    picture_HW3[field.slices] = cv2.cvtColor(clean_HWC, cv2.COLOR_GRAY2RGB) if clean_HWC.shape[2] == 1 else clean_HWC
    return picture_HW3, field


def shown_picture(frame: Frame, prediction: Prediction) -> UInt8Array:
    """-> the picture of `shown_frame` alone."""
    return shown_frame(frame, prediction)[0]


def _without_text(frame: Frame, field: Box, text: tuple[Box, ...] | None) -> UInt8Array:
    """-> the frame, (rows, columns, 1 or 3), with the text in the field filled in with gray."""
    if text is None:
        clean_HW, text = without_text(frame.image_HW, field)
    else:
        clean_HW = mask_text(frame.image_HW, text) if text else frame.image_HW
    if frame.rgb_HW3 is None or not text:
        return clean_HW[..., None] if frame.rgb_HW3 is None else frame.rgb_HW3
    return np.where((clean_HW != frame.image_HW)[..., None], clean_HW[..., None], frame.rgb_HW3)
