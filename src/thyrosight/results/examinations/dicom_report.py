"""Examination, the folder of its DICOM files -> SEG, SR and, with a PDF, the report as Encapsulated PDF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from thyrosight.errors import InputError
from thyrosight.examination.growth import compare_examinations
from thyrosight.examination.records import ThyroidExam
from thyrosight.files import sha256_of
from thyrosight.results.dicom.exam_files import ExamDicomOptions, examination_dicom_files
from thyrosight.results.dicom.source import Identity
from thyrosight.results.examinations.content import report_content
from thyrosight.results.examinations.document import examination_html, report_pdf
from thyrosight.results.examinations.write import Loaded

MAX_FILES = 10_000


def dicom_sources(examination: ThyroidExam, folder: Path) -> dict[str, Path]:
    """Examination, path of a folder or of one file -> {key of an image: its file}. Files are found by their SHA-256.

    InputError where no image of the examination is found.
    """
    files = files_by_hash(folder)
    hashes = {image.key: image.prediction.image.sha256 for image in examination.images}
    found = {key: files[sha256] for key, sha256 in hashes.items() if sha256 in files}
    if not found:
        raise InputError(f"{folder}: holds none of the examination's images; give the files that were predicted")
    return found


def files_by_hash(folder: Path) -> dict[str, Path]:
    """Folder or one file -> {SHA-256: file}. InputError where it holds more files than one examination has."""
    paths = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    if len(paths) > MAX_FILES:
        raise InputError(f"{folder}: holds {len(paths)} files; give the folder of this examination alone")
    return {sha256_of(path): path for path in paths}


def dicom_report(
    loaded: Loaded,
    earlier: Loaded | None,
    sources: Mapping[str, Path],
    *,
    with_pdf: bool = False,
    identity: Identity = "none",
    uid_key: str | None = None,
) -> dict[str, bytes]:
    """Examination, an earlier one, {image key: DICOM file} -> {file name: bytes}.

    The SR holds gland, lymph nodes, remarks and impression as comments. Without identity, neither the label of the
    patient nor the reader's name is in any file, nor in the PDF. InputError as `examination_dicom_files`,
    MissingExtraError as `report_pdf`.
    """
    one, other = loaded.examination, None if earlier is None else earlier.examination
    if identity == "none":
        one = one.model_copy(update={"patient": "", "reader": "Reader" if one.reader else ""})
    content = report_content(one, other)
    texts = [f"{name}: {text}" for name, text in content.gland]
    texts += [f"Lymph nodes: {content.lymph_nodes}"]
    texts += [f"Remarks: {content.remarks}"] if content.remarks else []
    texts += [f"Impression: {line}" for line in content.impression]
    texts += [f"Strictest advice: {content.strictest}"]
    pdf = report_pdf(examination_html(one, other, home=loaded.home)) if with_pdf else None
    return examination_dicom_files(
        one,
        sources,
        compared=None if other is None else compare_examinations(one, other),
        texts=texts,
        pdf=pdf,
        options=ExamDicomOptions(identity=identity, uid_key=uid_key),
    )
