"""A folder of the inputs that break image software: ten bad or awkward files, and one good frame beside them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HANDLED = ("sixteen_bit", "rgba", "palette", "cmyk", "exif_rotated")
"""Awkward but sound: these must load."""
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
