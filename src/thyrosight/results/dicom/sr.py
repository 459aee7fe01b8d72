"""Source, Findings -> DICOM SR after TID 1500: one group per nodule and frame (TID 1410), or per frame (TID 1501).

The group of a nodule holds its outline on the source frame, sizes, risk and descriptors. The group of a frame's largest
nodule also holds the frame's risk and flags. Where no frame has a nodule, every frame has a group that states this. One
SR holds only one of the two kinds of group: validators take all groups of an SR to be of one kind. Lengths are in
millimetres where the prediction has them, else in pixels. SEG and SR use the same tracking identifiers.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import highdicom.sr as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from thyrosight.environment import software_version
from thyrosight.prediction import Nodule, NoduleSize, Prediction
from thyrosight.results.dicom import codes
from thyrosight.results.dicom.deidentify import PATIENT, STUDY
from thyrosight.results.dicom.findings import Findings
from thyrosight.results.dicom.seg import creator_name, tracking
from thyrosight.results.dicom.source import MANUFACTURER, REFERENCE, Source, set_origin

SERIES_NUMBER = 9902
UNNAMED_READER = "Reader^Unnamed"
NODULE_NOTE = "Reader's note on this nodule: "
PIXEL_CENTRE = 0.5
"""Shift of coordinates: in DICOM they start at the upper left corner of the first pixel, ours start at its centre."""

TODAYS_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.3": "1.2.840.10008.5.1.4.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.6": "1.2.840.10008.5.1.4.1.1.6.1",
}
"""Retired SOP classes of ultrasound -> their successors. The tables of highdicom hold only the successors."""

Number = tuple[Code, float, Code]
Answer = tuple[Code, Code]


def report(source: Source, findings: Findings) -> Dataset:
    """Source, its Findings -> Comprehensive SR, complete and not verified."""
    retired_class, source = source.header.SOPClassUID, of_todays_class(source)
    groups = []
    for track, prediction, nodule in _nodules(findings):
        groups.append(_nodule_group(source, findings, track, prediction, nodule))
    if not groups:
        groups = [_frame_group(source, findings, prediction) for prediction in findings.predictions]
    else:
        with_nodule = {prediction.image.frame_index for prediction in findings.predictions if prediction.nodules}
        others = sorted(findings.notes.keys() - with_nodule)
        with_comments(groups[0], (f"Reader's note on frame {n + 1}: {findings.notes[n]}" for n in others))
    with_comments(groups[0], source.remarks)
    content = hd.MeasurementReport(
        observation_context=_observers(source, findings),
        procedure_reported=codes.IMAGING_PROCEDURE,
        imaging_measurements=groups,
    )
    dataset = comprehensive_sr(source, content, [evidence_of(source)], "report", "Thyroid nodules, measurements")
    dataset.DeviceSerialNumber = findings.predictions[0].model.id
    if retired_class != source.header.SOPClassUID:
        name_class(dataset, source.header.SOPInstanceUID, retired_class)
    return Dataset(dataset)


def comprehensive_sr(
    source: Source, content: hd.MeasurementReport, evidence: Sequence[Dataset], kind: str, description: str
) -> hd.ComprehensiveSR:
    """Source, content, the instances that the content refers to -> Comprehensive SR, complete and not verified.

    kind: a word for the purpose of the report; the report's UID is made of the source and this word. description: the
    series description.
    """
    dataset = hd.ComprehensiveSR(
        evidence=evidence,
        content=content[0],
        series_instance_uid=source.uid("series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=source.uid(kind),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
    )
    dataset.SeriesDescription = description
    dataset.CodingSchemeIdentificationSequence = [codes.scheme_item()]
    for library in dataset.get("ContributingEquipmentSequence", []):
        library.ContributionDateTime = source.written.strftime("%Y%m%d%H%M%S.%f")
    set_origin(dataset, source)
    return dataset


def of_todays_class(source: Source) -> Source:
    """Source -> the same with the successor of a retired SOP class, which highdicom's tables know."""
    header = copy.copy(source.header)
    header.SOPClassUID = TODAYS_CLASSES.get(header.SOPClassUID, header.SOPClassUID)
    return replace(source, header=header)


def name_class(dataset: Dataset, instance_uid: str, sop_class: str) -> None:
    """Writes the instance's true SOP class into every reference to the instance, at any depth."""
    for element in dataset.iterall():
        for item in element.value if element.VR == "SQ" else ():
            if item.get("ReferencedSOPInstanceUID") == instance_uid:
                item.ReferencedSOPClassUID = sop_class


def size_numbers(size: NoduleSize) -> Iterator[Number]:
    """Size of a nodule -> (concept, value, unit) of its lengths and its area, in millimetres where they are known."""
    for concept, name in (
        (codes.LONG_AXIS, "longest"),
        (codes.SHORT_AXIS, "perpendicular"),
        (codes.ANTEROPOSTERIOR, "anteroposterior"),
        (codes.TRANSVERSE, "transverse"),
    ):
        in_mm = getattr(size, f"{name}_mm")
        yield (
            (concept, getattr(size, f"{name}_px"), codes.PIXELS)
            if in_mm is None
            else (
                concept,
                in_mm,
                codes.MILLIMETRE,
            )
        )
    if size.area_mm2 is None:
        yield codes.AREA, size.area_px, codes.PIXELS
    else:
        yield codes.AREA, size.area_mm2, codes.SQUARE_MILLIMETRE


