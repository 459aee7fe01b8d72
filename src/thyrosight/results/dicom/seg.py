"""Source, Findings -> DICOM SEG: one segment per nodule, one frame per nodule and source frame, one bit per pixel.

Ultrasound has no position in the patient's coordinates. Without a frame of reference, each pixel of the segmentation is
a pixel of the source frame that Derivation Image names, with the same rows and columns (DICOM PS3.3 A.51.5.1).
Legend: `_HW` masks in the source frame's pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import SegmentationStorage

from thyrosight.measurement.outlines import fill_outlines
from thyrosight.prediction import ModelIdentity, Nodule, Prediction
from thyrosight.results.dicom import codes
from thyrosight.results.dicom.codes import code_item
from thyrosight.results.dicom.findings import Findings
from thyrosight.results.dicom.source import LOSSY, Source, new_instance
from thyrosight.types import BoolArray

SERIES_NUMBER = 9901
MAX_LONG_STRING = 64
"""Characters of value representation LO."""

SEGMENT_COLOURS_LAB = ((48909, 40679, 50141), (51903, 26353, 26087), (45875, 52942, 20303), (60000, 24000, 52000))
"""Suggested colours of segments as CIELab in 16 bits (DICOM PS3.3 C.10.7.1.1): amber, cyan, pink, green, in turn."""


def nodule_mask(prediction: Prediction, nodule: Nodule) -> BoolArray:
    """Prediction, one of its nodules -> mask_HW: the filled outline, border included."""
    shape = (prediction.image.height_px, prediction.image.width_px)
    return fill_outlines([np.asarray(nodule.outline_xy)], shape)


def segmentation(source: Source, findings: Findings) -> Dataset | None:
    """Source, its Findings -> SEG; None where no nodule was outlined, because a SEG needs at least one segment."""
    if not findings.tracks:
        return None
    dataset = new_instance(
        source,
        sop_class=SegmentationStorage,
        modality="SEG",
        series_number=SERIES_NUMBER,
        description="Thyroid nodules, outlines",
    )
    model = findings.predictions[0].model
    dataset.DeviceSerialNumber = model.id
    dataset.ContentLabel = "THYROID_NODULES"
    dataset.ContentDescription = "Outlines of thyroid nodules"
    dataset.ContentCreatorName = creator_name(source, findings)
    _set_image(dataset, source)
    _set_dimensions(dataset, source)
    dataset.SegmentSequence = [_segment(source, findings, track, model) for track in findings.track_numbers]
    dataset.SharedFunctionalGroupsSequence = [Dataset()]
    _set_references(dataset, source)
    _set_frames(dataset, source, findings)
    return dataset


def packed(masks: Iterable[BoolArray]) -> bytes:
    """Masks of one shape -> Pixel Data with one bit per pixel: no gap between frames, padded to whole 16-bit words.

    The first pixel is the lowest bit of the first byte (DICOM PS3.5 8.1.1 and annex D).
    """
    carried = np.zeros(0, np.bool_)
    pieces = bytearray()
    for mask_HW in masks:
        bits = np.concatenate([carried, mask_HW.ravel()])
        num_whole = bits.size // 8 * 8
        pieces += np.packbits(bits[:num_whole], bitorder="little").tobytes()
        carried = bits[num_whole:]
    pieces += np.packbits(carried, bitorder="little").tobytes()
    return bytes(pieces) + b"\0" * (len(pieces) % 2)


def creator_name(source: Source, findings: Findings) -> str | None:
    """-> name of the person who drew or changed outlines; None without a person, or where identity is not kept."""
    return findings.reader if source.identity == "keep" else None


def tracking(source: Source, findings: Findings, track: int) -> tuple[str, str]:
    """Track -> (identifier, unique identifier): the number and the UID that the nodule has in every file."""
    return f"Nodule {track}", findings.track_uid(track) or source.uid("track", str(track))


def _set_image(dataset: Dataset, source: Source) -> None:
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.PatientOrientation = None
    dataset.Rows, dataset.Columns = source.rows, source.columns
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = dataset.PixelRepresentation = 0
    dataset.SegmentationType = "BINARY"
    dataset.LossyImageCompression = "00"
    for name in LOSSY:
        if source.header.get(name) is not None:
            dataset[name] = source.header[name]
    for name in ("FrameOfReferenceUID", "PositionReferenceIndicator"):
        if source.header.get("FrameOfReferenceUID") and name in source.header:
            dataset[name] = source.header[name]


def _set_dimensions(dataset: Dataset, source: Source) -> None:
    """Gives each frame two indices: its segment and, in a clip, its position in time among the frames with a nodule."""
    organization = source.uid("dimensions")
    item = Dataset()
    item.DimensionOrganizationUID = organization
    dataset.DimensionOrganizationSequence = [item]
    pointers = [("ReferencedSegmentNumber", "SegmentIdentificationSequence", "Segment")]
    if source.is_multiframe:
        pointers.append(("TemporalPositionIndex", "FrameContentSequence", "Frame of the clip"))
    dataset.DimensionIndexSequence = []
    for attribute, group, label in pointers:
        index = Dataset()
        index.DimensionOrganizationUID = organization
        index.DimensionIndexPointer = Tag(attribute)
        index.FunctionalGroupPointer = Tag(group)
        index.DimensionDescriptionLabel = label
        dataset.DimensionIndexSequence.append(index)


def _segment(source: Source, findings: Findings, track: int, model: ModelIdentity) -> Dataset:
    """-> the description of one nodule's segment."""
    segment = Dataset()
    segment.SegmentNumber = findings.segment_number(track)
    segment.TrackingID, segment.TrackingUID = tracking(source, findings, track)
    segment.SegmentLabel = segment.TrackingID
    segment.SegmentedPropertyCategoryCodeSequence = [code_item(codes.ABNORMAL_STRUCTURE)]
    segment.SegmentedPropertyTypeCodeSequence = [code_item(codes.NODULE)]
    segment.AnatomicRegionSequence = [code_item(codes.THYROID)]
    segment.SegmentAlgorithmType = findings.track_origin(track)
    if segment.SegmentAlgorithmType != "MANUAL":
        segment.SegmentAlgorithmName = model.name[:MAX_LONG_STRING]
        algorithm = Dataset()
        algorithm.AlgorithmFamilyCodeSequence = [code_item(codes.ARTIFICIAL_INTELLIGENCE)]
        algorithm.AlgorithmName = model.name[:MAX_LONG_STRING]
        algorithm.AlgorithmVersion = model.id[:MAX_LONG_STRING]
        segment.SegmentationAlgorithmIdentificationSequence = [algorithm]
    segment.RecommendedDisplayCIELabValue = list(SEGMENT_COLOURS_LAB[(track - 1) % len(SEGMENT_COLOURS_LAB)])
    return segment


