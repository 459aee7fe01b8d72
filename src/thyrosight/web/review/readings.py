"""Correction, the prediction with its outlines -> the TI-RADS of its nodules, per frame and per track."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from thyrosight.measurement.cine import NoduleKey
from thyrosight.prediction import Prediction
from thyrosight.tirads.assessment import Assessment
from thyrosight.tirads.reading import RatedNodule, Reading, assess_nodule
from thyrosight.web.schemas import Correction


def reading_of(correction: Correction, prediction: Prediction) -> Reading:
    """Correction, the prediction with its outlines (the largest first) -> Reading."""
    order = sorted(range(len(correction.measures)), key=lambda index: -correction.measures[index].size.area_px)
    nodules = []
    for nodule, index in zip(prediction.nodules, order, strict=False):
        words = correction.descriptors[index] if index < len(correction.descriptors) else None
        if any(value not in (None, []) for value in (words or {}).values()):
            assessment = assess_nodule(nodule, words, correction.system)
            nodules.append(RatedNodule(number=nodule.number, assessment=assessment))
    return Reading(who=correction.who, note=correction.note, nodules=tuple(nodules))


def track_assessments(
    readings: Mapping[int, Reading], predictions: Sequence[Prediction], tracks: Mapping[NoduleKey, int]
) -> dict[int, Assessment]:
    """Readings and predictions by frame, tracks -> one assessment per track: that of its largest section with one."""
    found: dict[int, tuple[int, Assessment]] = {}
    for frame_index, reading in readings.items():
        for nodule in predictions[frame_index].nodules:
            assessment = reading.assessment(nodule.number)
            track = tracks[frame_index, nodule.number]
            if assessment is not None and nodule.size.area_px > found.get(track, (-1, assessment))[0]:
                found[track] = nodule.size.area_px, assessment
    return {track: assessment for track, (_, assessment) in found.items()}
