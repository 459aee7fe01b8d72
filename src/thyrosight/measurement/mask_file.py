"""Mask file, and optionally its image -> the nodules in the mask, each measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from thyrosight.errors import ConfigError, InputError
from thyrosight.frames.load import load_frame
from thyrosight.frames.mask_image import read_mask_image
from thyrosight.frames.spacing import unlikely_view
from thyrosight.measurement.fine_outline import outline_of
from thyrosight.measurement.outlines import bounding_box, components
from thyrosight.measurement.signs import nodule_signs
from thyrosight.measurement.size import NO_SPACING, ellipsoid_volume_mm3, measure
from thyrosight.prediction import NoduleSigns, NoduleSize, Record
from thyrosight.types import MAX_NODULE_MM, MIN_NODULE_MM, BoolArray, Box, Frame, Spacing
from thyrosight.views.field import field_of_view, find_panels

MIN_PART_PX = 16
"""Smaller parts of a mask with one value are specks, not nodules."""


def read_nodules(path: Path, size_hw: tuple[int, int] | None = None) -> list[BoolArray]:
    """Mask file, size of its image if there is one -> one mask per nodule.

    Each label is a nodule. Where there is one label only, each connected part is a nodule, the largest first.

    InputError for a file that is no mask, is empty, or has another size than the image.
    """
    image = read_mask_image(path, size_hw)
    if not image.mask_HW.any():
        raise InputError(f"{path}: the mask is empty; give one that outlines a nodule")
    if image.num_labels == 1:
        parts = components(image.mask_HW)
        return [part for part in parts if np.count_nonzero(part) >= MIN_PART_PX] or parts[:1]
    return [image.labels_HW == label for label in range(1, image.num_labels + 1)]


IN_VIEW_SHARE = 0.9
"""Where no view holds at least this share of a nodule, the views are wrong, and the whole image is taken as the
view."""
GIVE_MM = "no millimetres: give --mm-per-pixel, or an image whose file says them"
NO_SECOND_VIEW = "no volume: give the extent across this view with --second-view-mm"


class MeasuredNodule(Record):
    """One nodule of a mask: its size, its signs and, with a second view, its volume."""

    number: int = Field(ge=1)
    size: NoduleSize
    signs: NoduleSigns
    volume_ml: float | None
    volume_reason: str | None

    @property
    def reasons(self) -> tuple[str, ...]:
        """-> the reasons why values are missing, each once."""
        signs = self.signs
        reasons = (self.size.mm_reason, self.volume_reason, signs.shape_reason, signs.echogenicity_reason)
        return tuple(dict.fromkeys(reason for reason in (*reasons, signs.inside_reason) if reason))


def measure_file(
    mask_path: Path,
    image_path: Path | None,
    spacing: Spacing | None,
    second_view_mm: float | None = None,
    *,
    frame_index: int | None = None,
) -> list[MeasuredNodule]:
    """Mask file, image file, spacing (None: the image's own), third diameter in mm -> the nodules, measured.

    The volume comes from the longest and the perpendicular diameter of this view and the extent in a second view
    (ellipsoid_volume_mm3). InputError where second_view_mm is given and the mask has several nodules, or where spacing
    makes the view larger than any probe shows; ConfigError where no nodule has the size second_view_mm.
    """
    frame = None if image_path is None else load_frame(image_path, frame_index)
    masks = read_nodules(mask_path, None if frame is None else frame.size_hw)
    if second_view_mm is not None and not MIN_NODULE_MM <= second_view_mm <= MAX_NODULE_MM:
        is_cm = 0 < second_view_mm < MIN_NODULE_MM
        cm = f", so write {second_view_mm * 10:g} if you mean {second_view_mm:g} cm" if is_cm else ""
        limits = f"nodules have {MIN_NODULE_MM:g} to {MAX_NODULE_MM:g} mm{cm}"
        raise ConfigError(f"--second-view-mm {second_view_mm:g}: give the extent in millimetres; {limits}")
    height, width = masks[0].shape if masks else (0, 0)
    if spacing is not None and masks and (reason := unlikely_view(spacing, width, height, "--mm-per-pixel")):
        raise InputError(f"{mask_path}: {reason}; give the millimetres of one pixel")
    if second_view_mm is not None and len(masks) > 1:
        raise InputError(
            f"{mask_path}: {len(masks)} nodules, and --second-view-mm is for one; measure one nodule at a time"
        )
    return [_measured(number, masks, frame, spacing, second_view_mm) for number in range(1, len(masks) + 1)]


def _measured(
    number: int, masks: list[BoolArray], frame: Frame | None, given: Spacing | None, second_view_mm: float | None
) -> MeasuredNodule:
    mask_HW = masks[number - 1]
    spacing, reason = (given, None) if given is not None or frame is None else frame.spacing_in(bounding_box(mask_HW))
    outline = outline_of(mask_HW)
    size = measure(mask_HW, spacing, GIVE_MM if frame is None else reason or NO_SPACING, outline)
    others_HW = np.logical_or.reduce(masks) & ~mask_HW
    image_HW, view = (None, None) if frame is None else (frame.image_HW, _view_of(mask_HW, frame))
    volume_ml, volume_reason = _volume(size, second_view_mm)
    return MeasuredNodule(
        number=number,
        size=size,
        signs=nodule_signs(mask_HW, image_HW, spacing=spacing, view=view, excluded_HW=others_HW, outline=outline),
        volume_ml=volume_ml,
        volume_reason=volume_reason,
    )


def _volume(size: NoduleSize, second_view_mm: float | None) -> tuple[float | None, str | None]:
    if second_view_mm is None:
        return None, NO_SECOND_VIEW
    if size.longest_mm is None or size.perpendicular_mm is None:
        return None, f"no volume: {size.mm_reason}"
    return ellipsoid_volume_mm3(size.longest_mm, size.perpendicular_mm, second_view_mm) / 1000, None


def _view_of(mask_HW: BoolArray, frame: Frame) -> Box | None:
    """-> the view that holds the nodule; None where no view does."""
    field = field_of_view(frame.image_HW, frame.rgb_HW3, frame.regions)
    views = find_panels(frame.image_HW, field)
    view = max(views, key=lambda box: int(np.count_nonzero(mask_HW[box.slices])))
    is_inside = np.count_nonzero(mask_HW[view.slices]) >= IN_VIEW_SHARE * np.count_nonzero(mask_HW)
    return view if is_inside else None
