"""Mask file -> MaskImage: the pixels of each nodule, by one rule per kind of file, or an error with the fix.

Read: 0 and any other value, one bit, a palette, colours on black, an alpha channel, label numbers 1, 2, 3 ... (255 next
to small labels is "void"), gray levels as labels (100, 200), probabilities and soft edges (cut at half of full scale),
one page per nodule. A file is refused that could be read in two ways, or that is no mask at all (a picture, a line, a
background).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import InputError
from thyrosight.frames.mask_area import (
    NestedLabels,
    NestedLabelsError,
    NoMaskError,
    covers_borders,
    has_inside,
    refuse_no_area,
)
from thyrosight.frames.mask_colours import BRIGHT, plain_colours
from thyrosight.frames.mask_pages import mask_pages
from thyrosight.types import BoolArray

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MAX_LABEL = 31
"""Whole numbers up to this value are labels; larger ones are brightness. A file with more levels has no labels."""
VOID = 255
"""Value of pixels that the annotator left undecided, in files with labels (Pascal VOC). They count as background."""
VOID_COLOUR = "#e0e0c0"
"""The same in a palette and in colours."""
ONE_VALUE = "one value"
LEAST_LOSSY_LEVEL = 64
"""A lossy file whose brightest pixel is darker than this holds blurred label numbers, or is empty."""
MIDDLE_FROM, MIDDLE_TO = 0.125, 0.875
"""Limits as shares of full scale. A soft mask has few pixels between them (its edges); a picture has most of its pixels
there."""
MAX_MIDDLE_SHARE, MAX_MIDDLE_SHARE_FLOAT = 0.5, 0.85
"""Of the pixels above the lower limit, the largest share that may be between the two limits. It is larger for stored
probabilities, because they may be less certain."""
MAX_PARTS_PER_LEVEL = 64
"""A file with more separate parts per level is a picture: the parts are the grain of its texture."""
NESTED_SHARE = 0.5
"""A region is inside another label, like a nodule in a gland, if this share of its border touches that label."""
FRINGE_PX = 9
"""A lossy coding blurs an edge over less than one of its blocks of 8 pixels."""
NEAR_BLACK, NEAR_WHITE = 10, 245
"""A mask that was once a JPEG has values up to the first limit in place of 0, and from the second on in place of
255."""
FULL_SCALES = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""White levels of whole numbers. The smallest one that holds all values is white, as in load.scale_to_uint8."""
ROUNDING = 1e-4
"""Probabilities may exceed 0 and 1 by this much."""

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class MaskImage:
    """The content of a mask file. labels_HW: 0 background, 1..num_labels the nodules or classes in the file.

    levels: for each label, its value in the file (a number, or a colour "#rrggbb"). rule: a phrase that says how the
    file was read.
    """

    labels_HW: Labels
    levels: tuple[str, ...]
    rule: str

    @property
    def num_labels(self) -> int:
        return len(self.levels)

    @property
    def mask_HW(self) -> BoolArray:
        """-> all labels united."""
        return np.asarray(self.labels_HW > 0)


def read_mask_image(
    path: Path,
    size_hw: tuple[int, int] | None = None,
    keep: frozenset[str] | None = None,
    *,
    is_prediction: bool = False,
) -> MaskImage:
    """Mask file, its image's size where known, the levels to keep (None: all) -> MaskImage.

    InputError, which names the file and the fix, where the file has another size than its image or is no mask. With
    is_prediction, a mask that is a line or covers everything is accepted.
    """
    pages, is_lossy = mask_pages(path, size_hw)
    try:
        found = [_mask_of(page, is_lossy, keep, is_prediction) for page in pages]
        return found[0] if len(found) == 1 else _united(found)
    except NestedLabels as error:
        raise NestedLabelsError(f"{path}: {error}", error.outer) from None
    except NoMaskError as error:
        raise InputError(f"{path}: {error}") from None


def _united(pages: list[MaskImage]) -> MaskImage:
    """One mask per page -> one MaskImage: each page is a nodule; where pages overlap, the later page has the pixel."""
    if len({page.labels_HW.shape for page in pages}) > 1:
        raise NoMaskError("its pages differ in size; save one page per nodule, all of the image's size")
    labels_HW = np.zeros_like(pages[0].labels_HW)
    used = [page for page in pages if page.mask_HW.any()]
    for label, page in enumerate(used, start=1):
        labels_HW[page.mask_HW] = label
    return MaskImage(
        labels_HW, tuple(f"page {k + 1}" for k, page in enumerate(pages) if page.mask_HW.any()), "one page per nodule"
    )


