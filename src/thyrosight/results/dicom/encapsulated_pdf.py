"""Source, PDF of a report -> DICOM Encapsulated PDF, in the study of the source."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from thyrosight.errors import InputError
from thyrosight.results.dicom.codes import THYROID_REPORT, code_item
from thyrosight.results.dicom.source import Source, new_instance

SERIES_NUMBER = 9904


def encapsulated_pdf(source: Source, pdf: bytes, title: str) -> Dataset:
    """Source, PDF, title -> the instance. InputError where the bytes are no PDF."""
    if not pdf.startswith(b"%PDF-"):
        raise InputError("the report is no PDF, so it can't be put into DICOM")
    dataset = new_instance(
        source,
        sop_class=EncapsulatedPDFStorage,
        modality="DOC",
        series_number=SERIES_NUMBER,
        description="Thyroid examination, report",
    )
    dataset.ConversionType = "SYN"
    dataset.AcquisitionDateTime = None
    dataset.BurnedInAnnotation = "YES"
    dataset.DocumentTitle = title
    dataset.ConceptNameCodeSequence = [code_item(THYROID_REPORT)]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(pdf)
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return dataset
