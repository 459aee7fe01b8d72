"""Files that break image software: pictures that are cut off or have false headers, files that are no pictures."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HANDLED = ("sixteen_bit", "rgba", "palette", "cmyk", "exif_rotated")
"""Awkward but valid files: these must load."""
REFUSED = ("empty", "cut", "text", "one_pixel", "huge_header")
"""These must end in one clear line each."""
_EXIF_ORIENTATION, _ROTATE_90_CLOCKWISE_TO_SHOW = 0x0112, 6


def speckle(size_hw: tuple[int, int] = (96, 128), seed: int = 0) -> NDArray[np.uint8]:
    """Size, seed -> uint8 `_HW`: a gray frame with a dark ellipse left of the centre, so that a rotation shows."""
    rng = np.random.default_rng(seed)
    height, width = size_hw
    rows, columns = np.mgrid[:height, :width]
    inside = ((rows - height * 0.4) / (height * 0.2)) ** 2 + ((columns - width * 0.3) / (width * 0.15)) ** 2 < 1
    tissue = rng.rayleigh(50.0, size_hw) * np.where(inside, 0.4, 1.0)
    return np.clip(tissue, 0, 255).astype(np.uint8)


def png_claiming(width: int, height: int) -> bytes:
    """Size in pixels -> a small, well-formed PNG whose header claims it; the pixel data holds one row at most."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def encode(image: Image.Image, image_format: str, **options: object) -> bytes:
    """Pillow image -> bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def raw_tiff(values_HW: NDArray[Any], photometric: int = 1, order: str = "<", is_big: bool = False) -> bytes:
    """Array -> the plainest TIFF or BigTIFF of it, one strip, gray; for what Pillow does not write."""
    height, width = values_HW.shape
    pixels = values_HW.astype(values_HW.dtype.newbyteorder(order)).tobytes()
    sample_format = {"u": 1, "i": 2, "f": 3}[values_HW.dtype.kind]
    start = 16 if is_big else 8
    tags = {256: width, 257: height, 258: values_HW.dtype.itemsize * 8, 259: 1, 262: photometric, 273: start}
    tags |= {277: 1, 278: height, 279: len(pixels), 339: sample_format}
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if is_big else 42)
    at = start + len(pixels)
    if is_big:
        entries = b"".join(struct.pack(order + "HHQQ", tag, 16, 1, value) for tag, value in tags.items())
        return (
            head
            + struct.pack(order + "HHQ", 8, 0, at)
            + pixels
            + struct.pack(order + "Q", len(tags))
            + entries
            + bytes(8)
        )
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags.items())
    return head + struct.pack(order + "I", at) + pixels + struct.pack(order + "H", len(tags)) + entries + bytes(4)


def gif_claiming(width: int, height: int) -> bytes:
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\0"
    return (
        b"GIF89a" + struct.pack("<HHB", 64, 64, 0) + b"\0\0" + frame + b";"
    )  # the canvas claims little, the frame much


def jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(encode(Image.fromarray(speckle((40, 48))), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def tiff_claiming(width: int, height: int) -> bytes:
    data = raw_tiff(np.zeros((32, 32), np.uint8))
    at = data.index(struct.pack("<HHI", 256, 4, 1))
    return (
        data[: at + 8]
        + struct.pack("<I", width)
        + data[at + 12 : at + 20]
        + struct.pack("<I", height)
        + data[at + 24 :]
    )


def bmp_claiming(width: int, height: int) -> bytes:
    data = encode(Image.fromarray(speckle((40, 48))), "BMP")
    return data[:18] + struct.pack("<ii", width, -height) + data[26:]


def webp_claiming(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size


CLAIMING = {
    "png": png_claiming,
    "gif": gif_claiming,
    "jpg": jpeg_claiming,
    "tif": tiff_claiming,
    "bmp": bmp_claiming,
    "webp": webp_claiming,
}
"""Suffix -> size -> a small file whose header claims that size."""


def bad_pictures() -> dict[str, bytes]:
    """-> {file name: bytes} of pictures, videos and other files that must be refused, one clear line each."""
    gray = Image.fromarray(speckle())
    whole = {kind: encode(gray, kind) for kind in ("PNG", "JPEG", "TIFF", "BMP", "GIF")}
    found = {f"claims.{suffix}": claiming(60_000, 50_000) for suffix, claiming in CLAIMING.items()}
    found |= {f"cut.{kind.lower()}": data[: len(data) * 2 // 3] for kind, data in whole.items()}
    found |= {
        "empty.png": b"",
        "text.png": b"patient,age\n1,52\n",
        "page.png": b"<!DOCTYPE html><html></html>",
        "one_pixel.png": encode(Image.new("L", (1, 1)), "PNG"),
        "paper.pdf": b"%PDF-1.7\n%\xe2\xe3\0\xd3\n",
        "archive.zip": b"PK\x03\x04" + bytes(40),
        "archive.gz": b"\x1f\x8b\x08" + bytes(40),
        "sound.wav": b"RIFF\x10\0\0\0WAVEfmt " + bytes(40),
        "head_alone.png": b"\x89PNG\r\n\x1a\n\0",
        "endless.jpg": b"\xff\xd8\xff" + b"\xff" * 100_000,
        "no_frame.tif": b"II*\0" + bytes(4),
        "zeros": bytes(5_000),
        "noise": np.random.default_rng(0).bytes(5_000),
        "cut.avi": b"RIFF\x10\0\0\0AVI LIST" + bytes(60),
        "noise.mp4": b"\0\0\0\x18ftypmp42" + np.random.default_rng(1).bytes(5_000),
        "list.mp4": b"\0\0\0\x18ftyp#EXTM3U\nfile:///etc/passwd\n\0",
    }
    return found


def write_bad_inputs(folder: Path) -> dict[str, Path]:
    """Folder (made if missing) -> {name: path} of the ten files, see HANDLED and REFUSED, and "good", a plain PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    gray_HW = speckle()
    gray = Image.fromarray(gray_HW)
    rgb = Image.merge("RGB", (gray, gray.point(lambda v: v // 2), gray.point(lambda v: v // 3)))
    rgba = rgb.copy()
    rgba.putalpha(Image.fromarray(np.where(np.arange(128) < 64, 255, 0).astype(np.uint8)[None].repeat(96, 0)))
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = _ROTATE_90_CLOCKWISE_TO_SHOW
    good = encode(gray, "PNG")
    contents = {
        "good": ("good.png", good),
        "empty": ("empty.png", b""),
        "cut": ("cut.png", good[: len(good) // 2]),
        "text": ("text.png", b"patient,age\n1,52\n"),
        "sixteen_bit": ("sixteen_bit.png", encode(Image.fromarray(gray_HW.astype(np.uint16) * 257), "PNG")),
        "rgba": ("rgba.png", encode(rgba, "PNG")),
        "palette": ("palette.png", encode(rgb.quantize(64), "PNG")),
        "cmyk": ("cmyk.jpg", encode(rgb.convert("CMYK"), "JPEG", quality=95)),
        "exif_rotated": ("exif_rotated.jpg", encode(gray, "JPEG", quality=95, exif=exif)),
        "one_pixel": ("one_pixel.png", encode(Image.new("L", (1, 1)), "PNG")),
        "huge_header": ("huge_header.png", png_claiming(60_000, 60_000)),
    }
    paths = {name: folder / file for name, (file, _) in contents.items()}
    for name, (_, content) in contents.items():
        paths[name].write_bytes(content)
    return paths
