"""The records and array types that every room uses: Frame, Case, Box, Spacing, Region; frozen, of constant shape.

Legend for names: B batch, C channels, H rows, W columns; `_HW` arrays, `_xy` points (column, row), `_px`, `_mm` units.
A box is half-open: x0 <= x < x1. The result records (Nodule, Prediction) are in thyrosight.prediction.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import InputError

UInt8Array = NDArray[np.uint8]
FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Float64Array = NDArray[np.float64]


MIN_NODULE_MM, MAX_NODULE_MM = 2.0, 150.0
"""Smallest and largest size that a nodule can have: ultrasound shows a smaller one as a dot, and a larger one does not
fit into a neck. Where a person gives another, it is asked about: often it is in centimetres."""


def whole_given(name: str, value: object, least: int = 0, most: int | None = None) -> int:
    """Name of an argument, the value that a program gave -> int; InputError where it is none or beyond the limits.

    True and "1" are refused: they would pass as 1 in some places and fail far away in others.
    """
    limits = f"{least} or more" if most is None else f"{least} to {most:,}"
    fault = f"{name}={value!r}: give a whole number, {limits}"
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InputError(fault)
    number = operator.index(value)
    if number < least or (most is not None and number > most):
        raise InputError(fault)
    return number


class Box(NamedTuple):
    """A half-open pixel rectangle: columns x0..x1-1, rows y0..y1-1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    @property
    def slices(self) -> tuple[slice, slice]:
        """(rows, columns), to index an array `_HW`."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def moved(self, x: int, y: int) -> Box:
        """Pixels to the right and pixels down -> the box moved by them."""
        return Box(self.x0 + x, self.y0 + y, self.x1 + x, self.y1 + y)


class Spacing(NamedTuple):
    """Millimetres from one row (column) centre to the next."""

    row_mm: float
    column_mm: float


class Region(NamedTuple):
    """A part of the picture that a DICOM header describes.

    kind: tissue, colour flow, spectral Doppler or other. is_priority: where regions overlap, the pixels belong to the
    region with is_priority. spacing: None where the region has no valid scale; `reason` then states why.
    """

    box: Box
    kind: str
    is_two_d: bool
    is_priority: bool
    spacing: Spacing | None
    reason: str | None = None


REGION_HOLDS_SHARE = 0.9
"""A region holds a box if at least this share of the box is inside it."""


@dataclass(frozen=True)
class Frame:
    """One decoded image, as the file shows it (EXIF orientation applied, 8 bit).

    image_HW: uint8 gray. rgb_HW3: uint8, or None where the file is gray.
    spacing: of the whole frame; None where the file states none or where its regions differ. spacing_reason: why there
    is no spacing, or where the spacing comes from. `spacing_in` gives the spacing of a part.
    modality, has_colour_data: from a DICOM header; None without one.
    other_body_part: the DICOM term of a body part that is certainly not the neck (EPICARDIAL, ABDOMEN); None without
    one.
    """

    path: Path | None
    image_HW: UInt8Array
    rgb_HW3: UInt8Array | None
    spacing: Spacing | None
    spacing_reason: str | None
    sha256: str
    frame_index: int = 0
    num_frames: int = 1
    regions: tuple[Region, ...] = ()
    modality: str | None = None
    has_colour_data: bool | None = None
    other_body_part: str | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        height, width = self.image_HW.shape
        return height, width

    def spacing_in(self, box: Box) -> tuple[Spacing | None, str | None]:
        """Part of the frame -> (its spacing, the source if it is known), or (None, the reason why there is none).

        Where regions have a scale, the region that holds the part gives the spacing. Where several regions hold the
        part, the one with priority gives it.
        """
        scaled = [region for region in self.regions if region.spacing is not None]
        if not scaled:
            return self.spacing, self.spacing_reason
        holding = [region for region in scaled if _share_in(box, region.box) >= REGION_HOLDS_SHARE]
        holding = [region for region in holding if region.is_priority] or holding
        if not holding:
            return None, "it is outside the ultrasound regions that have a scale"
        if self.spacing is None and len({region.spacing for region in holding}) > 1:
            return None, "it is in several ultrasound regions of different scale"
        return holding[0].spacing, self.spacing_reason if self.spacing is not None else None


def _share_in(inner: Box, outer: Box) -> float:
    """-> the share of the inner box that is inside the outer one, 0 to 1."""
    width = min(inner.x1, outer.x1) - max(inner.x0, outer.x0)
    height = min(inner.y1, outer.y1) - max(inner.y0, outer.y0)
    return max(0, width) * max(0, height) / max(1, inner.width * inner.height)


@dataclass(frozen=True)
class Case:
    """One row of cases.csv. Paths are absolute here; in the CSV they are relative to the file.

    malignancy: 1 high, 0 low; None: not labelled. group: the split key. fov: the ultrasound field.
    panels: boxes of the views of a split screen, inside the field; where the screen is not split, one box, which is the
    field.
    """

    case_id: str
    image: Path
    mask: Path | None
    malignancy: int | None
    group: str
    source: str
    split: str = ""
    fold: int | None = None
    row_mm: float | None = None
    column_mm: float | None = None
    fov: Box | None = None
    panels: tuple[Box, ...] = ()
    target: str = "nodule"
    """The kind of thing that the mask outlines: nodule, lesion (another organ) or gland."""
    descriptors: dict[str, str] = field(default_factory=dict)
    """{name: word of the set}; names are composition, echogenicity, shape, margin, foci and tirads, as far as the set
    has them."""
    boxes: tuple[Box, ...] = ()
    """A box around each nodule, in source pixels, where the set gives boxes instead of outlines."""
    image_sha256: str = ""
    """SHA-256 of the image's file when the set was prepared; empty: not known."""


Json = dict[str, Any]

Progress = Callable[[int, int], None]
"""Called with (number done, number in all), as the work goes on."""
