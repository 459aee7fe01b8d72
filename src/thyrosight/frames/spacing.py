"""Numbers of a DICOM header -> regions of the picture with their millimetres, or the reason why there are none.

Millimetres come from the ultrasound regions (PS3.3 C.8.5.5), else from PixelSpacing (10.7.1.1). Nothing is guessed: a
header that contradicts the picture gives no millimetres. ImagerPixelSpacing and NominalScannedPixelSpacing are not
read: they are lengths on a detector and on paper, not in tissue.
"""

from __future__ import annotations

import math

from thyrosight.frames.headers import HeaderError
from thyrosight.types import Box, Region, Spacing

TWO_D, CENTIMETRES = 1, 3
LOW_PRIORITY = 1
DATA_TYPES = {1: "tissue", 2: "colour flow", 3: "spectral Doppler", 4: "spectral Doppler"}
BARS = frozenset({0xD, 0xE})
"""Region data types of the gray and the colour bar."""
MIN_MM, MAX_MM = 0.005, 2.0
"""Smallest and largest possible size of a pixel: far below the resolution of any probe, and 1 m on 500 rows."""
MAX_RATIO = 4.0
MIN_VIEW_MM, MAX_VIEW_MM = 10.0, 300.0
"""Smallest and largest possible size of a view: no probe shows less than 10 mm, the deepest abdominal view 300 mm."""
WHOLE_VIEW_PX = 200
"""A region with fewer pixels may be a part of a view; it may have a smaller size in mm."""
SCREEN_DPI = (72, 75, 90, 96, 100, 110, 120, 144, 150, 200, 300, 400, 600)
"""Dots per inch of screens and printers. 25.4 mm divided by one of these is the size of a dot, not of tissue."""
SAME_PITCH = 5e-4
SAME_SHARE = 0.005
"""Two spacings that differ by less are the same."""

NOT_CENTIMETRES = "is not measured in centimetres"
NO_SCALE = "the DICOM header has no 2-D ultrasound region and no PixelSpacing"
Numbers = dict[str, float | None]


def read_regions(items: list[Numbers], width: int, height: int) -> tuple[tuple[Region, ...], str | None]:
    """Items of SequenceOfUltrasoundRegions, image size -> (regions, None or the reason why their scales are wrong).

    A region beyond the picture shows that the picture was cropped or resized after the scan. Then no scale is right,
    and no region is returned.
    A region whose own scale is invalid keeps its box, with the reason.
    """
    regions = []
    for number, item in enumerate(items, start=1):
        corners = [item.get(name) for name in ("x0", "y0", "x1", "y1")]
        if any(corner is None for corner in corners):
            continue
        x0, y0, x1, y1 = (int(corner) for corner in corners if corner is not None)
        if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
            place = f"({x0}, {y0}) to ({x1}, {y1}) in {width} x {height} pixels"
            return (), (
                f"ultrasound region {number} ends beyond the image, {place}: it was cropped or resized after the scan"
            )
        if x1 <= x0 or y1 <= y0 or item.get("data_type") in BARS:
            continue
        spacing, reason = _scale(item, number)
        kind = DATA_TYPES.get(int(item.get("data_type") or 0), "other")
        is_first = not int(item.get("flags") or 0) & LOW_PRIORITY
        box = Box(x0, y0, min(x1 + 1, width), min(y1 + 1, height))
        regions.append(Region(box, kind, item.get("format") == TWO_D, is_first, spacing, reason))
    return tuple(regions), None


def _scale(item: Numbers, number: int) -> tuple[Spacing | None, str | None]:
    """One region -> (its spacing, None) or (None, why it has none)."""
    if item.get("format") != TWO_D:
        return None, f"ultrasound region {number} is not 2-D"
    units = item.get("units_x"), item.get("units_y")
    if units != (CENTIMETRES, CENTIMETRES):
        return None, f"ultrasound region {number} {NOT_CENTIMETRES}"
    what = f"ultrasound region {number}"
    spacing, reason = checked_spacing(_times_ten(item.get("delta_y")), _times_ten(item.get("delta_x")), what)
    if spacing is None:
        return None, reason
    corners = [item.get(name) or 0.0 for name in ("x0", "y0", "x1", "y1")]
    reason = unlikely_view(spacing, corners[2] - corners[0] + 1, corners[3] - corners[1] + 1, what)
    return (None, reason) if reason else (spacing, None)


def _times_ten(value: float | None) -> float | None:
    """Centimetres -> millimetres."""
    return None if value is None else value * 10


def checked_spacing(row_mm: float | None, column_mm: float | None, what: str) -> tuple[Spacing | None, str | None]:
    """Millimetres per row and per column -> (Spacing, None), or (None, why they are impossible)."""
    if row_mm is None or column_mm is None or not (math.isfinite(row_mm) and math.isfinite(column_mm)):
        return None, f"{what} gives no pixel size"
    size = f"{row_mm:g} x {column_mm:g} mm"
    if row_mm <= 0 or column_mm <= 0:
        return None, f"{what} gives a pixel of {size}, which is not above zero"
    if min(row_mm, column_mm) < MIN_MM or max(row_mm, column_mm) > MAX_MM:
        return None, f"{what} gives a pixel of {size}, outside {MIN_MM:g} to {MAX_MM:g} mm"
    if max(row_mm, column_mm) > MAX_RATIO * min(row_mm, column_mm):
        return None, f"{what} gives a pixel of {size}, more than {MAX_RATIO:g} times as long as wide"
    return Spacing(row_mm, column_mm), None


