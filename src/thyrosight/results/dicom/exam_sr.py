"""Examination, its DICOM sources and their SEGs -> one DICOM SR after TID 1500, with an Image Library.

One planar group (TID 1410) per nodule and image, which names the segment in that image's SEG. All groups of a nodule
have its tracking UID; the group of its leading section also holds its three diameters, its volume, its TI-RADS and its
growth. The finding site is the lobe or the isthmus, with laterality and third, in the codes of the standard. Where no
nodule is outlined, one group (TID 1501) states this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import highdicom.sr as hd
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from thyrosight.environment import software_version
from thyrosight.examination.advice import leading_section, nodule_assessment
from thyrosight.examination.growth import ExamComparison
from thyrosight.examination.records import ExaminedNodule, Section, ThyroidExam, ViewImage
from thyrosight.examination.sizes import nodule_dimensions
from thyrosight.results.dicom import codes
from thyrosight.results.dicom.source import MANUFACTURER, Source
from thyrosight.results.dicom.sr import (
    UNNAMED_READER,
    comprehensive_sr,
    evidence_of,
    measurement,
    name_class,
    observed_by,
    of_todays_class,
    size_numbers,
    tirads_answers,
    with_comments,
)

SITES = {"right": codes.RIGHT_LOBE, "left": codes.LEFT_LOBE, "isthmus": codes.ISTHMUS}
LATERALITIES = {"right": codes.RIGHT, "left": codes.LEFT}
THIRDS = {"upper": codes.SUPERIOR, "middle": codes.INTERMEDIATE, "lower": codes.INFERIOR}
VIEWS = {"transverse": codes.TRANSVERSE_VIEW, "longitudinal": codes.LONGITUDINAL_VIEW}
DIRECTION_CODES = {"length": codes.LENGTH, "width": codes.WIDTH, "depth": codes.DEPTH}


@dataclass(frozen=True)
class SegmentedImage:
    """One image of the examination: its DICOM source, its SEG (None without an outline), {nodule uid: segment}."""

    source: Source
    seg: Dataset | None
    segments: Mapping[str, int]


def examination_sr(
    examination: ThyroidExam,
    images: Mapping[str, SegmentedImage],
    compared: ExamComparison | None = None,
    texts: Sequence[str] = (),
) -> Dataset:
    """Examination, {image key: its DICOM}, growth, lines of the report -> Comprehensive SR, complete, not verified.

    The texts (gland, lymph nodes, impression) are comments of the first group.
    """
    first = next(iter(images.values())).source
    groups: list[Any] = [
        _nodule_group(nodule, section, examination, images[section.image], compared)
        for nodule in examination.nodules
        for section in nodule.sections
        if section.image in images
    ]
    if not groups:
        groups = [_empty_group(examination, images)]
    with_comments(groups[0], texts)
    retired = {one.source.header.SOPInstanceUID: one.source.header.SOPClassUID for one in images.values()}
    todays = [of_todays_class(one.source) for one in images.values()]
    content = hd.MeasurementReport(
        observation_context=_observers(examination, first),
        procedure_reported=codes.IMAGING_PROCEDURE,
        imaging_measurements=groups,
        referenced_images=[_library_entry(source) for source in todays],
    )
    evidence = {str(one.SOPInstanceUID): one for one in map(evidence_of, todays)}
    evidence |= {str(one.seg.SOPInstanceUID): one.seg for one in images.values() if one.seg is not None}
    dataset = comprehensive_sr(
        first, content, list(evidence.values()), "examination", "Thyroid examination, measurements"
    )
    for instance_uid, sop_class in retired.items():
        name_class(dataset, instance_uid, sop_class)
    return Dataset(dataset)


def finding_site(nodule: ExaminedNodule) -> hd.FindingSite:
    """Nodule -> its lobe with side and third, or the isthmus.

    The thyroid where the side of the nodule is not stated.
    """
    return hd.FindingSite(
        anatomic_location=SITES.get(nodule.side or "", codes.THYROID),
        laterality=LATERALITIES.get(nodule.side or ""),
        topographical_modifier=THIRDS.get(nodule.pole or ""),
    )


def _library_entry(source: Source) -> Dataset:
    """-> what the Image Library states of a source image."""
    entry = evidence_of(source)
    entry.Rows, entry.Columns = source.rows, source.columns
    entry.Modality = "US"  # highdicom asks for it; it is not written
    return entry


def _nodule_group(
    nodule: ExaminedNodule,
    section: Section,
    examination: ThyroidExam,
    image: SegmentedImage,
    compared: ExamComparison | None,
) -> hd.PlanarROIMeasurementsAndQualitativeEvaluations:
    """-> the group (TID 1410) of one nodule in one image; it refers to the nodule's segment."""
    view_image = examination.image(section.image)
    numbers = [measurement(*number) for number in size_numbers(section.nodule.size)]
    answers: list[tuple[Code, Code]] = [(codes.OUTLINE_ORIGIN, codes.OUTLINE_ORIGINS[section.outlined_by])]
    answers += [] if view_image.view is None else [(codes.IMAGE_VIEW, VIEWS[view_image.view])]
    comments = [section.nodule.size.mm_reason]
    if section.outlined_by != "MANUAL" and section.nodule.risk is not None:
        numbers.append(measurement(codes.RISK, section.nodule.risk, codes.NO_UNITS))
        share = view_image.prediction.risk_share
        comments += [f"Risk: {view_image.prediction.risk_meaning}", share.sentence if share else None]
    if section == leading_section(nodule, examination):
        numbers += _nodule_numbers(nodule, examination)
        answers += _nodule_answers(nodule, examination, compared)
        comments += _nodule_comments(nodule, examination, compared)
    group = hd.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.TrackingIdentifier(uid=nodule.uid, identifier=f"Nodule {nodule.number}"),
        referenced_segment=_segment_reference(image, view_image, nodule),
        finding_type=codes.THYROID_NODULE,
        algorithm_id=_algorithm(view_image) if section.outlined_by != "MANUAL" else None,
        finding_sites=[finding_site(nodule)],
        measurements=numbers,
        qualitative_evaluations=[hd.QualitativeEvaluation(*answer) for answer in answers],
    )
    with_comments(group, comments)
    return group


