"""A finished item whose source is DICOM -> its SEG or SR, with the outlines of a person where a person has read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault
from thyrosight.frames.dicom import HEAD_BYTES
from thyrosight.frames.headers import has_dicom_preamble
from thyrosight.prediction import Prediction
from thyrosight.web.errors import ApiError
from thyrosight.web.review.export_item import Download, ExportItem, nobody_corrected
from thyrosight.web.review.readings import reading_of, track_assessments
from thyrosight.web.schemas import Correction, FindingOrigin

if TYPE_CHECKING:
    from thyrosight.results.dicom.files import Corrections
    from thyrosight.results.dicom.findings import OutlinedBy

FILE_NAMES = {"seg": "seg.dcm", "sr": "sr.dcm"}
OUTLINED_BY: dict[FindingOrigin, OutlinedBy] = {
    "network": "AUTOMATIC",
    "network_changed": "SEMIAUTOMATIC",
    "person_with_network": "SEMIAUTOMATIC",
    "person": "MANUAL",
}


def export_seg(exported: ExportItem) -> Download:
    """-> DICOM SEG of the outlines that `reader` chooses."""
    return _dicom(exported, "seg")


def export_sr(exported: ExportItem) -> Download:
    """-> DICOM SR of the measurements that `reader` chooses."""
    return _dicom(exported, "sr")


def _dicom(exported: ExportItem, kind: Literal["seg", "sr"]) -> Download:
    _check_source(exported)
    # Imported here, so that a server starts without waiting for highdicom.
    from thyrosight.results.dicom.files import DicomOptions, case_dicom_files

    source = exported.store.source(exported.item)
    corrected = exported.corrections() if exported.reader != "network" else {}
    if exported.reader == "person" and not corrected:
        raise nobody_corrected(exported.item)
    predictions = [
        exported.by_person(corrected[index]) if index in corrected else exported.prediction(index)
        for index in range(exported.num_frames)
    ]
    added = _corrections(corrected, predictions) if corrected else None
    options = DicomOptions(seg=kind == "seg", sr=kind == "sr")
    try:
        files = case_dicom_files(source, predictions, corrections=added, options=options)
    except InputError as error:
        raise_disk_fault(error)
        raise ApiError(409, "no_dicom", str(error).replace(str(source), exported.item.name)) from error
    name = FILE_NAMES[kind]
    if name not in files:
        raise ApiError(409, "nothing_outlined", f"{exported.item.name}: no nodule was outlined, so there is no SEG")
    reader = "person" if corrected else "network"
    return Download(f"{exported.stem}-{reader}-{name}", "application/dicom", files[name])


def _corrections(corrected: dict[int, Correction], predictions: list[Prediction]) -> Corrections:
    """Corrections by frame, the predictions with these outlines -> what the corrections add to the DICOM files."""
    from thyrosight.results.dicom.files import Corrections

    readings = {index: reading_of(one, predictions[index].image.spacing) for index, one in corrected.items()}
    tracks = {(p.image.frame_index, nodule.number): nodule.number for p in predictions for nodule in p.nodules}
    readers = sorted({correction.who for correction in corrected.values()} - {""})
    findings = [(index, finding) for index, correction in corrected.items() for finding in correction.findings]
    return Corrections(
        tracks=tracks,
        outlined_by={(index, finding.number): OUTLINED_BY[finding.origin] for index, finding in findings},
        assessments=track_assessments(readings, predictions, tracks),
        notes={index: reading.note for index, reading in readings.items() if reading.note},
        nodule_notes={(index, finding.number): finding.note for index, finding in findings if finding.note},
        reader=", ".join(readers) or None,
    )


def _check_source(exported: ExportItem) -> None:
    """Raises ApiError 409 where the source is no DICOM file."""
    with open(exported.store.source(exported.item), "rb") as stream:
        head = stream.read(HEAD_BYTES)
    if not has_dicom_preamble(head):
        message = f"{exported.item.name}: no DICOM file, so there is nothing that a SEG or an SR could refer to"
        raise ApiError(409, "no_dicom", message)
