"""Mask file -> the nodules outlined in it: black and one other value, or labels 1, 2, 3 ...; all else is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import InputError
from thyrosight.geometry import components
from thyrosight.images import load_frame
from thyrosight.types import BoolArray

MAX_LABEL = 64
MIN_PART_PX = 16
"""Smaller parts of a mask of one value are specks, not nodules."""


def read_nodules(path: Path, size_hw: tuple[int, int] | None = None) -> list[BoolArray]:
    """Mask file, the image's size where there is one -> a mask a nodule: by label, else the parts, the largest first.

    InputError for a file that is no mask: more than one value beside 0 that can't be labels, nothing outlined, or
    another size than the image's.
    """
    values_HW = _values(path)
    if size_hw is not None and values_HW.shape != size_hw:
        raise InputError(
            f"{path}: the mask is {values_HW.shape[1]} x {values_HW.shape[0]} pixels and the image {size_hw[1]} x "
            f"{size_hw[0]}; give the mask in the image's own pixels"
        )
    found = [int(value) for value in np.unique(values_HW) if value != 0]
    if not found:
        raise InputError(f"{path}: the mask is empty: there is nothing to measure")
    if len(found) == 1:
        parts = components(values_HW != 0)
        return [part for part in parts if np.count_nonzero(part) >= MIN_PART_PX] or parts[:1]
    if len(found) > MAX_LABEL or found[-1] > MAX_LABEL:
        raise InputError(
            f"{path}: not a mask: {len(found)} values from {found[0]} to {found[-1]} beside 0; save it without loss, "
            f"as 0 and 255, or with labels 1 to {MAX_LABEL}"
        )
    return [values_HW == value for value in found]


def _values(path: Path) -> NDArray[np.generic]:
    """-> the stored values _HW; a coloured palette's are its indices, and of three equal channels one is taken."""
    load_frame(path)  # bounded, and refused in one line where it is no image
    from PIL import Image

    with Image.open(path) as image:
        is_gray_palette = image.mode == "P" and _is_gray(np.asarray(image.convert("RGB")))
        wanted = "L" if is_gray_palette or image.mode in ("LA", "PA") else "RGB" if image.mode == "RGBA" else image.mode
        values = np.asarray(image.convert(wanted) if wanted != image.mode else image)
    if values.ndim == 3:
        if not _is_gray(values):
            raise InputError(f"{path}: not a mask: it is coloured; save the outline filled, as 0 and 255")
        values = values[..., 0]
    return values


def _is_gray(rgb_HW3: NDArray[np.generic]) -> bool:
    return bool((rgb_HW3 == rgb_HW3[..., :1]).all())
