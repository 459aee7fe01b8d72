"""Mask file -> its decoded pages, each of the image's size; whether its coding is lossy."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import InputError
from thyrosight.files.plain_text import printable
from thyrosight.frames.headers import read_claim
from thyrosight.frames.load import MAX_PIXELS, is_deep_colour, is_white_zero, read_bounded

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MAX_PAGES = 64
_ORIENTATION = 0x0112
LOSSY = ("JPEG", "JPEG2000", "WEBP")
LOSSLESS_WEBP = b"VP8L"


def mask_pages(path: Path, size_hw: tuple[int, int] | None) -> tuple[list[PillowImage], bool]:
    """Mask file -> (its pages with their orientation applied, whether its coding is lossy).

    Sizes are checked before decoding.
    """
    from PIL import Image, ImageFile, ImageOps

    try:
        data = read_bounded(path)
    except InputError as error:
        raise InputError(
            str(error).replace("no such file; check the path", "no such mask file; correct its name")
        ) from error.__cause__
    try:
        claim = read_claim(data)
        _check_size(path, (claim.height, claim.width), size_hw)
        if claim.num_frames > MAX_PAGES:
            raise InputError(f"{path}: {claim.num_frames} pages; a mask has at most {MAX_PAGES}, one per nodule")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ImageFile.LOAD_TRUNCATED_IMAGES = False  # of the whole process; another library may have set it
            with Image.open(io.BytesIO(data)) as image:
                is_lossy = claim.format in LOSSY and data[12:16] != LOSSLESS_WEBP
                is_deep = is_deep_colour(image)
                is_inverted = claim.format == "TIFF" and is_white_zero(image)
                pages = []
                for index in range(claim.num_frames):
                    if claim.num_frames > 1:
                        image.seek(index)
                    pages.append(ImageOps.exif_transpose(image.copy()))
                if is_deep:
                    pages = [_deep_page(data)]
                if is_inverted:
                    pages = [_inverted(page) for page in pages]
                if claim.format == "BMP" and image.mode == "1":
                    # Pillow takes two colours for one bit per pixel, also where the file stores eight.
                    decoded_HW = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
                    pages = [Image.fromarray(np.asarray(decoded_HW, np.uint8))]
    except InputError:
        raise
    except Exception as error:  # Pillow raises a dozen types on damaged files, which mean the same
        reason = printable(" ".join(str(error).split())[:200]) or type(error).__name__
        raise InputError(f"{path}: not a readable mask image ({reason}); save it again as PNG") from None
    for page in pages:
        if size_hw is not None and (page.height, page.width) != tuple(size_hw):
            raise InputError(_other_size(path, (page.height, page.width), size_hw))
    return pages, is_lossy


def _inverted(page: PillowImage) -> PillowImage:
    """16-bit page in which 0 is white -> the same with 0 as black. Pillow itself does this for 8-bit pages."""
    from PIL import Image

    if not page.mode.startswith("I;16"):
        raise ValueError("a TIFF of 32 bits whose 0 is white")
    return Image.fromarray(np.asarray(65535 - np.asarray(page).astype(np.uint16), np.uint16))


def is_turned_by_tag(path: Path) -> bool:
    """Whether an image file has an orientation tag by which it is shown turned or mirrored."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(read_bounded(path))) as image:
                return int(image.getexif().get(_ORIENTATION, 1)) in range(2, 9)
    except Exception:  # no format of Pillow's, or a damaged tag: then nothing turns it
        return False


def _deep_page(data: bytes) -> PillowImage:
    """File with 16 bits per channel -> a page with all bits.

    Pillow keeps the upper eight, so small numbers would be lost.
    """
    from PIL import Image

    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16 or decoded.ndim != 3:
        raise ValueError("its 16 bits per channel can't be decoded")
    channels_HWC: NDArray[Any] = decoded[..., [2, 1, 0, *range(3, decoded.shape[2])]]
    alpha_HW = channels_HWC[..., 3] if channels_HWC.shape[2] == 4 else None
    is_gray = bool((channels_HWC[..., :3] == channels_HWC[..., :1]).all())
    if is_gray and (alpha_HW is None or alpha_HW.min() == alpha_HW.max()):
        return Image.fromarray(np.ascontiguousarray(channels_HWC[..., 0]))
    top = channels_HWC.reshape(-1, channels_HWC.shape[2]).max(axis=0)
    shifts = np.where(top > 255, 8, 0).astype(np.uint16)
    return Image.fromarray(np.ascontiguousarray(channels_HWC >> shifts).astype(np.uint8))


def _check_size(path: Path, found_hw: tuple[int, int], size_hw: tuple[int, int] | None) -> None:
    """InputError where the size is too large, or differs from the image's in every orientation."""
    if found_hw[0] * found_hw[1] > MAX_PIXELS:
        raise InputError(f"{path}: {found_hw[1]:,} x {found_hw[0]:,} pixels are too many; export the mask smaller")
    if size_hw is not None and sorted(found_hw) != sorted(size_hw):
        raise InputError(_other_size(path, found_hw, size_hw))


def _other_size(path: Path, found_hw: tuple[int, int], size_hw: tuple[int, int]) -> str:
    is_turned = tuple(found_hw) == (size_hw[1], size_hw[0])
    fix = "turn the mask as its image is shown, orientation tag applied" if is_turned else ""
    return (
        f"{path}: mask is {found_hw[1]} x {found_hw[0]} pixels, its image {size_hw[1]} x {size_hw[0]}; "
        f"{fix or 'export the mask at the size of its image'}"
    )
