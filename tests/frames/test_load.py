"""The in-door: what loads, what its pixels are, what is refused and in which words, and that nothing else escapes."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from bad_inputs import CLAIMING, HANDLED, REFUSED, encode, raw_tiff, speckle, write_bad_inputs
from checkout import SOURCE, SUPPORT
from parts import part_path
from thyrosight.errors import InputError
from thyrosight.frames import headers
from thyrosight.frames import load as images
from thyrosight.frames.find_images import find_images
from thyrosight.frames.load import decode_frame, load_frame, scale_to_uint8
from thyrosight.frames.source import as_frame

SIZE_HW = (40, 48)
_ORIENTATION = 0x0112


def gray() -> Image.Image:
    return Image.fromarray(speckle(SIZE_HW))


def rgb() -> Image.Image:
    image = gray()
    return Image.merge("RGB", (image, image.point(lambda v: v // 2), image.point(lambda v: v // 3)))


def several(image_format: str, num_frames: int = 3, **options: Any) -> bytes:
    frames = [Image.fromarray(speckle(SIZE_HW, seed)) for seed in range(num_frames)]
    if image_format == "WEBP":
        frames = [frame.convert("RGB") for frame in frames]
    return encode(frames[0], image_format, save_all=True, append_images=frames[1:], **options)


def refusal(data: bytes, frame_index: int | None = None) -> str:
    with pytest.raises(InputError) as caught:
        decode_frame(data, Path("x.png"), frame_index)
    message = str(caught.value)
    assert message.startswith("x.png: ")
    assert "\n" not in message
    assert len(message) < 400
    return message


# Every format, every mode: the pixels.


@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("GIF", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_deflate"}),
        ("TIFF", {"compression": "packbits"}),
        ("TIFF", {"big_tiff": True}),
    ],
)
def test_lossless_formats_give_the_same_gray(image_format: str, options: dict[str, Any]) -> None:
    data = encode(gray(), image_format, **options)
    frame = decode_frame(data)
    np.testing.assert_array_equal(frame.image_HW, speckle(SIZE_HW))
    assert frame.image_HW.dtype == np.uint8
    assert frame.rgb_HW3 is None
    assert frame.size_hw == SIZE_HW
    assert (frame.frame_index, frame.num_frames) == (0, 1)
    assert frame.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_jpeg_is_close(options: dict[str, Any]) -> None:
    frame = decode_frame(encode(gray(), "JPEG", quality=95, **options))
    assert np.abs(frame.image_HW.astype(int) - speckle(SIZE_HW)).mean() < 3
    assert frame.rgb_HW3 is None


def test_gray_is_bt601_luma_and_colours_are_kept() -> None:
    image = Image.new("RGB", (128, 32))
    for index, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255), (10, 200, 90)]):
        image.paste(colour, (index * 32, 0, index * 32 + 32, 32))
    frame = decode_frame(encode(image, "PNG"))
    # 0.299 R + 0.587 G + 0.114 B, by hand: 76.2, 149.7, 29.1, 130.7
    assert frame.image_HW[0, ::32].tolist() == [76, 150, 29, 131]
    assert frame.rgb_HW3 is not None
    assert frame.rgb_HW3[0, ::32].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 200, 90]]


def test_rgb_that_is_gray_counts_as_gray() -> None:
    frame = decode_frame(encode(gray().convert("RGB"), "PNG"))
    assert frame.rgb_HW3 is None
    np.testing.assert_array_equal(frame.image_HW, speckle(SIZE_HW))


def test_transparency_lies_on_black() -> None:
    image = Image.new("RGBA", (96, 32), (100, 200, 50, 255))
    image.paste((100, 200, 50, 0), (32, 0, 64, 32))
    image.paste((100, 200, 50, 51), (64, 0, 96, 32))
    frame = decode_frame(encode(image, "PNG"))
    assert frame.rgb_HW3 is not None
    assert frame.rgb_HW3[0, ::32].tolist() == [[100, 200, 50], [0, 0, 0], [20, 40, 10]]  # 51 / 255 is a fifth


def test_gray_with_alpha_stays_gray() -> None:
    image = Image.new("LA", (64, 32), (200, 255))
    image.paste((200, 51), (32, 0, 64, 32))
    frame = decode_frame(encode(image, "PNG"))
    assert frame.rgb_HW3 is None
    assert frame.image_HW[0, ::32].tolist() == [200, 40]


def test_palette_with_a_transparent_entry() -> None:
    image = Image.new("P", (96, 32))
    image.putpalette([250, 0, 0, 0, 250, 0, 0, 0, 250])
    for index in range(3):
        image.paste(index, (index * 32, 0, index * 32 + 32, 32))
    frame = decode_frame(encode(image, "PNG", transparency=1))
    assert frame.rgb_HW3 is not None
    assert frame.rgb_HW3[0, ::32].tolist() == [[250, 0, 0], [0, 0, 0], [0, 0, 250]]


def test_one_bit_is_black_and_white() -> None:
    pattern_HW = (np.indices((32, 32)).sum(0) % 2).astype(bool)
    for image_format in ("PNG", "TIFF", "BMP"):
        frame = decode_frame(encode(Image.fromarray(pattern_HW), image_format))
        np.testing.assert_array_equal(frame.image_HW, pattern_HW * np.uint8(255))


def test_cmyk_jpeg_is_not_inverted() -> None:
    frame = decode_frame(encode(rgb().convert("CMYK"), "JPEG", quality=95, subsampling=0))
    assert frame.rgb_HW3 is not None
    assert np.abs(frame.rgb_HW3.astype(int) - np.asarray(rgb())).mean() < 4


def test_ycbcr_tiff() -> None:
    frame = decode_frame(encode(rgb().convert("YCbCr"), "TIFF"))
    assert frame.rgb_HW3 is not None
    assert np.abs(frame.rgb_HW3.astype(int) - np.asarray(rgb())).max() <= 4


def test_sixteen_bit_files() -> None:
    eight_HW = speckle(SIZE_HW)
    for factor in (1, 257):  # 8-bit values in a 16-bit file, and the full range
        values_HW = eight_HW.astype(np.uint16) * factor
        files = [encode(Image.fromarray(values_HW), "PNG"), raw_tiff(values_HW), raw_tiff(values_HW, is_big=True)]
        for data in (*files, raw_tiff(values_HW, order=">")):
            frame = decode_frame(data)
            np.testing.assert_array_equal(frame.image_HW, eight_HW)
            assert frame.rgb_HW3 is None


def test_what_the_decoder_can_not_read_is_named() -> None:
    big_endian = raw_tiff(speckle(SIZE_HW), order=">", is_big=True)
    assert "big-endian BigTIFF, which can't be decoded here; export it as plain TIFF or PNG" in refusal(big_endian)
    strange = raw_tiff(speckle(SIZE_HW).astype(np.float64))
    assert "damaged TIFF (of an unknown kind)" in refusal(strange)


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_white_is_zero_is_turned_round(dtype: Any, top: int) -> None:
    values_HW = np.linspace(0, top, 40 * 40).reshape(40, 40).astype(dtype)
    plain, turned = (decode_frame(raw_tiff(values_HW, photometric)).image_HW for photometric in (1, 0))
    assert (plain[0, 0], plain[-1, -1]) == (0, 255)
    np.testing.assert_array_equal(turned, 255 - plain)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0, 255, 7], np.uint16, [0, 255, 7]),  # 8-bit values in a deeper file stay
        ([0, 1023, 512], np.uint16, [0, 255, 128]),  # 10 bits: 512 / 1023 * 255 = 127.6
        ([0, 2048, 4095], np.uint16, [0, 128, 255]),  # 12 bits: 127.53
        ([0, 4096, 16383], np.uint16, [0, 64, 255]),  # 14 bits: 63.75
        ([0, 257, 65535], np.uint16, [0, 1, 255]),
        ([1000, 1000, 1000], np.uint16, [249, 249, 249]),  # constant: 1000 / 1023 * 255 = 249.3
        ([0, 0, 0], np.uint16, [0, 0, 0]),
        ([0, 2**31 - 1, 2**30], np.int32, [0, 127, 64]),  # 32 bits: half of the range is used
        ([-100, 0, 100], np.int32, [0, 128, 255]),  # negative: minimum..maximum, 127.5 to even
        ([-5, -5, -5], np.int32, [0, 0, 0]),
        ([0, 0.5, 1], np.float32, [0, 128, 255]),
        ([0, 100.4, 255], np.float32, [0, 100, 255]),
        ([500, 1000, 1500], np.float32, [0, 128, 255]),
        ([0, 0, 0], np.float32, [0, 0, 0]),
        ([1e30, 1e30, 1e30], np.float32, [0, 0, 0]),
    ],
)
def test_scale_to_uint8_by_hand(values: list[float], dtype: Any, expected: list[int]) -> None:
    scaled = scale_to_uint8(np.array([values], dtype))
    assert scaled.dtype == np.uint8
    assert scaled.tolist() == [expected]


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=200))
def test_scaling_keeps_order_and_black(values: list[int]) -> None:
    deep = np.array(values, np.uint16)[:, None]
    scaled = scale_to_uint8(deep)[:, 0].astype(int)
    order = np.argsort(deep[:, 0], kind="stable")
    assert (np.diff(scaled[order]) >= 0).all()
    assert (scaled[deep[:, 0] == 0] == 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_float_tiff_that_is_not_finite_is_refused(bad: float) -> None:
    values_HW = np.full(SIZE_HW, 0.5, np.float32)
    assert decode_frame(encode(Image.fromarray(values_HW), "TIFF")).image_HW[0, 0] == 128
    values_HW[3, 4] = bad
    assert "not finite" in refusal(encode(Image.fromarray(values_HW), "TIFF"))


ORIENTED = {  # EXIF 2.3, tag 0x0112: what must be done to the stored rows to show them
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "WEBP", "PNG16"])
def test_exif_orientation(image_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    image = Image.fromarray(speckle(SIZE_HW).astype(np.uint16) * 257) if image_format == "PNG16" else gray()
    options = {"lossless": True} if image_format == "WEBP" else {}
    data = encode(image, image_format.removesuffix("16"), exif=exif, **options)
    np.testing.assert_array_equal(decode_frame(data).image_HW, ORIENTED[orientation](speckle(SIZE_HW)))


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "TIFF", "BMP"])
def test_pixels_that_are_not_square_are_refused(image_format: str) -> None:
    """A frame of a PAL recorder, shown without its shape, makes nodules 9 % too narrow."""
    words = "tall as wide (its resolution across and down), so shapes and sizes would be wrong; export it with square"
    assert words in refusal(encode(gray(), image_format, dpi=(72, 66)))
    assert decode_frame(encode(gray(), image_format, dpi=(300, 300))).size_hw == SIZE_HW
    found = Image.open(io.BytesIO(encode(gray(), image_format, dpi=(72, 144))))
    with pytest.raises(InputError, match=r"0\.5\d* times as tall as wide"):
        as_frame(found)
    for stated in (300, ("72", "x"), (72,), (0, 72), (float("nan"), 1)):
        found.info["dpi"] = stated
        assert as_frame(found).size_hw == SIZE_HW


def test_no_spacing_is_read_from_print_resolution() -> None:
    for data in (encode(gray(), "PNG", dpi=(300, 300)), encode(gray(), "JPEG", dpi=(72, 72))):
        frame = decode_frame(data)
        assert frame.spacing is None
        assert frame.spacing_reason is not None
        assert "millimetres" in frame.spacing_reason


# Several frames.


@pytest.mark.parametrize("image_format", ["TIFF", "GIF", "WEBP", "PNG"])
def test_frames_are_chosen_never_assumed(image_format: str) -> None:
    data = several(image_format, lossless=True) if image_format == "WEBP" else several(image_format)
    message = refusal(data)
    assert "3 frames; pass --frame 0..2 to choose one" in message
    assert refusal(data, 3) == message == refusal(data, -1)
    for index in (2, 0, 1):
        frame = decode_frame(data, frame_index=index)
        assert (frame.frame_index, frame.num_frames) == (index, 3)
        np.testing.assert_array_equal(frame.image_HW, speckle(SIZE_HW, index))


def test_one_frame_has_no_second() -> None:
    data = encode(gray(), "PNG")
    assert decode_frame(data, frame_index=0).num_frames == 1
    assert "1 frame, so there is no frame 1; leave --frame out" in refusal(data, 1)


# What is refused.


def test_ten_bad_inputs(tmp_path: Path) -> None:
    paths = write_bad_inputs(tmp_path)
    assert paths.keys() == {"good", *HANDLED, *REFUSED}
    gray_HW = speckle()
    for name in ("good", "sixteen_bit"):
        np.testing.assert_array_equal(load_frame(paths[name]).image_HW, gray_HW)
    rgba = load_frame(paths["rgba"])
    assert rgba.image_HW[:, 64:].max() == 0
    assert rgba.image_HW[:, :64].max() > 50
    assert load_frame(paths["palette"]).rgb_HW3 is not None
    assert load_frame(paths["cmyk"]).rgb_HW3 is not None
    rotated = load_frame(paths["exif_rotated"])
    assert rotated.size_hw == (128, 96)
    assert np.abs(rotated.image_HW.astype(int) - np.rot90(gray_HW, -1)).mean() < 3
    fragments = {
        "empty": "the file is empty",
        "cut": "cut off",
        "text": "text, not an image",
        "one_pixel": "1 x 1 pixels, too small to hold a nodule; pass at least 32 x 32",
        "huge_header": "claims 60,000 x 60,000 pixels, the limit is 40 million",
    }
    for name, fragment in fragments.items():
        with pytest.raises(InputError) as caught:
            load_frame(paths[name])
        assert str(caught.value).startswith(f"{paths[name]}: ")
        assert fragment in str(caught.value)


def test_content_counts_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "scan.dat"
    path.write_bytes(encode(gray(), "BMP"))
    assert load_frame(str(path)).path == path
    np.testing.assert_array_equal(load_frame(path).image_HW, speckle(SIZE_HW))


def test_dicom_without_an_image_is_named() -> None:
    assert "a DICOM file without an image" in refusal(bytes(128) + b"DICM" + bytes(100))


@pytest.mark.parametrize(
    ("data", "fragment"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\0\xd3\n", "a PDF document, not an image; export the images in it"),
        (b"PK\x03\x04" + bytes(40), "a zip archive, not an image; unpack it, or give it to predict --output parquet"),
        (b"\x1f\x8b\x08" + bytes(40), "a gzip archive, not an image; unpack it"),
        (b"\x93NUMPY\x01\0" + bytes(40), "a NumPy array, not an image; load it by numpy.load"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "a picture of the kind HEIC; export it as PNG or JPEG"),
        (b"\0\0\0\x18ftypavif" + bytes(40), "a picture of the kind AVIF"),
        (bytes(344) + b"n+1\0" + bytes(40), "a NIfTI volume, not an image"),
        (b"\x01\x02\x03\x04" + bytes(40), "not an image in a known format"),
        (b"<!DOCTYPE html><html></html>", "text, not an image"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "sound or video"),
        (b"RIFF\x10\0\0\0AVI LIST", "a video that can't be decoded"),
        (b"\x89PNG\r\n\x1a\n", "cut off inside its header"),
        (b"\xff\xd8\xff\xd9", "holds no JPEG image data"),
        (b"\xff\xd8\xff" + b"\xff" * 100_000, "cut off"),
        (b"II*\0" + bytes(4), "holds no TIFF frame"),
        (b"GIF89a" + bytes(7) + b";", "holds no GIF frame"),
    ],
)
def test_strangers(data: bytes, fragment: str) -> None:
    assert fragment in refusal(data)


@pytest.mark.parametrize("claiming", CLAIMING.values())
def test_huge_claims_are_refused_by_number(claiming: Any) -> None:
    assert "claims 60,000 x 50,000 pixels, the limit is 40 million" in refusal(claiming(60_000, 50_000))


def test_huge_claims_cost_no_memory(tmp_path: Path) -> None:
    pytest.importorskip("resource")  # peak memory is not known on Windows
    for claiming in CLAIMING.values():
        (tmp_path / f"{claiming.__name__}.png").write_bytes(claiming(60_000, 50_000))
    (tmp_path / "good.png").write_bytes(encode(gray(), "PNG"))
    code = """if True:
        import sys
        from peak_memory import peak_megabytes
        from thyrosight.errors import InputError; from thyrosight.frames.find_images import find_images
        from thyrosight.frames.load import load_frame
        paths = find_images([sys.argv[1]]).images
        load_frame(sys.argv[1] + "/good.png")  # so that imports do not count
        before = peak_megabytes()
        refused = 0
        for path in paths:
            try: load_frame(path)
            except InputError: refused += 1
        print(len(paths), refused, round(peak_megabytes() - before))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (SOURCE, SUPPORT)))}
    done = subprocess.run([sys.executable, "-c", code, tmp_path], env=environment, capture_output=True, text=True)
    num_paths, num_refused, grown = map(int, done.stdout.split())
    assert (num_paths, num_refused) == (7, 6), done.stderr
    assert grown < 20, "MB"


