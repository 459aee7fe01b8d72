"""Outlines with numbers and risks -> lines on a picture, for `Prediction.overlay`; also the colours of risk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from thyrosight.errors import InputError
from thyrosight.types import UInt8Array

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

Colour = tuple[int, int, int]

HIGH_RISK: Colour = (255, 170, 40)
LOW_RISK: Colour = (70, 205, 255)
NO_RISK: Colour = (235, 235, 235)


def risk_colour(risk: float | None, threshold: float) -> Colour:
    """Risk -> amber at and above the threshold, cyan below, white without a risk."""
    if risk is None:
        return NO_RISK
    return HIGH_RISK if risk >= threshold else LOW_RISK


def drawing_ground(image: UInt8Array | PillowImage, size_wh: tuple[int, int]) -> UInt8Array:
    """uint8 array or Pillow image -> a copy to draw on, RGB _HW3. InputError where it has another type or size."""
    import numpy as np
    from PIL import Image

    if isinstance(image, np.ndarray) and (image.dtype != np.uint8 or image.ndim not in (2, 3)):
        fault = f"an array of {image.dtype} {image.shape} can't be drawn on"
        raise InputError(f"{fault}; give uint8 of shape (height, width) or (height, width, 3)")
    given = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    if not isinstance(given, Image.Image):
        raise InputError(f"{type(given).__name__} can't be drawn on; give an array or PIL.Image.open(path)")
    if given.size != size_wh:
        raise InputError(
            f"the image has {given.width} x {given.height} pixels, that of the prediction "
            f"{size_wh[0]} x {size_wh[1]}; give the image that was predicted"
        )
    return np.array(given.convert("RGB"))


def draw_numbered_outlines(
    picture_HW3: UInt8Array, outlines: Iterable[tuple[int, Sequence[tuple[int, int]], Colour]]
) -> None:
    """Picture, (number, outline _xy, colour) of each nodule -> the outlines and numbers drawn into the picture."""
    import cv2
    import numpy as np

    height, width = picture_HW3.shape[:2]
    thickness = max(1, round(max(height, width) / 500))
    for number, outline_xy, colour in outlines:
        points_xy = np.array(outline_xy, np.int32)
        cv2.polylines(picture_HW3, [points_xy], True, colour, thickness, cv2.LINE_AA)
        x, y = (int(value) for value in max(outline_xy, key=lambda point_xy: point_xy[0] - point_xy[1]))
        place = (min(x + 3 * thickness, width - 10 * thickness), max(y, 12 * thickness))
        cv2.putText(picture_HW3, str(number), place, 0, 0.5 * thickness, colour, thickness, cv2.LINE_AA)