def unlikely_view(spacing: Spacing, width_px: float, height_px: float, what: str) -> str | None:
    """Spacing, size in pixels of the view or frame with it -> the reason why no probe shows this size, or None."""
    width_mm, height_mm = width_px * spacing.column_mm, height_px * spacing.row_mm
    is_whole = max(width_px, height_px) >= WHOLE_VIEW_PX
    if max(width_mm, height_mm) > MAX_VIEW_MM or (is_whole and max(width_mm, height_mm) < MIN_VIEW_MM):
        limits = f"{MIN_VIEW_MM:g} to {MAX_VIEW_MM:g} mm can be"
        return f"{what} makes the view {width_mm:,.4g} mm wide and {height_mm:,.4g} mm deep, and {limits}"
    return None


def screen_pitch(spacing: Spacing) -> int | None:
    """Spacing -> the number in SCREEN_DPI of which it is the size of a dot; None where it fits no screen or printer."""
    if abs(spacing.row_mm - spacing.column_mm) > SAME_PITCH * spacing.row_mm:
        return None
    return next((dpi for dpi in SCREEN_DPI if abs(spacing.row_mm * dpi / 25.4 - 1) < SAME_PITCH), None)


def _tissue_spacing(pixel_spacing: list[float | None], size_hw: tuple[int, int]) -> tuple[Spacing | None, str | None]:
    """PixelSpacing, size of the picture -> (Spacing, None), or (None, why this can't be a size in tissue)."""
    spacing, reason = checked_spacing(pixel_spacing[0], pixel_spacing[1], "PixelSpacing")
    if spacing is None:
        return None, reason
    if spacing == Spacing(1.0, 1.0):
        return None, "PixelSpacing is 1 x 1 mm, which converters write where they know no size"
    if (dpi := screen_pitch(spacing)) is not None:
        return None, f"PixelSpacing is the size of the dots of a screen or printer ({dpi} per inch), not of tissue"
    reason = unlikely_view(spacing, size_hw[1], size_hw[0], "PixelSpacing")
    return (None, reason) if reason else (spacing, None)


def frame_spacing(
    regions: tuple[Region, ...], fault: str | None, pixel_spacing: list[float | None] | None, size_hw: tuple[int, int]
) -> tuple[Spacing | None, str]:
    """Regions, fault of the header, PixelSpacing -> (spacing of the whole frame, its source), or (None, the reason).

    Also None where the regions have different scales: Frame.spacing_in then gives the scale of a part of the picture.
    """
    if fault is not None:
        return None, fault
    scaled = [region.spacing for region in regions if region.spacing is not None]
    if scaled:
        if all(is_same(scaled[0], other) for other in scaled):
            return scaled[0], "from the ultrasound regions of the DICOM header"
        return None, "the DICOM header's ultrasound regions have different scales; each nodule has that of its own"
    unsound = next((region.reason for region in regions if region.is_two_d), None)
    if unsound is not None and not unsound.endswith(NOT_CENTIMETRES):  # it contradicts itself
        return None, unsound
    if pixel_spacing is not None:
        spacing, reason = _tissue_spacing(pixel_spacing, size_hw)
        return spacing, reason or "from PixelSpacing in the DICOM header"
    return None, unsound or next((region.reason for region in regions if region.reason), None) or NO_SCALE


def check_square(ratio: float | None, element: str) -> None:
    """Height over width of a pixel (None: not stated), where that is stated -> HeaderError unless it is 1."""
    if ratio is not None and abs(ratio - 1) > SAME_SHARE:
        raise HeaderError(
            f"its pixels are {ratio:g} times as tall as wide ({element}), so shapes and sizes would be wrong",
            "export it with square pixels",
        )


def agreeing(
    regions: tuple[Region, ...], pixel_spacing: list[float | None] | None, size_hw: tuple[int, int]
) -> tuple[Region, ...]:
    """Regions, PixelSpacing -> the regions, without a scale where none of their scales is that of PixelSpacing.

    Programs that resize a picture change one of the two and leave the other. A PixelSpacing that can't be a size in
    tissue contradicts nothing.
    """
    stated = _tissue_spacing(pixel_spacing, size_hw)[0] if pixel_spacing is not None else None
    scaled = [region.spacing for region in regions if region.spacing is not None]
    if stated is None or not scaled or any(is_same(stated, spacing) for spacing in scaled):
        return regions
    size, other = (f"{spacing.row_mm:g} x {spacing.column_mm:g} mm" for spacing in (scaled[0], stated))
    reason = f"the DICOM header contradicts itself: pixels of {size} by its ultrasound regions, {other} by PixelSpacing"
    return tuple(one._replace(spacing=None, reason=reason) if one.spacing else one for one in regions)


def is_same(one: Spacing, other: Spacing) -> bool:
    """Whether two spacings are equal up to rounding."""
    return all(abs(a - b) <= SAME_SHARE * a for a, b in zip(one, other, strict=True))