def test_limits_are_sharp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(gray(), "PNG"))
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 48)
    assert load_frame(path).size_hw == SIZE_HW
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 48 - 1)
    with pytest.raises(InputError, match="claims 48 x 40 pixels"):
        load_frame(path)
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 48)
    monkeypatch.setattr(images, "MAX_FILE_BYTES", path.stat().st_size)
    load_frame(path)
    monkeypatch.setattr(images, "MAX_FILE_BYTES", path.stat().st_size - 1)
    with pytest.raises(InputError, match="the limit is"):
        load_frame(path)
    monkeypatch.undo()
    for size, is_fine in (((32, 32), True), ((31, 500), False), ((500, 31), False)):
        data = encode(Image.new("L", size), "PNG")
        if is_fine:
            assert decode_frame(data).size_hw == (32, 32)
        else:
            assert "too small" in refusal(data)


def test_expensive_decodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_DECODED_PIXELS", 20 * 40 * 48)
    data = several("GIF", 30)
    assert decode_frame(data, frame_index=19).frame_index == 19
    assert "21 decoding passes" in refusal(data, 20)
    scans = encode(gray(), "JPEG", progressive=True)
    assert decode_frame(scans).size_hw == SIZE_HW
    assert "decoding passes" in refusal(scans[:-2] + scans[scans.index(b"\xff\xda") : -2] * 30 + b"\xff\xd9")


