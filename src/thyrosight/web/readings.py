"""A correction, the prediction with its outlines -> Reading: a person's words by the numbers of the nodules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from thyrosight.cine import NoduleKey
from thyrosight.prediction import Prediction
from thyrosight.reading import RatedNodule, Reading, described, rated
from thyrosight.tirads import Assessment
from thyrosight.web.problems import ApiError
from thyrosight.web.schemas import Correction, CorrectionIn


def check_words(given: CorrectionIn) -> None:
    """ApiError 422 where descriptors don't fit the outlines, or one is none of the lexicon's."""
    if given.descriptors and len(given.descriptors) != len(given.outlines_xy):
        message = f"{len(given.descriptors)} descriptors for {len(given.outlines_xy)} outlines; give one entry each"
        raise ApiError(422, "invalid_request", message)
    for number, words in enumerate(given.descriptors, 1):
        try:
            described(words or {})
        except ValueError as error:
            first = str(error).splitlines()
            said = next((line.strip() for line in first if "Value error" in line), first[0])
            raise ApiError(422, "invalid_request", f"outline {number}: {said}") from error


def reading_of(correction: Correction, prediction: Prediction) -> Reading:
    """What a person said, the prediction with that person's outlines (the largest first) -> Reading."""
    order = sorted(range(len(correction.measures)), key=lambda index: -correction.measures[index].size.area_px)
    nodules = []
    for nodule, index in zip(prediction.nodules, order, strict=False):
        words = correction.descriptors[index] if index < len(correction.descriptors) else None
        if any(value not in (None, []) for value in (words or {}).values()):
            assessment = rated(nodule, words, correction.system)
            nodules.append(RatedNodule(number=nodule.number, assessment=assessment))
    return Reading(who=correction.who, note=correction.note, nodules=tuple(nodules))


def track_assessments(
    readings: Mapping[int, Reading], predictions: Sequence[Prediction], tracks: Mapping[NoduleKey, int]
) -> dict[int, Assessment]:
    """Readings by frame, predictions by frame, tracks -> an assessment a track: of its largest section that has one."""
    found: dict[int, tuple[int, Assessment]] = {}
    for frame_index, reading in readings.items():
        for nodule in predictions[frame_index].nodules:
            assessment = reading.assessment(nodule.number)
            track = tracks[frame_index, nodule.number]
            if assessment is not None and nodule.size.area_px > found.get(track, (-1, assessment))[0]:
                found[track] = nodule.size.area_px, assessment
    return {track: assessment for track, (_, assessment) in found.items()}
