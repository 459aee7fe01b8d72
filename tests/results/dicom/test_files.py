"""SEG, SR and Secondary Capture: read back by pydicom and highdicom, held against the predictions, validated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from result_objects import (
    IDENTITY,
    KEEP,
    NONE,
    STUDY,
    UIDS,
    clip,
    disc,
    predicted,
    read,
    validator_errors,
    write_source,
)
from thyrosight.errors import InputError
from thyrosight.results.dicom.files import Corrections, DicomOptions, case_dicom_files
from thyrosight.results.dicom.findings import findings_of
from thyrosight.results.dicom.seg import nodule_mask
from thyrosight.results.dicom.source import read_source
from thyrosight.types import Spacing

REAL = (
    "examples_rgb_color.dcm",
    "examples_palette.dcm",
    "examples_jpeg2k.dcm",
    "ExplVR_BigEnd.dcm",
    "examples_ybr_color.dcm",
)


def real_file(name: str) -> Path:
    """pydicom's own test file, or that of its package pydicom-data; nothing is fetched."""
    return Path(str(get_testdata_file(name, download=False)))


# Tracks.


def test_tracks_that_are_given_are_taken_or_refused(tmp_path: Path) -> None:
    path = write_source(tmp_path, (30, 60), 2)
    left_HW, right_HW = disc((30, 60), 14, 14, 6, 1), disc((30, 60), 44, 14, 5, 1)
    predictions = [predicted(path, [left_HW, right_HW], index) for index in range(2)]
    crossed = {(0, 1): 1, (0, 2): 2, (1, 1): 2, (1, 2): 1}
    seg = read(case_dicom_files(path, predictions, corrections=Corrections(tracks=crossed))["seg.dcm"])
    assert (seg.pixel_array == np.stack([left_HW, right_HW, right_HW, left_HW])).all()
    for tracks, said in (
        ({(0, 1): 1}, "in no track"),
        (dict.fromkeys(crossed, 1), "several nodules in frame 0"),
        ({**crossed, (0, 1): 0, (1, 2): 0}, "number them from 1"),
    ):
        with pytest.raises(InputError, match=said):
            findings_of(predictions, tracks=tracks)
    gap = {**crossed, (0, 1): 3, (1, 2): 3}  # a reader has deleted nodule 1, and added a third
    seg = read(case_dicom_files(path, predictions, corrections=Corrections(tracks=gap))["seg.dcm"])
    assert [(one.SegmentNumber, one.TrackingID) for one in seg.SegmentSequence] == [(1, "Nodule 2"), (2, "Nodule 3")]


# Identity.


@pytest.mark.part("dciodvfy")
def test_without_identity_nothing_of_the_patient_is_left(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=3)
    files = case_dicom_files(path, predictions, pictures={0: np.zeros((8, 8, 3), np.uint8)}, options=NONE)
    assert len(files) == 3
    secrets = [*IDENTITY.values(), *STUDY.values(), *UIDS.values(), "House", "Plainsboro", "Neck", "Anna"]
    secrets = [secret for secret in secrets if len(secret) > 2]
    for name, content in files.items():
        leaks = [secret for secret in secrets if secret.encode() in content]
        assert not leaks, name
        assert read(content).PatientIdentityRemoved == "YES"
        assert not validator_errors(content, tmp_path)


def test_without_identity_files_still_belong_together(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=3)
    files = {name: read(content) for name, content in case_dicom_files(path, predictions, options=NONE).items()}
    seg, report = files["seg.dcm"], files["sr.dcm"]
    source = read_source(path)
    referred = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
    assert seg.StudyInstanceUID == report.StudyInstanceUID == evidence.StudyInstanceUID
    assert referred == source.header.SOPInstanceUID
    assert referred == evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert seg.PatientID == report.PatientID


def test_with_one_secret_a_study_stays_one_study(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = write_source(tmp_path / "a", (20, 20))
    two = write_source(tmp_path / "b", (20, 20), SOPInstanceUID="1.2.3.4.5.7")
    apart = [read_source(path).header for path in (one, two)]
    together = [read_source(path, uid_key="of one trial").header for path in (one, two)]
    assert apart[0].StudyInstanceUID != apart[1].StudyInstanceUID
    assert together[0].StudyInstanceUID == together[1].StudyInstanceUID
    assert together[0].PatientID == together[1].PatientID
    assert together[0].SOPInstanceUID != together[1].SOPInstanceUID
    assert len({header.StudyInstanceUID for header in (*apart, *together)}) == 3


@pytest.mark.part("dciodvfy")
def test_with_identity_patient_and_study_are_the_source_s_own(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=3)
    files = case_dicom_files(path, predictions, pictures={0: np.zeros((8, 8, 3), np.uint8)}, options=KEEP)
    for content in files.values():
        dataset = read(content)
        assert {name: str(dataset[name].value) for name in IDENTITY} == IDENTITY
        assert {name: str(dataset[name].value) for name in STUDY} == STUDY
        assert dataset.StudyInstanceUID == UIDS["StudyInstanceUID"]
        assert dataset.SeriesInstanceUID != UIDS["SeriesInstanceUID"]
        assert "PatientIdentityRemoved" not in dataset
        assert not validator_errors(content, tmp_path)


# The same again.


def test_the_same_findings_are_the_same_files(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=3)
    assert case_dicom_files(path, predictions, options=NONE) == case_dicom_files(path, predictions[::-1], options=NONE)


def test_another_outline_is_another_instance(tmp_path: Path) -> None:
    path = write_source(tmp_path, (40, 40))
    uids = set()
    for radius in (8, 9):
        for content in case_dicom_files(
            path, [predicted(path, [disc((40, 40), 20, 20, radius, 1)])], options=NONE
        ).values():
            uids.add(read(content).SOPInstanceUID)
            assert len(str(read(content).SOPInstanceUID)) <= 64
    assert len(uids) == 4


# Real files.


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("identity", ["keep", "none"])
@pytest.mark.part("dciodvfy")
def test_real_ultrasound_files_pass_the_validator(tmp_path: Path, name: str, identity: Any) -> None:
    path = real_file(name)
    header = pydicom.dcmread(path, stop_before_pixels=True)
    size_hw = (int(header.Rows), int(header.Columns))
    predictions = []
    for index in range(int(header.get("NumberOfFrames", 1))):
        x, y, radius = size_hw[1] * 0.4 + index, size_hw[0] * 0.4, size_hw[0] * 0.15
        predictions.append(predicted(path, [disc(size_hw, x, y, radius)], index, Spacing(0.05, 0.05)))
    files = case_dicom_files(
        path, predictions, pictures={0: np.zeros((9, 9, 3), np.uint8)}, options=DicomOptions(identity=identity)
    )
    assert len(files) == 3
    frames = read(files["seg.dcm"]).pixel_array.reshape(-1, *size_hw)
    for frame_HW, prediction in zip(frames, predictions, strict=True):
        assert (frame_HW == nodule_mask(prediction, prediction.nodules[0])).all()
    for content in files.values():
        assert not validator_errors(content, tmp_path)
