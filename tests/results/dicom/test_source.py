"""DICOM sources that no object can refer to are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest

from result_objects import (
    predicted,
    write_source,
)
from thyrosight.errors import InputError
from thyrosight.results.dicom.files import case_dicom_files
from thyrosight.results.dicom.source import read_source

# What is refused.


def test_sources_that_are_no_dicom_image_are_refused(tmp_path: Path) -> None:
    path = write_source(tmp_path, (20, 20))
    prediction = predicted(path, [])
    whole = path.read_bytes()
    cases = {
        "note.txt": (b"not DICOM at all" * 40, "not a DICOM file"),
        "empty.dcm": (b"", "not a DICOM file"),
        "cut.dcm": (whole[:300], "missing or no UID|damaged"),
    }
    for name, (content, said) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=said):
            case_dicom_files(tmp_path / name, [prediction])
    with pytest.raises(InputError, match=r"nowhere\.dcm"):
        case_dicom_files(tmp_path / "nowhere.dcm", [prediction])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"StudyInstanceUID": ""}, "StudyInstanceUID is missing"),
        ({"SOPInstanceUID": "../../etc/passwd"}, "SOPInstanceUID is missing or no UID"),
        ({"Rows": 0}, "without an image"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_headers_that_nothing_can_refer_to_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = write_source(tmp_path, (20, 20), **changes)
    with pytest.raises(InputError, match=said):
        read_source(path)


def test_a_deflated_file_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    path = write_source(tmp_path, (20, 20))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    with pytest.raises(InputError, match="deflated"):
        read_source(path)


def test_results_of_another_file_or_size_are_refused(tmp_path: Path) -> None:
    path = write_source(tmp_path, (20, 20))
    prediction = predicted(path, [])
    write_source(tmp_path, (20, 20), PatientID="another")
    with pytest.raises(InputError, match="of another file"):
        case_dicom_files(path, [prediction])
    now = predicted(path, [])
    wider = now.model_copy(update={"image": now.image.model_copy(update={"width_px": 21})})
    with pytest.raises(InputError, match="20 x 20 pixels"):
        case_dicom_files(path, [wider])
    with pytest.raises(InputError, match="several predictions"):
        case_dicom_files(path, [now, now])
    with pytest.raises(InputError, match="no prediction"):
        case_dicom_files(path, [])
