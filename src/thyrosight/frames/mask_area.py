"""Mask -> an error where its form can't be a nodule: a background, a line, a frame, or specks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import InputError
from thyrosight.types import BoolArray

BORDER_SHARE = 0.5
"""A mask that covers more than this share of each of the four sides is a background."""
FRAME_PX = 8
"""A frame around a picture is thinner than this."""
LINE_FILLS = 1.5
"""The area that a closed line encloses, the line included, is at least this many times the area of the line."""
OPEN_LINE_FILLS = 2.5
"""The area that an outline with a gap bends around is at least this many times the area of the line."""
LINE_WIDTH_SHARE, MIN_LINE_WIDTH_PX = 0.02, 6.0
"""Lines are seldom drawn wider than this share of the image's longer side, or than this many pixels."""
LINE_LENGTH = 8.0
"""A thin line is at least this many times longer than wide, a broad line twice as many times. A nodule is not."""
SPECK_PX, MANY_SPECKS = 16, 12
MIN_LINE_PX = 48
"""A part of fewer pixels, next to a nodule, is a slip of the brush; its form is not checked."""
TEXT_SIGNS, MIN_SIGN_PX, MAX_SIGN_SHARE = 4, 4, 0.1
"""Text is at least this many signs in a line, each at least so high, and at most this share of the image's height."""
SIGN_GAP = 1.5
"""Largest gap between the signs of a line, in heights of a sign."""
FIELD_SHARE = 0.75
"""Share of the image's width and height: an area at least this large, with a hole, is an inverted mask."""


class NoMaskError(Exception):
    """The fault of a mask file and its fix, without the name of the file."""


class NestedLabelsError(InputError):
    """A mask file in which one label is inside another; `outer` is the outer label, as the file writes it."""

    def __init__(self, message: str, outer: str) -> None:
        super().__init__(message)
        self.outer = outer


class NestedLabels(NoMaskError):
    """As NestedLabelsError, without the name of the file."""

    def __init__(self, message: str, outer: str) -> None:
        super().__init__(message)
        self.outer = outer


def covers_borders(mask_HW: BoolArray) -> bool:
    """Whether the mask covers more than half of each of the four borders: then it is the background."""
    sides = (mask_HW[0], mask_HW[-1], mask_HW[:, 0], mask_HW[:, -1])
    return all(np.count_nonzero(side) > BORDER_SHARE * side.size for side in sides)


def has_inside(region_HW: BoolArray) -> bool:
    """Whether the region is at least 3 pixels wide somewhere. A softened edge is nowhere so wide."""
    import cv2

    return bool(cv2.erode(region_HW.astype(np.uint8), np.ones((3, 3), np.uint8)).any())


def refuse_no_area(mask_HW: BoolArray) -> None:
    """NoMaskError where the mask is a background, a frame, a line, a hatching or specks; an empty mask passes."""
    import cv2

    area_px = np.count_nonzero(mask_HW)
    if not area_px:
        return
    if covers_borders(mask_HW):
        inner_HW = mask_HW[FRAME_PX:-FRAME_PX, FRAME_PX:-FRAME_PX]
        if inner_HW.size and not covers_borders(inner_HW):
            raise NoMaskError("has a line along all four borders, like the frame of a screenshot; erase the frame")
        raise NoMaskError("touches all four borders: that is the background; invert the mask (nodule white on black)")
    padded = np.pad(mask_HW.astype(np.uint8), 1)
    contours, _ = cv2.findContours(padded, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(padded), contours, -1, 1, cv2.FILLED)
    if np.count_nonzero(filled) > LINE_FILLS * area_px:
        raise NoMaskError("holds a line or a ring, not an area; fill the outline")
    num_parts, labels, stats, _ = cv2.connectedComponentsWithStats(padded, connectivity=8)
    areas_px = stats[1:, cv2.CC_STAT_AREA]
    if num_parts > MANY_SPECKS and areas_px.max() < SPECK_PX:
        raise NoMaskError(f"holds {num_parts - 1} specks of at most {areas_px.max()} pixels, no area; fill the outline")
    if (corner_xy := _line_of_text(stats[1:], mask_HW.shape[0])) is not None:
        raise NoMaskError(f"holds text, at x = {corner_xy[0]}, y = {corner_xy[1]}; erase it")
    largest = 1 + int(np.argmax(areas_px))
    for part in (largest, *range(1, largest), *range(largest + 1, num_parts)):
        if part == largest or areas_px[part - 1] >= MIN_LINE_PX:
            x, y, width, height = (int(n) for n in stats[part, : cv2.CC_STAT_AREA])
            inside_HW = labels[y : y + height, x : x + width] == part
            _refuse_no_area_part(inside_HW, mask_HW.shape, (x - 1, y - 1), is_largest=part == largest)


