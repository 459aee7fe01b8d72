"""A person's outlines -> nodules, measured like the network's; with a risk where the network too has outlined them.

Legend: `_HW` arrays in source pixels, `_xy` points (column, row).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from thyrosight.inference.point_outline import PointedAt, outline_where
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.records import Examination, RawPrediction
from thyrosight.measurement.outlines import fill_outlines, outlines
from thyrosight.prediction import Nodule, PixelBox
from thyrosight.types import BoolArray, Box, FloatArray
from thyrosight.web.errors import ApiError
from thyrosight.web.schemas import MAX_COORDINATE, OutlineMeasure, OutlineThere, PointedAtIn

RingXY = Sequence[tuple[float, float]]

SEEN_SHARE = 0.5
"""The network must have outlined this share of an outline's pixels; only then its malignancy map is used for this
nodule."""
SAME_SHARE = 0.5
"""A person's outline replaces an outline of the network if both share more than this part of the smaller outline's
pixels."""
NOT_SEEN = "the network sees no nodule here, so it has no risk for it"
NO_MAP = "the model has no malignancy map: it rates the image, and no single nodule"


def measure_outlines(
    predictor: Predictor,
    examination: Examination,
    outlines_xy: Sequence[RingXY],
    others_xy: Sequence[RingXY] | None = None,
) -> list[OutlineMeasure]:
    """Outlines in source pixels -> one measure per outline; see `measured_nodules`."""
    return [measure_of(nodule) for nodule in measured_nodules(predictor, examination, outlines_xy, others_xy)]


def measured_nodules(
    predictor: Predictor,
    examination: Examination,
    outlines_xy: Sequence[RingXY],
    others_xy: Sequence[RingXY] | None = None,
) -> list[Nodule]:
    """Outlines in source pixels -> one Nodule per outline, in the same order. ApiError 422 where one is not valid.

    others_xy: the frame's other nodules, which are excluded from the surrounding tissue; None: the network's nodules,
    except those that one of the outlines replaces. An outline includes the pixels of its border. Its risk is the
    calibrated mean of the malignancy map inside the outline, if the network has outlined SEEN_SHARE of these pixels;
    else the risk is None with a reason. The map covers only the panels, so pixels outside the panels are not used.
    """
    masks = [_mask_of(examination, outline_xy, number) for number, outline_xy in enumerate(outlines_xy, 1)]
    raw = examination.raw
    others = _networks_others(raw, masks) if others_xy is None else _filled(examination, others_xy)
    union_HW = others.copy()
    for mask_HW in masks:
        union_HW |= mask_HW
    map_HW = _filled_outside(raw.malignancy_map_HW, _panels_mask(raw), masks)
    substitute = replace(raw, malignancy_map_HW=map_HW, mask_HW=union_HW)
    found = []
    for number, mask_HW in enumerate(masks, 1):
        panel_index = panel_of(mask_HW, raw.panels)
        nodule = predictor.nodule(examination.frame, substitute, mask_HW, panel_index, examination.prediction.risk)
        found.append(_with_own_risk(predictor, raw, mask_HW, nodule.model_copy(update={"number": number})))
    return found


def outline_there(predictor: Predictor, examination: Examination, given: PointedAtIn) -> OutlineThere:
    """A reader's point or box -> the network's outline there, measured as if a person had drawn it.

    ApiError 404 where the network sees nothing there, 422 where the place is outside the ultrasound field.
    """
    inside = (() if given.point_xy is None else (given.point_xy,)) + tuple(given.inside_xy)
    pointed = PointedAt(inside, tuple(given.outside_xy), None if given.box is None else _box_of(given.box))
    if not _is_in_field(examination.raw, pointed):
        raise ApiError(422, "outside_field", "the place is outside the ultrasound field")
    found = outline_where(predictor, examination.frame, examination.raw, pointed, given.threshold)
    if found is None or not found.mask_HW.any():
        raise ApiError(404, "nothing_there", "the network sees nothing there; draw the outline by hand")
    outline_xy = outlines(found.mask_HW)[0]
    nodule = measured_nodules(predictor, examination, [[(float(x), float(y)) for x, y in outline_xy]], given.others_xy)
    return OutlineThere(
        outline_xy=[(int(x), int(y)) for x, y in outline_xy],
        threshold=round(found.threshold, 4),
        views=[PixelBox.of(view) for view in found.views],
        measure=measure_of(nodule[0]),
    )


def measure_of(nodule: Nodule) -> OutlineMeasure:
    """Nodule -> its measures, without its outline and identity."""
    kept = OutlineMeasure.model_fields.keys() - {"signs"}
    return OutlineMeasure(**{name: getattr(nodule, name) for name in kept}, signs=_signs(nodule))


def panel_of(mask_HW: BoolArray, panels: Sequence[Box]) -> int:
    """-> index of the panel that holds most pixels of the mask."""
    return int(np.argmax([np.count_nonzero(mask_HW[panel.slices]) for panel in panels]))


def _with_own_risk(predictor: Predictor, raw: RawPrediction, mask_HW: BoolArray, nodule: Nodule) -> Nodule:
    """-> the nodule, without its risk where the network has outlined too little of it, or has no map for it."""
    if nodule.risk is None:
        return nodule
    num_seen = np.count_nonzero(mask_HW & raw.mask_HW)
    if num_seen >= SEEN_SHARE * np.count_nonzero(mask_HW & _panels_mask(raw)):
        is_networks = any(_is_same(mask_HW, other_HW) for other_HW in _networks_masks(raw))
        if predictor.info.has_malignancy_map or is_networks:
            return nodule
        reason = NO_MAP
    else:
        reason = NOT_SEEN
    return nodule.model_copy(
        update={"risk": None, "risk_interval": None, "risk_interval_reason": reason, "risk_reason": reason}
    )


def _box_of(given: PixelBox) -> Box:
    if not (0 <= given.x0 < given.x1 <= MAX_COORDINATE and 0 <= given.y0 < given.y1 <= MAX_COORDINATE):
        raise ApiError(422, "invalid_request", "box: needs 0 <= x0 < x1 and 0 <= y0 < y1")
    return given.box


def _is_in_field(raw: RawPrediction, pointed: PointedAt) -> bool:
    box = pointed.box
    middle = ((box.x0 + box.x1 - 1) / 2, (box.y0 + box.y1 - 1) / 2) if box else None
    points = [middle] if middle else pointed.inside_xy
    height, width = raw.mask_HW.shape
    is_inside = all(0 <= round(x) < width and 0 <= round(y) < height for x, y in points)
    return is_inside and all(_panels_mask(raw)[round(y), round(x)] for x, y in points)


def _mask_of(examination: Examination, outline_xy: RingXY, number: int) -> BoolArray:
    height, width = examination.frame.size_hw
    points_xy = np.asarray(outline_xy, np.float64)
    if points_xy.min() < -0.5 or (points_xy > (width - 0.5, height - 0.5)).any():
        raise ApiError(422, "outside_image", f"outline {number}: reaches outside the image ({width} x {height} pixels)")
    mask_HW = fill_outlines([np.minimum(points_xy, (width - 1, height - 1))], (height, width))
    if not (mask_HW & _panels_mask(examination.raw)).any():
        raise ApiError(422, "outside_field", f"outline {number}: is outside the ultrasound field")
    return mask_HW


def _filled(examination: Examination, outlines_xy: Sequence[RingXY]) -> BoolArray:
    return fill_outlines([np.asarray(outline_xy) for outline_xy in outlines_xy], examination.frame.size_hw)


def _networks_masks(raw: RawPrediction) -> list[BoolArray]:
    """-> the masks of the network's nodules in source pixels."""
    found = []
    for panel, masks in zip(raw.panels, raw.nodule_masks, strict=True):
        for nodule_HW in masks:
            mask_HW = np.zeros_like(raw.mask_HW)
            mask_HW[panel.slices] = nodule_HW
            found.append(mask_HW)
    return found


def _networks_others(raw: RawPrediction, masks: Sequence[BoolArray]) -> BoolArray:
    """-> the union of the network's nodules that no mask replaces."""
    others_HW = np.zeros_like(raw.mask_HW)
    for network_HW in _networks_masks(raw):
        smaller = [min(np.count_nonzero(network_HW), np.count_nonzero(mask_HW)) for mask_HW in masks]
        shared = [np.count_nonzero(network_HW & mask_HW) for mask_HW in masks]
        if not any(both > SAME_SHARE * least for both, least in zip(shared, smaller, strict=True)):
            others_HW |= network_HW
    return others_HW


def _is_same(a_HW: BoolArray, b_HW: BoolArray) -> bool:
    return bool((a_HW == b_HW).all())


def _filled_outside(map_HW: FloatArray, panels_HW: BoolArray, masks: Sequence[BoolArray]) -> FloatArray:
    """-> the malignancy map; the pixels of a mask outside the panels get the mean of its pixels inside the panels."""
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
