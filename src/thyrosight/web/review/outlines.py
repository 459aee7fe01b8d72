"""A person's outlines -> their measures, by the same formulas as the network's: sizes, risk from the malignancy map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from thyrosight.inference.predictor import Predictor
from thyrosight.inference.records import Examination, RawPrediction
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.prediction import Nodule, Prediction
from thyrosight.types import BoolArray, Box, FloatArray
from thyrosight.web.errors import ApiError
from thyrosight.web.schemas import OutlineMeasure

RingXY = Sequence[tuple[float, float]]

IMAGE_RISK_REASON = "outlines by a person: each nodule has its own risk, the image has none"
NODULE_FLAGS = frozenset({"no_nodule", "several_nodules", "touches_border", "low_probability"})
"""Flags on the network's outlines; they do not hold for a person's."""


def measure_outlines(
    predictor: Predictor, examination: Examination, outlines_xy: Sequence[RingXY]
) -> list[OutlineMeasure]:
    """Outlines in source pixels -> one measure per outline, in the same order. ApiError 422 where one is not valid.

    An outline includes the pixels of its border, as the network's outlines do. Its risk is the calibrated mean of the
    malignancy map inside it. The map covers the panels only: the rest of the outline does not count.
    """
    measures = []
    for mask_HW in _masks(examination, outlines_xy):
        nodule = _rated(predictor, examination, [mask_HW]).nodules[0]
        kept = OutlineMeasure.model_fields.keys() - {"signs"}
        measures.append(OutlineMeasure(**{name: getattr(nodule, name) for name in kept}, signs=_signs(nodule)))
    return measures


def person_prediction(predictor: Predictor, examination: Examination, outlines_xy: Sequence[RingXY]) -> Prediction:
    """The frame's prediction with a person's outlines instead of the network's, and the risk of each.

    It has no risk of the image: the network's is that of its own outlines.
    """
    panels = examination.raw.panels
    nodules = _rated(predictor, examination, _masks(examination, outlines_xy)).nodules
    return examination.prediction.model_copy(
        update={
            "nodules": tuple(nodule.model_copy(update={"panel_index": panel_of(nodule, panels)}) for nodule in nodules),
            "risk": None,
            "risk_reason": IMAGE_RISK_REASON,
            "operating_points": (),
            "flags": tuple(flag for flag in examination.prediction.flags if flag.code not in NODULE_FLAGS),
        }
    )


def panel_of(nodule: Nodule, panels: Sequence[Box]) -> int:
    """-> index of the panel that holds most points of the outline."""
    points_xy = np.asarray(nodule.outline_xy)
    return int(np.argmax([((points_xy >= panel[:2]) & (points_xy < panel[2:])).all(axis=1).sum() for panel in panels]))


def _masks(examination: Examination, outlines_xy: Sequence[RingXY]) -> list[BoolArray]:
    return [_mask_of(examination, outline_xy, number) for number, outline_xy in enumerate(outlines_xy, 1)]


def _mask_of(examination: Examination, outline_xy: RingXY, number: int) -> BoolArray:
    height, width = examination.frame.size_hw
    points_xy = np.asarray(outline_xy, np.float64)
    if points_xy.min() < -0.5 or (points_xy > (width - 0.5, height - 0.5)).any():
        raise ApiError(422, "outside_image", f"outline {number}: reaches outside the image ({width} x {height} pixels)")
    mask_HW = fill_outlines([np.minimum(points_xy, (width - 1, height - 1))], (height, width))
    if not (mask_HW & _panels_mask(examination.raw)).any():
        raise ApiError(422, "outside_field", f"outline {number}: is outside the ultrasound field")
    return mask_HW


def _rated(predictor: Predictor, examination: Examination, masks: Sequence[BoolArray]) -> Prediction:
    """The masks replace the network's nodules, so that the same code computes every figure."""
    height, width = examination.frame.size_hw
    raw, panels_HW = examination.raw, _panels_mask(examination.raw)
    union_HW = np.zeros((height, width), np.bool_)
    for mask_HW in masks:
        union_HW |= mask_HW
    substitute = replace(
        raw,
        malignancy_map_HW=_filled_outside(raw.malignancy_map_HW, panels_HW, masks),
        panels=(Box(0, 0, width, height),),
        mask_HW=union_HW,
        nodule_masks=(tuple(masks),),
    )
    return predictor.interpret(examination.frame, substitute)


def _filled_outside(map_HW: FloatArray, panels_HW: BoolArray, masks: Sequence[BoolArray]) -> FloatArray:
    """-> the malignancy map; a mask's pixels outside the panels get the mean of its pixels inside."""
    filled_HW = map_HW
    for mask_HW in masks:
        outside_HW = mask_HW & ~panels_HW
        if outside_HW.any():
            filled_HW = np.array(filled_HW)
            filled_HW[outside_HW] = map_HW[mask_HW & panels_HW].mean()
    return filled_HW


def _panels_mask(raw: RawPrediction) -> BoolArray:
    panels_HW = np.zeros(raw.malignancy_map_HW.shape, np.bool_)
    for panel in raw.panels:
        panels_HW[panel.slices] = True
    return panels_HW


def _signs(nodule: Nodule) -> dict[str, Any] | None:
    """-> the nodule's measured signs; None where there are none."""
    return None if nodule.signs is None else dict(nodule.signs.model_dump(mode="json"))
