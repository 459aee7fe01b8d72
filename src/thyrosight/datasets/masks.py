"""Case -> its mask: any common way to store one (0/255, 0/1, colour, palette, alpha, JPEG) becomes a boolean `_HW`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thyrosight.errors import InputError
from thyrosight.types import BoolArray, Case

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_LABEL = 31
"""Lossless masks whose largest value is at most this hold label numbers (0, 1, 2 …), not brightness."""


def load_mask(case: Case, shape_hw: tuple[int, int]) -> BoolArray:
    """Case, size of its image -> mask_HW (all False where the case has none).

    Whether a case is annotated at all is `case.mask is not None`. Raises InputError when the file is missing, damaged
    or of another size than the image: a mask is never resized.
    """
    if case.mask is None:
        return np.zeros(shape_hw, dtype=np.bool_)
    return read_mask(case.mask, shape_hw)


def read_mask(path: Path, shape_hw: tuple[int, int]) -> BoolArray:
    """Mask file, expected size -> mask_HW. The size is checked before anything is decoded."""
    values_HW, is_lossy = read_mask_values(path, shape_hw)
    return binary(values_HW, is_lossy)


def read_mask_values(path: Path, shape_hw: tuple[int, int]) -> tuple[np.ndarray, bool]:
    """Mask file, expected size -> (one value a pixel `_HW`, whether the file's coding is lossy)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            width, height = image.size
            if (height, width) != tuple(shape_hw):
                raise InputError(
                    f"{path}: mask is {width} x {height} pixels, its image {shape_hw[1]} x {shape_hw[0]}; "
                    "export the mask at the image's own size"
                )
            return _one_channel(image), image.format in ("JPEG", "JPEG2000", "WEBP")
    except FileNotFoundError:
        raise InputError(f"{path}: no such mask file; correct the mask column or leave it empty") from None
    except InputError:
        raise
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable mask image ({error}); save it again as PNG") from None


def binary(values_HW: np.ndarray, is_lossy: bool) -> BoolArray:
    """Values -> mask: label numbers count from 1, brightness from half of the largest (of 255 if coding is lossy)."""
    if is_lossy:
        return np.asarray(values_HW > 127)
    largest = values_HW.max(initial=0)
    return np.asarray(values_HW > (0 if largest <= MAX_LABEL else largest / 2))


def _one_channel(image: Image) -> np.ndarray:
    """Decoded image -> one value a pixel; colour by its strongest channel, transparency counts as background.

    A picture whose colours are all equal but whose alpha varies is a mask kept in its alpha channel.
    """
    if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;"):
        return np.asarray(image.convert("L") if image.mode == "1" else image)
    if image.mode == "P" and not image.info.get("transparency"):
        return _palette(image)
    colours_HW4 = np.asarray(image.convert("RGBA"))
    value_HW, alpha_HW = colours_HW4[..., :3].max(axis=2), colours_HW4[..., 3]
    if alpha_HW.min() != alpha_HW.max() and value_HW.min() == value_HW.max():
        return alpha_HW
    return np.where(alpha_HW > 0, value_HW, 0).astype(np.uint8)


def _palette(image: Image) -> np.ndarray:
    """A palette mask: any colour but black is foreground; a palette without colours leaves the index numbers."""
    value_HW = np.asarray(image.convert("RGB")).max(axis=2)
    index_HW = np.asarray(image)
    if len(np.unique(index_HW)) != len(np.unique(value_HW)) or value_HW.max() == 0:
        return index_HW
    return np.where(value_HW > 0, 255, 0).astype(np.uint8) if len(np.unique(index_HW)) <= MAX_LABEL else value_HW
