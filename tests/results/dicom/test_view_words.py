"""DICOM header -> words of view and side: of image and series alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from result_objects import write_source
from thyrosight.examination.view_labels import labels_in
from thyrosight.results.dicom.view_words import view_words


def code(meaning: str) -> Dataset:
    item = Dataset()
    item.CodeMeaning = meaning
    return item


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ({"SeriesDescription": "THYROID RT TRV MID"}, ("transverse", "right", "middle")),
        ({"ViewCodeSequence": [code("Longitudinal")], "Laterality": "L"}, ("longitudinal", "left", None)),
        ({"ImageComments": "lt sag", "SeriesDescription": "right trans"}, ("longitudinal", "left", None)),
        ({"AnatomicRegionSequence": [code("Thyroid isthmus")]}, (None, "isthmus", None)),
        ({"StudyDescription": "right lobe", "PatientComments": "left trans"}, (None, None, None)),
    ],
)
def test_what_the_header_states(tmp_path: Path, header: dict[str, object], found: tuple[str | None, ...]) -> None:
    path = write_source(tmp_path, (40, 40), **header)
    assert tuple(labels_in(*view_words(path)))[:3] == found


def test_what_is_no_dicom_file_states_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no DICOM")
    assert view_words(tmp_path / "x") == ()
    assert view_words(tmp_path / "absent") == ()
