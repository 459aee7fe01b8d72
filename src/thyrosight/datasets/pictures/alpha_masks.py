"""Cases -> the same; an image with its mask in the alpha channel is written as two files, image and mask."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.datasets.sets.layout import CONVERTED, write_mask, write_pixels
from thyrosight.errors import InputError
from thyrosight.files import raise_shortage, readable
from thyrosight.frames.alpha import AlphaMask, alpha_mask, has_alpha, to_rgba
from thyrosight.frames.dicom import HEAD_BYTES, kind_of
from thyrosight.frames.headers import HeaderError, read_claim
from thyrosight.frames.load import MAX_PIXELS, is_deep_colour, read_bounded, scale_to_uint8
from thyrosight.types import Case

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

_TIFF_EXTRA_SAMPLES, _UNSPECIFIED = 338, 0


@dataclass(frozen=True)
class Layers:
    """An image file whose alpha channel is a mask. picture: `_HW` or `_HW3` (RGB), 8 bits, without that channel."""

    picture: NDArray[np.uint8]
    alpha: AlphaMask


def layers_of(path: Path) -> Layers | None:
    """Image file -> its picture and the mask in its alpha channel; None where it has no such mask, or can't be read.

    `load_frame` reports an image that can't be read.
    """
    try:
        data = read_bounded(path)
        if kind_of(data[:HEAD_BYTES]) is not None:
            return None
        claim = read_claim(data)
    except InputError as error:
        raise_shortage(error)
        return None
    except HeaderError:
        return None
    if claim.num_frames > 1 or claim.width * claim.height > MAX_PIXELS:
        return None
    try:
        rgba_HW4 = _rgba_of(data)
    except Exception:  # Pillow raises a dozen types on damaged files, which load_frame reports
        return None
    if rgba_HW4 is None or (found := alpha_mask(rgba_HW4)) is None:
        return None
    colour_HW3 = np.ascontiguousarray(rgba_HW4[..., :3])
    if colour_HW3.dtype != np.uint8:
        height, width = colour_HW3.shape[:2]
        colour_HW3 = scale_to_uint8(colour_HW3.reshape(height, -1)).reshape(height, width, 3)
    is_gray = bool((colour_HW3 == colour_HW3[..., :1]).all())
    return Layers(np.ascontiguousarray(colour_HW3[..., 0]) if is_gray else colour_HW3, found)


def _rgba_of(data: bytes) -> NDArray[Any] | None:
    """File -> RGB and alpha `_HW4`, upright, 8 or 16 bits; None where it has no alpha channel."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as image:
            if is_deep_colour(image) or _has_unnamed_sample(image):
                decoded: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
                is_rgba = decoded is not None and decoded.ndim == 3 and decoded.shape[2] == 4
                return np.asarray(decoded[..., [2, 1, 0, 3]]) if is_rgba else None
            if not has_alpha(image):
                return None
            return np.asarray(to_rgba(ImageOps.exif_transpose(image)))


def _has_unnamed_sample(image: PillowImage) -> bool:
    """Whether the pixels of a TIFF have a sample besides their colours whose meaning the file does not state."""
    tags: Any = getattr(image, "tag_v2", {})
    return _UNSPECIFIED in tuple(tags.get(_TIFF_EXTRA_SAMPLES, ()))


def with_alpha_masks(cases: Sequence[Case], out: Path) -> tuple[list[Case], list[str], dict[str, int]]:
    """Cases -> (the same, with each such image and its mask as files below `out`; notes; {reason: images left out}).

    A case that has a mask file keeps it. A picture without content where it is transparent is left out: it shows only
    the nodule, or all but the nodule. InputError where no image is left.
    """
    kept: list[Case] = []
    read: list[Case] = []
    own: list[Case] = []
    empty: list[Case] = []
    for case in cases:
        layers = layers_of(case.image)
        if layers is None:
            kept.append(case)
            continue
        has_own = case.mask is not None and case.mask != case.image
        if not layers.alpha.has_picture:
            empty.append(case)
            continue
        (own if has_own else read).append(case)
        image, mask = out / CONVERTED / f"{case.case_id}.png", case.mask if has_own else None
        write_pixels(image, layers.picture)
        if mask is None:
            mask = out / "masks" / f"{case.case_id}.png"
            write_mask(mask, layers.alpha.mask_HW)
        kept.append(replace(case, image=image.resolve(), mask=mask.resolve()))
    notes = []
    if read:
        notes.append(
            f"{len(read)} images hold their mask in their own alpha channel (transparency), e.g. "
            f"{_name(read)}: image and mask were written as two files; look at the outlines in contact_sheet.png"
        )
    if own:
        notes.append(
            f"{len(own)} images have a transparency like a mask and a mask file too, e.g. {_name(own)}: the mask file "
            "counts, the transparency was left away"
        )
    why = "image cut out by its transparency, with no picture around the cut"
    if empty and not kept:
        raise InputError(f"{empty[0].image}: {why}; give the whole image, and the outline as a mask of its own")
    return kept, notes, {f"{why}, e.g. {_name(empty)}": len(empty)} if empty else {}


def _name(cases: Sequence[Case]) -> str:
    return readable(cases[0].image.name)
