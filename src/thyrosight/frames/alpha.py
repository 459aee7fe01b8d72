"""Decoded image with an alpha channel -> the mask in that channel, if it is a mask, and whether a picture is below it.

Some tools store an outline as the transparency of the image itself. On black, as transparent images are usually shown,
such an image shows only the nodule, or all but the nodule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thyrosight.frames.mask_area import NoMaskError, covers_borders, has_inside, refuse_no_area
from thyrosight.types import BoolArray

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MAX_SHARE = 0.5
"""A larger visible area is the ultrasound field in a transparent margin, not a nodule."""
MAX_CUT_SHARE = 0.2
"""The same limit where no picture is below the transparency: the sector of a probe may fill a third of a screen."""
MAX_PARTS = 8
"""Where the transparency has more parts, a colour was made transparent wherever it occurs, mostly black."""
RECTANGLE_FILLS = 0.98
MAX_STEP = 31
"""Values up to this one may be label numbers in the channel (0 and 1) in place of transparency (0 and 255)."""
RING_PX = 7
NEAR_BLACK = 8
"""A hidden margin is darker than this."""
MAX_SAME = 0.9
"""Where this share of the hidden pixels has one value, there is no picture below the transparency."""
MODES = ("RGBA", "RGBa", "LA", "La", "PA")


class AlphaMaskError(ValueError):
    """The image's transparency is a mask, so a viewer would not show the whole image."""

    def __init__(self) -> None:
        super().__init__(
            "its transparency outlines an area, as a mask does, so most of the picture or the nodule would be black; "
            "`thyrosight prepare` reads such a file as image and mask, for the image alone save it without transparency"
        )


@dataclass(frozen=True)
class AlphaMask:
    """The mask in an alpha channel. has_picture: whether the hidden pixels hold the rest of the picture."""

    mask_HW: BoolArray
    has_picture: bool


def has_alpha(image: PillowImage) -> bool:
    """Whether a Pillow image, decoded or not, has an alpha channel, or a colour that is transparent."""
    return image.mode in MODES or "transparency" in image.info


def to_rgba(image: PillowImage) -> PillowImage:
    """Pillow image of any mode -> RGBA. Pillow does not convert from `La` in one step."""
    return (image.convert("LA") if image.mode == "La" else image).convert("RGBA")


def refuse_alpha_mask(image: PillowImage) -> None:
    """AlphaMaskError where the transparency of a decoded image is a mask, and the rest of the picture is below it."""
    if has_alpha(image):
        refuse_alpha_mask_of(np.asarray(to_rgba(image)))


def refuse_alpha_mask_of(rgba_HW4: NDArray[Any]) -> None:
    """As refuse_alpha_mask, of colour and alpha `_HW4` with any number of bits."""
    found = alpha_mask(rgba_HW4)
    if found is not None and found.has_picture:
        raise AlphaMaskError


def alpha_mask(rgba_HW4: NDArray[Any]) -> AlphaMask | None:
    """Colour and alpha `_HW4` of 8 or 16 bits -> the mask in its alpha channel; None without a mask.

    A mask has two values, one of which covers the four borders. A channel of one value, a margin, a letterbox and a
    cover over a corner are no masks. Where an area is hidden and the rest is visible, the mask is inverted.
    """
    import cv2

    alpha_HW = rgba_HW4[..., 3]
    low, high = int(alpha_HW.min()), int(alpha_HW.max())
    if low == high:
        return None
    region_HW = _region(alpha_HW, low, high)
    if region_HW is None:
        return None
    is_hidden = bool(alpha_HW[region_HW].mean() < alpha_HW[~region_HW].mean())
    try:
        refuse_no_area(region_HW)
    except NoMaskError:
        return None
    num_parts = cv2.connectedComponents(region_HW.view(np.uint8))[0] - 1
    if num_parts > MAX_PARTS or region_HW.mean() > MAX_SHARE:
        return None
    scale = 255 if rgba_HW4.dtype == np.uint8 else max(int(rgba_HW4[..., :3].max()), 1)
    gray_HW = rgba_HW4[..., :3].mean(axis=2) * (255 / scale)
    has_picture = _is_picture(gray_HW, region_HW, is_hidden=is_hidden)
    if _is_rectangle(region_HW) and (_touches_border(region_HW) or not has_picture):
        return None
    if not has_picture and not is_hidden and region_HW.mean() > MAX_CUT_SHARE:
        return None
    return AlphaMask(region_HW, has_picture)


def _region(alpha_HW: NDArray[Any], low: int, high: int) -> BoolArray | None:
    """-> the pixels that differ from the value of the four borders; None where no single value covers the borders.

    low, high: the smallest and the largest value. With a `high` above MAX_STEP, values well between them may only be in
    a soft edge, which is nowhere 3 pixels wide; else the result is None too.
    """
    ground = next((value for value in (low, high) if covers_borders(np.asarray(alpha_HW == value))), None)
    if ground is None:
        return None
    if high <= MAX_STEP:
        return np.asarray(alpha_HW != ground)
    middle_HW = (alpha_HW > low + (high - low) / 8) & (alpha_HW < high - (high - low) / 8)
    if has_inside(middle_HW):
        return None
    is_upper_HW = alpha_HW > (low + high) / 2
    return np.asarray(is_upper_HW if ground == low else ~is_upper_HW)


def _is_picture(gray_HW: NDArray[Any], region_HW: BoolArray, *, is_hidden: bool) -> bool:
    """Whether the pixels that the transparency hides are a picture, so neither near black nor nearly all of one value.

    is_hidden: the region is hidden, and its pixels are examined; else those in a ring around the region.
    """
    import cv2

    hidden_HW = region_HW
    if not is_hidden:
        kernel = np.ones((2 * RING_PX + 1, 2 * RING_PX + 1), np.uint8)
        hidden_HW = (cv2.dilate(region_HW.view(np.uint8), kernel) > 0) & ~region_HW
    values = np.rint(gray_HW[hidden_HW]).astype(np.int64)
    if not values.size or np.median(values) <= NEAR_BLACK:
        return False
    return bool(np.bincount(np.clip(values, 0, 255)).max() < MAX_SAME * values.size)


def _is_rectangle(region_HW: BoolArray) -> bool:
    import cv2

    _, _, width, height = cv2.boundingRect(region_HW.view(np.uint8))
    return bool(np.count_nonzero(region_HW) >= RECTANGLE_FILLS * width * height)


def _touches_border(region_HW: BoolArray) -> bool:
    return bool(region_HW[0].any() or region_HW[-1].any() or region_HW[:, 0].any() or region_HW[:, -1].any())
