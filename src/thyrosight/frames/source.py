"""Whatever a Python program holds of an image (a path, an array, a Pillow image) -> Frame."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import InputError
from thyrosight.frames.gray import gray_and_rgb
from thyrosight.frames.load import load_frame, scale_to_uint8, to_arrays
from thyrosight.types import Frame, UInt8Array

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

Source: TypeAlias = "Path | str | NDArray[Any] | PillowImage | Frame"
NO_SPACING = "an array carries no pixel spacing"


def as_frame(source: Source, frame_index: int | None = None) -> Frame:
    """File, array (H, W) or (H, W, 3) RGB, Pillow image of any mode, or Frame -> Frame.

    An array of more than 8 bits is scaled as a file of that depth is (load.scale_to_uint8): whole numbers by the
    smallest of 8, 10, 12, 14 and 16 bits that holds the largest value, fractions from 0 to 1 or 0 to 255. Neither an
    array nor a Pillow image says anything about millimetres.
    """
    if isinstance(source, Frame):
        return source
    if isinstance(source, str | os.PathLike):
        return load_frame(Path(source), frame_index)
    if not isinstance(source, np.ndarray) and hasattr(source, "convert"):
        return _of_arrays(*_pillow_arrays(source))
    return _of_arrays(*_array_parts(np.asarray(source)))


def _pillow_arrays(image: PillowImage) -> tuple[UInt8Array, UInt8Array | None]:
    """Pillow image -> (gray, RGB or None), as load_frame reads a file of that mode, orientation included."""
    from PIL import ImageOps

    try:
        return to_arrays(ImageOps.exif_transpose(image), False)
    except (ValueError, OSError) as error:
        fault = f"a Pillow image of mode {image.mode} can't be read ({error})"
        raise InputError(f"{fault}; convert it to L or RGB") from None


def _array_parts(array: NDArray[Any]) -> tuple[UInt8Array, UInt8Array | None]:
    """Array -> (gray, RGB or None), 8 bits."""
    is_image = array.size > 0 and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3))
    if not is_image or array.dtype.kind not in "uif":
        raise InputError(
            f"an array of {array.dtype} {array.shape} is no image; give numbers of shape (height, width) or "
            "(height, width, 3) in RGB order"
        )
    if array.dtype != np.uint8:
        try:
            flat = scale_to_uint8(array.reshape(array.shape[0], -1))
        except (ValueError, StopIteration) as error:
            raise InputError(f"an array of {array.dtype} that {error or 'is too deep'}; give uint8") from None
        array = flat.reshape(array.shape)
    array = np.ascontiguousarray(array)
    return (array, None) if array.ndim == 2 else gray_and_rgb(array)


def _of_arrays(gray_HW: UInt8Array, rgb_HW3: UInt8Array | None) -> Frame:
    content = gray_HW if rgb_HW3 is None else rgb_HW3
    return Frame(
        path=None,
        image_HW=gray_HW,
        rgb_HW3=rgb_HW3,
        spacing=None,
        spacing_reason=NO_SPACING,
        sha256=hashlib.sha256(np.ascontiguousarray(content).tobytes()).hexdigest(),
    )