@pytest.mark.parametrize(
    ("limit", "data"),
    [
        ("MAX_FRAMES", several("GIF")),
        ("MAX_FRAMES", several("TIFF")),
        ("MAX_FRAMES", several("WEBP")),
        ("MAX_FRAMES", several("PNG")),
        ("MAX_PNG_CHUNKS", encode(gray(), "PNG")),
        ("MAX_JPEG_SEGMENTS", encode(gray(), "JPEG")),
        ("MAX_TIFF_VALUES", encode(gray(), "TIFF")),
        ("MAX_GIF_BLOCKS", several("GIF")),
    ],
)
def test_every_walk_is_capped(monkeypatch: pytest.MonkeyPatch, limit: str, data: bytes) -> None:
    decode_frame(data, frame_index=0)
    monkeypatch.setattr(headers, limit, 2)
    refusal(data, 0)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    cases: dict[str | Path, str] = {
        tmp_path: "a folder",
        tmp_path / "gone.png": "no such file",
        "nul\0.png": "can't be read",
    }
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        cases |= {tmp_path / "pipe.png": "not a regular file", "/dev/zero": "not a regular file"}
    for path, fragment in cases.items():
        with pytest.raises(InputError, match=fragment):
            load_frame(path)


def test_a_file_that_does_not_say_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("/proc/cpuinfo")
    if not path.is_file() or path.stat().st_size:
        pytest.skip("no such file on this system")
    monkeypatch.setattr(images, "MAX_FILE_BYTES", 100)
    with pytest.raises(InputError, match="the limit is"):
        load_frame(path)


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(images, "_open_without_waiting", refuse)
    with pytest.raises(InputError, match=r"can't be read \(Permission denied\)"):
        load_frame(tmp_path / "a.png")


