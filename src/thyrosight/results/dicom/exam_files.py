"""Examination, the DICOM files of its images -> SEG per image, one SR, the report as Encapsulated PDF."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydicom.dataset import Dataset

from thyrosight.errors import InputError
from thyrosight.examination.growth import ExamComparison
from thyrosight.examination.records import ExaminedNodule, Section, ThyroidExam, ViewImage
from thyrosight.prediction import Prediction
from thyrosight.results.dicom.encapsulated_pdf import encapsulated_pdf
from thyrosight.results.dicom.exam_sr import SegmentedImage, examination_sr
from thyrosight.results.dicom.files import check_findings
from thyrosight.results.dicom.findings import findings_of
from thyrosight.results.dicom.seg import segmentation
from thyrosight.results.dicom.source import Identity, Source, part10, read_source

SR_NAME, PDF_NAME = "sr.dcm", "report.dcm"
TITLE = "Ultrasound of the thyroid"


@dataclass(frozen=True)
class ExamDicomOptions:
    """identity, uid_key and written have the meaning that they have in `read_source`.

    Where uid_key is None, the key is a hash of all source files together, so that the outputs stay one study.
    """

    identity: Identity = "none"
    uid_key: str | None = None
    written: datetime | None = None


def examination_dicom_files(
    examination: ThyroidExam,
    sources: Mapping[str, Path],
    *,
    compared: ExamComparison | None = None,
    texts: Sequence[str] = (),
    pdf: bytes | None = None,
    options: ExamDicomOptions | None = None,
) -> dict[str, bytes]:
    """Examination, {image key: DICOM file} -> {name: bytes}: seg_1.dcm ..., sr.dcm, and report.dcm if there is a PDF.

    texts: lines of the report that the SR holds as comments. InputError where no image has a DICOM file, or where a
    file is not the one that was predicted. A comment in the SR names the nodules that none of these files shows.
    """
    options = options or ExamDicomOptions()
    keys = [image.key for image in examination.images if image.key in sources]
    if not keys:
        raise InputError("no image of the examination has its DICOM file; give the files that were predicted")
    written = options.written or datetime.now()
    hashes = sorted(examination.image(key).prediction.image.sha256 for key in keys)
    uid_key = options.uid_key or hashlib.sha256("".join(hashes).encode()).hexdigest()
    files: dict[str, bytes] = {}
    images: dict[str, SegmentedImage] = {}
    for place, key in enumerate(keys, start=1):
        source = read_source(sources[key], identity=options.identity, uid_key=uid_key, written=written)
        image, content = _segmented(examination, examination.image(key), source, sources[key], place)
        images[key] = image
        if content is not None:
            files[f"seg_{place}.dcm"] = content
    first = images[keys[0]].source
    lost = [one for one in examination.nodules if not any(section.image in images for section in one.sections)]
    notes = [f"Nodule {one.number} is outlined in none of the DICOM images" for one in lost]
    notes += dict.fromkeys(remark for key in keys for remark in images[key].source.remarks)
    files[SR_NAME] = part10(examination_sr(examination, images, compared, [*notes, *texts]), first)
    if pdf is not None:
        files[PDF_NAME] = part10(encapsulated_pdf(first, pdf, TITLE), first)
    return files


def _segmented(
    examination: ThyroidExam, image: ViewImage, source: Source, path: Path, place: int
) -> tuple[SegmentedImage, bytes | None]:
    """One image -> its SEG with the numbers and UIDs of the examination's nodules, and the SEG's bytes.

    Both are None where no nodule is outlined in the image.
    """
    outlined = [
        (nodule, section) for nodule in examination.nodules for section in nodule.sections if section.image == image.key
    ]
    outlined.sort(key=lambda pair: pair[0].number)
    prediction = _as_outlined(image, outlined)
    frame = prediction.image.frame_index
    findings = findings_of(
        [prediction],
        tracks={(frame, place): place for place in range(1, len(outlined) + 1)},
        outlined_by={(frame, k): section.outlined_by for k, (_, section) in enumerate(outlined, 1)},
        reader=examination.reader or None,
    )
    check_findings(path, source, findings)
    dataset = segmentation(source, findings)
    if dataset is None:
        return SegmentedImage(source, None, {}), None
    _name_segments(dataset, [nodule for nodule, _ in outlined], place)
    content = part10(dataset, source)
    return SegmentedImage(source, dataset, {nodule.uid: k for k, (nodule, _) in enumerate(outlined, 1)}), content


def _as_outlined(image: ViewImage, outlined: Sequence[tuple[ExaminedNodule, Section]]) -> Prediction:
    """-> the image's prediction with the examination's outlines, numbered from 1 in their order."""
    nodules = [section.nodule.model_copy(update={"number": k}) for k, (_, section) in enumerate(outlined, 1)]
    return image.prediction.model_copy(update={"nodules": tuple(nodules)})


def _name_segments(dataset: Dataset, nodules: Sequence[ExaminedNodule], place: int) -> None:
    dataset.InstanceNumber = place
    for segment, nodule in zip(dataset.SegmentSequence, nodules, strict=True):
        segment.TrackingID = segment.SegmentLabel = f"Nodule {nodule.number}"
        segment.TrackingUID = nodule.uid
