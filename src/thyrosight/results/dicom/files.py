"""DICOM source file, predictions -> bytes of the DICOM files, for the command, the web API and the PACS service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from thyrosight.errors import InputError
from thyrosight.measurement.cine import NoduleKey
from thyrosight.prediction import Prediction
from thyrosight.results.dicom.capture import capture
from thyrosight.results.dicom.findings import Findings, OutlinedBy, findings_of
from thyrosight.results.dicom.seg import segmentation
from thyrosight.results.dicom.source import Identity, Source, part10, read_source
from thyrosight.results.dicom.sr import report
from thyrosight.types import UInt8Array

SEG_NAME, SR_NAME = "seg.dcm", "sr.dcm"


@dataclass(frozen=True)
class Corrections:
    """What a person's corrections add to the predictions; see Findings for the fields."""

    tracks: Mapping[NoduleKey, int] | None = None
    outlined_by: Mapping[NoduleKey, OutlinedBy] | None = None
    assessments: Mapping[int, Any] | None = None
    notes: Mapping[int, str] | None = None
    nodule_notes: Mapping[NoduleKey, str] | None = None
    reader: str | None = None


@dataclass(frozen=True)
class DicomOptions:
    """Which files to write, and whether they hold the patient's identity. uid_key, written: see `read_source`."""

    seg: bool = True
    sr: bool = True
    identity: Identity = "none"
    uid_key: str | None = None
    written: datetime | None = None


def case_dicom_files(
    source_path: Path,
    predictions: Sequence[Prediction],
    *,
    pictures: Mapping[int, UInt8Array] | None = None,
    corrections: Corrections | None = None,
    options: DicomOptions | None = None,
) -> dict[str, bytes]:
    """DICOM file, predictions of its frames -> {file name: bytes of a DICOM file}.

    seg.dcm, where a nodule was outlined; sr.dcm; capture.dcm, or capture_0001.dcm and so on for the frames of a clip,
    from `pictures` (_HW3, by frame_index). InputError where the file is no DICOM image, or not the one that was
    predicted.
    """
    options, added = options or DicomOptions(), corrections or Corrections()
    source = read_source(source_path, identity=options.identity, uid_key=options.uid_key, written=options.written)
    findings = findings_of(
        predictions,
        tracks=added.tracks,
        outlined_by=added.outlined_by,
        assessments=added.assessments,
        notes=added.notes,
        nodule_notes=added.nodule_notes,
        reader=added.reader,
    )
    check_findings(source_path, source, findings)
    files: dict[str, bytes] = {}
    if options.seg and (dataset := segmentation(source, findings)) is not None:
        files[SEG_NAME] = part10(dataset, source)
    if options.sr:
        files[SR_NAME] = part10(report(source, findings), source)
    for frame_index, picture_HW3 in sorted((pictures or {}).items()):
        name = f"capture_{frame_index + 1:04d}.dcm" if source.num_frames > 1 else "capture.dcm"
        files[name] = part10(capture(source, picture_HW3, frame_index=frame_index), source)
    return files


def check_findings(path: Path, source: Source, findings: Findings) -> None:
    """InputError where a prediction is of another file, or has another size."""
    for prediction in findings.predictions:
        image = prediction.image
        if image.sha256 != source.sha256:
            name = f" ({image.name})" if image.name else ""
            raise InputError(f"{path}: the result is of another file{name}; give the file that was predicted")
        size, there = (image.width_px, image.height_px), (source.columns, source.rows)
        if size != there or image.frame_index >= source.num_frames:
            raise InputError(
                f"{path}: has {source.num_frames} frames of {there[0]} x {there[1]} pixels, the result is of frame "
                f"{image.frame_index} with {size[0]} x {size[1]}; predict the file again"
            )