# Damage: a Frame or an InputError, and where the format carries checksums never other pixels.


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


SOUND = {
    "png": encode(gray(), "PNG"),
    "png_palette": encode(rgb().quantize(32), "PNG", transparency=3),
    "apng": several("PNG"),
    "jpeg": encode(rgb(), "JPEG"),
    "jpeg_progressive": encode(rgb(), "JPEG", progressive=True),
    "jpeg_cmyk": encode(rgb().convert("CMYK"), "JPEG"),
    "bmp": encode(rgb(), "BMP"),
    "gif": several("GIF"),
    "tiff": several("TIFF"),
    "tiff_lzw": encode(rgb(), "TIFF", compression="tiff_lzw"),
    "tiff_float": encode(Image.fromarray(speckle(SIZE_HW).astype(np.float32)), "TIFF"),
    "tiff_big": encode(gray(), "TIFF", big_tiff=True),
    "webp": encode(rgb(), "WEBP", lossless=True),
    "webp_frames": several("WEBP"),
}


def gray_or_none(data: bytes) -> NDArray[np.uint8] | None:
    try:
        return decode_frame(data, frame_index=0).image_HW
    except InputError:
        return None


@pytest.mark.parametrize("name", SOUND)
def test_cut_anywhere_is_refused_or_whole(name: str) -> None:
    data = SOUND[name]
    whole = gray_or_none(data)
    assert whole is not None
    num_refused = 0
    for cut in range(0, len(data), max(1, len(data) // 400)):
        found = gray_or_none(data[:cut])
        num_refused += found is None
        if found is not None:
            np.testing.assert_array_equal(found, whole)
    assert num_refused > 100


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_png_with_a_changed_byte_never_shows_other_pixels(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["png", "png_palette", "apng"]))
    changed = bytearray(SOUND[name])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    found = gray_or_none(bytes(changed))
    if found is not None:
        np.testing.assert_array_equal(found, gray_or_none(SOUND[name]))


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_mutations_give_a_frame_or_an_input_error(data: st.DataObject) -> None:
    content = bytearray(SOUND[data.draw(st.sampled_from(sorted(SOUND)))])
    in_header = data.draw(st.booleans())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, min(len(content), 200 if in_header else len(content)) - 1))
        content[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 50))] = data.draw(st.binary(max_size=50))
    found = gray_or_none(bytes(content))
    assert found is None or (found.dtype == np.uint8 and found.ndim == 2 and min(found.shape) >= images.MIN_SIDE_PX)


