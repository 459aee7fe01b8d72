"""rng, settings -> the things that a scanner draws around and over the ultrasound: gray bar, ruler, text, calipers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.phantom.records import PhantomSettings
from thyrosight.types import Box, Spacing, UInt8Array

FONT = cv2.FONT_HERSHEY_SIMPLEX
SIDES = ("RIGHT LOBE", "LEFT LOBE", "DER", "IZQ", "RT THY TRANS", "LT THY LONG", "ISTHMUS")


@dataclass(frozen=True)
class ScreenLayout:
    """The place of the field and its panels on a screen of size_hw, and the size of a pixel."""

    size_hw: tuple[int, int]
    field: Box
    panels: tuple[Box, ...]
    spacing: Spacing
    has_screen: bool


def draw_screen_layout(rng: np.random.Generator, settings: PhantomSettings) -> ScreenLayout:
    """rng, settings -> ScreenLayout. On a screen, the margins around the field are left free for text and rulers."""
    height, width = settings.size_hw
    has_screen = rng.random() < settings.screen
    is_split = rng.random() < settings.split_screen
    depth_mm = rng.uniform(*settings.depth_mm)
    x0, y0, x1, y1 = 0, 0, width, height
    if has_screen:
        y0, y1 = int(height * rng.uniform(0.02, 0.06)), int(height * rng.uniform(0.84, 0.88))
        x0, x1 = int(width * rng.uniform(0.14, 0.17)), int(width * rng.uniform(0.83, 0.86))
    row_mm = depth_mm / (y1 - y0)
    spacing = Spacing(row_mm, row_mm * settings.pixel_aspect)
    if has_screen:
        widest_mm = rng.uniform(40, 58) if not is_split else 70.0
        keep = min(x1 - x0, int(widest_mm / spacing.column_mm))
        x0 += (x1 - x0 - keep) // 2
        x1 = x0 + keep
    if not is_split:
        field = Box(x0, y0, x1, y1)
        return ScreenLayout((height, width), field, (field,), spacing, has_screen)
    half = (x1 - x0) // 2
    field = Box(x0, y0, x0 + 2 * half, y1)
    panels = (Box(x0, y0, x0 + half, y1), Box(x0 + half, y0, x0 + 2 * half, y1))
    return ScreenLayout((height, width), field, panels, spacing, has_screen)


def furnish(
    rng: np.random.Generator, screen_HW: UInt8Array, layout: ScreenLayout, settings: PhantomSettings, level: int | None
) -> tuple[Box, ...]:
    """Draw gray bar, ruler, machine settings and labels on screen_HW around the field -> boxes of the text."""
    height, width = layout.size_hw
    field = layout.field
    text: list[Box] = []
    if layout.has_screen:
        _gray_bar(screen_HW, Box(int(width * 0.015), int(height * 0.45), int(width * 0.035), int(height * 0.72)))
        text += _ruler(screen_HW, layout)
        column = int(width * 0.93)
        for i, line in enumerate(_machine_lines(rng)):
            text.append(_write(screen_HW, line, (column, int(height * (0.035 + 0.036 * i)))))
        below = min(height - 6, field.y1 + int(height * 0.075))
        text.append(_write(screen_HW, str(rng.choice(SIDES)), (field.x0, below)))
        if level is not None and rng.random() < settings.burned_label:
            text.append(_write(screen_HW, f"TIRADS {level}", (field.x0 + field.width // 2, below)))
    if rng.random() < settings.text_in_field:
        spot = (field.x0 + int(field.width * 0.86), field.y0 + int(field.height * 0.1))
        for i, line in enumerate(_machine_lines(rng)[:4]):
            text.append(_write(screen_HW, line, (spot[0], spot[1] + int(height * 0.036 * i))))
    return tuple(text)


def mark_diameter(
    screen_HW: UInt8Array, ends_xy: NDArray[np.float64], layout: ScreenLayout, length_mm: float
) -> Box | None:
    """Draw two crosses at the ends of a diameter and dots between them -> the box of the printed length, or None.

    The length is printed on screens only. thyrosight.views.calipers draws thicker crosses of another gray level. That
    function is not used here, because it would change the pixels of every phantom.
    """
    arm = max(3, round(layout.size_hw[0] / 90))
    for x, y in np.rint(ends_xy).astype(int).tolist():
        cv2.line(screen_HW, (x - arm, y), (x + arm, y), 235, 1)
        cv2.line(screen_HW, (x, y - arm), (x, y + arm), 235, 1)
    num = max(2, int(np.hypot(*(ends_xy[1] - ends_xy[0])) / 6))
    for x, y in np.rint(np.linspace(ends_xy[0], ends_xy[1], num)).astype(int).tolist():
        screen_HW[y, x] = 220
    if not layout.has_screen:
        return None
    at = (layout.field.x0 + int(layout.field.width * 0.3), layout.size_hw[0] - 3)
    return _write(screen_HW, f"1 L {length_mm / 10:.2f} cm", at)


def _gray_bar(screen_HW: UInt8Array, box: Box) -> None:
    ramp_H = np.linspace(255, 0, box.height).astype(np.uint8)
    screen_HW[box.slices] = ramp_H[:, None]


def _ruler(screen_HW: UInt8Array, layout: ScreenLayout) -> list[Box]:
    """Draws ticks along the left side of the field, 0 at its top.

    A short tick every 5 mm, a long one every 10 mm, a number every 50 mm.
    """
    field, row_mm = layout.field, layout.spacing.row_mm
    text: list[Box] = []
    for tick in range(int(field.height * row_mm / 5) + 1):
        y = min(round(field.y0 + tick * 5 / row_mm), field.y1 - 1)
        long = 2 if tick % 2 == 0 else 1
        screen_HW[y : y + 1, field.x0 - 3 - long : field.x0 - 3] = 230
        if tick % 10 == 0:
            text.append(_write(screen_HW, str(tick // 2), (field.x0 - int(layout.size_hw[1] * 0.035), max(y + 3, 9))))
    return text


def _machine_lines(rng: np.random.Generator) -> list[str]:
    return [
        "P100",
        str(rng.choice(["L12-5", "12L6", "L14-6", "ML6-15"])),
        f"{rng.uniform(7, 14):.1f}",
        f"{rng.integers(14, 45)}fps",
        f"DR{rng.integers(55, 75)}",
        "2DG",
        str(rng.integers(60, 96)),
    ]


def _write(screen_HW: UInt8Array, line: str, at_xy: tuple[int, int]) -> Box:
    """Writes one line of text -> its box.

    The base line begins at at_xy, or is moved so that the text stays on the screen.
    """
    height, width = screen_HW.shape
    scale = max(0.3, height / 1000)
    (text_width, text_height), base = cv2.getTextSize(line, FONT, scale, 1)
    x = int(np.clip(at_xy[0], 0, max(0, width - text_width - 1)))
    y = int(np.clip(at_xy[1], text_height, height - 1))
    cv2.putText(screen_HW, line, (x, y), FONT, scale, 225, 1, cv2.LINE_AA)
    return Box(x, max(0, y - text_height), min(width, x + text_width), min(height, y + base))
