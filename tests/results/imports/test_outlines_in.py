"""Masks and SEGs of other tools -> outlines, by the pixel: of highdicom and our own; what does not fit is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from result_objects import KEEP, disc, predicted, write_source
from thyrosight.errors import InputError
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.results.dicom.files import case_dicom_files
from thyrosight.results.dicom.read_seg import read_segments
from thyrosight.results.imports.outlines_in import outlines_in

SIZE_HW = (48, 64)
MASKS = (disc(SIZE_HW, 20, 20, 8), disc(SIZE_HW, 48, 34, 6))


def segment(number: int, label: str) -> hd.seg.SegmentDescription:
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Nodule,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=f"1.2.3.{number}",
        tracking_id=label,
    )


def write_by_highdicom(folder: Path, kind: str) -> tuple[Path, Path]:
    """-> a source, and a SEG of both masks on it as highdicom writes one."""
    path = write_source(folder, SIZE_HW, Modality="US")
    source = pydicom.dcmread(path)
    pixels = np.stack(MASKS, axis=-1)[None].astype(np.float32 if kind == "FRACTIONAL" else np.uint8)
    if kind == "LABELMAP":
        pixels = (MASKS[0] * 1 + MASKS[1] * 2).astype(np.uint8)[None]
    seg = hd.seg.Segmentation(
        source_images=[source],
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=[segment(1, "first"), segment(2, "second")],
        series_instance_uid="1.2.3.99",
        series_number=1,
        sop_instance_uid="1.2.3.100",
        instance_number=1,
        manufacturer="other",
        manufacturer_model_name="tool",
        software_versions="1",
        device_serial_number="1",
    )
    seg.save_as(folder / "seg.dcm")
    return path, folder / "seg.dcm"


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_a_seg_of_highdicom_is_read_to_the_pixel(kind: str, tmp_path: Path) -> None:
    _, seg = write_by_highdicom(tmp_path, kind)
    found = outlines_in(seg, SIZE_HW, source_uid="1.2.3.4.5.6")
    assert [(one.label, one.uid, one.made_by) for one in found] == [
        ("first", "1.2.3.1", "MANUAL"),
        ("second", "1.2.3.2", "MANUAL"),
    ]
    for one, mask_HW in zip(found, MASKS, strict=True):
        assert (fill_outlines([np.asarray(one.outline_xy)], SIZE_HW) == mask_HW).all()


def test_our_own_seg_comes_back_frame_by_frame(tmp_path: Path) -> None:
    path = write_source(tmp_path, SIZE_HW, 3)
    predictions = [predicted(path, [MASKS[index % 2]], index) for index in range(3)]
    (tmp_path / "seg.dcm").write_bytes(case_dicom_files(path, predictions, options=KEEP)["seg.dcm"])
    for index, one in enumerate(predictions):
        (found,) = outlines_in(tmp_path / "seg.dcm", SIZE_HW, source_uid="1.2.3.4.5.6", frame_index=index)
        assert found.outline_xy == one.nodules[0].outline_xy
    with pytest.raises(InputError, match="outlines nothing on frame 7"):
        outlines_in(tmp_path / "seg.dcm", SIZE_HW, frame_index=7)


def test_a_mask_image_is_read_by_label_and_holes_are_counted(tmp_path: Path) -> None:
    labels_HW = (MASKS[0] * 1 + MASKS[1] * 2).astype(np.uint8)
    labels_HW[20, 20] = 0
    cv2.imwrite(str(tmp_path / "mask.png"), labels_HW)
    found = outlines_in(tmp_path / "mask.png", SIZE_HW)
    assert [one.num_filled_px for one in found] == [1, 0]
    assert (fill_outlines([np.asarray(found[0].outline_xy)], SIZE_HW) == MASKS[0]).all()


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    source, seg = write_by_highdicom(tmp_path, "BINARY")
    with pytest.raises(InputError, match="drawn on another image"):
        outlines_in(seg, SIZE_HW, source_uid="1.2.3.7")
    with pytest.raises(InputError, match="never resized"):
        outlines_in(seg, (24, 32))
    with pytest.raises(InputError, match="no DICOM segmentation"):
        read_segments(source)
    with pytest.raises(InputError):
        outlines_in(source, SIZE_HW)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: setattr(one, "Rows", 5000),
        lambda one: setattr(one, "NumberOfFrames", 100_000),
        lambda one: delattr(one, "SegmentSequence"),
        lambda one: setattr(one, "BitsAllocated", 12),
        lambda one: setattr(one, "SegmentationType", "OTHER"),
        lambda one: setattr(one, "PerFrameFunctionalGroupsSequence", []),
        lambda one: setattr(one, "PixelData", b"\0\0"),
        lambda one: delattr(one, "PixelData"),
        lambda one: setattr(one.file_meta, "TransferSyntaxUID", "1.2.840.10008.1.2.1.99"),
    ],
)
def test_a_damaged_seg_is_one_line(change: Any, tmp_path: Path) -> None:
    _, seg = write_by_highdicom(tmp_path, "BINARY")
    dataset = pydicom.dcmread(seg)
    change(dataset)
    with open(tmp_path / "damaged.dcm", "wb") as stream:
        pydicom.dcmwrite(stream, dataset, implicit_vr=False, little_endian=True, force_encoding=True)
    with pytest.raises(InputError, match=r"damaged\.dcm: "):
        read_segments(tmp_path / "damaged.dcm")


def test_cut_files_are_one_line(tmp_path: Path) -> None:
    _, seg = write_by_highdicom(tmp_path, "BINARY")
    content = seg.read_bytes()
    for size in range(0, len(content), 97):
        (tmp_path / "cut.dcm").write_bytes(content[:size])
        with pytest.raises(InputError, match=r"cut\.dcm: "):
            read_segments(tmp_path / "cut.dcm")
