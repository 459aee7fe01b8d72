"""An item whose source is DICOM -> SEG and SR that refer to it; 409 with the reason for any other source."""

from __future__ import annotations

import importlib
from typing import Any, Literal

from thyrosight.errors import InputError
from thyrosight.web.exported import Download, Exported, nobody_corrected
from thyrosight.web.problems import ApiError

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
    outlined_by = {(index, nodule.number): "MANUAL" for index in corrected for nodule in predictions[index].nodules}
    readers = sorted({correction.who for correction in corrected.values()} - {""})
    added = case.Corrections(outlined_by=outlined_by, reader=", ".join(readers) or None) if corrected else None
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


def _dicom_out(exported: Exported) -> Any:
    """-> the room that writes DICOM; ApiError 409 where the source is none, or this version can't."""
    with open(exported.store.source(exported.item), "rb") as stream:
        head = stream.read(_MAGIC_AT + len(_MAGIC))
    if head[_MAGIC_AT:] != _MAGIC:
        message = f"{exported.item.name}: no DICOM file, so there is nothing that a SEG or an SR could refer to"
        raise ApiError(409, "no_dicom", message)
    return importlib.import_module("thyrosight.dicom_out.case")  # here, so that a server starts without highdicom
