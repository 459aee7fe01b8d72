"""Frame, Prediction -> a picture for people: the ultrasound field with outlines, diameters and a legend.

The picture is the field, enlarged or reduced to a readable size, with a strip of text below. So its pixels are not the
pixels of the source; mask.png has the source's pixels. Pixels outside the field are left out, and text in the field is
filled in, because names and dates may be burned in.

Legend: `_HW3` uint8 RGB, `_xy` points (column, row).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.prediction import Colour, Nodule, PointXY, Prediction, risk_colour, risk_threshold
from thyrosight.types import Box, Frame, UInt8Array
from thyrosight.views.shown_frame import BLANK, shown_frame

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

HALO: Colour = (0, 0, 0)
TEXT: Colour = (232, 232, 232)
FAINT: Colour = (165, 168, 175)
PANEL: Colour = (70, 74, 82)

WANTED_SIDE_PX = 800
"""A smaller picture is enlarged by a whole factor, the one that brings its longer side nearest to this length."""
MAX_FACTOR = 4
MAX_SIDE_PX = 1600
MIN_WIDTH_PX = 440
THUMBNAIL_WIDTH_PX = 640
FONT_PX = 17
LINE_PX, MARGIN_PX = FONT_PX + 8, 10
_SHIFT = 4  # cv2 draws at 1/16 pixel


def draw_overlay(frame: Frame, prediction: Prediction, text: tuple[Box, ...] | None = None) -> UInt8Array:
    """Frame, its Prediction, boxes of text in its field (None: they are found here) -> RGB picture _HW3."""
    place, base_HW3 = _shown(frame, prediction, text)
    threshold = risk_threshold(prediction)
    if len(prediction.panels) > 1:
        for panel in prediction.panels:
            right, below = panel.x1 - 1, panel.y1 - 1
            corners_xy = [(panel.x0, panel.y0), (right, panel.y0), (right, below), (panel.x0, below)]
            _polyline(base_HW3, place.picture_points(corners_xy), PANEL, 1, is_closed=True)
    for nodule in prediction.nodules:
        _draw_nodule(base_HW3, nodule, place, risk_colour(nodule.risk, threshold))
    return _with_text(base_HW3, prediction, place, threshold)


def legend_lines(prediction: Prediction) -> list[tuple[Nodule | None, str]]:
    """-> (nodule or None, line of text) for each line below the picture; the last line is the model's name."""
    lines: list[tuple[Nodule | None, str]] = [(nodule, nodule_text(nodule)) for nodule in prediction.nodules]
    if not lines:
        lines.append((None, "no nodule found"))
    risk = "" if prediction.risk is None else f"image: risk {prediction.risk:.0%}   "
    lines += [(None, f"{risk}research use only"), (None, f"model: {prediction.model.name}")]
    return lines


def strip_height(prediction: Prediction) -> int:
    """-> height of the strip of text below the picture, in picture pixels."""
    return LINE_PX * len(legend_lines(prediction)) + MARGIN_PX


def nodule_text(nodule: Nodule) -> str:
    """-> `1   12.3 x 8.1 mm   risk 62%`; in pixels where the file states no millimetres."""
    size = nodule.size
    if size.longest_mm is None or size.perpendicular_mm is None:
        extent = f"{size.longest_px:.0f} x {size.perpendicular_px:.0f} px"
    else:
        extent = f"{size.longest_mm:.1f} x {size.perpendicular_mm:.1f} mm"
    risk = "" if nodule.risk is None else f"   risk {nodule.risk:.0%}"
    return f"{nodule.number}   {extent}{risk}"


