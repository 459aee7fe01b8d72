"""Mask image or DICOM SEG, the image that it belongs to -> outlines for a reading.

A mask image is read by frames/mask_image.py: each label is a nodule; where there is only one label, each connected part
is a nodule. From a SEG, the segments on the image's frame are read. Nothing is resized.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thyrosight.errors import InputError
from thyrosight.measurement.mask_file import MIN_PART_PX, read_nodules
from thyrosight.measurement.outlines import components, fill_outlines, outlines
from thyrosight.results.dicom.read_seg import is_segmentation, read_segments
from thyrosight.types import BoolArray


@dataclass(frozen=True)
class ImportedOutline:
    """One outline in whole pixels. uid: the nodule's UID, where the file gives one.

    num_filled_px: pixels of its holes, which are filled. made_by: who drew it, in words of DICOM (AUTOMATIC,
    SEMIAUTOMATIC, MANUAL), or empty.
    """

    outline_xy: tuple[tuple[int, int], ...]
    label: str
    uid: str | None
    made_by: str
    num_filled_px: int


def outlines_in(
    path: Path, size_hw: tuple[int, int], *, source_uid: str | None = None, frame_index: int = 0
) -> list[ImportedOutline]:
    """File, size of the image, its SOP Instance UID where it is DICOM, its frame -> outlines, in the file's order.

    InputError where the file is neither a mask image nor a SEG, has another size than the image, was drawn on another
    image, or outlines nothing on this frame.
    """
    if is_segmentation(path):
        found = _of_seg(path, size_hw, source_uid, frame_index)
    else:
        masks = read_nodules(path, size_hw)
        found = [one for k, mask_HW in enumerate(masks, 1) for one in _parts(mask_HW, f"nodule {k}", None, "")]
    if not found:
        raise InputError(f"{path}: outlines nothing on frame {frame_index}; give the frame that it was drawn on")
    return found


def _of_seg(path: Path, size_hw: tuple[int, int], source_uid: str | None, frame_index: int) -> list[ImportedOutline]:
    segments = read_segments(path)
    if not segments:
        raise InputError(f"{path}: all of its segments are empty; there is nothing to import")
    sources = {one.source_uid for one in segments} - {None}
    if source_uid is not None and sources and source_uid not in sources:
        raise InputError(f"{path}: was drawn on another image ({min(map(str, sources))}); give the SEG of this image")
    found = []
    for one in segments:
        if source_uid is not None and one.source_uid not in (None, source_uid):
            continue
        if one.source_frame not in (None, frame_index):
            continue
        if one.mask_HW.shape != size_hw:
            size = f"{one.mask_HW.shape[1]} x {one.mask_HW.shape[0]} pixels, the image {size_hw[1]} x {size_hw[0]}"
            raise InputError(f"{path}: has {size}; a mask is never resized")
        found += _parts(one.mask_HW, one.label, one.tracking_uid, one.algorithm)
    return found


def _parts(mask_HW: BoolArray, label: str, uid: str | None, made_by: str) -> list[ImportedOutline]:
    """A mask -> one outline per part. The largest part keeps the UID; specks next to a larger part are left out."""
    parts = components(mask_HW, MIN_PART_PX) or components(mask_HW)[:1]
    found = []
    for place, part_HW in enumerate(parts):
        outline_xy = outlines(part_HW)[0]
        filled = int(np.count_nonzero(fill_outlines([outline_xy], part_HW.shape))) - int(np.count_nonzero(part_HW))
        points = tuple((int(x), int(y)) for x, y in outline_xy)
        found.append(ImportedOutline(points, label, uid if place == 0 else None, made_by, filled))
    return found