def tirads_answers(assessment: Any) -> Iterator[Answer]:
    """TI-RADS Assessment -> its descriptors, those that no reader confirmed, and its level or range of levels."""
    described = getattr(assessment, "descriptors", None)
    for descriptor in codes.LEXICON:
        value = getattr(described, descriptor, None)
        for term in (value,) if isinstance(value, str) else value or ():
            yield codes.lexicon_code(descriptor), codes.term_code(term)
    for descriptor in getattr(assessment, "proposed", ()):
        yield codes.PROPOSED, codes.lexicon_code(descriptor)
    lowest, highest = (getattr(assessment, name, None) for name in ("lowest_level", "highest_level"))
    level = assessment.level or (f"{lowest} to {highest}" if lowest and highest else None)
    if level is not None:
        yield codes.TIRADS_LEVEL, codes.own_code(level.lower().replace(" ", "_"), f"{_system(assessment)}: {level}")


def _system(assessment: Any) -> str:
    return str(getattr(assessment, "system_name", None) or assessment.system)


def _advice(assessment: Any) -> list[str]:
    """TI-RADS Assessment -> its advice and warnings, as comments; empty where only measures propose the level."""
    if len(getattr(assessment, "proposed", ())) + len(getattr(assessment, "missing", ())) >= len(codes.LEXICON):
        return []
    words = getattr(getattr(assessment, "advice", None), "words", None)
    advice = [words] if words else []
    return [f"{_system(assessment)}: {text}" for text in (*advice, *getattr(assessment, "warnings", ()))]


def evidence_of(source: Source) -> Dataset:
    """-> a data set with only the source's UIDs: highdicom would check patient and study, which are copied later."""
    evidence = Dataset()
    for name in (*PATIENT, *STUDY):
        setattr(evidence, name, None)
    for name in REFERENCE:
        evidence[name] = source.header[name]
    return evidence


def _nodules(findings: Findings) -> Iterator[tuple[int, Prediction, Nodule]]:
    """-> (track, prediction, nodule), frame by frame."""
    for prediction in findings.predictions:
        for nodule in prediction.nodules:
            yield findings.tracks[prediction.image.frame_index, nodule.number], prediction, nodule


def _observers(source: Source, findings: Findings) -> hd.ObservationContext:
    """-> the software as a device, and the person who corrected its outlines, with a name where identity is kept."""
    model = findings.predictions[0].model
    device = hd.DeviceObserverIdentifyingAttributes(
        uid=source.uid("device", model.id),
        name=software_version(),
        manufacturer_name=MANUFACTURER,
        model_name=model.name,
        serial_number=model.id,
    )
    is_corrected = bool(findings.reader or findings.outlined_by)
    return observed_by(device, creator_name(source, findings) or UNNAMED_READER if is_corrected else None)


def observed_by(device: hd.DeviceObserverIdentifyingAttributes, person_name: str | None) -> hd.ObservationContext:
    """The software, the name of a person (None: no person took part) -> the observers of a report."""
    person = None
    if person_name is not None:
        identity = hd.PersonObserverIdentifyingAttributes(person_name)
        person = hd.ObserverContext(hd.CodedConcept("121006", "DCM", "Person"), identity)
    return hd.ObservationContext(
        observer_person_context=person,
        observer_device_context=hd.ObserverContext(hd.CodedConcept("121007", "DCM", "Device"), device),
    )


def _nodule_group(source: Source, findings: Findings, track: int, prediction: Prediction, nodule: Nodule) -> Any:
    """-> TID 1410: one nodule on one frame."""
    key = (prediction.image.frame_index, nodule.number)
    numbers = [*size_numbers(nodule.size), (codes.MEAN_PROBABILITY, nodule.mean_probability, codes.NO_UNITS)]
    numbers += _risk_numbers(nodule.risk, nodule.risk_interval)
    answers = [
        (codes.TALLER_THAN_WIDE, codes.YES if nodule.size.taller_than_wide else codes.NO),
        (codes.OUTLINE_ORIGIN, codes.OUTLINE_ORIGINS[findings.origin(key)]),
    ]
    comments = [nodule.size.mm_reason, nodule.risk_reason]
    comments += [f"{NODULE_NOTE}{note}"] if (note := findings.nodule_notes.get(key)) else []
    if nodule == prediction.nodules[0]:
        numbers += _frame_numbers(prediction)
        answers += _frame_answers(prediction)
        comments += _frame_comments(prediction)
        comments += _note(findings, prediction)
    assessment = findings.assessments.get(track)
    if assessment is not None and key == _largest_section(findings, track):
        answers += tirads_answers(assessment)
        comments += _advice(assessment)
        numbers += [] if assessment.points is None else [(codes.TIRADS_POINTS, assessment.points, codes.NO_UNITS)]
    identifier, unique = tracking(source, findings, track)
    group = hd.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.TrackingIdentifier(uid=unique, identifier=identifier),
        referenced_region=_outline(source, prediction, nodule),
        finding_type=codes.THYROID_NODULE,
        algorithm_id=_algorithm(prediction),
        finding_sites=[hd.FindingSite(codes.THYROID)],
        measurements=[measurement(*number) for number in numbers],
        qualitative_evaluations=[hd.QualitativeEvaluation(*answer) for answer in answers],
    )
    return with_comments(group, comments)