def _mask_of(page: PillowImage, is_lossy: bool, keep: frozenset[str] | None, is_prediction: bool) -> MaskImage:
    """One decoded page -> MaskImage."""
    values_HW, names = _values_of(page)
    if values_HW.dtype.kind == "f":
        values_HW = _checked_floats(values_HW)
    elif values_HW.min(initial=0) < 0:
        raise NoMaskError("holds negative values; save the mask as 0 and 255")
    if is_lossy:
        _refuse_lossy_levels(values_HW)
    image = (
        _probabilities(values_HW, is_lossy)
        if is_lossy or values_HW.dtype.kind == "f"
        else _levels(values_HW, names, keep)
    )
    if not is_prediction:
        refuse_no_area(image.mask_HW)
    return image


def _refuse_lossy_levels(values_HW: NDArray[Any]) -> None:
    """Refuses a lossy file with labels 0 and 1 or several gray levels: a lossy coding only keeps white on black."""
    brightest = int(values_HW.max(initial=0))
    if 0 < brightest < LEAST_LOSSY_LEVEL:
        raise NoMaskError(
            f"a lossy file (JPEG or the like) with values up to {brightest}, where labels of 0 and 1 are lost; "
            "save it again as PNG"
        )
    middle_HW = (values_HW > MIDDLE_FROM * 255) & (values_HW < MIDDLE_TO * 255)
    if cv2.erode(middle_HW.astype(np.uint8), np.ones((FRINGE_PX, FRINGE_PX), np.uint8)).any():
        raise NoMaskError(
            "a lossy file (JPEG or the like) with areas of gray: no mask; save it again as PNG, as 0 and 255"
        )


def _values_of(page: PillowImage) -> tuple[NDArray[Any], dict[int, str]]:
    """Page -> (one number per pixel `_HW`, {number: colour that it means}). Black and clear are 0."""
    if page.mode == "1":
        return np.asarray(page.convert("L")), {}
    if page.mode in ("L", "I", "F") or page.mode.startswith("I;"):
        return np.asarray(page), {}
    if page.mode == "P" and "transparency" not in page.info:
        return _palette_values(page)
    rgba_HW4 = np.asarray(page.convert("RGBA"))
    alpha_HW, rgb_HW3 = rgba_HW4[..., 3], rgba_HW4[..., :3]
    if alpha_HW.min() != alpha_HW.max():
        visible = rgb_HW3[alpha_HW > 0]
        num_colours = len(np.unique(_packed(visible[None]))) if visible.size else 0
        # One colour, or the pixels of a picture cut out: the alpha channel is the mask.
        if num_colours == 1 or num_colours > MAX_LABEL:
            return alpha_HW, {}
        rgb_HW3 = np.where(alpha_HW[..., None] > 0, rgb_HW3, 0)
    return _colour_values(rgb_HW3)


def _packed(rgb_HW3: NDArray[Any]) -> NDArray[np.uint32]:
    red, green, blue = (rgb_HW3[..., channel].astype(np.uint32) for channel in range(3))
    return np.asarray(red << 16 | green << 8 | blue, dtype=np.uint32)


def _colour_values(rgb_HW3: NDArray[Any]) -> tuple[NDArray[Any], dict[int, str]]:
    """RGB -> gray where all channels are equal; a few colours become one number each; else the strongest channel."""
    if (rgb_HW3 == rgb_HW3[..., :1]).all():
        return rgb_HW3[..., 0], {}
    packed_HW = _packed(rgb_HW3)
    colours = np.unique(packed_HW)
    if len(colours) > MAX_LABEL + 1:
        strongest_HW = rgb_HW3.max(axis=2)
        if not covers_borders(np.asarray(strongest_HW > BRIGHT)) and len(plain := plain_colours(rgb_HW3)) > 1:
            raise NoMaskError(
                f"colours {', '.join(plain[:6])} with blurred edges, where one class can't be told from another; "
                "save it as PNG without smoothing, as 0 and 255 or with labels 1, 2, 3"
            )
        return strongest_HW, {}
    others = [int(colour) for colour in colours if colour]
    numbers_HW = np.searchsorted(np.array([0, *others], np.uint32), packed_HW).astype(np.uint8)
    return numbers_HW, {number: f"#{colour:06x}" for number, colour in enumerate(others, start=1)}


def _palette_values(page: PillowImage) -> tuple[NDArray[Any], dict[int, str]]:
    """Palette image -> its indices if index 0 is black and every index has its own colour; else its gray levels."""
    index_HW, rgb_HW3 = np.asarray(page), np.asarray(page.convert("RGB"))
    indices = np.unique(index_HW)
    packed_HW = _packed(rgb_HW3)
    if len(indices) != len(np.unique(packed_HW)):
        return index_HW, {}
    if (rgb_HW3 == rgb_HW3[..., :1]).all() or len(indices) > MAX_LABEL + 1:
        return _colour_values(rgb_HW3)
    colour_of = {int(index): int(packed_HW[index_HW == index][0]) for index in indices}
    # An index 0 that is not black keeps apart from black, which is the background whatever its index.
    values_HW = np.where(packed_HW == 0, 0, index_HW.astype(np.int32) + (colour_of.get(0, 0) != 0))
    names = {index + (colour_of.get(0, 0) != 0): f"#{colour:06x}" for index, colour in colour_of.items() if colour}
    return values_HW, names


