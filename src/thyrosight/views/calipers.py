"""Draws the marks of a scanner's calipers into an ink mask: crosses, dotted lines and numbers.

Legend: ink_HW is 0 or 255 per pixel, changed in place; `_xy` points (column, row); cross_px the width of a cross.
"""

from __future__ import annotations

import cv2
import numpy as np

from thyrosight.prediction import PointXY
from thyrosight.types import UInt8Array

INK_LEVEL = 225
"""Gray level of the marks and the text that a scanner writes into its images."""


def draw_cross(ink_HW: UInt8Array, centre_xy: PointXY, cross_px: int, is_open: bool) -> None:
    """Draws a cross (+) of this width. is_open: its middle stays empty."""
    x, y = round(centre_xy[0]), round(centre_xy[1])
    arm, thick = cross_px // 2, stroke_px(cross_px)
    hole = max(1, arm // 3) if is_open else 0
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        cv2.line(ink_HW, (x + hole * dx, y + hole * dy), (x + arm * dx, y + arm * dy), 255, thick)


def draw_dots(ink_HW: UInt8Array, ends_xy: tuple[PointXY, PointXY], cross_px: int) -> None:
    """Draws dots from one cross to the other; the distance between dots is a third of a cross."""
    start_xy, end_xy = np.asarray(ends_xy[0]), np.asarray(ends_xy[1])
    length_px = float(np.hypot(*(end_xy - start_xy)))
    side = stroke_px(cross_px)
    for along_px in np.arange(0.6 * cross_px, length_px - 0.6 * cross_px, max(3.0, cross_px / 3)):
        x, y = np.rint(start_xy + (end_xy - start_xy) * along_px / length_px).astype(int)
        ink_HW[max(0, y) : max(0, y + side), max(0, x) : max(0, x + side)] = 255


def draw_number(ink_HW: UInt8Array, text: str, ends_xy: tuple[PointXY, PointXY], cross_px: int) -> None:
    """Draws the number of a line next to its first end, on the side away from the second end."""
    from PIL import Image, ImageDraw, ImageFont

    start_xy, end_xy = np.asarray(ends_xy[0]), np.asarray(ends_xy[1])
    away_xy = (start_xy - end_xy) / max(1e-6, float(np.hypot(*(start_xy - end_xy))))
    place_xy = start_xy + 0.9 * cross_px * away_xy
    height, width = ink_HW.shape
    canvas = Image.new("L", (width, height))
    draw = ImageDraw.Draw(canvas)
    draw.fontmode = "1"
    draw.text(
        (float(place_xy[0]), float(place_xy[1])),
        text,
        fill=255,
        font=ImageFont.load_default(1.2 * cross_px),
        anchor="mm",
    )
    np.maximum(ink_HW, np.asarray(canvas), out=ink_HW)


def stroke_px(cross_px: int) -> int:
    """Width of a cross -> width of its lines."""
    return max(1, round(0.14 * cross_px))
