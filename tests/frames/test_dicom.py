"""DICOM in: every kind of pixels, clips, millimetres and their refusals, forty bad inputs, the child process."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import pixel_array
from pydicom.pixels.encoders import JPEG2000LosslessEncoder, JPEGLSLosslessEncoder, RLELosslessEncoder
from pydicom.pixels.processing import apply_color_lut, apply_windowing
from pydicom.sequence import Sequence
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

import dicom_files as files
from checkout import SOURCE, SUPPORT
from dicom_files import NATIVE, SC, bad_dicoms, colour_picture, dataset, gray_picture, region, to_ybr, with_regions
from thyrosight.errors import InputError
from thyrosight.frames.decoder import client as decode_child
from thyrosight.frames.decoder import dicom_header
from thyrosight.frames.decoder.client import DecodeChild, borrowed_child, end_children
from thyrosight.frames.decoder.codestream import decode_rle, read_codestream
from thyrosight.frames.dicom import kind_of, ultrasound_modality, with_spacing
from thyrosight.frames.find_images import find_images
from thyrosight.frames.headers import HeaderError
from thyrosight.frames.load import decode_frame, frames_of, load_frame, open_frames
from thyrosight.frames.spacing import NO_SCALE, checked_spacing, frame_spacing, read_regions
from thyrosight.inference.flags import colour_flag, header_flags, num_views
from thyrosight.types import Box, Frame, Region, Spacing

Array = np.ndarray[Any, Any]
PALETTE = "PALETTE COLOR"


@pytest.fixture(scope="module", autouse=True)
def _no_child_left() -> Any:
    yield
    end_children()


def refusal(data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        decode_frame(data, Path("x.dcm"))
    message = str(caught.value)
    assert message.startswith("x.dcm: ")
    assert "\n" not in message
    return message.removeprefix("x.dcm: ")


def shown(data: bytes, frame_index: int | None = None) -> Array:
    """File -> what the frame shows: RGB where it has colour, else gray."""
    frame = decode_frame(data, None, frame_index)
    return frame.image_HW if frame.rgb_HW3 is None else frame.rgb_HW3


def palette(is_deep: bool) -> dict[str, Any]:
    """-> a palette of 256 entries: v -> (v, 255 - v, v // 2); in 16-bit places, as 16-bit colours or as 8-bit ones."""
    values = np.arange(256)
    channels = {"Red": values, "Green": 255 - values, "Blue": values // 2}
    scale = 257 if is_deep else 1
    tables = {f"{name}PaletteColorLookupTableData": (v * scale).astype("<u2").tobytes() for name, v in channels.items()}
    return tables | {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in channels}


def palette_picture() -> Array:
    v = gray_picture()
    return np.stack([v, 255 - v, v // 2], axis=-1)


# Colours: what is stored is what is shown.


KINDS = ("gray", "inverted", "rgb", "rgb planar", "ybr", "ybr planar", "deep rgb")
KINDS_OF_PALETTE = ("palette", "8-bit palette")
"""Their bytes are those of little endian here."""
KINDS_AND_SYNTAXES = [(kind, syntax) for syntax in NATIVE for kind in KINDS] + [
    (kind, syntax) for syntax in NATIVE for kind in KINDS_OF_PALETTE if syntax != "big endian"
]


@pytest.mark.parametrize(("kind", "syntax"), KINDS_AND_SYNTAXES)
def test_uncompressed_pixels_are_shown_as_they_are_meant(kind: str, syntax: str) -> None:
    uid, gray, rgb = NATIVE[syntax], gray_picture(), colour_picture()
    tolerance = 0
    if kind == "gray":
        data, expected = files.native(gray, syntax=uid), gray
    elif kind == "inverted":
        data, expected = files.native(255 - gray, "MONOCHROME1", uid), gray
    elif kind.startswith("rgb"):
        data, expected = files.native(rgb, "RGB", uid, PlanarConfiguration=int("planar" in kind)), rgb
    elif kind.startswith("ybr"):
        data, expected = files.native(to_ybr(rgb), "YBR_FULL", uid, PlanarConfiguration=int("planar" in kind)), rgb
        tolerance = 3  # two roundings
    elif kind == "deep rgb":
        data, expected = files.native(rgb.astype(np.uint16) * 16, "RGB", uid, BitsStored=12), rgb
        tolerance = 1
    else:
        data, expected = files.native(gray, PALETTE, uid, **palette(kind == "palette")), palette_picture()
    assert np.abs(shown(data).astype(int) - expected.astype(int)).max() <= tolerance


@pytest.mark.parametrize("syntax", ["explicit", "big endian"])
def test_422_has_each_pair_of_columns_share_its_colour(syntax: str) -> None:
    data = files.native(to_ybr(colour_picture()), "YBR_FULL_422", NATIVE[syntax])
    picture = shown(data).astype(int)
    assert np.abs(picture[16:40, :56] - colour_picture()[16:40, :56]).max() <= 3


def test_a_palette_in_big_endian_is_read_in_big_endian() -> None:
    tables = {k: np.frombuffer(v, "<u2").astype(">u2").tobytes() if k.endswith("Data") else v
              for k, v in palette(True).items()}  # fmt: skip
    data = files.native(gray_picture(), PALETTE, ExplicitVRBigEndian, **tables)
    assert np.array_equal(shown(data), palette_picture())


def test_a_palette_that_begins_late_ends_early_and_is_signed_clamps() -> None:
    tables = {f"{n}PaletteColorLookupTableDescriptor": [2, 100, 8] for n in ("Red", "Green", "Blue")}
    tables |= {f"{n}PaletteColorLookupTableData": bytes(v) for n, v in
               {"Red": (10, 200), "Green": (20, 100), "Blue": (30, 50)}.items()}  # fmt: skip
    picture = shown(files.native(gray_picture(), PALETTE, **tables))
    assert {tuple(colour) for colour in picture.reshape(-1, 3)} == {(10, 20, 30), (200, 100, 50)}
    assert tuple(picture[0, 0]) == (200, 100, 50), "255 is beyond the last entry"


@pytest.mark.parametrize("syntax", ["explicit", "big endian"])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_a_window_is_that_of_the_standard(function: str, syntax: str) -> None:
    deep = gray_picture(4096)
    window = {"BitsStored": 12, "WindowCenter": [1500, 7], "WindowWidth": [2000, 9], "VOILUTFunction": function}
    found = dataset(files.SIZE_HW, BitsAllocated=16, **window)
    expected = np.asarray(apply_windowing(deep.astype(np.float64), found)) / 4095 * 255
    picture = shown(files.native(deep, syntax=NATIVE[syntax], **window))
    assert np.abs(picture - expected).max() <= 0.51


def test_rescaling_signs_tables_and_high_bits() -> None:
    deep = gray_picture(4096)
    rescaled = {
        "BitsStored": 12,
        "RescaleSlope": 2,
        "RescaleIntercept": -1000,
        "WindowCenter": 2000,
        "WindowWidth": 3001,
    }
    expected = np.clip((deep * 2.0 - 1000 - 1999.5) / 3000 + 0.5, 0, 1) * 255
    assert np.abs(shown(files.native(deep, **rescaled)) - expected).max() <= 0.51
    signed = deep.astype(np.int16) - 2048
    picture = shown(files.native(signed, PixelRepresentation=1, WindowCenter=0.5, WindowWidth=4096))
    assert np.abs(picture - deep / 4095 * 255).max() <= 0.55
    shifted = (deep << 4) | 5  # an overlay's bits below
    assert np.array_equal(
        shown(files.native(shifted, BitsStored=12, HighBit=15)), shown(files.native(deep, BitsStored=12))
    )
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [4096, 0, 8], np.arange(4096).astype(np.uint8).tolist()
    item["LUTData"].VR = "US"
    table = files.native(deep, BitsStored=12, VOILUTSequence=Sequence([item]))
    assert np.array_equal(shown(table), (deep % 256).astype(np.uint8))


def test_deep_gray_without_a_window_is_not_lost_in_the_dark() -> None:
    twelve = gray_picture(4096)
    assert np.abs(shown(files.native(twelve)) - twelve / 4095 * 255).max() <= 0.51
    assert np.array_equal(shown(files.native(gray_picture().astype(np.uint16))), gray_picture())
    dark_first = np.stack([twelve // 64, twelve, twelve // 2])
    data = files.native(dark_first, NumberOfFrames=3)
    assert np.abs(shown(data, 1) - twelve / 4095 * 255).max() <= 0.51, "one range for all frames"


# Compressed frames.


def encoded(kind: str) -> tuple[bytes, Array, int]:
    """Kind -> (file, the picture that it holds, levels that it may differ by)."""
    gray, deep, rgb = gray_picture(), gray_picture(4096), colour_picture()
    rgb_header = {"found": dataset(photometric="RGB")}
    options = {"rows": 48, "columns": 64, "number_of_frames": 1, "bits_allocated": 8, "bits_stored": 8}
    options |= {"pixel_representation": 0, "samples_per_pixel": 1, "photometric_interpretation": "MONOCHROME2"}
    deeper = options | {"bits_allocated": 16, "bits_stored": 12}
    coloured = options | {"samples_per_pixel": 3, "photometric_interpretation": "RGB", "planar_configuration": 0}
    deep_header = dataset(BitsAllocated=16, BitsStored=12)
    if kind == "rle deep":
        frame = RLELosslessEncoder.encode(deep.tobytes(), **deeper)
        return files.compressed([frame], RLELossless, deep_header), np.rint(deep / 4095 * 255), 0
    if kind.startswith("rle"):
        image, photometric = {
            "rle gray": (gray, "MONOCHROME2"), "rle rgb": (rgb, "RGB"),
            "rle ybr": (to_ybr(rgb), "YBR_FULL"), "rle palette": (gray, PALETTE),
        }[kind]  # fmt: skip
        expected = palette_picture() if kind == "rle palette" else rgb if image.ndim == 3 else gray
        header = dataset(photometric=photometric, **(palette(True) if kind == "rle palette" else {}))
        frame = RLELosslessEncoder.encode(image.tobytes(), **(coloured if image.ndim == 3 else options))
        return files.compressed([frame], RLELossless, header), expected, 3 if kind == "rle ybr" else 0
    if kind in ("jpeg-ls deep", "jpeg 2000 deep"):
        is_ls = kind == "jpeg-ls deep"
        frame = (JPEGLSLosslessEncoder if is_ls else JPEG2000LosslessEncoder).encode(deep.tobytes(), **deeper)
        syntax = JPEGLSLossless if is_ls else JPEG2000Lossless
        return files.compressed([frame], syntax, deep_header), np.rint(deep / 4095 * 255), 0
    if kind.startswith("jpeg-ls"):
        is_rgb = kind == "jpeg-ls rgb"
        frame = JPEGLSLosslessEncoder.encode((rgb if is_rgb else gray).tobytes(), **(coloured if is_rgb else options))
        header = dataset(photometric="RGB" if is_rgb else "MONOCHROME2")
        return files.compressed([frame], JPEGLSLossless, header), rgb if is_rgb else gray, 0
    if kind == "jpeg 2000 gray":
        frame = JPEG2000LosslessEncoder.encode(gray.tobytes(), **options)
        return files.compressed([frame], JPEG2000Lossless, dataset()), gray, 0
    if kind == "jpeg 2000 rct":
        frame = JPEG2000LosslessEncoder.encode(rgb.tobytes(), **coloured | {"photometric_interpretation": "YBR_RCT"})
        return files.compressed([frame], JPEG2000Lossless, dataset(photometric="YBR_RCT")), rgb, 0
    if kind == "jpeg 2000 in boxes":
        stream = io.BytesIO()
        files.Image.fromarray(gray).save(stream, "JPEG2000", irreversible=True)
        return files.compressed([stream.getvalue()], JPEG2000, dataset()), gray, 12
    smooth = cv2.GaussianBlur(rgb, (0, 0), 4)
    if kind == "jpeg gray":
        return files.compressed([files.jpeg(gray)], JPEGBaseline8Bit, dataset()), gray, 24
    if kind == "jpeg ybr":
        return files.compressed([files.jpeg(smooth)], JPEGBaseline8Bit, dataset(photometric="YBR_FULL_422")), smooth, 12
    if kind == "jpeg ybr without marks":
        frame = files.without_mark(files.jpeg(smooth, subsampling=0))
        return files.compressed([frame], JPEGBaseline8Bit, dataset(photometric="YBR_FULL")), smooth, 12
    if kind == "jpeg that is rgb, unmarked":
        frame = files.without_mark(files.jpeg(smooth, keep_rgb=True))
        ids = frame.index(b"\xff\xc0") + 10  # component names 1, 2, 3 instead of R, G, B: nothing tells the colours
        unnamed = bytearray(frame)
        for index in range(3):
            unnamed[ids + 3 * index] = index + 1
        scan = unnamed.index(b"\xff\xda") + 5
        for index in range(3):
            unnamed[scan + 2 * index] = index + 1
        return files.compressed([bytes(unnamed)], JPEGBaseline8Bit, **rgb_header), smooth, 12
    if kind == "jpeg that is rgb, named":
        return files.compressed([files.jpeg(smooth, keep_rgb=True)], JPEGBaseline8Bit, **rgb_header), smooth, 12
    assert kind == "jpeg ybr that its header calls rgb"
    return files.compressed([files.jpeg(smooth)], JPEGBaseline8Bit, **rgb_header), smooth, 12


@pytest.mark.parametrize(
    "kind",
    [
        *("rle gray", "rle deep", "rle rgb", "rle ybr", "rle palette", "jpeg-ls gray", "jpeg-ls deep", "jpeg-ls rgb"),
        *("jpeg 2000 gray", "jpeg 2000 deep", "jpeg 2000 rct", "jpeg 2000 in boxes", "jpeg gray", "jpeg ybr"),
        *("jpeg ybr without marks", "jpeg that is rgb, unmarked", "jpeg that is rgb, named"),
        "jpeg ybr that its header calls rgb",
    ],
)
def test_compressed_pixels_are_shown_as_they_are_meant(kind: str) -> None:
    data, expected, tolerance = encoded(kind)
    picture = shown(data)
    assert picture.shape == expected.shape
    assert np.abs(picture.astype(int) - expected.astype(int)).max() <= tolerance


@pytest.mark.parametrize("is_colour", [False, True])
def test_lossless_jpeg(is_colour: bool, tmp_path: Path) -> None:
    gdcm = pytest.importorskip("gdcm")
    picture = colour_picture() if is_colour else gray_picture()
    source, target = tmp_path / "native.dcm", tmp_path / "lossless.dcm"
    source.write_bytes(files.native(picture, "RGB" if is_colour else "MONOCHROME2"))
    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(target))
    assert writer.Write()
    assert JPEGLosslessSV1.encode() in target.read_bytes()
    assert np.array_equal(shown(target.read_bytes()), picture)


# Clips.


def three() -> list[Array]:
    return [gray_picture(seed=seed) for seed in (0, 10, 20)]


@pytest.mark.parametrize(
    ("table", "fragments"),
    [("basic", 1), ("basic", 2), ("none", 1), ("none", 2), ("extended", 1)],  # extended allows one fragment per frame
)
def test_frames_of_a_clip_are_found_by_table_or_by_their_first_bytes(table: str, fragments: int) -> None:
    frames = [files.jpeg(picture) for picture in three()]
    data = files.compressed(frames, JPEGBaseline8Bit, dataset(), fragments=fragments, table=table)
    with frames_of(data) as file:
        assert (file.num_frames, file.is_clip) == (3, True)
        for index in (2, 0, 1):
            frame = file.frame(index)
            assert (frame.frame_index, frame.num_frames) == (index, 3)
            assert np.abs(frame.image_HW.astype(int) - three()[index]).max() <= 24
        with pytest.raises(InputError, match="3 frames; there is no frame 3"):
            file.frame(3)


def test_a_clip_asks_which_frame_and_says_its_pace() -> None:
    data = files.native(np.stack(three()), NumberOfFrames=3, SOPClassUID=files.US_MULTI, FrameTime=40)
    assert "3 frames; pass --frame 0..2 to choose one" in refusal(data)
    assert np.array_equal(decode_frame(data, None, 1).image_HW, three()[1])
    with frames_of(data) as file:
        assert file.frame_ms == 40
    data = files.native(np.stack(three()), NumberOfFrames=3, CineRate=50)
    with frames_of(data) as file:
        assert file.frame_ms == 20


def test_odd_frames_of_bytes_in_big_endian_words() -> None:
    clip = np.stack(three())[:, :33, :33]
    data = files.native(clip, NumberOfFrames=3, syntax=ExplicitVRBigEndian)
    body = clip.tobytes() + b"\0"
    words = np.frombuffer(body, np.uint8).reshape(-1, 2)[:, ::-1].tobytes()
    at = data.index(body)
    swapped = data[: at - 8] + b"OW" + data[at - 6 : at] + words + data[at + len(body) :]
    for index in range(3):
        assert np.array_equal(shown(swapped, index), clip[index])


# Kinds of files.


def test_dicom_is_told_by_content(tmp_path: Path) -> None:
    data = files.native(gray_picture())
    (tmp_path / "study").mkdir()
    for name in ("IM0001", "1.2.840.5", "scan.dcm", "DICOMDIR"):
        (tmp_path / "study" / name).write_bytes(data)
    (tmp_path / "study" / "notes").write_bytes(b"no image")
    assert [path.name for path in find_images([tmp_path]).images] == ["1.2.840.5", "IM0001", "scan.dcm"]
    assert np.array_equal(load_frame(tmp_path / "study" / "IM0001").image_HW, gray_picture())


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big endian"])
def test_a_file_without_preamble_is_read_where_it_parses(syntax: str) -> None:
    data = files.native(gray_picture(), syntax=NATIVE[syntax])
    length = int.from_bytes(data[140:144], "little")
    for bare in (data[132:], data[144 + length :]):  # with its meta information, and the data set alone
        assert kind_of(bare[:160]) == "dicom"
        assert np.array_equal(shown(bare), gray_picture())


def test_other_files_are_not_taken_for_dicom() -> None:
    heads = [
        b"\x89PNG\r\n\x1a\n" + bytes(160),
        b"GIF89a" + bytes(160),
        b"II*\0" + bytes(160),
        b"\x08\0\0\0" + b"\xff" * 99,
    ]
    assert [kind_of(head) for head in [*heads, b"", b"\x08\0", bytes(160)]] == [None] * 7


@pytest.mark.parametrize(
    ("sop_class", "modality", "expected"),
    [
        (files.US, "US", "US"),
        (files.US_MULTI, "", "US"),
        (SC, "US", "US"),
        (SC, "OT", "OT"),
        (SC, "", "none"),
        ("", "", "none"),
        (SC, "MR", None),
        ("1.2.840.10008.5.1.4.1.1.2", "CT", None),
        ("1.2.840.10008.5.1.4.1.1.77.1.4", "", None),
        ("1.2.840.10008.5.1.4.1.1.6.2", "US", None),
    ],
)
def test_what_is_surely_no_ultrasound_is_refused(sop_class: str, modality: str, expected: str | None) -> None:
    if expected is not None:
        assert ultrasound_modality("x", sop_class, modality) == expected
    else:
        with pytest.raises(InputError, match=r"not ultrasound|3-D"):
            ultrasound_modality("x", sop_class, modality)


def test_nothing_of_the_patient_comes_across() -> None:
    with frames_of(files.native(gray_picture())) as file:
        assert "SECRET" not in repr(vars(file)).upper().replace("DICOM_IN", "")
        assert "SECRET" not in repr(file.frame(0)).upper()
    assert not [name for name in dicom_header.ELEMENTS if "Patient" in name or "Name" in name or "Date" in name]


def test_the_flags_of_the_header() -> None:
    frame = decode_frame(files.native(colour_picture(), "RGB", SOPClassUID=SC, Modality="OT"))
    assert [flag.code for flag in header_flags(frame)] == ["not_declared_ultrasound"]
    spectral = decode_frame(with_regions(region(RegionDataType=3, RegionSpatialFormat=3)))
    assert [flag.code for flag in header_flags(spectral)] == ["not_b_mode"]
    doppler = decode_frame(with_regions(region(), region(RegionDataType=2, RegionLocationMaxX1=30)))
    whole = Box(0, 0, 64, 48)
    flag = colour_flag(doppler, whole)
    assert flag is not None
    assert "colour flow region" in flag.message
    two = decode_frame(with_regions(region(RegionLocationMaxX1=30), region(RegionLocationMinX0=33)))
    assert (num_views(doppler), num_views(two), num_views(spectral)) == (1, 2, 0)
    faint = gray_picture()[..., None].repeat(3, 2)
    faint[10:12, 10:13] = (255, 0, 0)  # 6 of 3072 pixels
    said, silent = (
        decode_frame(files.native(faint, "RGB", UltrasoundColorDataPresent=value)) for value in (1, None)
    )  # fmt: skip
    assert (colour_flag(said, whole) is not None, colour_flag(silent, whole)) == (True, None)


# Millimetres.

SCALED = Spacing(0.06, 0.05)


@pytest.mark.parametrize(
    ("items", "elements", "expected", "words"),
    [
        ([region()], {}, SCALED, "ultrasound regions"),
        ([region(), region(RegionLocationMaxX1=30)], {}, SCALED, "ultrasound regions"),
        ([region()], {"PixelSpacing": [0.2, 0.2]}, SCALED, "ultrasound regions"),
        ([], {"PixelSpacing": [0.07, 0.05]}, Spacing(0.07, 0.05), "PixelSpacing"),
        ([region(RegionLocationMaxX1=64, RegionLocationMaxY1=48)], {}, SCALED, "regions"),
        ([region(), region(RegionSpatialFormat=3, RegionDataType=3)], {}, SCALED, "regions"),
        ([region(RegionSpatialFormat=3)], {"PixelSpacing": [0.1, 0.1]}, Spacing(0.1, 0.1), "PixelSpacing"),
        ([region(PhysicalUnitsXDirection=4)], {"PixelSpacing": [0.1, 0.1]}, Spacing(0.1, 0.1), "PixelSpacing"),
        ([], {}, None, NO_SCALE),
        ([], {"ImagerPixelSpacing": [0.1, 0.1]}, None, NO_SCALE),
        ([], {"NominalScannedPixelSpacing": [0.1, 0.1]}, None, NO_SCALE),
        ([], {"PixelSpacing": [0.0, 0.1]}, None, "not above zero"),
        ([], {"PixelSpacing": [-0.1, 0.1]}, None, "not above zero"),
        ([], {"PixelSpacing": [0.1, 0.5]}, None, "more than 4 times as long as wide"),
        ([], {"PixelSpacing": [25.4, 25.4]}, None, "outside 0.005 to 2 mm"),
        ([region(RegionSpatialFormat=2)], {}, None, "is not 2-D"),
        ([region(RegionSpatialFormat=None)], {}, None, "is not 2-D"),
        ([region(PhysicalUnitsXDirection=4)], {}, None, "not measured in centimetres"),
        ([region(PhysicalUnitsYDirection=0)], {}, None, "not measured in centimetres"),
        ([region(PhysicalDeltaX=0.0)], {}, None, "not above zero"),
        ([region(PhysicalDeltaY=-0.006)], {"PixelSpacing": [0.1, 0.1]}, None, "not above zero"),
        ([region(PhysicalDeltaX=3.0, PhysicalDeltaY=3.0)], {}, None, "outside 0.005 to 2 mm"),
        ([region(PhysicalDeltaX=None)], {}, None, "gives no pixel size"),
        ([region(PhysicalDeltaX=0.001, PhysicalDeltaY=0.09)], {}, None, "more than 4 times"),
        ([region(RegionLocationMaxX1=65)], {"PixelSpacing": [0.1, 0.1]}, None, "lies beyond the image"),
        ([region(RegionLocationMaxY1=600)], {}, None, "it was cropped or resized after the scan"),
        (
            [region(), region(RegionDataType=4, RegionSpatialFormat=3, RegionLocationMaxY1=90)],
            {},
            None,
            "region 2 lies",
        ),
        ([region(), region(PhysicalDeltaX=0.01)], {}, None, "different scales"),
    ],
)
def test_millimetres_or_the_reason_why_not(
    items: list[Dataset], elements: dict[str, Any], expected: Spacing | None, words: str
) -> None:
    frame = decode_frame(with_regions(*items, **elements) if items else files.native(gray_picture(), **elements))
    assert frame.spacing == (pytest.approx(expected) if expected else None)
    assert words in str(frame.spacing_reason)


def test_a_part_has_the_scale_of_the_region_that_holds_it() -> None:
    left = region(RegionLocationMaxX1=29)
    right = region(RegionLocationMinX0=34, PhysicalDeltaX=0.01, PhysicalDeltaY=0.01)
    frame = decode_frame(with_regions(left, right))
    assert frame.spacing is None
    assert frame.spacing_in(Box(5, 5, 20, 20)) == (pytest.approx(SCALED), None)
    assert frame.spacing_in(Box(40, 5, 60, 20)) == (pytest.approx(Spacing(0.1, 0.1)), None)
    for box in (Box(20, 5, 45, 20), Box(0, 46, 64, 48)):
        assert frame.spacing_in(box) == (None, "it lies outside the ultrasound regions that have a scale")
    inset = region(RegionLocationMinX0=40, RegionLocationMinY0=30, PhysicalDeltaX=0.01, PhysicalDeltaY=0.01)
    frame = decode_frame(with_regions(region(RegionFlags=1), inset))
    assert frame.spacing_in(Box(45, 32, 55, 40))[0] == pytest.approx(Spacing(0.1, 0.1)), "the one with priority"
    assert frame.spacing_in(Box(5, 5, 15, 15))[0] == pytest.approx(SCALED)
    frame = decode_frame(with_regions(region(), inset))
    assert frame.spacing_in(Box(45, 32, 55, 40)) == (None, "it lies in several ultrasound regions of different scale")


def test_one_region_does_not_measure_what_lies_outside_it() -> None:
    frame = decode_frame(with_regions(region(RegionLocationMaxX1=29)))
    assert frame.spacing == pytest.approx(SCALED)
    assert frame.spacing_in(Box(5, 5, 20, 20))[0] == pytest.approx(SCALED)
    assert frame.spacing_in(Box(40, 5, 60, 20))[0] is None


def test_a_persons_millimetres_go_before_the_files() -> None:
    frame = with_spacing(decode_frame(with_regions(region())), Spacing(0.2, 0.1))
    assert frame.spacing_in(Box(0, 0, 64, 48)) == ((0.2, 0.1), "given by the user (--mm-per-pixel)")
    assert with_spacing(frame, None) is frame


def test_numbers_that_are_none_are_no_spacing() -> None:
    for value in (float("nan"), float("inf"), None):
        assert checked_spacing(value, 0.1, "it") == (None, "it gives no pixel size")
    nowhere = {"x0": 1.0, "y0": None, "x1": 5.0, "y1": 5.0}
    assert read_regions([nowhere], 64, 48) == ((), None)
    assert frame_spacing((), None, None, (48, 64)) == (None, NO_SCALE)
    bars = {"x0": 1.0, "y0": 1.0, "x1": 5.0, "y1": 5.0, "format": 1.0, "data_type": 13.0}
    assert read_regions([bars], 64, 48) == ((), None)


# Bad inputs.


def test_forty_bad_inputs_are_one_clear_error_each() -> None:
    bad = bad_dicoms()
    assert len(bad) >= 40
    wrong = {}
    for name, (data, words) in bad.items():
        message = refusal(data)
        if words not in message or ";" not in message or "SECRET" in message.upper() or len(message) > 200:
            wrong[name] = message
    assert not wrong
    assert np.array_equal(shown(files.native(gray_picture())), gray_picture()), "the next file is read"


def test_bad_inputs_cost_neither_process_a_gigabyte() -> None:
    """In a fresh Python: this one and its other children hold what the tests before left."""
    pytest.importorskip("resource")
    code = """if True:
        import resource
        from dicom_files import bad_dicoms
        from thyrosight.errors import InputError
        from thyrosight.frames.decoder.client import end_children
        from thyrosight.frames.load import decode_frame
        for data, _ in bad_dicoms().values():
            try: decode_frame(data)
            except InputError: pass
        end_children()
        print(*(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (SOURCE, SUPPORT)))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    assert all(int(peak) * unit < 1 << 30 for peak in done.stdout.split()), done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")
def test_the_child_is_held_to_its_memory(tmp_path: Path) -> None:
    """Two ways: the limit is on the process, and what exceeds it is one line. The second limit is set from outside once
    all libraries are loaded, 16 MB above what they take: a limit given at the start could stop their loading instead.
    """
    import resource

    end_children()
    small, big = tmp_path / "small.dcm", tmp_path / "big.dcm"
    small.write_bytes(files.native(colour_picture(), "RGB"))
    big.write_bytes(files.native(np.zeros((4000, 4900, 3), np.uint8), "RGB"))  # 59 MB
    with open_frames(small) as file:
        file.frame(0)
    with borrowed_child() as child:
        pid = child._process.pid
    assert resource.prlimit(pid, resource.RLIMIT_AS) == (decode_child.MAX_MEMORY_BYTES,) * 2
    taken = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(pid, resource.RLIMIT_AS, (taken + (16 << 20), decode_child.MAX_MEMORY_BYTES))
    with open_frames(big) as file, pytest.raises(InputError, match="takes more memory to decode than it is allowed"):
        file.frame(0)
    end_children()


def test_a_child_that_takes_too_long_or_dies_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    data = files.native(gray_picture())
    with frames_of(data) as file:
        file._child._process.kill()  # type: ignore[attr-defined]
        with pytest.raises(InputError, match="its decoder ended without an answer"):
            file.frame(0)
    assert np.array_equal(shown(data), gray_picture())
    end_children()
    monkeypatch.setattr(decode_child, "WALL_SECONDS", 0.001)
    assert "takes more than 60 s to decode" in refusal(data)
    monkeypatch.undo()
    assert np.array_equal(shown(data), gray_picture())


def test_a_child_serves_one_caller_at_a_time_and_is_used_again() -> None:
    end_children()
    with borrowed_child() as one, borrowed_child() as two:
        assert one is not two
    with borrowed_child() as again:
        assert again in (one, two)
    assert isinstance(again, DecodeChild)


def test_the_parent_imports_no_dicom_library() -> None:
    code = (
        "import sys, io; from thyrosight.frames.load import decode_frame; data = sys.stdin.buffer.read(); "
        "decode_frame(data); print([n for n in ('pydicom', 'gdcm', 'cv2', 'openjpeg') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=files.native(gray_picture()), capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "[]"


# The pieces.


def test_codestreams_say_their_size() -> None:
    claim = read_codestream(files.jpeg(colour_picture()))
    assert (claim.kind, claim.rows, claim.columns, claim.channels, claim.bits, claim.colours) == (
        *("JPEG", 48, 64, 3, 8, "YBR"),
    )
    claim = read_codestream(files.j2k_claiming(4_000_000_000, 7, channels=3))
    assert (claim.kind, claim.rows, claim.columns, claim.channels, claim.bits) == ("JPEG 2000", 7, 4_000_000_000, 3, 8)
    for damaged in (b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\x4f\xff\x51\0", b"\0\0\0\x0cjP  " + bytes(30)):
        with pytest.raises(HeaderError):
            read_codestream(damaged)


def test_rle_is_unpacked_to_the_byte() -> None:
    runs = bytes([254, 7]) + bytes([3, 1, 2, 3, 4]) + bytes([128]) + bytes([129, 9])
    expected = bytes([7] * 3 + [1, 2, 3, 4] + [9] * 128)
    assert decode_rle(files.rle_frame([runs]), 1, len(expected)) == [expected]
    for num_bytes in (len(expected) - 1, len(expected) + 1):
        with pytest.raises(HeaderError):
            decode_rle(files.rle_frame([runs]), 1, num_bytes)


# Real files.


@pytest.mark.parametrize(
    ("name", "num_frames", "words"),
    [
        ("examples_rgb_color.dcm", 1, NO_SCALE),
        ("examples_palette.dcm", 1, "region 1 lies beyond the image, (120, 60) to (800, 518) in 800 x 350 pixels"),
        ("examples_jpeg2k.dcm", 1, NO_SCALE),
        ("ExplVR_BigEnd.dcm", 1, NO_SCALE),
        ("examples_ybr_color.dcm", 30, "region 1 lies beyond the image, (84, 31) to (595, 414) in 320 x 240 pixels"),
    ],
)
def test_pydicoms_own_ultrasound(name: str, num_frames: int, words: str) -> None:
    path = Path(str(get_testdata_file(name, download=False)))
    with open_frames(path) as file:
        assert file.num_frames == num_frames
        for index in sorted({0, num_frames // 2, num_frames - 1}):
            frame = file.frame(index)
            assert words in str(frame.spacing_reason)
            assert frame.spacing is None
            expected = pixel_array(path, index=index)
            if name == "examples_palette.dcm":
                import pydicom

                expected = apply_color_lut(expected, pydicom.dcmread(path)) >> 8
            picture = np.repeat(frame.image_HW[..., None], 3, 2) if frame.rgb_HW3 is None else frame.rgb_HW3
            assert np.abs(picture.astype(int) - expected.astype(int)).max() <= 2
            assert frame.modality == "US"


def test_frames_of_the_real_clip_differ() -> None:
    path = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))
    import pydicom

    found = pydicom.dcmread(path)
    assert len(list(generate_frames(found.PixelData, number_of_frames=30))) == 30
    with open_frames(path) as file:
        means = {round(float(file.frame(index).image_HW.mean()), 3) for index in range(30)}
    assert len(means) > 20


def test_regions_are_records() -> None:
    item = {"x0": 0.0, "y0": 0.0, "x1": 63.0, "y1": 47.0, "format": 1.0, "data_type": 1.0}
    item |= {"units_x": 3.0, "units_y": 3.0, "delta_x": 0.01, "delta_y": 0.01}
    regions, fault = read_regions([item], 64, 48)
    assert fault is None
    assert regions == (Region(Box(0, 0, 64, 48), "tissue", True, True, Spacing(0.1, 0.1), None),)
    assert isinstance(decode_frame(with_regions(region())), Frame)


def test_a_second_decoder_is_asked_where_the_first_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels.decoders.base import Decoder

    from thyrosight.frames.decoder.dicom_frames import open_dicom

    as_array, asked = Decoder.as_array, []

    def fails_first(self: Decoder, *arguments: Any, decoding_plugin: str, **more: Any) -> Any:
        asked.append(decoding_plugin)
        if len(asked) == 1:
            raise RuntimeError("no")
        return as_array(self, *arguments, decoding_plugin=decoding_plugin, **more)

    monkeypatch.setattr(Decoder, "as_array", fails_first)
    opened = open_dicom(io.BytesIO(encoded("jpeg 2000 gray")[0]))
    assert np.array_equal(opened.frame(0), gray_picture())
    assert asked[0] == "pylibjpeg"
    assert len(asked) == 2


# Headers that contradict the pixels, and millimetres that can't be.


def _header(**values: object) -> bytes:
    return files.native(gray_picture(), **values)


def test_frames_that_are_not_said_are_counted() -> None:
    assert np.array_equal(shown(_header(NumberOfFrames=0)), gray_picture())


@pytest.mark.parametrize(
    ("spacing", "size_hw", "why"),
    [
        ([1.0, 1.0], (480, 560), "which converters write"),
        ([25.4 / 96, 25.4 / 96], (480, 560), r"dots of a screen or printer \(96 per inch\)"),
        ([0.3528, 0.3528], (480, 560), r"dots of a screen or printer \(72 per inch\)"),
        ([0.01, 0.01], (480, 560), "makes the view 5.6 mm wide"),
        ([0.9, 0.9], (480, 560), "makes the view 504 mm wide"),
    ],
)
def test_millimetres_that_cannot_be_are_none(spacing: list[float | None], size_hw: tuple[int, int], why: str) -> None:
    found, reason = frame_spacing((), None, spacing, size_hw)
    assert found is None
    assert re.search(why, reason)


@pytest.mark.parametrize("spacing", [[0.08, 0.08], [0.1, 0.12], [0.21, 0.21]])
def test_millimetres_of_tissue_stay(spacing: list[float | None]) -> None:
    found, _ = frame_spacing((), None, spacing, (480, 560))
    assert found is not None
    assert list(found) == spacing
