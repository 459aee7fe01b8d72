"""Frame and Prediction -> a picture for people: outlines, diameters and a legend; nothing outside the ultrasound field.

The picture is enlarged or reduced to a readable size, with a strip of text below: it is not in the source's pixels (the
mask is). What lies outside the field is blanked, because names and dates are burned in there.
Legend: `_HW3` uint8 RGB, `_xy` points (column, row).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.field import field_of_view
from thyrosight.prediction import Nodule, PointXY, Prediction
from thyrosight.types import BoolArray, Box, Frame, UInt8Array

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

Colour = tuple[int, int, int]

HIGH_RISK: Colour = (255, 170, 40)
LOW_RISK: Colour = (70, 205, 255)
NO_RISK: Colour = (235, 235, 235)
BLANK: Colour = (16, 17, 20)
HALO: Colour = (0, 0, 0)
TEXT: Colour = (232, 232, 232)
FAINT: Colour = (165, 168, 175)

WANTED_SIDE_PX = 800
"""Smaller pictures are enlarged by a whole factor until their longer side reaches this."""
MAX_FACTOR = 4
MAX_SIDE_PX = 1600
MIN_WIDTH_PX = 440
FONT_PX = 17
_SHIFT = 4  # cv2 draws at 1/16 pixel


def draw_overlay(frame: Frame, prediction: Prediction) -> UInt8Array:
    """Frame and its Prediction -> RGB picture _HW3."""
    base_HW3, scale = _scaled(_blanked(frame, prediction))
    threshold = risk_threshold(prediction)
    if len(prediction.panels) > 1:
        for panel in prediction.panels:
            corners = [
                (panel.x0, panel.y0),
                (panel.x1 - 1, panel.y0),
                (panel.x1 - 1, panel.y1 - 1),
                (panel.x0, panel.y1 - 1),
            ]
            _polyline(base_HW3, corners, scale, (70, 74, 82), 1, is_closed=True)
    for nodule in prediction.nodules:
        _draw_nodule(base_HW3, nodule, scale, risk_colour(nodule.risk, threshold))
    return _with_text(base_HW3, prediction, scale, threshold)


def picture_png(picture_HW3: UInt8Array) -> bytes:
    """RGB picture -> PNG."""
    return _png(np.ascontiguousarray(picture_HW3[..., ::-1]))


def mask_png(mask_HW: BoolArray) -> bytes:
    """Mask -> PNG of one channel, 0 and 255, of the same size."""
    return _png(mask_HW.astype(np.uint8) * 255)


def _png(array: NDArray[np.uint8]) -> bytes:
    is_encoded, data = cv2.imencode(".png", array)
    if not is_encoded:
        raise ValueError(f"PNG of {array.shape} could not be encoded")
    return bytes(data.tobytes())


def risk_threshold(prediction: Prediction) -> float:
    """-> the risk from which the picture says high: the model's first operating point, 0.5 where it has none."""
    return prediction.operating_points[0].threshold if prediction.operating_points else 0.5


def risk_colour(risk: float | None, threshold: float) -> Colour:
    """Risk -> amber from the threshold on, cyan below, white where there is none."""
    if risk is None:
        return NO_RISK
    return HIGH_RISK if risk >= threshold else LOW_RISK


def legend_lines(prediction: Prediction) -> list[tuple[Nodule | None, str]]:
    """-> the lines below the picture, each with the nodule that it speaks of."""
    lines: list[tuple[Nodule | None, str]] = [(nodule, nodule_text(nodule)) for nodule in prediction.nodules]
    if not lines:
        lines.append((None, "no nodule found"))
    risk = "" if prediction.risk is None else f"image: risk {prediction.risk:.0%}   "
    lines.append((None, f"{risk}{prediction.model.name}, research use only"))
    return lines


def nodule_text(nodule: Nodule) -> str:
    """-> `1   12.3 x 8.1 mm   risk 62%`, in pixels where there are no millimetres."""
    size = nodule.size
    if size.longest_mm is None or size.perpendicular_mm is None:
        extent = f"{size.longest_px:.0f} × {size.perpendicular_px:.0f} px"
    else:
        extent = f"{size.longest_mm:.1f} × {size.perpendicular_mm:.1f} mm"
    risk = "" if nodule.risk is None else f"   risk {nodule.risk:.0%}"
    return f"{nodule.number}   {extent}{risk}"


def _blanked(frame: Frame, prediction: Prediction) -> UInt8Array:
    """-> RGB copy of the frame with everything outside the ultrasound field blanked."""
    height, width = frame.size_hw
    visible = prediction.field_of_view.box
    if visible == Box(0, 0, width, height):  # a model for whole frames: the field is still all that a picture shows
        visible = field_of_view(frame.image_HW, frame.rgb_HW3)
    blanked_HW3 = np.empty((height, width, 3), np.uint8)
    blanked_HW3[:] = BLANK
    source = frame.image_HW[..., None] if frame.rgb_HW3 is None else frame.rgb_HW3
    blanked_HW3[visible.slices] = source[visible.slices]
    return blanked_HW3


