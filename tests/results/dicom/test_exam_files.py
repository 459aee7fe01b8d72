"""Examination -> SEG, SR and Encapsulated PDF: read back by highdicom, checked by two validators."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom.sr as hd
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes as standard

from examinations import SIZE_HW, ellipsoid_ml, examined, full_examination
from parts import part_path
from result_objects import KEEP, answers, groups_of, items, meaning, read, validator_errors, write_source
from thyrosight.errors import InputError
from thyrosight.examination.growth import compare_examinations
from thyrosight.examination.records import ThyroidExam
from thyrosight.files import sha256_of
from thyrosight.results.dicom.exam_files import ExamDicomOptions, examination_dicom_files
from thyrosight.results.dicom.seg import nodule_mask

KEPT = ExamDicomOptions(identity="keep", written=KEEP.written)
PDF = b"%PDF-1.7 a report\n%%EOF"


def with_sources(examination: ThyroidExam, folder: Path, **changes: Any) -> tuple[ThyroidExam, dict[str, Path]]:
    """Examination -> the same of DICOM files in the folder, and these files."""
    images, sources = [], {}
    for place, image in enumerate(examination.images, start=1):
        home = folder / str(place)
        home.mkdir()
        path = write_source(home, SIZE_HW, SOPInstanceUID=f"1.2.3.4.5.6.{place}", **changes)
        identity = image.prediction.image.model_copy(update={"sha256": sha256_of(path), "name": path.name})
        images.append(image.model_copy(update={"prediction": image.prediction.model_copy(update={"image": identity})}))
        sources[image.key] = path
    return examination.model_copy(update={"images": tuple(images)}), sources


def made(folder: Path, options: ExamDicomOptions = KEPT, **changes: Any) -> tuple[ThyroidExam, dict[str, bytes]]:
    one, sources = with_sources(full_examination(**changes), folder)
    earlier = examined([(14, 9, 9), (9, 8, 7)], places=[("right", "upper"), ("left", "lower")])
    compared = compare_examinations(one, earlier)
    texts = ["Impression: suspicious", "Right lobe: 52 × 20 × 18 mm"]
    return one, examination_dicom_files(one, sources, compared=compared, texts=texts, pdf=PDF, options=options)


def test_segments_and_groups_have_the_nodules_identity(tmp_path: Path) -> None:
    one, files = made(tmp_path)
    assert set(files) == {"seg_1.dcm", "seg_2.dcm", "seg_3.dcm", "seg_4.dcm", "sr.dcm", "report.dcm"}
    names = {(f"Nodule {nodule.number}", nodule.uid) for nodule in one.nodules}
    in_segs = {
        (segment.TrackingID, segment.TrackingUID)
        for name, content in files.items()
        if name.startswith("seg")
        for segment in read(content).SegmentSequence
    }
    assert in_segs == names
    report = hd.srread(BytesIO(files["sr.dcm"]))
    groups = report.content.get_planar_roi_measurement_groups()
    assert {(group.tracking_identifier, group.tracking_uid) for group in groups} == names
    assert len(groups) == 4


def test_every_group_names_its_segment(tmp_path: Path) -> None:
    one, files = made(tmp_path)
    segs = {read(content).SOPInstanceUID: read(content) for name, content in files.items() if name.startswith("seg")}
    report = hd.srread(BytesIO(files["sr.dcm"]))
    for group in report.content.get_planar_roi_measurement_groups():
        reference = group.referenced_segmentation_frame[0]
        seg = segs[reference.referenced_sop_instance_uid]
        (frame,) = reference.referenced_frame_numbers
        number = (
            seg.PerFrameFunctionalGroupsSequence[frame - 1].SegmentIdentificationSequence[0].ReferencedSegmentNumber
        )
        assert seg.SegmentSequence[number - 1].TrackingUID == group.tracking_uid
    nodule = one.nodules[0]
    across_HW = nodule_mask(one.images[0].prediction, nodule.sections[0].nodule)
    stored = pydicom.dcmread(BytesIO(files["seg_1.dcm"])).pixel_array
    assert (np.squeeze(stored).astype(bool) == across_HW).all()


def test_sites_sizes_growth_and_rating_are_coded(tmp_path: Path) -> None:
    one, files = made(tmp_path)
    report = hd.srread(BytesIO(files["sr.dcm"]))
    groups = report.content.get_planar_roi_measurement_groups(tracking_uid=one.nodules[0].uid)
    (site,) = groups[0].finding_sites
    assert site.value == standard.SCT.RightLobeOfThyroid
    assert site.laterality == standard.SCT.Right
    assert site.topographical_modifier == standard.SCT.Superior
    said = {item.name: item.value for group in groups for item in group.get_measurements()}
    assert said[standard.SCT.Length] == pytest.approx(20, rel=0.02)
    assert said[standard.SCT.Width] == pytest.approx(12, rel=0.02)
    assert said[standard.SCT.Depth] == pytest.approx(14, rel=0.02)
    assert said[standard.DCM.VolumeOfEllipsoid] == pytest.approx(ellipsoid_ml(20, 12, 14), rel=0.04)
    found = {answer for group in groups_of(read(files["sr.dcm"])) for answer in answers(group)}
    assert ("Growth since the earlier examination", "Grown") in found
    assert ("TI-RADS level", "ACR TI-RADS 2017: TR5") in found
    assert ("Image View", "Transverse") in found


def test_the_image_library_holds_every_source(tmp_path: Path) -> None:
    _, files = made(tmp_path)
    report = read(files["sr.dcm"])
    library = next(item for item in items(report) if meaning(item) == "Image Library")
    sources = [item for item in items(library) if item.ValueType == "IMAGE"]
    assert {item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in sources} == {
        f"1.2.3.4.5.6.{place}" for place in range(1, 5)
    }
    texts = {item.TextValue for item in items(report) if item.ValueType == "TEXT"}
    assert {"Impression: suspicious", "Reader's note: close to the capsule"} <= texts


def test_without_identity_nothing_of_the_patient_is_left_and_the_study_stays_one(tmp_path: Path) -> None:
    _, files = made(tmp_path, ExamDicomOptions(written=KEEP.written))
    for content in files.values():
        for told in (b"Anna", b"4711", b"19700102", b"A123", b"Reader, Dr", b"B. Reader"):
            assert told not in content
    assert len({read(content).StudyInstanceUID for content in files.values()}) == 1


def test_an_examination_without_a_nodule_says_so(tmp_path: Path) -> None:
    one, sources = with_sources(full_examination(nodules=()), tmp_path)
    files = examination_dicom_files(one, sources, options=KEPT)
    assert set(files) == {"sr.dcm"}
    assert ("Outcome of the software's search for nodules", "No nodule found by the software") in answers(
        groups_of(read(files["sr.dcm"]))[0]
    )


def test_a_foreign_file_and_no_file_are_refused(tmp_path: Path) -> None:
    one, sources = with_sources(full_examination(), tmp_path)
    with pytest.raises(InputError, match="no image of the examination has its DICOM file"):
        examination_dicom_files(one, {}, options=KEPT)
    swapped = dict(zip(sources, reversed(sources.values()), strict=True))
    with pytest.raises(InputError, match="the result is of another file"):
        examination_dicom_files(one, swapped, options=KEPT)


def test_the_pdf_is_inside_and_no_other_bytes_are_taken(tmp_path: Path) -> None:
    _, files = made(tmp_path)
    dataset = read(files["report.dcm"])
    assert dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength] == PDF
    (tmp_path / "other").mkdir()
    one, sources = with_sources(full_examination(), tmp_path / "other")
    with pytest.raises(InputError, match="is no PDF"):
        examination_dicom_files(one, sources, pdf=b"<html>", options=KEPT)


@pytest.mark.part("dciodvfy")
def test_dciodvfy_finds_no_error(tmp_path: Path) -> None:
    for place, options in enumerate((KEPT, ExamDicomOptions(written=KEEP.written))):
        (tmp_path / str(place)).mkdir()
        _, files = made(tmp_path / str(place), options)
        for content in files.values():
            assert validator_errors(content, tmp_path) == []


@pytest.mark.part("dciodvfy")
def test_dciodvfy_finds_no_error_in_clips_and_retired_classes(tmp_path: Path) -> None:
    for place, changes in enumerate(({"num_frames": 3}, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6"})):
        (tmp_path / str(place)).mkdir()
        one, sources = with_sources(full_examination(), tmp_path / str(place), **changes)
        for content in examination_dicom_files(one, sources, options=KEPT).values():
            assert validator_errors(content, tmp_path) == []


@pytest.mark.slow
@pytest.mark.part("pixelmed")
def test_the_report_passes_a_validator_of_templates(tmp_path: Path) -> None:
    jars = part_path("pixelmed").parent
    _, files = made(tmp_path)
    (tmp_path / "sr.dcm").write_bytes(files["sr.dcm"])
    unlimited = [f"-Djdk.xml.xpath{limit}Limit=0" for limit in ("ExprOp", "TotalOp", "ExprGrp")]
    command = ["java", *unlimited, "-cp", f"{jars}/*", "com.pixelmed.validate.DicomSRValidator", tmp_path / "sr.dcm"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert "Root Template Validation Complete" in said
    assert not [line for line in said.splitlines() if line.startswith("Error")]