@given(st.binary(max_size=300), st.sampled_from([magic for magic, _ in headers._READERS]))
@settings(deadline=None)
def test_noise_behind_a_magic_number_is_refused(noise: bytes, magic: bytes) -> None:
    assert gray_or_none(magic + noise) is None


@pytest.mark.parametrize(
    ("size", "bits", "is_interlaced", "expected"),
    [
        ((5, 3), 8, False, 18),  # three rows of a filter byte and five pixels
        ((5, 3), 1, False, 6),
        ((5, 3), 48, False, 93),
        ((8, 8), 8, True, 79),  # 64 pixels, and a filter byte for each of the 1+1+1+2+2+4+4 rows of the passes
        ((5, 1), 8, True, 9),  # passes 1, 2, 4, 6: five pixels, four rows
        ((1, 5), 8, True, 10),  # passes 1, 3, 5, 7: five pixels, five rows
    ],
)
def test_size_of_png_rows_by_hand(size: tuple[int, int], bits: int, is_interlaced: bool, expected: int) -> None:
    assert headers._png_bytes(*size, bits, is_interlaced) == expected


def test_interlaced_png() -> None:
    gray_HW = speckle(SIZE_HW)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = [row.tobytes() for y, x, step_y, step_x in passes for row in gray_HW[y::step_y, x::step_x]]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 48, 40, 8, 0, 0, 0, 1))
    for pixels, is_whole in ((rows, True), (rows[:-1], False)):
        body = zlib.compress(b"".join(b"\0" + row for row in pixels))
        data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", body) + chunk(b"IEND", b"")
        if is_whole:
            np.testing.assert_array_equal(decode_frame(data).image_HW, gray_HW)
        else:
            assert "fewer rows" in refusal(data)


