"""Pixels -> a word for what makes an image or a mask useless: blank, noise, few pixels, nearly all."""

from __future__ import annotations

import numpy as np

from thyrosight.types import BoolArray, UInt8Array

MIN_STRUCTURE_SD = 3.0
"""Gray levels; an image with a smaller standard deviation shows nothing."""
MIN_NEIGHBOUR_CORRELATION = 0.3
"""Least correlation of a pixel with the next one in its row. Speckle of ultrasound is some pixels wide and has 0.8 and
more; noise has about 0."""
FEW_PX, FEW_SHARE = 30, 0.0003
"""A mask with fewer pixels, or a smaller share of the ultrasound field, was probably drawn by mistake."""
NEARLY_ALL = 0.8
"""Share of the ultrasound field; a nodule fills less of it, an inverted mask more."""


def image_oddity(field_HW: UInt8Array) -> str:
    """Gray pixels of the ultrasound field -> "blank", "noise", or nothing where the image is like any other."""
    values = field_HW.astype(np.float32)
    if values.size < 4 or float(values.std()) < MIN_STRUCTURE_SD:
        return "blank"
    left, right = values[:, :-1] - values[:, :-1].mean(), values[:, 1:] - values[:, 1:].mean()
    correlation = float((left * right).sum() / max(float(np.sqrt((left**2).sum() * (right**2).sum())), 1e-6))
    return "noise" if correlation < MIN_NEIGHBOUR_CORRELATION else ""


def mask_oddity(mask_in_field_HW: BoolArray) -> str:
    """Mask inside the ultrasound field -> "few pixels", "nearly all", or nothing; an empty mask is not odd."""
    number, size = int(np.count_nonzero(mask_in_field_HW)), max(1, mask_in_field_HW.size)
    if 0 < number < max(FEW_PX, FEW_SHARE * size):
        return "few pixels"
    return "nearly all" if number > NEARLY_ALL * size else ""