def num_slips(mask_HW: BoolArray) -> int:
    """Mask -> its parts of fewer than MIN_LINE_PX pixels, next to a larger part: slips of the brush, or signs."""
    import cv2

    stats = cv2.connectedComponentsWithStats(mask_HW.astype(np.uint8), connectivity=8)[2]
    areas_px = stats[1:, cv2.CC_STAT_AREA]
    return int((areas_px < MIN_LINE_PX).sum()) if areas_px.max(initial=0) >= MIN_LINE_PX else 0


def _line_of_text(stats: NDArray[Any], height: int) -> tuple[int, int] | None:
    """Parts of a padded mask (x, y, width, height, area each) -> the corner of a line of text in it; None without any.

    A line of text is several small parts of one height, which stand on one line, close to one another.
    """
    limit = max(20.0, MAX_SIGN_SHARE * height)
    small = sorted(
        (x, y, width, tall)
        for x, y, width, tall, _ in stats.tolist()
        if MIN_SIGN_PX <= tall <= limit and width <= 1.5 * tall
    )
    for first in range(len(small) - TEXT_SIGNS + 1):
        x, y, width, tall = small[first]
        num, end = 1, x + width
        for other_x, other_y, other_width, other_tall in small[first + 1 :]:
            is_level = abs(other_y + other_tall - y - tall) <= 0.2 * tall and 0.7 <= other_tall / tall <= 1.4
            if is_level and other_x >= end - 1:
                if other_x - end > SIGN_GAP * tall:
                    break
                num, end = num + 1, other_x + other_width
        if num >= TEXT_SIGNS:
            return x - 1, y - 1
    return None


def _refuse_no_area_part(
    part_HW: BoolArray, image_hw: tuple[int, ...], corner_xy: tuple[int, int], *, is_largest: bool
) -> None:
    """One connected part of a mask, cut out by its box -> NoMaskError if a line, a ring, or a field with a hole."""
    import cv2

    area_px = np.count_nonzero(part_HW)
    padded = np.pad(part_HW.astype(np.uint8), 1)
    contours, _ = cv2.findContours(padded, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hole_px = np.count_nonzero(cv2.drawContours(np.zeros_like(padded), contours, -1, 1, cv2.FILLED)) - area_px
    width_px = 2 * float(cv2.distanceTransform(padded, cv2.DIST_L2, 5).max())
    is_thin = width_px <= max(MIN_LINE_WIDTH_PX, LINE_WIDTH_SHARE * max(image_hw))
    hull_px = cv2.contourArea(cv2.convexHull(np.concatenate(contours)))
    is_ring = area_px + hole_px > LINE_FILLS * area_px or (is_thin and hull_px > OPEN_LINE_FILLS * area_px)
    if is_ring or area_px > (LINE_LENGTH if is_thin else 2 * LINE_LENGTH) * width_px**2:
        if is_largest:
            raise NoMaskError("holds a line, not an area; fill the outline")
        raise NoMaskError(
            f"holds a line or a ring besides an area, at x = {corner_xy[0]}, y = {corner_xy[1]}; fill it or erase it"
        )
    is_field = all(part >= FIELD_SHARE * whole for part, whole in zip(part_HW.shape, image_hw, strict=True))
    if is_field and hole_px >= SPECK_PX:
        raise NoMaskError(
            "has a hole in an area as large as the image: that is the field without the nodule; "
            "invert the mask (nodule white on black)"
        )