def _frame_group(source: Source, findings: Findings, prediction: Prediction) -> Any:
    """-> TID 1501: one frame in which no nodule was found."""
    frame = prediction.image.frame_index
    answers = [(codes.NODULE_SEARCH, codes.NO_NODULE_FOUND), *_frame_answers(prediction)]
    group = hd.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.TrackingIdentifier(uid=source.uid("frame", str(frame)), identifier=f"Frame {frame + 1}"),
        finding_type=codes.THYROID,
        algorithm_id=_algorithm(prediction),
        measurements=[measurement(*number) for number in _frame_numbers(prediction)] or None,
        qualitative_evaluations=[hd.QualitativeEvaluation(*answer) for answer in answers],
        source_images=[hd.SourceImageForMeasurementGroup(*_reference(source, frame))],
    )
    return with_comments(group, [*_frame_comments(prediction), *_note(findings, prediction)])


def _note(findings: Findings, prediction: Prediction) -> list[str]:
    note = findings.notes.get(prediction.image.frame_index)
    return [f"Reader's note: {note}"] if note else []


def _frame_numbers(prediction: Prediction) -> list[Number]:
    return [] if prediction.risk is None else [(codes.FRAME_RISK, prediction.risk, codes.NO_UNITS)]


def _frame_answers(prediction: Prediction) -> list[Answer]:
    """-> whether the frame's risk is above each operating point, and its flags."""
    answers = []
    for point in prediction.operating_points:
        side = "at or above" if point.is_above else "below"
        text = f"{side} {point.name} ({point.threshold:.3f})"
        answers.append((codes.OPERATING_POINT, codes.own_code("above" if point.is_above else "below", text)))
    return answers + [(codes.FLAG, codes.own_code(flag.code)) for flag in prediction.flags]


def _frame_comments(prediction: Prediction) -> list[str | None]:
    meaning = prediction.risk_reason if prediction.risk is None else f"Risk: {prediction.risk_meaning}"
    share = [prediction.risk_share.sentence] if prediction.risk_share else []
    return [meaning, *share, *(f"{flag.code}: {flag.message}" for flag in prediction.flags)]


def _outline(source: Source, prediction: Prediction, nodule: Nodule) -> hd.ImageRegion:
    """-> the closed polygon through the centres of the outline's pixels, on the source frame."""
    points_xy = np.asarray(nodule.outline_xy, np.float64) + PIXEL_CENTRE
    return hd.ImageRegion(
        graphic_type=hd.GraphicTypeValues.POLYLINE,
        graphic_data=np.concatenate([points_xy, points_xy[:1]]),
        source_image=hd.SourceImageForRegion(*_reference(source, prediction.image.frame_index)),
    )


def _reference(source: Source, frame_index: int) -> tuple[str, str, list[int] | None]:
    frames = [frame_index + 1] if source.is_multiframe else None
    return source.header.SOPClassUID, source.header.SOPInstanceUID, frames


def _algorithm(prediction: Prediction) -> hd.AlgorithmIdentification:
    return hd.AlgorithmIdentification(
        name=prediction.model.name,
        version=prediction.model.id,
        parameters=["averaged with the mirror image and a closer view"] if prediction.with_tta else None,
        family=codes.ARTIFICIAL_INTELLIGENCE,
    )


def _risk_numbers(risk: float | None, interval: tuple[float, float] | None) -> list[Number]:
    values = [(codes.RISK, risk)]
    if interval is not None:
        values += [(codes.RISK_LOW, interval[0]), (codes.RISK_HIGH, interval[1])]
    return [(concept, value, codes.NO_UNITS) for concept, value in values if value is not None]


def measurement(concept: Code, value: float, unit: Code) -> hd.Measurement:
    """Concept, value, unit -> the measurement of a group."""
    return hd.Measurement(name=concept, value=float(value), unit=unit)


def with_comments(group: Any, texts: Iterable[str | None]) -> Any:
    """Adds comments to a measurement group, each as its own text item."""
    for text in texts:
        if text:
            item = hd.TextContentItem(codes.COMMENT, text, hd.RelationshipTypeValues.CONTAINS)
            group[0].ContentSequence.append(item)
    return group


def _largest_section(findings: Findings, track: int) -> tuple[int, int]:
    """-> key of the track's nodule with the most pixels; its group holds the assessment."""
    sections = [(p.image.frame_index, n.number, n.size.area_px) for p, n in findings.nodules_of(track)]
    frame_index, number, _ = max(sections, key=lambda section: section[2])
    return frame_index, number
