"""RGB with blurred edges `_HW3` -> the plain colours in it: each is a class of the mask, and blur mixes them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

BRIGHT = 127
"""Darker pixels are the blur around a colour; there a lossy coding may leave any hue."""
STEPS = 2
"""A channel is rounded to none, half or all of the strongest one, because at finer steps the noise of a coding would
count as colours."""


def plain_colours(rgb_HW3: NDArray[np.uint8]) -> list[str]:
    """-> the colours "#rrggbb" of areas at least 3 pixels wide, white included; a softened edge is narrower."""
    values_HW3 = rgb_HW3.astype(np.int32)
    strongest_HW = values_HW3.max(axis=2)
    hue_HW3 = np.rint(STEPS * values_HW3 / np.maximum(strongest_HW, 1)[..., None]).astype(np.int32)
    code_HW = np.where(strongest_HW > BRIGHT, hue_HW3 @ np.array([9, 3, 1]) + 1, 0)
    found = []
    for code in np.unique(code_HW[code_HW > 0]):
        inside_HW = cv2.erode((code_HW == code).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        if inside_HW.any():
            red, green, blue = (int(value) for value in np.median(rgb_HW3[inside_HW], axis=0))
            found.append(f"#{red:02x}{green:02x}{blue:02x}")
    return found
