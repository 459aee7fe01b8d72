"""Mask of one nodule, image -> NoduleSigns: measures of margin and inside, or None with a reason."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from thyrosight.errors import InputError
from thyrosight.measurement.fine_outline import NoduleOutline, outline_of
from thyrosight.measurement.shape import Shape, shape_of
from thyrosight.measurement.tissue import (
    BAND,
    MIN_SOLID_SHARE,
    NO_SOLID,
    TOO_SMALL,
    Focus,
    echogenic_foci,
    echogenicity,
    equivalent_diameter,
    fluid_of,
    inner_part,
    surroundings_of,
)
from thyrosight.prediction import EchogenicFocus, NoduleSigns
from thyrosight.types import BoolArray, Box, Spacing, UInt8Array

CUT_OFF = "the nodule is cut off by the border of the view"
NO_IMAGE = "no image was given"
MIN_DIAMETER_PX = 12.0
DIGITS = 4


def nodule_signs(
    mask_HW: BoolArray,
    image_HW: UInt8Array | None,
    *,
    spacing: Spacing | None,
    view: Box | None = None,
    excluded_HW: BoolArray | None = None,
    outline: NoduleOutline | None = None,
) -> NoduleSigns:
    """Mask of one nodule, gray image, view (None: the image), pixels to leave out (nodules, text) -> NoduleSigns.

    outline: the outline of the mask, where the caller has it already. InputError where the mask is empty.
    """
    if not mask_HW.any():
        raise InputError("the mask is empty, so there is nothing to measure")
    height, width = mask_HW.shape
    view = view or Box(0, 0, width, height)
    values: dict[str, Any] = {
        **_margin(mask_HW, spacing, view, outline),
        **_inside(mask_HW, image_HW, spacing, view, excluded_HW),
    }
    rounded: dict[str, Any] = {
        name: round(value, DIGITS) if isinstance(value, float) else value for name, value in values.items()
    }
    return NoduleSigns(**rounded)


def _margin(mask_HW: BoolArray, spacing: Spacing | None, view: Box, outline: NoduleOutline | None) -> dict[str, Any]:
    """-> the fields of NoduleSigns about the margin."""
    is_cut_off = touches(mask_HW, view)
    outline = None if is_cut_off else outline or outline_of(mask_HW)
    shape: Shape | str = CUT_OFF if is_cut_off else shape_of(mask_HW, spacing, outline)
    names = ("compactness", "solidity", "bending_energy", "irregularity")
    if isinstance(shape, str):
        return dict.fromkeys(("perimeter_px", "perimeter_mm", *names)) | {"shape_reason": shape}
    in_px = shape if spacing is None else shape_of(mask_HW, None, outline)
    assert isinstance(in_px, Shape)
    return {
        "perimeter_px": in_px.perimeter,
        "perimeter_mm": None if spacing is None else shape.perimeter,
        **{name: getattr(shape, name) for name in names},
        "shape_reason": None,
    }


def _inside(
    mask_HW: BoolArray, image_HW: UInt8Array | None, spacing: Spacing | None, view: Box, excluded_HW: BoolArray | None
) -> dict[str, Any]:
    """-> the fields of NoduleSigns about gray levels inside and around the nodule."""
    if image_HW is None:
        return _without_inside(NO_IMAGE)
    if equivalent_diameter(mask_HW) < MIN_DIAMETER_PX:
        return _without_inside(TOO_SMALL)
    near = _near(mask_HW, view)
    mask_HW, image_HW = mask_HW[near.slices], image_HW[near.slices]
    excluded_HW = np.zeros_like(mask_HW) if excluded_HW is None else excluded_HW[near.slices]
    around = surroundings_of(image_HW, mask_HW, excluded_HW)
    if isinstance(around, str):
        return _without_inside(around)
    inner_HW = inner_part(mask_HW) & ~excluded_HW
    fluid_HW = fluid_of(image_HW, mask_HW, around) & inner_HW
    num_inner, num_fluid = np.count_nonzero(inner_HW), np.count_nonzero(fluid_HW)
    if num_inner == 0:
        return _without_inside(TOO_SMALL)
    is_solid = num_inner - num_fluid >= MIN_SOLID_SHARE * num_inner
    ratio, difference = echogenicity(image_HW, inner_HW & ~fluid_HW, around) if is_solid else (None, None)
    foci = echogenic_foci(image_HW, mask_HW & ~excluded_HW, around, spacing)
    return {
        "echogenicity_ratio": ratio,
        "echogenicity_difference": difference,
        "surrounding_gray": around.gray,
        "echogenicity_reason": None if is_solid else NO_SOLID,
        "cystic_share": num_fluid / num_inner,
        "num_foci": len(foci),
        "foci": tuple(_focus(focus, near, spacing) for focus in foci),
        "inside_reason": None,
    }


def _without_inside(reason: str) -> dict[str, Any]:
    names = ("echogenicity_ratio", "echogenicity_difference", "surrounding_gray", "cystic_share", "num_foci")
    return dict.fromkeys(names) | {"foci": (), "echogenicity_reason": reason, "inside_reason": reason}


def _near(mask_HW: BoolArray, view: Box) -> Box:
    """Mask, view -> the part of the view that can hold the nodule and the band around it."""
    x, y, width, height = cv2.boundingRect(mask_HW.view(np.uint8))
    margin = math.ceil(BAND[1] * equivalent_diameter(mask_HW)) + 2
    return Box(
        max(view.x0, x - margin),
        max(view.y0, y - margin),
        min(view.x1, x + width + margin),
        min(view.y1, y + height + margin),
    )


def _focus(focus: Focus, near: Box, spacing: Spacing | None) -> EchogenicFocus:
    x, y = focus.centre_xy
    step_mm = None if spacing is None else math.sqrt(spacing.row_mm * spacing.column_mm)
    return EchogenicFocus(
        centre_xy=(round(x + near.x0, 1), round(y + near.y0, 1)),
        diameter_px=round(focus.diameter_px, 2),
        diameter_mm=None if step_mm is None else round(focus.diameter_px * step_mm, 3),
    )


def touches(mask_HW: BoolArray, view: Box) -> bool:
    """Mask, view -> whether the mask has one of the view's outermost pixels or a pixel outside the view."""
    inner = Box(view.x0 + 1, view.y0 + 1, view.x1 - 1, view.y1 - 1)
    return int(np.count_nonzero(mask_HW)) != int(np.count_nonzero(mask_HW[inner.slices]))