@pytest.mark.parametrize("kind", [b"IHDR", b"tEXt", b"IDAT", b"IEND"])
def test_every_checksum_of_a_png_counts(kind: bytes) -> None:
    sound = chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 40, 8, 0, 0, 0, 0)) + chunk(b"tEXt", b"Comment\0ok")
    sound = b"\x89PNG\r\n\x1a\n" + sound + chunk(b"IDAT", zlib.compress(bytes(41 * 40))) + chunk(b"IEND", b"")
    assert decode_frame(sound).size_hw == (40, 40)
    at = sound.index(kind)
    end = at + 4 + struct.unpack(">I", sound[at - 4 : at])[0]
    assert "a PNG checksum does not match" in refusal(sound[:end] + bytes([sound[end] ^ 1]) + sound[end + 1 :])


def test_damaged_pixels_with_sound_checksums_are_refused() -> None:
    header = struct.pack(">IIBBBBB", 40, 40, 8, 0, 0, 0, 0)
    for pixels in (zlib.compress(bytes(41 * 20)), b"no zlib stream", zlib.compress(bytes(41 * 40))[:-6]):
        data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
        assert "cut off: the PNG holds fewer rows than it claims" in refusal(data)


def test_every_error_of_the_decoder_becomes_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(gray(), "PNG")
    for error in (SyntaxError("a\nb"), struct.error(), OSError("x" * 1000), MemoryError(), ZeroDivisionError()):

        def fail(*_: Any, error: BaseException = error, **__: Any) -> None:
            raise error

        monkeypatch.setattr(Image, "open", fail)
        refusal(data)


