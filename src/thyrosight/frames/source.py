"""An image as a Python program has it (a path, an array, a Pillow image) -> Frame."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import InputError
from thyrosight.files.plain_text import printable
from thyrosight.frames.alpha import AlphaMaskError, refuse_alpha_mask
from thyrosight.frames.gray import gray_and_rgb
from thyrosight.frames.headers import HeaderError
from thyrosight.frames.load import (
    check_size,
    chosen_frame,
    deep_colour,
    is_white_zero,
    load_frame,
    on_black,
    refuse_oblong_pixels,
    to_arrays,
)
from thyrosight.types import Frame, UInt8Array, whole_given

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

Source: TypeAlias = "Path | str | NDArray[Any] | PillowImage | Frame"
ValueRange: TypeAlias = tuple[float, float]
NO_SPACING = "an array carries no pixel spacing"
MAX_BEYOND = 1 / 255
"""Values may be outside the range by this share of it, because of rounding; they become black or white."""


def as_frame(source: Source, frame_index: int | None = None, value_range: ValueRange | None = None) -> Frame:
    """File, array (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, Pillow image of any mode, or Frame -> Frame.

    value_range: the values of black and white. An array that is not uint8 needs it, because arrays do not state their
    scale. A Pillow image, also one of 16 bits or more, is read as its file would be. Arrays and Pillow images state no
    millimetres.
    """
    if frame_index is not None:
        frame_index = whole_given("frame_index", frame_index)
    if isinstance(source, str):
        _refuse_no_path(source)
    if isinstance(source, Frame | str | os.PathLike):
        if value_range is not None:
            raise InputError("value_range is for arrays and Pillow images; a file states its own scale, leave it out")
        return source if isinstance(source, Frame) else load_frame(Path(os.fsdecode(source)), frame_index)
    if not isinstance(source, np.ndarray) and hasattr(source, "getbands"):
        parts = _pillow_parts(source, frame_index, value_range)
    else:
        chosen_frame("an array", 1, frame_index)
        parts = _array_parts(_as_array(source), value_range)
    height, width = parts[0].shape
    check_size("an image in memory", width, height)
    return _of_arrays(*parts)


def _refuse_no_path(text: str) -> None:
    """InputError for a text that can be no path of a file here: empty, an address, or one that a shell would expand."""
    if not text:
        raise InputError("an empty path; give the path of an image")
    if "://" in text:
        raise InputError(f"{text}: an address; store the image in a file and give its path")
    if text.startswith("~") and not os.path.exists(text) and os.path.exists(os.path.expanduser(text)):
        raise InputError(f"{text}: Python does not expand ~; give os.path.expanduser({text!r})")


def _as_array(source: object) -> NDArray[Any]:
    """Array, tensor or the like -> numpy array; InputError, with the fix, for anything else."""
    fix = _fix_of_type(source)
    if fix:
        raise InputError(f"{type(source).__name__} is no image; {fix}")
    if np.ma.isMaskedArray(source):
        raise InputError("a masked array: nothing says how its masked pixels look; give array.filled(0)")
    try:
        return np.asarray(source)
    except Exception as error:  # whatever the library that made it raises: a tensor on a GPU, one with a gradient
        reason = printable(" ".join(str(error).split())[:200]) or type(error).__name__
        kind = type(source).__name__
        raise InputError(
            f"{kind} can't become an array ({reason}); of a tensor give tensor.detach().cpu().float().numpy()"
        ) from None


def _fix_of_type(source: object) -> str:
    """Object of a type that is not an image -> what to pass in its place; an empty text for an unknown type."""
    if isinstance(source, bytes | bytearray | memoryview):
        return "where it is the content of a file, give PIL.Image.open(io.BytesIO(...)); a path is str or Path"
    if hasattr(source, "read"):
        return "of an open file give PIL.Image.open(file), or the path"
    if source is None:
        return "give a path, an array or a Pillow image (cv2.imread gives None where it can't read a file)"
    if isinstance(source, Iterator):
        return "give one image at a time"
    if isinstance(source, list | tuple | set | dict) and any(
        isinstance(one, str | os.PathLike | np.ndarray) or hasattr(one, "getbands") for one in source
    ):
        return "give one image at a time; predict_folder takes a folder"
    return ""


def _pillow_parts(
    image: PillowImage, frame_index: int | None, value_range: ValueRange | None
) -> tuple[UInt8Array, UInt8Array | None]:
    """Pillow image -> (gray, RGB or None), as load_frame reads a file of that mode, orientation included."""
    from PIL import ImageOps

    num_frames = getattr(image, "n_frames", 1)
    chosen, shown = chosen_frame("a Pillow image", num_frames, frame_index), image.tell()
    try:
        if chosen != shown:
            image.seek(chosen)
        refuse_oblong_pixels(image)
        if value_range is not None:
            upright = ImageOps.exif_transpose(image)
            refuse_alpha_mask(upright)
            return _array_parts(np.asarray(upright if len(upright.getbands()) == 1 else on_black(upright)), value_range)
        if (deep := deep_colour(image)) is not None:
            return deep
        return to_arrays(ImageOps.exif_transpose(image), is_white_zero(image))
    except (AlphaMaskError, HeaderError) as error:
        raise InputError(f"a Pillow image of mode {image.mode}: {error}") from None
    except (ValueError, OSError) as error:
        fault = f"a Pillow image of mode {image.mode} can't be read ({error})"
        raise InputError(f"{fault}; convert it to L or RGB") from None
    finally:
        if image.tell() != shown:
            image.seek(shown)


def _array_parts(array: NDArray[Any], value_range: ValueRange | None) -> tuple[UInt8Array, UInt8Array | None]:
    """Array -> (gray, RGB or None), 8 bits."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    is_image = array.size > 0 and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4)))
    if not is_image or array.dtype.kind not in "uif":
        raise InputError(
            f"an array of {array.dtype} {array.shape} is no image; give numbers of shape (height, width) or "
            f"(height, width, 3) in RGB order{_fix_of_shape(array)}"
        )
    if array.dtype != np.uint8 or value_range is not None:
        array = _scaled(array, value_range)
    array = np.ascontiguousarray(array)
    if array.ndim == 3 and array.shape[2] == 4:
        from PIL import Image

        try:
            return to_arrays(Image.fromarray(array), False)
        except AlphaMaskError as error:
            raise InputError(f"an array of shape {array.shape}: {error}") from None
    return (array, None) if array.ndim == 2 else gray_and_rgb(array)


def _fix_of_shape(array: NDArray[Any]) -> str:
    """Array of a wrong shape -> a hint how the caller can likely make it an image; empty where no hint fits."""
    if array.ndim == 4:
        return "; predict one image at a time"
    if array.ndim == 3 and array.shape[0] in (1, 3, 4):
        return "; where the channels come first: array.transpose(1, 2, 0)"
    return "; a mask is no image" if array.dtype.kind == "b" else ""


def _scaled(array: NDArray[Any], value_range: ValueRange | None) -> UInt8Array:
    """Array of any numbers, the values of black and white -> uint8."""
    if not np.isfinite(array).all():
        raise InputError(f"an array of {array.dtype} that holds values that are not finite; give finite numbers")
    low, high = float(array.min()), float(array.max())
    found = f"an array of {array.dtype} with values from {low:g} to {high:g}"
    if value_range is None:
        example = "(0, 1)" if array.dtype.kind == "f" and 0 <= low <= high <= 1 else "(0, 255) or (0, 4095)"
        raise InputError(f"{found}: say which values are black and white, for example value_range={example}")
    try:
        black, white = (float(value) for value in value_range)
    except (TypeError, ValueError):
        raise InputError(f"value_range={value_range!r}: give two numbers, the values of black and white") from None
    if not (np.isfinite([black, white]).all() and black != white):
        raise InputError(f"value_range=({black:g}, {white:g}): give two different finite numbers, black and white")
    slack = MAX_BEYOND * abs(white - black)
    if low < min(black, white) - slack or high > max(black, white) + slack:
        raise InputError(f"{found}, which value_range=({black:g}, {white:g}) does not hold; give a range that does")
    gray = (array.astype(np.float64) - black) * (255 / (white - black))
    return np.asarray(np.rint(np.clip(gray, 0, 255)), np.uint8)


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
