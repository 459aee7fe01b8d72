"""Every kind of stored pixels -> what is shown."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.encoders import JPEG2000LosslessEncoder, JPEGLSLosslessEncoder, RLELosslessEncoder
from pydicom.pixels.processing import apply_windowing
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
from decoded import Array, refusal, shown
from dicom_files import NATIVE, colour_picture, dataset, gray_picture, to_ybr

PALETTE = "PALETTE COLOR"


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


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("is_compressed", [False, True])
def test_more_bits_than_the_header_states_are_refused(bits: int, is_compressed: bool) -> None:
    """Their upper bits were cut off: a picture of stripes, and no word."""
    deep, header = gray_picture(4096), dataset(BitsAllocated=16, BitsStored=bits)
    data = files.native(deep, BitsStored=bits)
    if is_compressed:
        data = files.compressed([j2k_frame(deep, 12)], JPEG2000Lossless, header)
    assert f"more bits than its header's BitsStored ({bits})" in refusal(data)


def test_bits_above_that_an_overlay_or_the_sign_uses_are_no_fault() -> None:
    deep = gray_picture(4096)
    found = pydicom.dcmread(io.BytesIO(files.native(deep | 0x1000, BitsStored=12)))
    found.add_new((0x6000, 0x0102), "US", 12)
    stream = io.BytesIO()
    found.save_as(stream)
    assert np.array_equal(shown(stream.getvalue()), shown(files.native(deep, BitsStored=12)))
    signed = deep.astype(np.int16) - 2048
    for stored in (signed, signed & 0xFFF):
        picture = shown(files.native(stored, BitsStored=12, PixelRepresentation=1))
        assert np.abs(picture - deep / 4095 * 255).max() <= 0.51


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
@pytest.mark.parametrize("factor", [1, 16, 257])
def test_deep_colour_is_not_lost_in_the_dark(factor: int, photometric: str) -> None:
    rgb = colour_picture()
    stored = (rgb if photometric == "RGB" else to_ybr(rgb)).astype(np.uint16) * factor
    tolerance = 3 if photometric == "YBR_FULL" else 1
    assert np.abs(shown(files.native(stored, photometric)).astype(int) - rgb).max() <= tolerance


def test_deep_gray_without_a_window_is_not_lost_in_the_dark() -> None:
    twelve = gray_picture(4096)
    assert np.abs(shown(files.native(twelve)) - twelve / 4095 * 255).max() <= 0.51
    assert np.array_equal(shown(files.native(gray_picture().astype(np.uint16))), gray_picture())
    dark_first = np.stack([twelve // 64, twelve, twelve // 2])
    data = files.native(dark_first, NumberOfFrames=3)
    assert np.abs(shown(data, 1) - twelve / 4095 * 255).max() <= 0.51, "one range for all frames"


# Compressed frames.


def j2k_frame(image: Array, bits: int, **changes: Any) -> bytes:
    """Picture -> a JPEG 2000 frame of this many bits."""
    is_rgb = image.ndim == 3
    options = {"rows": 48, "columns": 64, "number_of_frames": 1, "samples_per_pixel": 3 if is_rgb else 1}
    options |= {"bits_allocated": image.itemsize * 8, "bits_stored": bits, "pixel_representation": 0}
    options |= {"photometric_interpretation": "RGB" if is_rgb else "MONOCHROME2", "planar_configuration": 0}
    return JPEG2000LosslessEncoder.encode(image.tobytes(), **(options | changes))


@pytest.mark.parametrize("photometric", ["RGB", "YBR_RCT", "YBR_ICT", "YBR_FULL"])
@pytest.mark.parametrize("planar", [0, 1])
def test_a_jpeg_2000_frame_that_has_a_colour_transform_becomes_rgb(photometric: str, planar: int) -> None:
    """Its own header says so; that of the file may say other colours, or another order of the samples."""
    frame = j2k_frame(colour_picture(), 8, photometric_interpretation="YBR_RCT")
    header = dataset(photometric=photometric, PlanarConfiguration=planar)
    assert np.array_equal(shown(files.compressed([frame], JPEG2000Lossless, header)), colour_picture())


def test_a_jpeg_2000_frame_without_a_colour_transform_has_the_headers_colours() -> None:
    frame = j2k_frame(to_ybr(colour_picture()), 8)
    data = files.compressed([frame], JPEG2000Lossless, dataset(photometric="YBR_FULL"))
    assert np.abs(shown(data).astype(int) - colour_picture()).max() <= 3
    data = files.compressed([frame], JPEG2000Lossless, dataset(photometric="YBR_RCT"))
    assert "states YBR_RCT, but its frames have no colour transform; export it as RGB" in refusal(data)


@pytest.mark.parametrize("said", [0, 1])
@pytest.mark.parametrize("is_signed", [0, 1])
def test_the_sign_is_that_of_the_jpeg_2000_frame(is_signed: int, said: int) -> None:
    deep = gray_picture(4096)
    stored = deep.astype(np.int16) - 2048 if is_signed else deep
    frame = j2k_frame(stored, 12, pixel_representation=is_signed)
    header = dataset(BitsAllocated=16, BitsStored=12, PixelRepresentation=said)
    picture = shown(files.compressed([frame], JPEG2000Lossless, header))
    assert np.abs(picture - deep / 4095 * 255).max() <= 0.51


@pytest.mark.parametrize("said", [None, 0, 3])
def test_frames_of_rle_that_the_header_does_not_count_are_counted(said: int | None) -> None:
    clip = [gray_picture(seed=seed) for seed in (0, 10, 20)]
    packed = [files.rle_frame([files.packbits(frame.tobytes())]) for frame in clip]
    header = dataset(SOPClassUID=files.US_MULTI)
    data = files.compressed(packed, RLELossless, header)
    assert b"IS\x02\x003 " in data
    data = data.replace(b"IS\x02\x003 ", b"IS\x02\x00" + (b"  " if said is None else f"{said} ".encode()))
    for index, frame in enumerate(clip):
        assert np.array_equal(shown(data, index), frame)
    wrong = files.compressed(packed, RLELossless, header).replace(b"IS\x02\x003 ", b"IS\x02\x005 ")
    assert "claims 5 frames, but its pixel data holds 3" in refusal(wrong)


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


@pytest.mark.parametrize("planar", [0, 1])
def test_the_order_of_the_samples_is_that_of_the_jpeg_ls_frame(planar: int) -> None:
    options = {"rows": 48, "columns": 64, "number_of_frames": 1, "samples_per_pixel": 3, "bits_allocated": 8}
    options |= {"bits_stored": 8, "pixel_representation": 0, "photometric_interpretation": "RGB"}
    stored = np.moveaxis(colour_picture(), 2, 0) if planar else colour_picture()
    frame = JPEGLSLosslessEncoder.encode(stored.tobytes(), **options, planar_configuration=planar)
    for said in (0, 1):
        header = dataset(photometric="RGB", PlanarConfiguration=said)
        assert np.array_equal(shown(files.compressed([frame], JPEGLSLossless, header)), colour_picture())


def lossless_jpeg(picture: Array, photometric: str, folder: Path) -> Path:
    """Picture -> a DICOM file with one frame of lossless JPEG."""
    gdcm = pytest.importorskip("gdcm")
    source, target = folder / "native.dcm", folder / "lossless.dcm"
    source.write_bytes(files.native(picture, photometric))
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
    return target


@pytest.mark.parametrize("is_colour", [False, True])
def test_lossless_jpeg(is_colour: bool, tmp_path: Path) -> None:
    picture = colour_picture() if is_colour else gray_picture()
    target = lossless_jpeg(picture, "RGB" if is_colour else "MONOCHROME2", tmp_path)
    assert JPEGLosslessSV1.encode() in target.read_bytes()
    assert np.array_equal(shown(target.read_bytes()), picture)
    if is_colour:  # a plane per colour, as the header of the uncompressed file may have said
        found = pydicom.dcmread(target)
        found.PlanarConfiguration = 1
        found.save_as(target)
        assert np.array_equal(shown(target.read_bytes()), picture)


@pytest.mark.parametrize(("transform", "said"), [(0, "YBR_FULL"), (1, "RGB"), (0, "RGB"), (1, "YBR_FULL")])
def test_the_colours_of_lossless_jpeg_are_those_of_its_marker(transform: int, said: str, tmp_path: Path) -> None:
    """The header that said otherwise turned them into others, without a word."""
    stored = to_ybr(colour_picture()) if transform else colour_picture()
    found = pydicom.dcmread(lossless_jpeg(stored, "YBR_FULL" if transform else "RGB", tmp_path))
    frame = next(generate_frames(found.PixelData, number_of_frames=1))
    marked = frame[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform]) + frame[2:]
    picture = shown(files.compressed([marked], JPEGLosslessSV1, dataset(photometric=said)))
    assert np.abs(picture.astype(int) - colour_picture()).max() <= 3


@pytest.mark.parametrize("said", [JPEGLosslessSV1, JPEG2000Lossless, JPEGLSLossless, JPEGBaseline8Bit])
def test_a_frame_of_another_compression_than_the_file_states_is_followed(said: str) -> None:
    """Baseline JPEG in a file that states a lossless one was shown without its conversion to RGB."""
    picture = colour_picture()
    header = dataset(photometric="RGB")
    expected = np.array(Image.open(io.BytesIO(files.jpeg(picture))))
    assert np.array_equal(shown(files.compressed([files.jpeg(picture)], said, header)), expected)
    jpeg_2000 = j2k_frame(picture, 8, photometric_interpretation="YBR_RCT")
    assert np.array_equal(shown(files.compressed([jpeg_2000], said, header)), picture)
    for is_signed in (0, 1):
        deep = gray_picture(4096)
        frame = j2k_frame(deep.astype(np.int16) - 2048 if is_signed else deep, 12, pixel_representation=is_signed)
        data = files.compressed([frame], said, dataset(BitsAllocated=16, BitsStored=12))
        assert np.abs(shown(data) - deep / 4095 * 255).max() <= 0.51


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