def test_no_truncated_images_even_when_another_library_allows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(gray(), "JPEG")
    from PIL import ImageFile

    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert "damaged JPEG" in refusal(data[: len(data) * 2 // 3])


def test_deep_colour_is_scaled_as_deep_gray_is() -> None:
    import cv2

    deep_HW = (np.asarray(gray()).astype(np.uint16) << 4) | 9  # 12 bits in 16
    gray_png = cv2.imencode(".png", deep_HW)[1].tobytes()
    for channels in (3, 4):
        layers = [deep_HW] * 3 + [np.full_like(deep_HW, 65535)] * (channels - 3)
        frame = decode_frame(cv2.imencode(".png", np.stack(layers, -1))[1].tobytes())
        assert frame.rgb_HW3 is None
        assert np.array_equal(frame.image_HW, decode_frame(gray_png).image_HW)


def test_pixels_from_an_open_stream_equal_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    gray().save(path)
    from_bytes = decode_frame(io.FileIO(path).readall())
    assert from_bytes.path is None
    np.testing.assert_array_equal(from_bytes.image_HW, load_frame(path).image_HW)


# Real frames.


@pytest.mark.part("ddti")
def test_every_real_capture_loads() -> None:
    paths = find_images([part_path("ddti") / "original"]).images
    assert len(paths) == 356
    for path in paths[::8]:
        frame = load_frame(path)
        assert frame.size_hw == (360, 560)
        assert 5 < frame.image_HW.mean() < 150
        assert frame.image_HW.std() > 15