def _segment_reference(image: SegmentedImage, view_image: ViewImage, nodule: ExaminedNodule) -> Any:
    assert image.seg is not None
    segment = image.segments[nodule.uid]
    source = of_todays_class(image.source)
    frames = [view_image.prediction.image.frame_index + 1] if source.is_multiframe else None
    reference = hd.ReferencedSegmentationFrame(
        sop_class_uid=image.seg.SOPClassUID,
        sop_instance_uid=image.seg.SOPInstanceUID,
        frame_number=segment,  # each segment of an examination's SEG has one frame, in the order of the segments
        segment_number=segment,
        source_image=hd.SourceImageForSegmentation(source.header.SOPClassUID, source.header.SOPInstanceUID, frames),
    )
    for item in reference[0].ReferencedSOPSequence:
        del item.ReferencedSegmentNumber  # PS3.3 C.17.2.5: not next to a frame number, and the frame has one segment
    return reference


def _nodule_numbers(nodule: ExaminedNodule, examination: ThyroidExam) -> list[hd.Measurement]:
    """-> three diameters, the ellipsoid's volume, the points of the TI-RADS."""
    found = nodule_dimensions(nodule, examination)
    numbers = [
        measurement(DIRECTION_CODES[one.direction], round(one.mm, 3), codes.MILLIMETRE) for one in found.diameters
    ]
    if found.volume_ml is not None:
        numbers.append(
            hd.Measurement(
                name=codes.ELLIPSOID_VOLUME,
                value=round(found.volume_ml, 4),
                unit=codes.MILLILITRE,
                method=codes.ELLIPSOID_METHOD,
            )
        )
    assessment = nodule_assessment(nodule, examination, found)
    if assessment.points is not None:
        numbers.append(measurement(codes.TIRADS_POINTS, assessment.points, codes.NO_UNITS))
    return numbers


def _nodule_answers(
    nodule: ExaminedNodule, examination: ThyroidExam, compared: ExamComparison | None
) -> Iterator[tuple[Code, Code]]:
    assessment = nodule_assessment(nodule, examination, nodule_dimensions(nodule, examination))
    yield from tirads_answers(assessment)
    growth = None if compared is None else compared.growth.get(nodule.number)
    if growth is not None:
        yield codes.GROWTH, codes.GROWTH_ANSWERS[growth.verdict]


def _nodule_comments(
    nodule: ExaminedNodule, examination: ThyroidExam, compared: ExamComparison | None
) -> Iterator[str]:
    assessment = nodule_assessment(nodule, examination, nodule_dimensions(nodule, examination))
    yield f"{assessment.system_name}: {assessment.advice.words}"
    yield from assessment.warnings
    if compared is not None and nodule.number in compared.growth:
        yield f"Growth: {compared.growth[nodule.number].words}"
    if nodule.note:
        yield f"Reader's note: {nodule.note}"
    if nodule.paired_by == "program":
        yield f"Views paired by the program, to be confirmed: {nodule.pairing_reason}"


def _empty_group(examination: ThyroidExam, images: Mapping[str, SegmentedImage]) -> Any:
    """-> the group (TID 1501) which states that no nodule is outlined."""
    source = of_todays_class(next(iter(images.values())).source)
    return hd.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.TrackingIdentifier(uid=examination.uid, identifier="ThyroidExam"),
        finding_type=codes.THYROID,
        qualitative_evaluations=[hd.QualitativeEvaluation(codes.NODULE_SEARCH, codes.NO_NODULE_FOUND)],
        source_images=[
            hd.SourceImageForMeasurementGroup(
                source.header.SOPClassUID, source.header.SOPInstanceUID, [1] if source.is_multiframe else None
            )
        ],
    )


def _algorithm(image: ViewImage) -> hd.AlgorithmIdentification:
    model = image.prediction.model
    return hd.AlgorithmIdentification(name=model.name, version=model.id, family=codes.ARTIFICIAL_INTELLIGENCE)


def _observers(examination: ThyroidExam, source: Source) -> hd.ObservationContext:
    """-> the software as a device; the reader as a person, by name where identity is kept."""
    device = hd.DeviceObserverIdentifyingAttributes(
        uid=source.uid("device", software_version()), name=software_version(), manufacturer_name=MANUFACTURER
    )
    name = None
    if examination.reader:
        name = examination.reader if source.identity == "keep" else UNNAMED_READER
        name = name if "^" in name else f"{name}^"  # PS3.5 6.2.1: one component, and no guess at family and given name
    return observed_by(device, name)
