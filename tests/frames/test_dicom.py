"""DICOM in: every kind of pixels, clips, millimetres and their refusals, forty bad inputs, the child process."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import pixel_array
from pydicom.pixels.processing import apply_color_lut
from pydicom.sequence import Sequence
from pydicom.uid import MPEG4HP41, ExplicitVRBigEndian, JPEGBaseline8Bit

import dicom_files as files
from decoded import Array, refusal, shown
from dicom_files import NATIVE, SC, colour_picture, dataset, gray_picture, region, with_regions
from thyrosight.errors import InputError
from thyrosight.frames.decoder import dicom_header
from thyrosight.frames.dicom import kind_of, ultrasound_modality
from thyrosight.frames.find_images import find_images
from thyrosight.frames.load import decode_frame, frames_of, load_frame, open_frames
from thyrosight.frames.spacing import NO_SCALE
from thyrosight.inference.flags import colour_flag, header_flags, num_views, other_part_flags
from thyrosight.types import Box

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
        with pytest.raises(InputError, match="3 frames, counted from 0; there is no frame 3"):
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


def test_a_pace_in_another_unit_is_none() -> None:
    with frames_of(files.native(np.stack(three()), NumberOfFrames=3, FrameTime=0.04)) as file:
        assert file.frame_ms is None


# Videos.


def video(width: int = 64, height: int = 48) -> bytes:
    """-> an MP4 of three gray frames."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/clip.mp4"
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"mp4v"), 25, (width, height))
        for picture in three():
            writer.write(cv2.resize(picture, (width, height))[..., None].repeat(3, 2))
        writer.release()
        return Path(path).read_bytes()


def with_pixel_aspect(data: bytes, across: int, down: int) -> bytes:
    """MP4 -> the same with a box `pasp`: the shape of a pixel."""
    box, found, at = struct.pack(">4I", 16, int.from_bytes(b"pasp"), across, down), bytearray(data), 0
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"mp4v"):
        at = data.index(name, at)
        struct.pack_into(">I", found, at - 4, struct.unpack_from(">I", data, at - 4)[0] + len(box))
    end = at - 4 + struct.unpack_from(">I", data, at - 4)[0]
    return bytes(found[:end]) + box + bytes(found[end:])


def test_a_video_whose_pixels_are_not_square_is_refused() -> None:
    assert "its pixels are 0.5 times as tall as wide" in refusal(with_pixel_aspect(video(), 2, 1))
    with frames_of(with_pixel_aspect(video(), 1, 1)) as file:
        assert file.num_frames == 3


@pytest.mark.parametrize(("rows", "columns", "expected"), [(48, 64, True), (24, 32, False), (96, 128, False)])
@pytest.mark.parametrize("by_region", [True, False])
def test_a_video_of_another_size_than_its_header_has_no_millimetres(
    rows: int, columns: int, expected: bool, by_region: bool
) -> None:
    """The header's millimetres are those of its own picture, and a smaller video was measured by them."""
    scale = {"SequenceOfUltrasoundRegions": Sequence([region(RegionLocationMaxX1=31, RegionLocationMaxY1=23)])}
    header = dataset(
        (rows, columns),
        "YBR_PARTIAL_420",
        SOPClassUID=files.US_MULTI,
        SamplesPerPixel=3,
        NumberOfFrames=3,
        **scale if by_region else {"PixelSpacing": [0.06, 0.05]},
    )
    with frames_of(files.file_of(header, encapsulate([video()]), MPEG4HP41)) as file:
        frame = file.frame(1)
    assert (frame.spacing is not None) == expected
    assert expected or f"its header states {columns} x {rows} pixels" in str(frame.spacing_reason)


# Kinds of files.


@pytest.mark.parametrize("name", ["Rows", "PixelSpacing"])
def test_an_element_that_is_there_twice_is_refused(name: str) -> None:
    """The second one held, without a word."""
    rows = files.element(0x28, 0x10, b"US", struct.pack("<H", 48))
    spacing = files.element(0x28, 0x30, b"DS", b"0.07\\0.07 ")
    data = files.native(gray_picture(), PixelSpacing=["0.07", "0.07"])
    once, other = (rows, rows) if name == "Rows" else (spacing, spacing.replace(b"0.07", b"0.14"))
    assert once in data
    assert "holds an element twice" in refusal(data.replace(once, once + other))


