"""Mask file -> MaskImage: which pixels each nodule has, by one stated rule per kind of file, or an error with the fix.

Read: 0 and any other value, one bit, a palette, colours on black, an alpha channel, label numbers 1, 2, 3 ... (255 next
to small labels is "void"), gray levels as labels (100, 200), probabilities and soft edges (cut at half of full scale),
one page per nodule. Refused: what could be read in two ways, or is no mask at all (a picture, a line, a background).
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import InputError
from thyrosight.frames.headers import HeaderError, read_claim
from thyrosight.frames.load import MAX_PIXELS, read_bounded
from thyrosight.types import BoolArray

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MAX_LABEL = 31
"""Whole numbers up to this are labels, not brightness; more levels of gray than this are no labels."""
VOID = 255
"""Next to labels: pixels that the annotator left undecided (Pascal VOC). They count as background."""
MAX_PAGES = 64
ONE_VALUE = "one value"
LOSSY = ("JPEG", "JPEG2000", "WEBP")
LEAST_LOSSY_LEVEL = 64
"""A lossy file whose brightest pixel is darker holds blurred label numbers, or nothing."""
MIDDLE_FROM, MIDDLE_TO = 0.125, 0.875
"""Of full scale: a soft mask has few pixels between these (its edges), a picture has most of its pixels there."""
MAX_MIDDLE_SHARE, MAX_MIDDLE_SHARE_FLOAT = 0.5, 0.85
"""Of the pixels above the lower limit; more for stored probabilities, which may be less certain."""
MAX_PARTS_PER_LEVEL = 64
"""More separate parts per level are the grain of a picture."""
NESTED_SHARE = 0.8
"""A region is inside another label, like a nodule in a gland, if this share of its rim borders on that label."""
BORDER_SHARE = 0.5
"""A background covers this share of each of the four sides."""
FRINGE_PX = 9
"""A lossy coding blurs an edge over less than one of its blocks of 8 pixels."""
LINE_WIDTH_PX = 6.0
LINE_FILLS = 3.0
"""A closed line holds at least this many times its own area."""

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class MaskImage:
    """The content of a mask file. labels_HW: 0 background, 1..num_labels the nodules or classes in the file.

    levels: the value in the file behind each label, as the file has it (a number, or a colour "#rrggbb"). rule: how
    the file was read, in words.
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
    path: Path, size_hw: tuple[int, int] | None = None, keep: frozenset[str] | None = None
) -> MaskImage:
    """Mask file, its image's size where known, the levels to keep (None: all) -> MaskImage.

    InputError, which names the file and the fix, where it has another size than its image or is no mask.
    """
    pages, is_lossy = _decoded(path, size_hw)
    try:
        found = [_mask_of(page, is_lossy, keep) for page in pages]
        return found[0] if len(found) == 1 else _united(found)
    except _NoMaskError as error:
        raise InputError(f"{path}: {error}") from None


class _NoMaskError(Exception):
    """The fault of a file and its fix, without the name of the file."""