def _set_references(dataset: Dataset, source: Source) -> None:
    instance = Dataset()
    instance.ReferencedSOPClassUID = source.header.SOPClassUID
    instance.ReferencedSOPInstanceUID = source.header.SOPInstanceUID
    series = Dataset()
    series.SeriesInstanceUID = source.header.SeriesInstanceUID
    series.ReferencedInstanceSequence = [instance]
    dataset.ReferencedSeriesSequence = [series]


def _set_frames(dataset: Dataset, source: Source, findings: Findings) -> None:
    """Writes all frames that are not empty: segment by segment, and within a segment in the order of time."""
    with_nodule = sorted({frame for frame, _ in findings.tracks})
    places = {frame: place for place, frame in enumerate(with_nodule, start=1)}
    groups = []
    for track, prediction, _ in _frames(findings):
        frame_index = prediction.image.frame_index
        groups.append(_frame_groups(source, findings.segment_number(track), frame_index, places[frame_index]))
    dataset.PerFrameFunctionalGroupsSequence = groups
    dataset.NumberOfFrames = len(groups)
    dataset.PixelData = packed(nodule_mask(prediction, nodule) for _, prediction, nodule in _frames(findings))
    dataset["PixelData"].VR = "OB"


def _frames(findings: Findings) -> Iterator[tuple[int, Prediction, Nodule]]:
    for track in findings.track_numbers:
        for prediction, nodule in findings.nodules_of(track):
            yield track, prediction, nodule


def _frame_groups(source: Source, segment_number: int, frame_index: int, place: int) -> Dataset:
    """-> the functional groups of one frame: content, source frame, segment."""
    content = Dataset()
    content.DimensionIndexValues = [segment_number]
    image = Dataset()
    image.ReferencedSOPClassUID = source.header.SOPClassUID
    image.ReferencedSOPInstanceUID = source.header.SOPInstanceUID
    if source.is_multiframe:
        content.DimensionIndexValues = [segment_number, place]
        content.TemporalPositionIndex = place
        image.ReferencedFrameNumber = frame_index + 1
    image.SpatialLocationsPreserved = "YES"
    image.PurposeOfReferenceCodeSequence = [code_item(codes.SEGMENTATION_SOURCE)]
    derivation = Dataset()
    derivation.SourceImageSequence = [image]
    derivation.DerivationCodeSequence = [code_item(codes.SEGMENTATION)]
    segment = Dataset()
    segment.ReferencedSegmentNumber = segment_number
    groups = Dataset()
    groups.FrameContentSequence = [content]
    groups.DerivationImageSequence = [derivation]
    groups.SegmentIdentificationSequence = [segment]
    return groups
