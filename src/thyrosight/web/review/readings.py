"""Reading of a frame, the network's prediction -> a prediction with the person's nodules, and their TI-RADS."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from thyrosight.measurement.cine import NoduleKey
from thyrosight.prediction import Prediction, SpacingMm
from thyrosight.tirads.assessment import Assessment
from thyrosight.tirads.descriptors import LEXICON
from thyrosight.tirads.reading import RatedNodule, Reading
from thyrosight.web.review.kept_reading import finding_assessment
from thyrosight.web.schemas import Correction, FindingOrigin, PlaceXY

IMAGE_RISK_REASON = "outlines by a person: each nodule has its own risk, the image has none"
NODULE_FLAGS = frozenset({"no_nodule", "several_nodules", "touches_border", "low_probability"})
"""Flags about the network's outlines; they do not apply to a person's outlines."""
ORIGINS_IN_WORDS: dict[FindingOrigin, str] = {
    "network": "by the network, left as it was",
    "network_changed": "by the network, changed by the reader",
    "person_with_network": "by the network, where the reader pointed",
    "person": "by the reader",
}


def person_prediction(prediction: Prediction, correction: Correction) -> Prediction:
    """The network's prediction, a person's reading -> the prediction with that person's nodules, the largest first.

    The nodules have the measures, numbers and UIDs that were saved. If the reading has the network's own outlines, the
    risk of the image is kept. Otherwise the image has no risk, because the network rated its own outlines.
    """
    nodules = sorted((finding.nodule for finding in correction.findings), key=lambda nodule: -nodule.size.area_px)
    changes: dict[str, object] = {"nodules": tuple(nodules)}
    if correction.changes_network:
        changes |= {
            "risk": None,
            "risk_reason": IMAGE_RISK_REASON,
            "operating_points": (),
            "flags": tuple(flag for flag in prediction.flags if flag.code not in NODULE_FLAGS),
        }
    return prediction.model_copy(update=changes)


def reading_of(correction: Correction, spacing: SpacingMm | None) -> Reading:
    """Reading as the page saves it -> reading in the form for the report and the DICOM files."""
    nodules = tuple(
        RatedNodule(
            number=finding.number,
            assessment=finding_assessment(finding, correction.system),
            uid=finding.uid,
            note=finding.note,
            outline_by=ORIGINS_IN_WORDS[finding.origin],
        )
        for finding in correction.findings
    )
    calipers = tuple(_length_words(ends_xy, spacing) for ends_xy in correction.calipers_xy)
    return Reading(who=correction.who, note=correction.note, nodules=nodules, calipers=calipers)


def _length_words(ends_xy: tuple[PlaceXY, PlaceXY], spacing: SpacingMm | None) -> str:
    """Ends of a caliper in pixels -> its length, as the page shows it."""
    (ax, ay), (bx, by) = ends_xy
    if spacing is None:
        return f"{math.hypot(bx - ax, by - ay):.0f} px"
    return f"{math.hypot((bx - ax) * spacing.column_mm, (by - ay) * spacing.row_mm):.1f} mm"


def track_assessments(
    readings: Mapping[int, Reading], predictions: Sequence[Prediction], tracks: Mapping[NoduleKey, int]
) -> dict[int, Assessment]:
    """Readings and predictions by frame, tracks -> one assessment per track, taken from its largest section.

    A section for which a reader chose words is preferred to one that only measures rate.
    """
    found: dict[int, tuple[tuple[bool, int], Assessment]] = {}
    for frame_index, reading in readings.items():
        for nodule in predictions[frame_index].nodules:
            assessment = reading.assessment(nodule.number)
            if assessment is None:
                continue
            track = tracks[frame_index, nodule.number]
            rank = (len(assessment.proposed) + len(assessment.missing) < len(LEXICON), nodule.size.area_px)
            if track not in found or rank > found[track][0]:
                found[track] = rank, assessment
    return {track: assessment for track, (_, assessment) in found.items()}