def _decoded(path: Path, size_hw: tuple[int, int] | None) -> tuple[list[PillowImage], bool]:
    """Mask file -> (its pages with their orientation applied, whether its coding is lossy); sizes are checked first."""
    from PIL import Image, ImageOps

    try:
        data = read_bounded(path)
    except InputError as error:
        raise InputError(
            str(error).replace("no such file; check the path", "no such mask file; correct its name")
        ) from None
    try:
        claim = read_claim(data)
        _check_size(path, (claim.height, claim.width), size_hw)
        if claim.num_frames > MAX_PAGES:
            raise InputError(f"{path}: {claim.num_frames} pages; a mask has at most {MAX_PAGES}, one per nodule")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                is_lossy = claim.format in LOSSY
                pages = []
                for index in range(claim.num_frames):
                    if claim.num_frames > 1:
                        image.seek(index)
                    pages.append(ImageOps.exif_transpose(image.copy()))
                if claim.format == "BMP" and image.mode == "1":
                    # Pillow takes two colours for one bit per pixel, also where the file stores eight.
                    decoded_HW = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
                    pages = [Image.fromarray(np.asarray(decoded_HW, np.uint8))]
    except InputError:
        raise
    except (HeaderError, OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable mask image ({error}); save it again as PNG") from None
    for page in pages:
        if size_hw is not None and (page.height, page.width) != tuple(size_hw):
            raise InputError(_other_size(path, (page.height, page.width), size_hw))
    return pages, is_lossy


def _check_size(path: Path, found_hw: tuple[int, int], size_hw: tuple[int, int] | None) -> None:
    """Refuse, before anything is decoded, a size that no orientation tag can make the image's."""
    if found_hw[0] * found_hw[1] > MAX_PIXELS:
        raise InputError(f"{path}: {found_hw[1]:,} x {found_hw[0]:,} pixels are too many; export the mask smaller")
    if size_hw is not None and sorted(found_hw) != sorted(size_hw):
        raise InputError(_other_size(path, found_hw, size_hw))


def _other_size(path: Path, found_hw: tuple[int, int], size_hw: tuple[int, int]) -> str:
    return (
        f"{path}: mask is {found_hw[1]} x {found_hw[0]} pixels, its image {size_hw[1]} x {size_hw[0]}; "
        "export the mask at the image's own size"
    )


def _united(pages: list[MaskImage]) -> MaskImage:
    """One mask per page -> one MaskImage: each page is a nodule, a later page lies on top of an earlier one."""
    if len({page.labels_HW.shape for page in pages}) > 1:
        raise _NoMaskError("its pages differ in size; save one page per nodule, all of the image's size")
    labels_HW = np.zeros_like(pages[0].labels_HW)
    used = [page for page in pages if page.mask_HW.any()]
    for label, page in enumerate(used, start=1):
        labels_HW[page.mask_HW] = label
    return MaskImage(
        labels_HW, tuple(f"page {k + 1}" for k, page in enumerate(pages) if page.mask_HW.any()), "one page per nodule"
    )


def _mask_of(page: PillowImage, is_lossy: bool, keep: frozenset[str] | None) -> MaskImage:
    """One decoded page -> MaskImage."""
    values_HW, names = _values_of(page)
    if values_HW.dtype.kind == "f":
        values_HW = _checked_floats(values_HW)
    elif values_HW.min(initial=0) < 0:
        raise _NoMaskError("holds negative values; save the mask as 0 and 255")
    if is_lossy:
        _refuse_lossy_levels(values_HW)
    image = _probabilities(values_HW) if is_lossy or values_HW.dtype.kind == "f" else _levels(values_HW, names, keep)
    if covers_borders(image.mask_HW):
        raise _NoMaskError("touches all four borders: that is the background; invert the mask (nodule white on black)")
    _refuse_lines(image.mask_HW)
    return image


def _refuse_lossy_levels(values_HW: NDArray[Any]) -> None:
    """Only white on black survives a lossy coding: neither labels 0 and 1 nor several gray levels do."""
    brightest = int(values_HW.max(initial=0))
    if 0 < brightest < LEAST_LOSSY_LEVEL:
        raise _NoMaskError(
            f"a lossy file (JPEG or the like) with values up to {brightest}, where labels of 0 and 1 are lost; "
            "save it again as PNG"
        )
    middle_HW = (values_HW > MIDDLE_FROM * 255) & (values_HW < MIDDLE_TO * 255)
    if cv2.erode(middle_HW.astype(np.uint8), np.ones((FRINGE_PX, FRINGE_PX), np.uint8)).any():
        raise _NoMaskError(
            "a lossy file (JPEG or the like) with areas of gray: no mask; save it again as PNG, as 0 and 255"
        )


def _values_of(page: PillowImage) -> tuple[NDArray[Any], dict[int, str]]:
    """Page -> (one number per pixel `_HW`, names of the numbers that stand for a colour). Black and clear are 0."""
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
    """RGB -> gray where all channels agree; a few colours as numbers of their own; else the strongest channel."""
    if (rgb_HW3 == rgb_HW3[..., :1]).all():
        return rgb_HW3[..., 0], {}
    packed_HW = _packed(rgb_HW3)
    colours = np.unique(packed_HW)
    if len(colours) > MAX_LABEL + 1:
        return rgb_HW3.max(axis=2), {}
    others = [int(colour) for colour in colours if colour]
    numbers_HW = np.searchsorted(np.array([0, *others], np.uint32), packed_HW).astype(np.uint8)
    return numbers_HW, {number: f"#{colour:06x}" for number, colour in enumerate(others, start=1)}


def _palette_values(page: PillowImage) -> tuple[NDArray[Any], dict[int, str]]:
    """Palette image -> its indices where black is 0 and every index has a colour of its own; a gray palette's grays."""
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
        raise _NoMaskError("holds values that are not finite; save the mask as 0 and 255")
    if values_HW.min(initial=0) < 0:
        raise _NoMaskError("holds negative values, so these are no probabilities; save the mask as 0 and 255")
    if (values_HW == np.rint(values_HW)).all() and values_HW.max(initial=0) <= 65535:
        return np.asarray(values_HW, np.uint16)
    if values_HW.max(initial=0) > 1:
        raise _NoMaskError("holds fractions above 1, so these are no probabilities; save the mask as 0 and 255")
    return values_HW


def _levels(values_HW: NDArray[Any], names: dict[int, str], keep: frozenset[str] | None) -> MaskImage:
    """Whole numbers -> the labels or gray levels that they are, or a soft mask cut at half."""
    levels = [int(value) for value in np.unique(values_HW) if value]
    rule = "labels" if levels and levels[-1] <= MAX_LABEL else "gray levels as labels"
    if not names and len(levels) > 1 and levels[-1] == VOID and levels[-2] <= MAX_LABEL:
        levels, rule = levels[:-1], "labels; 255 is void and counts as background"
    if keep is not None:
        return _chosen(values_HW, levels, names, keep)
    if len(levels) > MAX_LABEL:
        return _probabilities(values_HW)
    if len(levels) > 1 and values_HW.min() > 0:  # a background that is not black
        levels = levels[1:]
    if len(levels) > 1 and levels[-1] > MAX_LABEL:
        solid = [level for level in levels if _has_inside(values_HW == level)]
        if len(solid) < len(levels):
            if len(solid) > 1:
                raise _NoMaskError(
                    f"gray levels {_listed(solid)} with softened edges between them; save it without smoothing, "
                    "as 0 and 255 or with labels 1, 2, 3"
                )
            return _probabilities(values_HW)
    return _labelled(values_HW, levels, names, rule if len(levels) > 1 else ONE_VALUE)


def _chosen(values_HW: NDArray[Any], levels: list[int], names: dict[int, str], keep: frozenset[str]) -> MaskImage:
    """Only the levels that the caller names, by number or colour."""
    kept = [level for level in levels if names.get(level, str(level)) in keep]
    labels_HW = np.zeros(values_HW.shape, np.int32)
    for label, level in enumerate(kept, start=1):
        labels_HW[values_HW == level] = label
    text = ", ".join(sorted(keep))
    return MaskImage(labels_HW, tuple(names.get(level, str(level)) for level in kept), f"only label {text}, as asked")


def _labelled(values_HW: NDArray[Any], levels: list[int], names: dict[int, str], rule: str) -> MaskImage:
    """Levels -> a label each. Refused where one lies inside another: that is a class and its part, or agreement."""
    labels_HW = np.zeros(values_HW.shape, np.int32)
    for label, level in enumerate(levels, start=1):
        labels_HW[values_HW == level] = label
    titles = tuple(names.get(level, str(level)) for level in levels)
    if len(levels) > 1:
        num_parts = sum(
            cv2.connectedComponents((labels_HW == k).astype(np.uint8))[0] - 1 for k in range(1, len(levels) + 1)
        )
        if num_parts > MAX_PARTS_PER_LEVEL * len(levels):
            raise _NoMaskError(f"{num_parts:,} specks of {len(levels)} values: a picture, not a mask; give the outline")
        if (pair := _nested(labels_HW)) is not None:
            inner, outer = titles[pair[0] - 1], titles[pair[1] - 1]
            raise _NoMaskError(
                f"label {inner} lies inside label {outer} (a nodule in a gland?); say which is the nodule, "
                f"for example --mask-label nodule={inner}"
            )
    return MaskImage(labels_HW, titles, rule)


def _nested(labels_HW: Labels) -> tuple[int, int] | None:
    """Labels -> (inner, outer) where the rim of one label borders for the most part on one other; None where none."""
    kernel = np.ones((3, 3), np.uint8)
    for inner in range(1, int(labels_HW.max(initial=0)) + 1):
        region_HW = (labels_HW == inner).astype(np.uint8)
        rim = labels_HW[(cv2.dilate(region_HW, kernel) > 0) & (region_HW == 0)]
        counts = np.bincount(rim, minlength=2)
        outer = int(np.argmax(counts[1:])) + 1
        if rim.size and counts[outer] >= NESTED_SHARE * rim.size:
            return inner, outer
    return None


def _has_inside(region_HW: BoolArray) -> bool:
    """Whether the region is somewhere at least 3 pixels wide: an edge that was softened is not."""
    return bool(cv2.erode(region_HW.astype(np.uint8), np.ones((3, 3), np.uint8)).any())


def _probabilities(values_HW: NDArray[Any]) -> MaskImage:
    """Brightness or probability -> one label where it is above half of full scale (1, 255, 65535)."""
    is_float = values_HW.dtype.kind == "f"
    largest = float(values_HW.max(initial=0))
    full = 1.0 if is_float else 255.0 if largest <= 255 else 65535.0
    counted_HW = values_HW > MIDDLE_FROM * full
    middle_HW = counted_HW & (values_HW < MIDDLE_TO * full)
    share = float(middle_HW.sum()) / max(float(counted_HW.sum()), 1.0)
    if share > (MAX_MIDDLE_SHARE_FLOAT if is_float else MAX_MIDDLE_SHARE):
        raise _NoMaskError(
            f"not a mask but a picture: {share:.0%} of what is not black has values in between; "
            "give the outline, filled, as 0 and 255"
        )
    mask_HW = values_HW > full / 2
    if largest > 0 and not mask_HW.any() and largest > MIDDLE_FROM * full:
        raise _NoMaskError(f"no value reaches half of full scale ({full:g}); save the mask as 0 and 255")
    return MaskImage(mask_HW.astype(np.int32), (f"above {full / 2:g}",), f"values between 0 and {full:g}, cut at half")


def covers_borders(mask_HW: BoolArray) -> bool:
    """Whether the mask covers more than half of each of the four borders: then it is the background."""
    sides = (mask_HW[0], mask_HW[-1], mask_HW[:, 0], mask_HW[:, -1])
    return all(np.count_nonzero(side) > BORDER_SHARE * side.size for side in sides)


def _refuse_lines(mask_HW: BoolArray) -> None:
    """A contour that was drawn and not filled would teach that a nodule is a thin ring."""
    area = np.count_nonzero(mask_HW)
    if not area:
        return
    padded = np.pad(mask_HW.astype(np.uint8), 1)
    if 2 * float(cv2.distanceTransform(padded, cv2.DIST_L2, 3).max()) > LINE_WIDTH_PX:
        return
    contours, _ = cv2.findContours(padded, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(padded), contours, -1, 1, cv2.FILLED)
    if np.count_nonzero(filled) > LINE_FILLS * area:
        raise _NoMaskError("holds a line, not an area; fill the outline")


def _listed(levels: list[int]) -> str:
    return ", ".join(map(str, levels[:6])) + (" ..." if len(levels) > 6 else "")