def test_dicom_is_told_by_content(tmp_path: Path) -> None:
    data = files.native(gray_picture())
    (tmp_path / "study").mkdir()
    for name in ("IM0001", "1.2.840.5", "scan.dcm"):
        (tmp_path / "study" / name).write_bytes(data)
    (tmp_path / "study" / "DICOMDIR").write_bytes(files.dicomdir("IM0001"))
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


def test_encodings_that_are_unknown_or_unsaid() -> None:
    """Once both were called damaged: no fragments were found."""
    data = files.native(gray_picture())
    said = b"UI\x14\x001.2.840.10008.1.2.1\0"
    assert said in data
    private = data.replace(said, b"UI\x14\x001.2.840.113619.5.22\0"[: len(said)])
    assert "its compression (1.2.840.113619.5.2" in refusal(private)
    assert np.array_equal(shown(data.replace(said, said[:4] + bytes(20))), gray_picture())


def test_what_the_header_does_not_state_is_named() -> None:
    assert "gives no PhotometricInterpretation" in refusal(files.native(gray_picture(), PhotometricInterpretation=""))
    assert decode_frame(files.native(gray_picture(), SOPClassUID=SC, Modality="us")).modality == "US"


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


# Real files.


@pytest.mark.parametrize(
    ("name", "num_frames", "words"),
    [
        ("examples_rgb_color.dcm", 1, NO_SCALE),
        ("examples_palette.dcm", 1, "region 1 ends beyond the image, (120, 60) to (800, 518) in 800 x 350 pixels"),
        ("examples_jpeg2k.dcm", 1, NO_SCALE),
        ("ExplVR_BigEnd.dcm", 1, NO_SCALE),
        ("examples_ybr_color.dcm", 30, "region 1 ends beyond the image, (84, 31) to (595, 414) in 320 x 240 pixels"),
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


@pytest.mark.parametrize(
    ("image_type", "body_part", "stated"),
    [
        (["DERIVED", "PRIMARY", "EPICARDIAL", "0001"], None, "EPICARDIAL"),
        (["ORIGINAL", "PRIMARY", "ABDOMINAL"], "LIVER", "ABDOMINAL"),
        (["ORIGINAL", "PRIMARY", "FETAL HEART"], None, "FETAL HEART"),
        (["ORIGINAL", "PRIMARY", ""], "HEART", "HEART"),
        (["ORIGINAL", "PRIMARY", "SMALL PARTS"], "KIDNEY", "KIDNEY"),
        (None, "TESTIS", "TESTIS"),
        (["ORIGINAL", "PRIMARY", "SMALL PARTS"], None, None),
        (["ORIGINAL", "PRIMARY", "THYROID"], "THYROID", None),
        (["ORIGINAL", "PRIMARY"], "NECK", None),
        (["ORIGINAL", "PRIMARY", "BREAST"], "BREAST", None),
        (["ORIGINAL", "PRIMARY", "JONES SECRET"], "SECRET", None),
        ("ORIGINAL", "", None),
    ],
)
def test_another_part_of_the_body_is_flagged(
    image_type: list[str] | str | None, body_part: str | None, stated: str | None
) -> None:
    more = {"ImageType": image_type, "BodyPartExamined": body_part}
    data = files.native(gray_picture(), **{name: value for name, value in more.items() if value is not None})
    frame = decode_frame(data)
    assert frame.other_body_part == stated
    flags = other_part_flags(frame)
    assert [flag.code for flag in flags] == (["unlike_training"] if stated else [])
    assert all(f"states {stated}," in flag.message for flag in flags)


def test_pydicoms_clip_of_a_heart_is_flagged() -> None:
    path = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))
    with open_frames(path) as file:
        assert [flag.code for flag in other_part_flags(file.frame(7))] == ["unlike_training"]


def test_frames_of_the_real_clip_differ() -> None:
    path = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))
    import pydicom

    found = pydicom.dcmread(path)
    assert len(list(generate_frames(found.PixelData, number_of_frames=30))) == 30
    with open_frames(path) as file:
        means = {round(float(file.frame(index).image_HW.mean()), 3) for index in range(30)}
    assert len(means) > 20


def test_frames_that_are_not_said_are_counted() -> None:
    assert np.array_equal(shown(files.native(gray_picture(), NumberOfFrames=0)), gray_picture())