def _scaled(picture_HW3: UInt8Array) -> tuple[UInt8Array, float]:
    """-> (picture of a readable size, its pixels per source pixel)."""
    height, width = picture_HW3.shape[:2]
    side = max(height, width)
    if side > MAX_SIDE_PX:
        scale = MAX_SIDE_PX / side
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return np.asarray(cv2.resize(picture_HW3, size, interpolation=cv2.INTER_AREA), dtype=np.uint8), scale
    factor = min(MAX_FACTOR, math.ceil(WANTED_SIDE_PX / side))
    if factor == 1:
        return picture_HW3, 1.0
    size = (width * factor, height * factor)
    return np.asarray(cv2.resize(picture_HW3, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8), float(factor)


def _draw_nodule(picture_HW3: UInt8Array, nodule: Nodule, scale: float, colour: Colour) -> None:
    """Outline, diameters and number into the picture."""
    faded_HW3 = picture_HW3.copy()
    for ends_xy in (nodule.size.longest_ends_xy, nodule.size.perpendicular_ends_xy):
        _polyline(faded_HW3, ends_xy, scale, colour, 1)
    cv2.addWeighted(faded_HW3, 0.6, picture_HW3, 0.4, 0, dst=picture_HW3)
    _polyline(picture_HW3, nodule.outline_xy, scale, HALO, 4, is_closed=True, alpha=0.45)
    _polyline(picture_HW3, nodule.outline_xy, scale, colour, 2, is_closed=True)
    for end_xy in nodule.size.longest_ends_xy:
        _dot(picture_HW3, end_xy, scale, colour)


def _polyline(
    picture_HW3: UInt8Array,
    points_xy: Iterable[PointXY],
    scale: float,
    colour: Colour,
    thickness: int,
    *,
    is_closed: bool = False,
    alpha: float = 1.0,
) -> None:
    points = _picture_points(points_xy, scale)
    target_HW3 = picture_HW3 if alpha == 1 else picture_HW3.copy()
    cv2.polylines(target_HW3, [points], is_closed, colour, thickness, cv2.LINE_AA, _SHIFT)
    if alpha < 1:
        cv2.addWeighted(target_HW3, alpha, picture_HW3, 1 - alpha, 0, dst=picture_HW3)


def _dot(picture_HW3: UInt8Array, point_xy: PointXY, scale: float, colour: Colour) -> None:
    (centre,) = _picture_points([point_xy], scale)
    for radius, fill in ((4, HALO), (3, colour)):
        cv2.circle(picture_HW3, (int(centre[0]), int(centre[1])), radius << _SHIFT, fill, -1, cv2.LINE_AA, _SHIFT)


def _picture_points(points_xy: Iterable[PointXY], scale: float) -> NDArray[np.int32]:
    """Points at source pixel centres -> fixed-point picture coordinates for cv2."""
    picture_xy = (np.array(list(points_xy), np.float64).reshape(-1, 2) + 0.5) * scale - 0.5
    return np.rint(picture_xy * (1 << _SHIFT)).astype(np.int32)


def _with_text(picture_HW3: UInt8Array, prediction: Prediction, scale: float, threshold: float) -> UInt8Array:
    """-> the picture with the nodules' numbers and the strip of text below."""
    from PIL import Image, ImageDraw, ImageFont

    lines = legend_lines(prediction)
    height, width = picture_HW3.shape[:2]
    line_px, margin_px = FONT_PX + 8, 10
    canvas = Image.new("RGB", (max(width, MIN_WIDTH_PX), height + line_px * len(lines) + margin_px), BLANK)
    canvas.paste(Image.fromarray(picture_HW3), (0, 0))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(FONT_PX)
    for nodule in prediction.nodules:
        _number(draw, font, nodule, scale, risk_colour(nodule.risk, threshold))
    for index, (nodule_or_none, text) in enumerate(lines):
        y = height + margin_px // 2 + index * line_px + line_px // 2
        if nodule_or_none is not None:
            draw.rectangle((margin_px, y - 6, margin_px + 12, y + 6), fill=risk_colour(nodule_or_none.risk, threshold))
        x, colour = (margin_px + 22, TEXT) if nodule_or_none is not None else (margin_px, FAINT)
        draw.text((x, y), text, fill=colour, font=font, anchor="lm")
    return np.array(canvas)


def _number(draw: ImageDraw, font: FreeTypeFont | ImageFont, nodule: Nodule, scale: float, colour: Colour) -> None:
    """The nodule's number beside the upper right of its outline, on black."""
    right, top = max(x for x, _ in nodule.outline_xy), min(y for _, y in nodule.outline_xy)
    x, y = min(right * scale + 4, draw.im.size[0] - FONT_PX - 2), max(top * scale - FONT_PX / 2, FONT_PX * 0.7)
    box = draw.textbbox((x, y), str(nodule.number), font=font, anchor="lm")
    draw.rectangle((box[0] - 3, box[1] - 2, box[2] + 3, box[3] + 2), fill=HALO)
    draw.text((x, y), str(nodule.number), fill=colour, font=font, anchor="lm")
