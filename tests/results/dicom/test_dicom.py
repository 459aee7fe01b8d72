"""SEG, SR and Secondary Capture: read back by pydicom and highdicom, held against the predictions, validated."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from parts import part_path
from thyrosight.errors import InputError
from thyrosight.inference.predictor import _identity
from thyrosight.measurement.outlines import outlines
from thyrosight.measurement.size import measure
from thyrosight.prediction import Flag, ModelIdentity, Nodule, OperatingPointResult, PixelBox, Prediction
from thyrosight.results.dicom.files import Corrections, DicomOptions, case_dicom_files
from thyrosight.results.dicom.findings import findings_of
from thyrosight.results.dicom.seg import nodule_mask, packed
from thyrosight.results.dicom.source import read_source
from thyrosight.types import BoolArray, Frame, Spacing

WRITTEN = datetime(2025, 3, 4, 5, 6, 7)
KEEP = DicomOptions(identity="keep", written=WRITTEN)
NONE = DicomOptions(written=WRITTEN)
REAL = (
    "examples_rgb_color.dcm",
    "examples_palette.dcm",
    "examples_jpeg2k.dcm",
    "ExplVR_BigEnd.dcm",
    "examples_ybr_color.dcm",
)
IDENTITY = {"PatientName": "Müller^Anna", "PatientID": "4711", "PatientBirthDate": "19700102", "PatientSex": "F"}
STUDY = {"StudyDate": "20240506", "StudyTime": "070809", "AccessionNumber": "A123", "StudyID": "S9"}
UIDS = {"StudyInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3.4.5", "SOPInstanceUID": "1.2.3.4.5.6"}


def real_file(name: str) -> Path:
    """pydicom's own test file, or that of its package pydicom-data; nothing is fetched."""
    return Path(str(get_testdata_file(name, download=False)))


def write_source(folder: Path, size_hw: tuple[int, int], num_frames: int | None = None, **changes: Any) -> Path:
    """-> a little ultrasound file of an empty image, with a patient."""
    dataset = Dataset()
    is_clip = num_frames is not None
    dataset.SOPClassUID = f"1.2.840.10008.5.1.4.1.1.{'3.1' if is_clip else '6.1'}"
    dataset.SpecificCharacterSet = "ISO_IR 100"
    for name, value in (IDENTITY | STUDY | UIDS).items():
        setattr(dataset, name, value)
    dataset.ReferringPhysicianName, dataset.InstitutionName = "House^Gregory", "Plainsboro"
    dataset.StudyDescription = "Neck of Anna"
    dataset.Rows, dataset.Columns = size_hw
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    if num_frames is not None:
        dataset.NumberOfFrames = num_frames
    for name, value in changes.items():
        setattr(dataset, name, value)
    num_bytes = size_hw[0] * size_hw[1] * (num_frames or 1)
    dataset.PixelData = bytes(num_bytes + num_bytes % 2)
    dataset["PixelData"].VR = "OB"
    path = folder / "source.dcm"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


def disc(size_hw: tuple[int, int], x: float, y: float, radius: float, stretch: float = 1.5) -> BoolArray:
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    return np.asarray(((columns - x) / stretch) ** 2 + (rows - y) ** 2 < radius**2)