def _checked_floats(values_HW: NDArray[Any]) -> NDArray[Any]:
    """Floating-point values -> whole numbers where all are whole, else probabilities; anything else is refused."""
    if not np.isfinite(values_HW).all():
        raise NoMaskError("holds values that are not finite; save the mask as 0 and 255")
    if values_HW.min(initial=0) < -ROUNDING:
        raise NoMaskError("holds negative values, so these are no probabilities; save the mask as 0 and 255")
    if (values_HW == np.rint(values_HW)).all() and values_HW.max(initial=0) <= 65535:
        return np.asarray(values_HW, np.uint16)
    if values_HW.max(initial=0) > 1 + ROUNDING:
        raise NoMaskError("holds fractions above 1, so these are no probabilities; save the mask as 0 and 255")
    return np.asarray(np.clip(values_HW, 0, 1))


def _levels(values_HW: NDArray[Any], names: dict[int, str], keep: frozenset[str] | None) -> MaskImage:
    """Whole numbers -> labels, or gray levels as labels, or a soft mask that is cut at half."""
    levels = [int(value) for value in np.unique(values_HW) if value]
    rule = "labels" if levels and levels[-1] <= MAX_LABEL else "gray levels as labels"
    if not names and _is_nearly_black_and_white(values_HW, levels):
        return _probabilities(values_HW)
    if len(levels) > 1 and values_HW.min() > 0 and (ground := _ground_of(values_HW, levels)) is not None:
        values_HW, levels = np.where(values_HW == ground, 0, values_HW), [one for one in levels if one != ground]
    if not names and len(levels) > 1 and levels[-1] == VOID and levels[-2] <= MAX_LABEL:
        levels, rule = levels[:-1], "labels; 255 is void and counts as background"
    if len(levels) > 1 and any(names.get(level) == VOID_COLOUR for level in levels):
        levels, rule = [one for one in levels if names.get(one) != VOID_COLOUR], f"{VOID_COLOUR} is void, background"
    if keep is not None:
        return _chosen(values_HW, levels, names, keep)
    if len(levels) > MAX_LABEL:
        return _probabilities(values_HW)
    if names and len(levels) > 1 and (strength_HW := _strength(values_HW, levels, names)) is not None:
        return _probabilities(strength_HW)
    if len(levels) > 1 and levels[-1] > MAX_LABEL:
        solid = [level for level in levels if has_inside(values_HW == level)]
        if len(solid) < len(levels):
            if len(solid) > 1:
                raise NoMaskError(
                    f"gray levels {_listed(solid)} with softened edges between them; save it without smoothing, "
                    "as 0 and 255 or with labels 1, 2, 3"
                )
            return _probabilities(values_HW)
    return _labelled(values_HW, levels, names, rule if len(levels) > 1 else ONE_VALUE)


def _is_nearly_black_and_white(values_HW: NDArray[Any], levels: list[int]) -> bool:
    """Whether all values are near 0 or near 255, as a JPEG leaves them.

    False where the only high value is 255 and a low value fills an area: the low value is then a label, and 255 is
    void.
    """
    low, high = [v for v in levels if v <= NEAR_BLACK], [v for v in levels if NEAR_WHITE <= v <= VOID]
    if len(levels) < 2 or not high or len(low) + len(high) < len(levels):
        return False
    is_void_beside_labels = high == [VOID] and any(has_inside(values_HW == level) for level in low)
    return not is_void_beside_labels


def _ground_of(values_HW: NDArray[Any], levels: list[int]) -> int | None:
    """Levels of a file without black -> the level of its background, which covers the four borders.

    None without a background.
    """
    return next((level for level in levels if covers_borders(np.asarray(values_HW == level))), None)


