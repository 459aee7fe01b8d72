"""A person's outlines -> what they measure, by the network's own formulas: sizes, risk from the map under them."""

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
"""What the network's outlines were flagged for, and a person's are not."""


def measure_outlines(
    predictor: Predictor, examination: Examination, outlines_xy: Sequence[RingXY]
) -> list[OutlineMeasure]:
    """Outlines in source pixels -> one measure each, in the same order. ApiError 422 names an outline that is not fit.

    An outline counts with its border's pixels, as the network's do. Its risk is the calibrated mean of the malignancy
    map under it; what of it lies outside the panels has no map and no say.
    """
    measures = []
    for mask_HW in _masks(examination, outlines_xy):
        nodule = _rated(predictor, examination, [mask_HW]).nodules[0]
        kept = OutlineMeasure.model_fields.keys() - {"signs"}
        measures.append(OutlineMeasure(**{name: getattr(nodule, name) for name in kept}, signs=_signs(nodule)))
    return measures


def person_prediction(predictor: Predictor, examination: Examination, outlines_xy: Sequence[RingXY]) -> Prediction:
    """The frame's prediction with a person's outlines in the place of the network's, and the risk of each.

    The image has no risk of its own then: the network's was found under its own outlines.
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
    """-> the panel that holds most of the outline's points."""
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
        raise ApiError(422, "outside_field", f"outline {number}: lies outside the ultrasound field")
    return mask_HW


def _rated(predictor: Predictor, examination: Examination, masks: Sequence[BoolArray]) -> Prediction:
    """The outlines take the place of the network's nodules, so that each figure comes from the same code."""
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
    """-> the malignancy map; where a mask leaves the panels, pixels outside have the mean of what it covers inside."""
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
    """-> the nodule's measured signs, where this version's nodules carry them."""
    signs = getattr(nodule, "signs", None)
    return None if signs is None else dict(signs.model_dump(mode="json"))