def predicted(
    path: Path, masks: Sequence[BoolArray], frame_index: int = 0, spacing: Spacing | None = None, **changes: Any
) -> Prediction:
    """A file and the nodules' masks on one frame -> a prediction that says so."""
    header = pydicom.dcmread(path, stop_before_pixels=True)
    height, width = int(header.Rows), int(header.Columns)
    frame = Frame(
        path=path,
        image_HW=np.zeros((height, width), np.uint8),
        rgb_HW3=None,
        spacing=spacing,
        spacing_reason=None if spacing else "no region says it",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        frame_index=frame_index,
        num_frames=int(header.get("NumberOfFrames", 1)),
    )
    nodules = []
    for number, mask_HW in enumerate(masks, start=1):
        outline_xy = tuple((int(x), int(y)) for x, y in outlines(mask_HW)[0])
        nodules.append(
            Nodule(
                number=number,
                panel_index=0,
                outline_xy=outline_xy,
                size=measure(mask_HW, spacing, frame.spacing_reason).rounded(),
                mean_probability=0.875,
                risk=0.25,
                risk_interval=(0.125, 0.5),
                risk_interval_reason="of the calibration",
            )
        )
    whole = PixelBox(x0=0, y0=0, x1=width, y1=height)
    values: dict[str, Any] = {
        "image": _identity(frame),
        "field_of_view": whole,
        "panels": (whole,),
        "nodules": tuple(nodules),
        "risk": 0.25,
        "risk_meaning": "what a reading said – not pathology",
        "risk_reason": None,
        "operating_points": (OperatingPointResult(name="balanced", threshold=0.5, is_above=False, meaning="half"),),
        "flags": (Flag(code="unlike_training", message="does not measure like the training frames"),),
        "model": ModelIdentity(
            name="a network with a name that is longer than what DICOM's long strings can hold", id="0a1b2c"
        ),
        "with_tta": False,
        "software_version": "thyrosight 0.1.0",
        "seconds": 0.1,
    }
    return Prediction(**(values | changes))


def clip(folder: Path, num_frames: int = 30, size_hw: tuple[int, int] = (37, 53)) -> tuple[Path, list[Prediction]]:
    """-> a clip in which one nodule wanders and another is seen from frame 10 to 19."""
    path = write_source(folder, size_hw, num_frames)
    predictions = []
    for index in range(num_frames):
        masks = [disc(size_hw, 14 + index * 0.4, 18, 8)]
        masks += [disc(size_hw, 43, 30, 4)] if 10 <= index < 20 else []
        predictions.append(predicted(path, masks, index))
    return path, predictions


def read(content: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(content))


def items(dataset: Dataset) -> list[Dataset]:
    """An SR -> all its content items, depth first."""
    found = []
    for item in dataset.get("ContentSequence", []):
        found += [item, *items(item)]
    return found


def meaning(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning) if "ConceptNameCodeSequence" in item else ""


def groups_of(dataset: Dataset) -> list[Dataset]:
    return [item for item in items(dataset) if meaning(item) == "Measurement Group"]


def numbers(group: Dataset) -> dict[str, tuple[float, str]]:
    """A measurement group -> {concept: (value, unit)}."""
    values = {}
    for item in group.ContentSequence:
        if item.ValueType == "NUM":
            value = item.MeasuredValueSequence[0]
            unit = value.MeasurementUnitsCodeSequence[0].CodeValue
            values[meaning(item)] = (float(value.NumericValue), unit)
    return values


def answers(group: Dataset) -> list[tuple[str, str]]:
    coded = [item for item in group.ContentSequence if item.ValueType == "CODE"]
    return [(meaning(item), str(item.ConceptCodeSequence[0].CodeMeaning)) for item in coded]


