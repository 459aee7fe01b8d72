"""Definitions that lay in predict.py."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thyrosight.bundle.records import BundleInfo
from thyrosight.bundle.store import Bundle
from thyrosight.errors import BundleError
from thyrosight.inference.onnx_runtime import INPUT_NAME, OUTPUT_NAMES, open_session
from thyrosight.measurement.outlines import fill_outlines, outlines
from thyrosight.types import BoolArray, Box, FloatArray

MAX_NODULES_PER_PANEL = 16
"""More regions than this are noise; the largest are kept."""


@dataclass(frozen=True)
class RawPrediction:
    """What the network says of one frame, in source pixels and before calibration.

    probability_HW: float32, 0 outside the panels. malignancy_logit: mean over the panels in which a nodule was found,
    over all where none was; NaN where the network has none. malignancy_map_HW: float32 logits, zeros outside and where
    the network has none. mask_HW: thresholded, small regions dropped, holes filled. view_logits and nodule_masks: one
    entry a panel; a nodule's mask has the panel's size, largest first. text: burned-in text inside the field, which a
    network for fields (crop "field") does not get to see.
    """

    probability_HW: FloatArray
    malignancy_logit: float
    malignancy_map_HW: FloatArray
    fov: Box
    panels: tuple[Box, ...]
    mask_HW: BoolArray
    view_logits: tuple[float, ...]
    nodule_masks: tuple[tuple[BoolArray, ...], ...]
    text: tuple[Box, ...]
    seconds: float


def nodule_masks_of(probability_HW: FloatArray, info: BundleInfo) -> tuple[BoolArray, ...]:
    """Mask probability of one view -> its nodules' masks, largest first: above the threshold, holes filled, no specks.

    A region must hold min_area_fraction of the view's pixels once its holes are filled, and have a mean probability of
    min_mean_probability.
    """
    if not info.has_mask:
        return ()
    regions = regions_of(probability_HW, info.mask_threshold, info.min_area_fraction)
    return tuple(mask_HW for mask_HW in regions if probability_HW[mask_HW].mean() >= info.min_mean_probability)


def regions_of(probability_HW: FloatArray, threshold: float, min_area_fraction: float) -> tuple[BoolArray, ...]:
    """Mask probability of one view -> the masks of its regions above the threshold, largest first, holes filled."""
    min_area_px = max(1, math.ceil(min_area_fraction * probability_HW.size))
    filled = (
        fill_outlines([outline_xy], probability_HW.shape)
        for outline_xy in outlines(probability_HW > threshold)[:MAX_NODULES_PER_PANEL]
    )
    return tuple(mask_HW for mask_HW in filled if mask_HW.sum() >= min_area_px)


def default_threads() -> int:
    """-> physical cores that this process may use (hyper-threads counted once, where the system tells), at least 1."""
    if not hasattr(os, "sched_getaffinity"):
        return max(1, (os.cpu_count() or 2) // 2)
    cores = set()
    for cpu in os.sched_getaffinity(0):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text())
        except OSError:
            cores.add(str(cpu))
    return max(1, len(cores))


def load_network(bundle: Bundle, threads: int) -> Any:
    """Bundle -> its ONNX Runtime session. BundleError where the network can't be loaded or has other names."""
    try:
        session = open_session(bundle.onnx_bytes, threads)
    except Exception as error:
        raise BundleError(
            f"model {bundle.info.name}: its network can't be loaded ({error}); get the bundle again"
        ) from error
    inputs = [entry.name for entry in session.get_inputs()]
    outputs = [entry.name for entry in session.get_outputs()]
    if inputs != [INPUT_NAME] or not set(OUTPUT_NAMES) <= set(outputs):
        raise BundleError(
            f"model {bundle.info.name}: its network takes {inputs} and gives {outputs}, not {INPUT_NAME} and "
            f"{list(OUTPUT_NAMES)}; export it again"
        )
    return session