def _strength(values_HW: NDArray[Any], levels: list[int], names: dict[int, str]) -> NDArray[np.uint8] | None:
    """One solid colour with a softened edge -> brightness 0 to 255; None where the colours are anything else."""
    solid = [level for level in levels if has_inside(values_HW == level)]
    if len(solid) == len(levels) or any(level not in names for level in levels):
        return None
    if len(solid) > 1:
        listed = ", ".join(names[level] for level in solid[:6])
        raise NoMaskError(f"colours {listed} with softened edges between them; save it without smoothing")
    brightest = max(_channels(names[level]) for level in levels) if not solid else _channels(names[solid[0]])
    strength_HW = np.zeros(values_HW.shape, np.uint8)
    for level in levels:
        share = sum(_channels(names[level])) / max(sum(brightest), 1)
        expected = [channel * share for channel in brightest]
        if any(abs(a - b) > 3 for a, b in zip(_channels(names[level]), expected, strict=True)):
            return None
        strength_HW[values_HW == level] = min(255, round(255 * share))
    return strength_HW


def _channels(colour: str) -> tuple[int, int, int]:
    """ "#rrggbb" -> its three numbers."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _chosen(values_HW: NDArray[Any], levels: list[int], names: dict[int, str], keep: frozenset[str]) -> MaskImage:
    """-> the MaskImage of the levels that the caller names, by number or colour."""
    kept = [level for level in levels if names.get(level, str(level)) in keep]
    labels_HW = np.zeros(values_HW.shape, np.int32)
    for label, level in enumerate(kept, start=1):
        labels_HW[values_HW == level] = label
    text = ", ".join(sorted(keep))
    return MaskImage(labels_HW, tuple(names.get(level, str(level)) for level in kept), f"only label {text}, as asked")


def _labelled(values_HW: NDArray[Any], levels: list[int], names: dict[int, str], rule: str) -> MaskImage:
    """Levels -> one label per level.

    NestedLabels where one level is inside another: the levels are then a structure and a part of it, or they count the
    readers who agree. NoMaskError where the levels have too many separate parts.
    """
    labels_HW = np.zeros(values_HW.shape, np.int32)
    for label, level in enumerate(levels, start=1):
        labels_HW[values_HW == level] = label
    titles = tuple(names.get(level, str(level)) for level in levels)
    if len(levels) > 1:
        num_parts = sum(
            cv2.connectedComponents((labels_HW == k).astype(np.uint8))[0] - 1 for k in range(1, len(levels) + 1)
        )
        if num_parts > MAX_PARTS_PER_LEVEL * len(levels):
            raise NoMaskError(f"{num_parts:,} specks of {len(levels)} values: a picture, not a mask; give the outline")
        if (pair := _nested(labels_HW)) is not None:
            inner, outer = titles[pair[0] - 1], titles[pair[1] - 1]
            raise NestedLabels(
                f"label {inner} is inside label {outer} (a nodule in a gland?); say which is the nodule, "
                f"for example --mask-label nodule={inner}",
                outer,
            )
    return MaskImage(labels_HW, titles, rule)


def _nested(labels_HW: Labels) -> tuple[int, int] | None:
    """Labels -> (inner, outer) where most of the inner label's border touches the outer label.

    None without such a pair.
    """
    kernel = np.ones((3, 3), np.uint8)
    for inner in range(1, int(labels_HW.max(initial=0)) + 1):
        region_HW = (labels_HW == inner).astype(np.uint8)
        rim = labels_HW[(cv2.dilate(region_HW, kernel) > 0) & (region_HW == 0)]
        counts = np.bincount(rim, minlength=2)
        outer = int(np.argmax(counts[1:])) + 1
        if rim.size and counts[outer] >= NESTED_SHARE * rim.size:
            return inner, outer
    return None


def _probabilities(values_HW: NDArray[Any], is_lossy: bool = False) -> MaskImage:
    """Brightness or probability -> one label where it is above half of full scale (1, 255, 65535)."""
    is_float = values_HW.dtype.kind == "f"
    largest = float(values_HW.max(initial=0))
    full = 1.0 if is_float else next((limit for limit in FULL_SCALES if largest <= limit), largest)
    counted_HW = values_HW > MIDDLE_FROM * full
    middle_HW = counted_HW & (values_HW < MIDDLE_TO * full)
    share = float(middle_HW.sum()) / max(float(counted_HW.sum()), 1.0)
    if share > (MAX_MIDDLE_SHARE_FLOAT if is_float else MAX_MIDDLE_SHARE):
        raise NoMaskError(
            f"not a mask but a picture: {share:.0%} of what is not black has values in between; "
            "give the outline, filled, as 0 and 255"
        )
    mask_HW = values_HW > full / 2
    if largest > (MIDDLE_FROM * full if is_lossy else 0) and not mask_HW.any():
        raise NoMaskError(f"no value reaches half of full scale ({full:g}); save the mask as 0 and 255")
    return MaskImage(mask_HW.astype(np.int32), (f"above {full / 2:g}",), f"values between 0 and {full:g}, cut at half")


def _listed(levels: list[int]) -> str:
    return ", ".join(map(str, levels[:6])) + (" ..." if len(levels) > 6 else "")
