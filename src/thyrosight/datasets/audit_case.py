"""Case -> CaseFindings: all that the audit needs to know of one image and its mask; each file is decoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from thyrosight.datasets.pictures.oddities import image_oddity, mask_oddity
from thyrosight.datasets.pictures.sketches import sketch
from thyrosight.datasets.prints.duplicates import Fingerprint, fingerprint
from thyrosight.errors import InputError, ThyrosightError
from thyrosight.files import raise_shortage
from thyrosight.frames.mask_area import covers_borders
from thyrosight.frames.mask_image import ONE_VALUE, read_mask_image
from thyrosight.types import BoolArray, Box, Case, Frame, UInt8Array


@dataclass(frozen=True)
class CaseFindings:
    """The facts of one row of cases.csv. faults: {kind: message}.

    num_text_outside, num_text_inside: boxes of text outside the field and inside it. num_text_left: boxes that are
    still found inside the field after the text there is filled in. num_mask_px: None where the row has no mask.
    """

    faults: Mapping[str, str] = field(default_factory=dict)
    crop_sha256: str = ""
    print: Fingerprint | None = None
    num_text_outside: int = 0
    num_text_inside: int = 0
    num_text_left: int = 0
    num_mask_px: int | None = None
    mask_rule: str = ""
    """How the mask file was read; stated where it holds more than one value besides black."""
    is_background: bool = False
    """The mask covers all four borders of the ultrasound field."""
    outside_share: float = 0.0
    """The share of the mask's pixels that is outside the ultrasound field."""
    size_hw: tuple[int, int] | None = None
    """Size of the image; None where it can't be read."""
    mirrored_sha256: str = ""
    """The same hash as crop_sha256, of the mirrored crop."""
    sketch: UInt8Array | None = None
    image_oddity: str = ""
    """blank, noise, or nothing."""
    mask_oddity: str = ""
    """few pixels, nearly all, or nothing."""
    mask_sha256: str = ""
    """SHA-256 of the mask's pixels; an empty text where there is no mask or no pixel of it is set."""


def check_case(case: Case, *, with_text: bool = True) -> CaseFindings:
    """Case -> CaseFindings; a file that can't be used becomes a fault.

    OSError where the system is short of open files or memory.

    with_text: look for burned-in text as well, which takes most of the time.
    """
    from thyrosight.datasets.case_image import load_image
    from thyrosight.views.field import field_of_view

    if not case.image.is_file():
        return CaseFindings({"missing image": f"{case.image}: no such file"})
    try:
        frame = load_image(case)
    except (ThyrosightError, OSError) as error:
        raise_shortage(error)
        return CaseFindings({"unreadable image": str(error)})
    faults = _box_faults(case, frame)
    is_usable = case.fov is not None and not faults
    box = (
        case.fov if case.fov is not None and is_usable else field_of_view(frame.image_HW, frame.rgb_HW3, frame.regions)
    )
    crop_HW = np.ascontiguousarray(frame.image_HW[box.slices])
    outside, inside, left = _text(frame, box) if with_text else (0, 0, 0)
    mask = _mask(case, frame, box, faults)
    return CaseFindings(
        faults=faults,
        crop_sha256=_sha256(crop_HW),
        mirrored_sha256=_sha256(crop_HW[:, ::-1]),
        sketch=sketch(crop_HW),
        image_oddity=image_oddity(crop_HW),
        print=fingerprint(crop_HW),
        num_text_outside=outside,
        num_text_inside=inside,
        num_text_left=left,
        size_hw=frame.size_hw,
        **mask,
    )


def _sha256(pixels_HW: UInt8Array | BoolArray) -> str:
    return hashlib.sha256(repr(pixels_HW.shape).encode() + np.ascontiguousarray(pixels_HW).tobytes()).hexdigest()


def _text(frame: Frame, box: Box) -> tuple[int, int, int]:
    """Frame, field -> numbers of text boxes: outside the field, inside it, and inside it once the text is filled in."""
    from thyrosight.views.screen_text import find_text, mask_text

    everywhere = find_text(frame.image_HW)
    outside = sum(
        not (box.x0 <= (t.x0 + t.x1) / 2 < box.x1 and box.y0 <= (t.y0 + t.y1) / 2 < box.y1) for t in everywhere
    )
    inside = find_text(frame.image_HW, box)
    left = find_text(mask_text(frame.image_HW, inside), box) if inside else ()
    return outside, len(inside), len(left)


def _mask(case: Case, frame: Frame, box: Box, faults: dict[str, str]) -> dict[str, Any]:
    """-> the fields of CaseFindings about the mask; empty where the mask can't be read, and `faults` then says why."""
    if case.mask is None:
        return {}
    if not case.mask.is_file():
        faults["missing mask"] = f"{case.mask}: no such file"
        return {}
    try:
        mask = read_mask_image(case.mask, frame.size_hw)
    except InputError as error:
        raise_shortage(error)
        faults["unreadable mask"] = str(error)
        return {}
    mask_HW = mask.mask_HW
    num_px = int(mask_HW.sum())
    num_outside_px = num_px - int(mask_HW[box.slices].sum())
    return {
        "num_mask_px": num_px,
        "mask_rule": "" if mask.rule == ONE_VALUE else mask.rule,
        "is_background": covers_borders(mask_HW[box.slices]),
        "outside_share": num_outside_px / max(num_px, 1),
        "mask_oddity": mask_oddity(mask_HW[box.slices]),
        "mask_sha256": _sha256(mask_HW) if num_px else "",
    }


def _box_faults(case: Case, frame: Frame) -> dict[str, str]:
    height, width = frame.size_hw
    boxes = ([case.fov] if case.fov else []) + list(case.panels)
    if any(box.x1 > width or box.y1 > height for box in boxes):
        return {"box outside": f"{case.image}: {width} x {height} pixels, but a box of its row ends outside"}
    return {}
