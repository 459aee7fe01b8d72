"""Prediction -> structured report: measurements, TI-RADS, references; checked by two validators."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydicom.dataset import Dataset

from parts import part_path
from result_objects import (
    KEEP,
    NONE,
    UIDS,
    answers,
    clip,
    disc,
    groups_of,
    items,
    meaning,
    predicted,
    read,
    validator_errors,
    write_source,
)
from thyrosight.results.dicom.files import Corrections, case_dicom_files
from thyrosight.types import Spacing


def numbers(group: Dataset) -> dict[str, tuple[float, str]]:
    """A measurement group -> {concept: (value, unit)}."""
    values = {}
    for item in group.ContentSequence:
        if item.ValueType == "NUM":
            value = item.MeasuredValueSequence[0]
            unit = value.MeasurementUnitsCodeSequence[0].CodeValue
            values[meaning(item)] = (float(value.NumericValue), unit)
    return values


# SR.


def test_report_holds_the_sizes_in_millimetres(tmp_path: Path) -> None:
    path = write_source(tmp_path, (64, 80))
    prediction = predicted(path, [disc((64, 80), 30, 30, 12)], spacing=Spacing(0.1, 0.05))
    (group,) = groups_of(read(case_dicom_files(path, [prediction], options=KEEP)["sr.dcm"]))
    size, said = prediction.nodules[0].size, numbers(group)
    assert said["Long axis"] == (size.longest_mm, "mm")
    assert said["Short axis"] == (size.perpendicular_mm, "mm")
    assert said["Area"] == (size.area_mm2, "mm2")
    assert said["Anteroposterior extent (vertical in the frame)"] == (size.anteroposterior_mm, "mm")
    assert said["Transverse extent (horizontal in the frame)"] == (size.transverse_mm, "mm")
    assert said["Calibrated risk of malignancy"] == (0.25, "1")
    assert said["Risk of malignancy, lower end of its 95 % interval"] == (0.125, "1")
    assert ("Taller than wide (counts on transverse views only)", "Yes") in answers(group)
    assert said["Calibrated risk of malignancy of the whole frame"] == (0.25, "1")
    assert ("To know before this result is relied on", "unlike training") in answers(group)
    assert ("Risk against the model's operating point", "below balanced (0.500)") in answers(group)


def test_report_holds_pixels_and_the_reason_where_no_spacing_is_known(tmp_path: Path) -> None:
    path = write_source(tmp_path, (64, 80))
    prediction = predicted(path, [disc((64, 80), 30, 30, 12)])
    (group,) = groups_of(read(case_dicom_files(path, [prediction], options=KEEP)["sr.dcm"]))
    assert numbers(group)["Long axis"] == (prediction.nodules[0].size.longest_px, "{pixels}")
    assert numbers(group)["Area"] == (prediction.nodules[0].size.area_px, "{pixels}")
    texts = [item.TextValue for item in group.ContentSequence if meaning(item) == "Comment"]
    assert texts[0] == "no region says it"


def test_report_says_what_the_risk_means_and_which_model_it_was(tmp_path: Path) -> None:
    path = write_source(tmp_path, (64, 80))
    prediction = predicted(path, [disc((64, 80), 30, 30, 12)])
    report = read(case_dicom_files(path, [prediction], options=KEEP)["sr.dcm"])
    texts = {(meaning(item), str(item.TextValue)) for item in items(report) if item.ValueType == "TEXT"}
    assert ("Comment", "Risk: what a reading said – not pathology") in texts
    assert ("Algorithm Name", prediction.model.name) in texts
    assert ("Algorithm Version", "0a1b2c") in texts
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )


def test_report_draws_the_outline_on_its_frame(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=4)
    report = read(case_dicom_files(path, predictions, options=KEEP)["sr.dcm"])
    regions = [item for item in items(report) if item.ValueType == "SCOORD"]
    assert len(regions) == 4
    for index, region in enumerate(regions):
        points_xy = np.reshape(region.GraphicData, (-1, 2))
        assert region.GraphicType == "POLYLINE"
        assert (points_xy[0] == points_xy[-1]).all()
        assert (points_xy[:-1] - 0.5 == predictions[index].nodules[0].outline_xy).all()
        reference = region.ContentSequence[0].ReferencedSOPSequence[0]
        assert (reference.ReferencedSOPInstanceUID, reference.ReferencedFrameNumber) == (
            UIDS["SOPInstanceUID"],
            index + 1,
        )


def test_report_and_segmentation_name_a_nodule_alike(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path)
    files = case_dicom_files(path, predictions, options=NONE)
    in_seg = {(item.TrackingID, item.TrackingUID) for item in read(files["seg.dcm"]).SegmentSequence}
    in_sr = set()
    for group in groups_of(read(files["sr.dcm"])):
        named = {meaning(item): item for item in group.ContentSequence}
        if "Finding" in named and named["Finding"].ConceptCodeSequence[0].CodeMeaning == "Thyroid Nodule":
            in_sr.add((named["Tracking Identifier"].TextValue, named["Tracking Unique Identifier"].UID))
    assert in_seg == in_sr
    assert len(in_sr) == 2


@pytest.mark.part("dciodvfy")
def test_without_a_nodule_the_report_says_so_and_there_is_no_segmentation(tmp_path: Path) -> None:
    path = write_source(tmp_path, (40, 40))
    files = case_dicom_files(path, [predicted(path, [])], options=NONE)
    assert list(files) == ["sr.dcm"]
    (group,) = groups_of(read(files["sr.dcm"]))
    assert ("Outcome of the software's search for nodules", "No nodule found by the software") in answers(group)
    assert not validator_errors(files["sr.dcm"], tmp_path)


@pytest.mark.part("dciodvfy")
def test_report_without_any_risk_says_why(tmp_path: Path) -> None:
    path = write_source(tmp_path, (40, 40))
    prediction = predicted(path, [], risk=None, risk_reason="the model does not rate", operating_points=(), flags=())
    content = case_dicom_files(path, [prediction], options=NONE)["sr.dcm"]
    (group,) = groups_of(read(content))
    assert numbers(group) == {}
    assert [item.TextValue for item in group.ContentSequence if meaning(item) == "Comment"] == [
        "the model does not rate"
    ]
    assert not validator_errors(content, tmp_path)


@pytest.mark.part("dciodvfy")
def test_report_holds_the_tirads_assessment_where_the_nodule_is_largest(tmp_path: Path) -> None:
    path = write_source(tmp_path, (40, 60), 3)
    predictions = [predicted(path, [disc((40, 60), 25, 20, radius)], index) for index, radius in enumerate((6, 9, 7))]
    descriptors = SimpleNamespace(
        composition="solid or almost completely solid",
        echogenicity="hypoechoic",
        shape="wider-than-tall",
        margin=None,
        foci=("macrocalcifications", "punctate echogenic foci"),
    )
    assessment = SimpleNamespace(
        system="acr",
        system_name="ACR TI-RADS 2017",
        level=None,
        lowest_level="TR5",
        highest_level="TR6",
        points=8,
        proposed=("echogenicity",),
        descriptors=descriptors,
        advice=SimpleNamespace(words="FNA (longest diameter 21 mm)"),
        warnings=("two words contradict",),
    )
    content = case_dicom_files(path, predictions, corrections=Corrections(assessments={1: assessment}))["sr.dcm"]
    groups = groups_of(read(content))
    said = [[pair for pair in answers(group) if "TI-RADS" in pair[0]] for group in groups]
    assert [len(pairs) for pairs in said] == [0, 6, 0]
    assert ("TI-RADS echogenic foci", "punctate echogenic foci") in said[1]
    assert ("TI-RADS level", "ACR TI-RADS 2017: TR5 to TR6") in said[1]
    assert numbers(groups[1])["TI-RADS points"] == (8, "1")
    assert ("Proposed by the software, confirmed by no reader", "TI-RADS echogenicity") in answers(groups[1])
    comments = [item.TextValue for item in groups[1].ContentSequence if meaning(item) == "Comment"]
    assert comments[-2:] == [
        "ACR TI-RADS 2017: FNA (longest diameter 21 mm)",
        "ACR TI-RADS 2017: two words contradict",
    ]
    assert "Long Code Value" not in str(read(content))
    assert not validator_errors(content, tmp_path)


@pytest.mark.slow
@pytest.mark.part("pixelmed")
def test_report_passes_a_validator_of_templates(tmp_path: Path) -> None:
    jars = part_path("pixelmed").parent
    path = write_source(tmp_path, (40, 60), 2)
    predictions = [predicted(path, [disc((40, 60), 25, 20, 9)] * (1 - index), index) for index in range(2)]
    (tmp_path / "sr.dcm").write_bytes(case_dicom_files(path, predictions, options=KEEP)["sr.dcm"])
    unlimited = [f"-Djdk.xml.xpath{limit}Limit=0" for limit in ("ExprOp", "TotalOp", "ExprGrp")]
    command = ["java", *unlimited, "-cp", f"{jars}/*", "com.pixelmed.validate.DicomSRValidator", tmp_path / "sr.dcm"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert "Root Template Validation Complete" in said
    assert not [line for line in said.splitlines() if line.startswith("Error")]
