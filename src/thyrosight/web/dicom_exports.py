"""An item whose source is DICOM -> SEG and SR that refer to it; 409 with the reason for any other source."""

from __future__ import annotations

import importlib
from typing import Any, Literal

from thyrosight.cine import summarise_clip, track_numbers
from thyrosight.errors import InputError
from thyrosight.prediction import Prediction
from thyrosight.web.exported import Download, Exported, nobody_corrected
from thyrosight.web.problems import ApiError
from thyrosight.web.readings import reading_of, track_assessments
from thyrosight.web.schemas import Correction

FILE_NAMES = {"seg": "seg.dcm", "sr": "sr.dcm"}
_MAGIC_AT, _MAGIC = 128, b"DICM"


def export_seg(exported: Exported) -> Download:
    """-> DICOM SEG of the outlines in force."""
    return _dicom(exported, "seg")


def export_sr(exported: Exported) -> Download:
    """-> DICOM SR of the measurements in force."""
    return _dicom(exported, "sr")


def _dicom(exported: Exported, kind: Literal["seg", "sr"]) -> Download:
    case = _dicom_out(exported)
    source = exported.store.source(exported.item)
    corrected = exported.corrections() if exported.reader != "network" else {}
    if exported.reader == "person" and not corrected:
        raise nobody_corrected(exported.item)
    predictions = [
        exported.by_person(corrected[index]) if index in corrected else exported.prediction(index)
        for index in range(exported.num_frames)
    ]
    added = _added(case, corrected, predictions) if corrected else None
    wanted = case.Wanted(seg=kind == "seg", sr=kind == "sr")
    try:
        files = case.case_dicom_files(source, predictions, corrections=added, wanted=wanted)
    except InputError as error:
        raise ApiError(409, "no_dicom", str(error).replace(str(source), exported.item.name)) from error
    name = FILE_NAMES[kind]
    if name not in files:
        raise ApiError(409, "nothing_outlined", f"{exported.item.name}: no nodule was outlined, so there is no SEG")
    reader = "person" if corrected else "network"
    return Download(f"{exported.stem}-{reader}-{name}", "application/dicom", files[name])


def _added(case: Any, corrected: dict[int, Correction], predictions: list[Prediction]) -> Any:
    """What persons said by frame, the predictions with their outlines -> what they add to the DICOM files."""
    readings = {index: reading_of(correction, predictions[index]) for index, correction in corrected.items()}
    tracks = track_numbers(summarise_clip(predictions).tracks)
    outlined_by = {(index, nodule.number): "MANUAL" for index in corrected for nodule in predictions[index].nodules}
    readers = sorted({correction.who for correction in corrected.values()} - {""})
    return case.Corrections(
        tracks=tracks,
        outlined_by=outlined_by,
        assessments=track_assessments(readings, predictions, tracks),
        notes={index: reading.note for index, reading in readings.items() if reading.note},
        reader=", ".join(readers) or None,
    )


def _dicom_out(exported: Exported) -> Any:
    """-> the room that writes DICOM; ApiError 409 where the source is none, or this version can't."""
    with open(exported.store.source(exported.item), "rb") as stream:
        head = stream.read(_MAGIC_AT + len(_MAGIC))
    if head[_MAGIC_AT:] != _MAGIC:
        message = f"{exported.item.name}: no DICOM file, so there is nothing that a SEG or an SR could refer to"
        raise ApiError(409, "no_dicom", message)
    return importlib.import_module("thyrosight.dicom_out.case")  # here, so that a server starts without highdicom
