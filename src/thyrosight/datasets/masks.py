"""Case -> its mask `_HW`, by the one reader of mask files (frames/mask_image.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from thyrosight.frames.mask_image import read_mask_image
from thyrosight.types import BoolArray, Case


def load_mask(case: Case, shape_hw: tuple[int, int]) -> BoolArray:
    """Case, size of its image -> mask_HW (all False where the case has none).

    `case.mask is not None` states whether the case has an annotation. InputError where the file is missing, damaged,
    not a mask, or of another size than the image: a mask is never resized.
    """
    if case.mask is None:
        return np.zeros(shape_hw, dtype=np.bool_)
    return read_mask(case.mask, shape_hw)


def read_mask(path: Path, shape_hw: tuple[int, int]) -> BoolArray:
    """Mask file, expected size -> mask_HW, all nodules of the file united."""
    return read_mask_image(path, shape_hw).mask_HW
