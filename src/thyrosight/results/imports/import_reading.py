"""Result of an image, outlines of another tool -> a case folder whose result holds them as a person's reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault, sha256_of
from thyrosight.files.earlier_files import write_new_folder
from thyrosight.frames.load import load_frame
from thyrosight.measurement.outlines import bounding_box, fill_outlines
from thyrosight.measurement.signs import nodule_signs
from thyrosight.measurement.size import NO_SPACING, measure
from thyrosight.prediction import Nodule, Prediction
from thyrosight.results.imports.outlines_in import ImportedOutline, outlines_in
from thyrosight.results.layout import MASK_NAME, OVERLAY_NAME, RESULT_NAME, read_result
from thyrosight.results.overlay import draw_overlay
from thyrosight.results.png import mask_png, picture_png
from thyrosight.tirads.reading import READING_NAME, Reading
from thyrosight.types import BoolArray, Box, Frame

NO_RISK = "outlines imported from another tool: the network gives no risk for them"
NODULE_FLAGS = frozenset({"no_nodule", "several_nodules", "touches_border", "low_probability"})


@dataclass(frozen=True)
class ImportedReading:
    """The case folder that was written, its prediction, and one sentence per outline that was changed."""

    folder: Path
    prediction: Prediction
    changes: tuple[str, ...]


def import_reading(masks: Path, case: Path, image: Path, out: Path, who: str = "") -> ImportedReading:
    """Mask or SEG file, case folder of `predict`, the image's file -> ImportedReading in out/CASE.

    InputError where the case or the masks are of another image, or where the folder exists and holds other files.
    """
    network = read_result(case)
    if network is None:
        raise InputError(f"{case}: holds no whole result; predict the image first, then name its case folder")
    if network.image.sha256 != sha256_of(image):
        raise InputError(f"{image}: is not the image of {case}; give the file that was predicted")
    frame = load_frame(image, network.image.frame_index)
    found = outlines_in(masks, frame.size_hw, source_uid=_instance_uid(image), frame_index=network.image.frame_index)
    folder = out / case.name
    prediction = prediction_of_outlines(network, frame, found)
    reading = Reading(who=who, note=f"imported from {masks.name}")
    union_HW = np.logical_or.reduce([_mask(one.outline_xy, frame.size_hw) for one in found])
    out.mkdir(parents=True, exist_ok=True)
    write_new_folder(
        folder,
        {
            MASK_NAME: mask_png(union_HW),
            OVERLAY_NAME: picture_png(draw_overlay(frame, prediction)),
            READING_NAME: (reading.model_dump_json(indent=2) + "\n").encode(),
            RESULT_NAME: prediction.to_json().encode(),
        },
    )
    return ImportedReading(folder, prediction, tuple(_changes(found)))


def prediction_of_outlines(network: Prediction, frame: Frame, found: Sequence[ImportedOutline]) -> Prediction:
    """The network's prediction, its frame, imported outlines -> a copy in which only these outlines are nodules.

    The largest nodule comes first. Neither the nodules nor the image have a risk, because the network has not rated
    these outlines.
    """
    masks = [_mask(one.outline_xy, frame.size_hw) for one in found]
    panels = [panel.box for panel in network.panels]
    order = sorted(range(len(found)), key=lambda k: -int(np.count_nonzero(masks[k])))
    nodules = []
    for number, k in enumerate(order, start=1):
        spacing, reason = frame.spacing_in(bounding_box(masks[k]))
        panel = _panel_of(masks[k], panels)
        others_HW = np.logical_or.reduce([masks[j] for j in order if j != k] or [np.zeros(frame.size_hw, np.bool_)])
        nodules.append(
            Nodule(
                number=number,
                uid=found[k].uid,
                panel_index=panel,
                outline_xy=found[k].outline_xy,
                size=measure(masks[k], spacing, reason or NO_SPACING).rounded(),
                mean_probability=1.0,
                risk=None,
                risk_interval=None,
                risk_interval_reason=NO_RISK,
                signs=nodule_signs(
                    masks[k], frame.image_HW, spacing=spacing, view=panels[panel], excluded_HW=others_HW & ~masks[k]
                ),
            )
        )
    return network.model_copy(
        update={
            "nodules": tuple(nodules),
            "risk": None,
            "risk_reason": NO_RISK,
            "operating_points": (),
            "flags": tuple(flag for flag in network.flags if flag.code not in NODULE_FLAGS),
        }
    )


def _mask(outline_xy: Sequence[tuple[int, int]], size_hw: tuple[int, int]) -> BoolArray:
    return fill_outlines([np.asarray(outline_xy)], size_hw)


def _panel_of(mask_HW: BoolArray, panels: Sequence[Box]) -> int:
    return int(np.argmax([np.count_nonzero(mask_HW[panel.slices]) for panel in panels]))


def _changes(found: Sequence[ImportedOutline]) -> list[str]:
    filled = [one for one in found if one.num_filled_px]
    return [f"{one.label}: {one.num_filled_px} pixels of holes are filled; a nodule is its outline" for one in filled]


def _instance_uid(image: Path) -> str | None:
    """-> the SOP Instance UID of a DICOM file; None for other files."""
    from pydicom import dcmread

    try:
        uid = dcmread(image, specific_tags=["SOPInstanceUID"], stop_before_pixels=True).get("SOPInstanceUID")
    except Exception as error:  # no DICOM file
        raise_disk_fault(error, image)
        return None
    return str(uid) if uid else None
