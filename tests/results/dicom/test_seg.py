"""Masks -> DICOM segmentation: bits, frames, segments."""

from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from result_objects import (
    KEEP,
    NONE,
    UIDS,
    answers,
    clip,
    disc,
    groups_of,
    predicted,
    read,
    validator_errors,
    write_source,
)
from thyrosight.prediction import Prediction
from thyrosight.results.dicom.files import Corrections, case_dicom_files
from thyrosight.results.dicom.seg import nodule_mask, packed

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