def validator_errors(content: bytes, folder: Path) -> list[str]:
    """DICOM file -> what dciodvfy calls an error."""
    path = folder / "checked.dcm"
    path.write_bytes(content)
    done = subprocess.run([part_path("dciodvfy"), "-new", path], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    assert any(line in ("Segmentation", "ComprehensiveSR", "SCImage") for line in lines), lines
    return [line for line in lines if line.startswith("Error")]


# Bits.


@given(
    size_hw=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    num_frames=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_bits_run_on_over_frame_borders(size_hw: tuple[int, int], num_frames: int, seed: int) -> None:
    masks = np.random.default_rng(seed).random((num_frames, *size_hw)) < 0.5
    content = packed(iter(masks))
    num_bits = masks.size
    assert len(content) == (num_bits + 15) // 16 * 2
    bits = [content[place // 8] >> (place % 8) & 1 for place in range(len(content) * 8)]
    assert bits[:num_bits] == masks.ravel().astype(int).tolist()
    assert not any(bits[num_bits:])


# SEG.


@pytest.mark.parametrize("size_hw", [(64, 80), (37, 53), (61, 47)])
def test_single_frame_comes_back_to_the_pixel(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    path = write_source(tmp_path, size_hw)
    masks = [disc(size_hw, 18, 16, 9), disc(size_hw, 38, 28, 5), disc(size_hw, 6, 31, 3)]
    prediction = predicted(path, masks)
    files = case_dicom_files(path, [prediction], options=KEEP)
    seg = read(files["seg.dcm"])
    assert seg.pixel_array.shape == (3, *size_hw)
    for index, mask_HW in enumerate(masks):
        assert (seg.pixel_array[index] == mask_HW).all()
        assert seg.SegmentSequence[index].SegmentNumber == index + 1
    (tmp_path / "seg.dcm").write_bytes(files["seg.dcm"])
    back = highdicom.seg.segread(tmp_path / "seg.dcm")
    pixels = back.get_pixels_by_source_instance([UIDS["SOPInstanceUID"]])
    assert pixels.shape == (1, *size_hw, 3)
    assert (pixels[0] == np.stack(masks, axis=-1)).all()


def test_clip_comes_back_to_the_pixel(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path)
    content = case_dicom_files(path, predictions, options=KEEP)["seg.dcm"]
    seg = read(content)
    assert (seg.NumberOfFrames, len(seg.SegmentSequence)) == (40, 2)
    frames = seg.pixel_array
    for groups, mask_HW in zip(seg.PerFrameFunctionalGroupsSequence, frames, strict=True):
        segment = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        source = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        prediction = predictions[source - 1]
        assert (mask_HW == nodule_mask(prediction, prediction.nodules[segment - 1])).all()
    (tmp_path / "seg.dcm").write_bytes(content)
    back = highdicom.seg.segread(tmp_path / "seg.dcm")
    pixels = back.get_pixels_by_source_frame(
        UIDS["SOPInstanceUID"], list(range(1, 31)), assert_missing_frames_are_empty=True
    )
    for index, prediction in enumerate(predictions):
        for place in (0, 1):
            found = [nodule for nodule in prediction.nodules if nodule.number == place + 1]
            expected_HW = nodule_mask(prediction, found[0]) if found else np.zeros((37, 53), np.bool_)
            assert (pixels[index, :, :, place] == expected_HW).all()


def test_centroid_and_area_are_those_of_the_result(tmp_path: Path) -> None:
    path = write_source(tmp_path, (61, 47))
    prediction = predicted(path, [disc((61, 47), 20, 25, 9)])
    seg = read(case_dicom_files(path, [prediction], options=NONE)["seg.dcm"])
    reread = Prediction.model_validate_json(prediction.to_json())
    rows, columns = np.nonzero(nodule_mask(reread, reread.nodules[0]))
    in_seg = np.nonzero(seg.pixel_array)
    assert (in_seg[-2].mean(), in_seg[-1].mean()) == (rows.mean(), columns.mean())
    assert len(in_seg[0]) == reread.nodules[0].size.area_px


@pytest.mark.part("dciodvfy")
def test_dimensions_find_every_frame_once(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path)
    seg = read(case_dicom_files(path, predictions[5:], options=NONE)["seg.dcm"])
    places = []
    for groups in seg.PerFrameFunctionalGroupsSequence:
        content = groups.FrameContentSequence[0]
        places.append(tuple(content.DimensionIndexValues))
        assert content.TemporalPositionIndex == content.DimensionIndexValues[1]
        (image,) = groups.DerivationImageSequence[0].SourceImageSequence
        assert image.ReferencedFrameNumber == content.DimensionIndexValues[1] + 5
    assert places == [(1, n) for n in range(1, 26)] + [(2, n) for n in range(6, 16)]
    content = case_dicom_files(path, [*predictions[:4], *predictions[9:]], options=NONE)["seg.dcm"]
    assert not validator_errors(content, tmp_path), "frames without a nodule in between"
    organization = seg.DimensionOrganizationSequence[0].DimensionOrganizationUID
    assert {item.DimensionOrganizationUID for item in seg.DimensionIndexSequence} == {organization}


@pytest.mark.part("dciodvfy")
def test_no_frame_of_reference_is_invented_and_one_that_is_there_is_kept(tmp_path: Path) -> None:
    path = write_source(tmp_path, (20, 20))
    seg = read(case_dicom_files(path, [predicted(path, [disc((20, 20), 9, 9, 5, 1)])], options=KEEP)["seg.dcm"])
    assert "FrameOfReferenceUID" not in seg
    path = write_source(tmp_path, (20, 20), FrameOfReferenceUID="1.2.3.9", PositionReferenceIndicator="")
    content = case_dicom_files(path, [predicted(path, [disc((20, 20), 9, 9, 5, 1)])], options=KEEP)["seg.dcm"]
    assert read(content).FrameOfReferenceUID == "1.2.3.9"
    assert not validator_errors(content, tmp_path)


@pytest.mark.part("dciodvfy")
def test_segment_says_what_it_is_and_who_drew_it(tmp_path: Path) -> None:
    path = write_source(tmp_path, (40, 60))
    prediction = predicted(path, [disc((40, 60), 15, 20, 8), disc((40, 60), 45, 20, 6), disc((40, 60), 30, 35, 2)])
    corrections = Corrections(outlined_by={(0, 2): "SEMIAUTOMATIC", (0, 3): "MANUAL"}, reader="Cuddy^Lisa")
    files = case_dicom_files(path, [prediction], options=KEEP, corrections=corrections)
    seg = read(files["seg.dcm"])
    assert [item.SegmentAlgorithmType for item in seg.SegmentSequence] == ["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]
    assert ["SegmentAlgorithmName" in item for item in seg.SegmentSequence] == [True, True, False]
    first = seg.SegmentSequence[0]
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Nodule"
    assert first.AnatomicRegionSequence[0].CodeMeaning == "Thyroid"
    assert first.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == "0a1b2c"
    assert seg.ContentCreatorName == "Cuddy^Lisa"
    assert not validator_errors(files["seg.dcm"], tmp_path)
    drawn = [dict(answers(group)).get("Who drew the outline") for group in groups_of(read(files["sr.dcm"]))]
    assert drawn == [
        "Drawn by the software",
        "Drawn by the software, corrected by a person",
        "Drawn by a person",
    ]
    assert b"Cuddy^Lisa" in files["sr.dcm"]
    hidden = case_dicom_files(path, [prediction], options=NONE, corrections=corrections)
    assert not [name for name, content in hidden.items() if b"Cuddy" in content]


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
        ({**crossed, (0, 1): 3, (1, 2): 3}, "without a gap"),
    ):
        with pytest.raises(InputError, match=said):
            findings_of(predictions, tracks=tracks)


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


# Secondary Capture.


@pytest.mark.part("dciodvfy")
def test_capture_holds_the_picture(tmp_path: Path) -> None:
    path = write_source(tmp_path, (40, 40))
    picture_HW3 = np.random.default_rng(4).integers(0, 256, (31, 47, 3), dtype=np.uint8)
    content = case_dicom_files(path, [predicted(path, [])], pictures={0: picture_HW3}, options=NONE)["capture.dcm"]
    capture = read(content)
    assert (capture.pixel_array == picture_HW3).all()
    assert capture.PhotometricInterpretation == "RGB"
    assert "BurnedInAnnotation" not in capture, "nobody has looked whether text is left"
    assert not validator_errors(content, tmp_path)


def test_captures_of_a_clip_name_their_frames(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=5)
    picture_HW3 = np.zeros((8, 9, 3), np.uint8)
    files = case_dicom_files(path, predictions, pictures={0: picture_HW3, 4: picture_HW3}, options=KEEP)
    captures = {name: read(content) for name, content in files.items() if name.startswith("capture")}
    assert list(captures) == ["capture_0001.dcm", "capture_0005.dcm"]
    last = captures["capture_0005.dcm"]
    assert last.SourceImageSequence[0].ReferencedFrameNumber == 5
    assert len({capture.SOPInstanceUID for capture in captures.values()}) == 2
    assert len({capture.SeriesInstanceUID for capture in captures.values()}) == 1


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


# The command.


def results_folder(folder: Path, predictions: Sequence[Prediction]) -> Path:
    from thyrosight.results.overlay import picture_png

    for prediction in predictions:
        case = folder / "results" / f"case_{prediction.image.frame_index}"
        case.mkdir(parents=True)
        (case / "result.json").write_text(prediction.to_json(), encoding="utf-8")
        (case / "overlay.png").write_bytes(picture_png(np.full((6, 7, 3), (10, 20, 30), np.uint8)))
    return folder / "results"


def run(*arguments: Any) -> Any:
    from thyrosight.cli import app

    return CliRunner().invoke(app, ["dicom", *map(str, arguments)])


def test_command_writes_all_three_of_a_clip(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=3)
    folder, out = results_folder(tmp_path, predictions), tmp_path / "out"
    done = run(folder, "--source", path, "-o", out, "--json")
    assert done.exit_code == 0, done.output
    names = ["seg.dcm", "sr.dcm", "capture_0001.dcm", "capture_0002.dcm", "capture_0003.dcm"]
    assert json.loads(done.stdout) == {
        "files": [str(out / name) for name in names],
        "frames": 3,
        "identity": "none",
    }
    assert sorted(file.name for file in out.iterdir()) == sorted(names)
    assert (pydicom.dcmread(out / "capture_0002.dcm").pixel_array == (10, 20, 30)).all()


def test_command_writes_what_was_asked_for_of_one_case(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=3)
    folder, out = results_folder(tmp_path, predictions), tmp_path / "out"
    done = run(folder / "case_1", "--source", path, "-o", out, "--seg", "--identity", "keep")
    assert done.exit_code == 0, done.output
    assert [file.name for file in out.iterdir()] == ["seg.dcm"]
    seg = pydicom.dcmread(out / "seg.dcm")
    assert (seg.NumberOfFrames, seg.PatientID) == (1, "4711")


def test_command_takes_all_frames_of_a_clip_from_one_case(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=4)
    folder, out = results_folder(tmp_path, predictions[2:3]), tmp_path / "out"
    clip_path = folder / "case_2" / "clip.json"
    clip_path.write_text(json.dumps({"frames": [json.loads(prediction.to_json()) for prediction in predictions]}))
    for chosen in (folder, folder / "case_2"):
        done = run(chosen, "--source", path, "-o", out)
        assert done.exit_code == 0, done.output
        assert pydicom.dcmread(out / "seg.dcm").NumberOfFrames == 4
        assert sorted(file.name for file in out.iterdir()) == ["capture_0003.dcm", "seg.dcm", "sr.dcm"]
    clip_path.write_text("{}")
    assert "clip.json: damaged" in run(folder, "--source", path, "-o", out).output


def test_command_says_a_word_where_there_is_no_nodule(tmp_path: Path) -> None:
    path = write_source(tmp_path, (20, 20))
    folder, out = results_folder(tmp_path, [predicted(path, [])]), tmp_path / "out"
    done = run(folder, "--source", path, "-o", out)
    assert done.exit_code == 0
    assert "no nodule was outlined" in done.output
    assert sorted(file.name for file in out.iterdir()) == ["capture.dcm", "sr.dcm"]


def test_command_refuses_another_source(tmp_path: Path) -> None:
    path = write_source(tmp_path, (20, 20))
    folder = results_folder(tmp_path, [predicted(path, [])])
    write_source(tmp_path, (20, 20), PatientID="another")
    for chosen, said in ((folder, "holds no result of"), (folder / "case_0", "of another file")):
        done = run(chosen, "--source", path, "-o", tmp_path / "out")
        assert done.exit_code == 1
        assert said in done.output
    assert not (tmp_path / "out").exists()