def thumbnail(overlay_HW3: UInt8Array, strip_px: int) -> str:
    """Overlay -> data: URL of a JPEG, reduced and without the strip of text, so that a page of many stays small."""
    picture: cv2.typing.MatLike = overlay_HW3[: max(1, overlay_HW3.shape[0] - strip_px)]
    height, width = picture.shape[:2]
    if width > THUMBNAIL_WIDTH_PX:
        size = (THUMBNAIL_WIDTH_PX, max(1, round(height * THUMBNAIL_WIDTH_PX / width)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    picture_bgr_HW3 = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(".jpg", picture_bgr_HW3, [cv2.IMWRITE_JPEG_QUALITY, 78])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


@dataclass(frozen=True)
class _Place:
    """The place of source pixels in the picture. box: the shown part; scale: picture pixels per source pixel."""

    box: Box
    scale: float

    def picture_points(self, points_xy: Iterable[PointXY]) -> NDArray[np.float64]:
        """Source pixel centres (N, 2) -> picture pixel centres (N, 2)."""
        source_xy = np.array(list(points_xy), np.float64).reshape(-1, 2) - [self.box.x0, self.box.y0]
        return np.asarray((source_xy + 0.5) * self.scale - 0.5)


def _shown(frame: Frame, prediction: Prediction, text: tuple[Box, ...] | None) -> tuple[_Place, UInt8Array]:
    """-> (place, RGB picture of the field and of all nodules); blank outside the field."""
    shown_HW3, field = shown_frame(frame, prediction, text)
    height, width = frame.size_hw
    xs = [field.x0, field.x1] + [x for nodule in prediction.nodules for x, _ in nodule.outline_xy]
    ys = [field.y0, field.y1] + [y for nodule in prediction.nodules for _, y in nodule.outline_xy]
    box = Box(max(0, min(xs)), max(0, min(ys)), min(width, max(xs) + 1), min(height, max(ys) + 1))
    return _scaled(np.ascontiguousarray(shown_HW3[box.slices]), box)


def _scaled(picture_HW3: UInt8Array, box: Box) -> tuple[_Place, UInt8Array]:
    side = max(box.width, box.height)
    if side > MAX_SIDE_PX:
        scale = MAX_SIDE_PX / side
        size = (max(1, round(box.width * scale)), max(1, round(box.height * scale)))
        return _Place(box, scale), np.asarray(cv2.resize(picture_HW3, size, interpolation=cv2.INTER_AREA), np.uint8)
    factor = min(MAX_FACTOR, max(1, round(WANTED_SIDE_PX / side)))
    size = (box.width * factor, box.height * factor)
    return _Place(box, factor), np.asarray(cv2.resize(picture_HW3, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _draw_nodule(picture_HW3: UInt8Array, nodule: Nodule, place: _Place, colour: Colour) -> None:
    """Draws the diameters, the outline and the ends of the longest diameter into the picture."""
    faint = (colour[0] * 5 // 8, colour[1] * 5 // 8, colour[2] * 5 // 8)
    for ends_xy in (nodule.size.longest_ends_xy, nodule.size.perpendicular_ends_xy):
        _polyline(picture_HW3, place.picture_points(ends_xy), faint, 1)
    outline_xy = place.picture_points(nodule.outline_xy)
    _polyline(picture_HW3, outline_xy, HALO, 4, is_closed=True)
    _polyline(picture_HW3, outline_xy, colour, 2, is_closed=True)
    for centre in _fixed_point(place.picture_points(nodule.size.longest_ends_xy)):
        for radius, fill in ((4, HALO), (3, colour)):
            cv2.circle(picture_HW3, (int(centre[0]), int(centre[1])), radius << _SHIFT, fill, -1, cv2.LINE_AA, _SHIFT)


def _polyline(
    picture_HW3: UInt8Array, points_xy: NDArray[np.float64], colour: Colour, thickness: int, *, is_closed: bool = False
) -> None:
    cv2.polylines(picture_HW3, [_fixed_point(points_xy)], is_closed, colour, thickness, cv2.LINE_AA, _SHIFT)


def _fixed_point(points_xy: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(points_xy * (1 << _SHIFT)).astype(np.int32)


def _with_text(picture_HW3: UInt8Array, prediction: Prediction, place: _Place, threshold: float) -> UInt8Array:
    """-> the picture with the numbers of the nodules and the strip of text below."""
    from PIL import Image, ImageDraw

    height, width = picture_HW3.shape[:2]
    canvas = Image.new("RGB", (max(width, MIN_WIDTH_PX), height + strip_height(prediction)), BLANK)
    canvas.paste(Image.fromarray(picture_HW3), (0, 0))
    draw, font = ImageDraw.Draw(canvas), _font()
    for nodule in prediction.nodules:
        _number(draw, font, nodule, place, risk_colour(nodule.risk, threshold))
    for index, (nodule_or_none, text) in enumerate(legend_lines(prediction)):
        y = height + MARGIN_PX // 2 + index * LINE_PX + LINE_PX // 2
        if nodule_or_none is not None:
            draw.rectangle((MARGIN_PX, y - 6, MARGIN_PX + 12, y + 6), fill=risk_colour(nodule_or_none.risk, threshold))
        x, colour = (MARGIN_PX + 22, TEXT) if nodule_or_none is not None else (MARGIN_PX, FAINT)
        draw.text((x, y), _cut(text, canvas.width - x - MARGIN_PX), fill=colour, font=font, anchor="lm")
    return np.array(canvas)


def _cut(text: str, width_px: int) -> str:
    """-> the text, or as much of its beginning as fits, followed by `...`."""
    font = _font()
    if font.getlength(text) <= width_px:
        return text
    shown = len(text) - 1
    while shown and font.getlength(text[:shown] + "...") > width_px:
        shown -= 1
    return text[:shown] + "..."


def _number(draw: ImageDraw, font: FreeTypeFont | ImageFont, nodule: Nodule, place: _Place, colour: Colour) -> None:
    """Draws the nodule's number at the upper right of its outline, on black."""
    width, height = draw.im.size
    ((x, y),) = place.picture_points([max(nodule.outline_xy, key=lambda point_xy: point_xy[0] - point_xy[1])])
    x, y = min(x + 7, width - FONT_PX - 2), min(max(y - 7, FONT_PX * 0.7), height - FONT_PX)
    box = draw.textbbox((x, y), str(nodule.number), font=font, anchor="lm")
    draw.rectangle((box[0] - 3, box[1] - 2, box[2] + 3, box[3] + 2), fill=HALO)
    draw.text((x, y), str(nodule.number), fill=colour, font=font, anchor="lm")


@cache
def _font() -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(FONT_PX)
