"""A canary in every attribute that holds text: none comes out under `--identity none`, in an error, or in a log."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from pacs_peers import us_dataset
from thyrosight.errors import ThyrosightError
from thyrosight.inference.predict_file import ReadOptions, examine_file
from thyrosight.inference.predictor import Predictor
from thyrosight.results.dicom.files import DicomOptions, case_dicom_files
from thyrosight.results.predict_folder import predict_folder
from tiny_bundle import make_tiny_bundle

CANARY = "QCANARYQ"
DIGITS = "7263548190"
TEXTS = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
STRUCTURE = {"SOPClassUID", "PhotometricInterpretation", "Modality", "SpecificCharacterSet", "TransferSyntaxUID"}
"""Without these it would be no image; each of them is tried by itself below."""


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"), threads=1)


def planted(path: Path) -> int:
    """-> how many attributes of the written image hold a canary: all of the dictionary's texts, UIDs and dates."""
    dataset = us_dataset(0)
    number = 0
    filled = Dataset()
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        if not keyword or keyword in STRUCTURE or tag >> 16 in (0x0000, 0x0002, 0x0004, 0x7FE0, 0x5400):
            continue
        if vr in TEXTS:
            value: Any = f"{CANARY}^{CANARY}" if vr == "PN" else CANARY
        elif vr == "UI":
            value = f"1.2.{DIGITS}.{tag}"
        elif vr == "DA":
            value = "19310506"
        else:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            filled.add_new(tag, vr, value)
        number += 1
    dataset.update(filled)
    item = Dataset()
    item.PatientName, item.InstitutionName = CANARY, CANARY
    for keyword in ("RequestAttributesSequence", "OtherPatientIDsSequence", "SourceImageSequence"):
        setattr(dataset, keyword, Sequence([item]))
    block = dataset.private_block(0x0099, CANARY, create=True)
    block.add_new(0x01, "LO", CANARY)
    dataset.preamble = (CANARY.encode() * 16)[:128]
    dataset.save_as(path, enforce_file_format=True)
    return number


def leaks(content: bytes) -> list[str]:
    return [
        word for word in (CANARY, DIGITS, "19310506") if word.encode() in content or word.lower().encode() in content
    ]


def test_no_canary_comes_out_without_identity(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    assert planted(path) > 1_500
    result = examine_file(predictor, path, ReadOptions())
    picture_HW3 = np.zeros((8, 8, 3), np.uint8)
    files = case_dicom_files(path, result.predictions, pictures={0: picture_HW3}, options=DicomOptions(identity="none"))
    assert len(files) == 3
    assert {name: leaks(content) for name, content in files.items()} == {name: [] for name in files}


def test_no_canary_stands_in_a_results_folder(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.dcm"
    path.parent.mkdir()
    planted(path)
    predict_folder(path.parent, tmp_path / "out", bundle=predictor, progress=lambda *_: None)
    found = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert len(found) >= 6
    assert {file.name: leaks(file.read_bytes()) for file in found} == {file.name: [] for file in found}


@pytest.mark.parametrize("keyword", [*sorted(STRUCTURE - {"TransferSyntaxUID"}), "Rows", "BitsStored", "PixelSpacing"])
def test_no_error_quotes_a_header(predictor: Predictor, tmp_path: Path, keyword: str) -> None:
    path = tmp_path / "a.dcm"
    dataset = us_dataset(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        element = pydicom.DataElement(pydicom.datadict.tag_for_keyword(keyword), "LO", CANARY, validation_mode=0)
        dataset[element.tag] = element
        dataset.save_as(path, enforce_file_format=False, implicit_vr=False, little_endian=True)
    said = ""
    try:
        result = examine_file(predictor, path, ReadOptions())
        case_dicom_files(path, result.predictions, options=DicomOptions(identity="none"))
    except ThyrosightError as error:
        said = str(error)
    assert not leaks(said.encode()), said
