"""Bytes of an image file -> the claims of its header: format, size, frames. Nothing is decoded.

A decoder trusts the header: it allocates the claimed size and reads as many blocks as the file holds. So the claims are
read here first, with a limit on every loop, and the caller refuses a file that is too large before it is decoded.

Sources: PNG (ISO/IEC 15948), JPEG (ITU-T T.81 annex B), TIFF 6.0 and BigTIFF, GIF89a, BMP (Windows GDI), WebP (RFC
9649).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

MAX_FRAMES = 10_000
MAX_JPEG_SEGMENTS = 4_096
MAX_JPEG_FILL = 4_096
MAX_PNG_CHUNKS = 200_000
MAX_PNG_BYTES = 400_000_000
MAX_TIFF_VALUES = 4_000_000
MAX_GIF_BLOCKS = 2_000_000

_JPEG_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_INFLATE_BLOCK = 1 << 20
_TIFF_BYTE_TYPES = frozenset({1, 2, 6, 7})  # decoders keep these as bytes; all others become a tuple of numbers
_TIFF_SIZE_TYPES = {3: "H", 16: "Q"}  # SHORT, LONG8; anything else is read as LONG
_TIFF_WIDTHS, _TIFF_HEIGHTS = (256, 322), (257, 323)  # of the image, of a tile


_PICTURE_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
"""Brands of ISO media files that are pictures of a phone, and no video."""


def is_phone_picture(head: bytes) -> bool:
    """First bytes of a file -> whether it is HEIC or AVIF."""
    return head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS


def has_dicom_preamble(head: bytes) -> bool:
    """First bytes of a file, 132 or more -> whether they are the preamble of DICOM (PS3.10 section 7.1)."""
    return head[128:132] == b"DICM"


class HeaderError(ValueError):
    """The image is damaged, or its format is unknown. The message has the fault and the fix.

    Callers add the file's name.
    """

    def __init__(self, fault: str, fix: str = "copy or export the image again") -> None:
        super().__init__(f"{fault}; {fix}")


@dataclass(frozen=True)
class Claim:
    """What the header of an image file claims.

    Size: in pixels as stored, before EXIF orientation. num_scans: number of decoding passes.
    """

    format: str
    width: int
    height: int
    num_frames: int = 1
    num_scans: int = 1


def read_claim(data: bytes) -> Claim:
    """Whole file -> Claim, by its content. HeaderError for an unknown format or a damaged header."""
    if not data:
        raise HeaderError("the file is empty", "copy it again")
    for magic, reader in _READERS:
        if data.startswith(magic):
            try:
                return reader(data)
            except (struct.error, IndexError, OverflowError):
                raise HeaderError("cut off inside its header") from None
    if data.startswith(b"version https://git-lfs"):
        raise HeaderError("a pointer of Git LFS, not the image", "fetch it: git lfs pull")
    for magic, start, kind, fix in _OTHER_KINDS:
        if data.startswith(magic, start):
            raise HeaderError(kind if "picture" in kind else f"{kind}, not an image", fix)
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in data[:512]):
        raise HeaderError("text, not an image", "pass the image itself")
    raise HeaderError("not an image in a known format", "export it as PNG, JPEG, TIFF or BMP")


def _read_png(data: bytes) -> Claim:
    """PNG file -> Claim, after a check of every CRC and of the number of rows.

    Decoders accept a flipped bit and missing rows, so the pixels are inflated here and counted.
    """
    view = memoryview(data)
    pixels: list[memoryview] = []
    num_frames, position = 1, 8
    for _ in range(MAX_PNG_CHUNKS):
        length, kind = struct.unpack_from(">I4s", data, position)
        start, end = position + 8, position + 8 + length
        if end + 4 > len(data):
            raise HeaderError("cut off: the file ends inside the image")
        if zlib.crc32(view[position + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise HeaderError("damaged: a PNG checksum does not match")
        if kind == b"acTL":
            num_frames = max(1, struct.unpack_from(">I", data, start)[0])
        elif kind == b"IDAT":
            pixels.append(view[start:end])
        elif kind == b"IEND":
            break
        position = end + 4
    else:
        raise HeaderError(f"holds more than {MAX_PNG_CHUNKS:,} PNG chunks")
    if data[12:16] != b"IHDR":
        raise HeaderError("does not begin with the PNG header")
    width, height, bits, colour, _, _, is_interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    num_bytes = _png_bytes(width, height, bits * _PNG_CHANNELS.get(colour, 1), bool(is_interlaced))
    if num_bytes <= MAX_PNG_BYTES and not _inflates_to(pixels, num_bytes):
        raise HeaderError("cut off: the PNG holds fewer rows than it claims")
    return Claim("PNG", width, height, _checked_frames(num_frames))


def _png_bytes(width: int, height: int, bits_per_pixel: int, is_interlaced: bool) -> int:
    """Size, depth -> bytes of the filtered rows before compression (PNG section 7.2; Adam7 passes, section 8.2)."""
    passes = _ADAM7 if is_interlaced else ((0, 0, 1, 1),)
    num_bytes = 0
    for x, y, step_x, step_y in passes:
        columns, rows = -(-(width - x) // step_x), -(-(height - y) // step_y)
        if columns > 0 and rows > 0:
            num_bytes += rows * (1 + (columns * bits_per_pixel + 7) // 8)
    return num_bytes


def _inflates_to(parts: list[memoryview], num_bytes: int) -> bool:
    """Parts of a zlib stream -> whether it inflates to at least num_bytes; the bytes are counted, not kept."""
    inflater, count = zlib.decompressobj(), 0
    for part in parts:
        pending: bytes | memoryview = part
        while pending and count < num_bytes:
            try:
                count += len(inflater.decompress(pending, _INFLATE_BLOCK))
            except zlib.error:
                return False
            pending = inflater.unconsumed_tail
    return count + len(inflater.flush()) >= num_bytes if count < num_bytes else True


def _read_jpeg(data: bytes) -> Claim:
    """JPEG file -> Claim, from the segments before the first scan; num_scans: scan markers in the whole file."""
    position = 2
    width = height = 0
    for _ in range(MAX_JPEG_SEGMENTS):
        position = data.find(b"\xff", position)  # decoders skip stray bytes between segments
        if position < 0:
            break
        filled = position
        while data[position] == 0xFF and position - filled < MAX_JPEG_FILL:
            position += 1
        marker, position = data[position], position + 1
        if marker in _JPEG_BARE or marker in (0, 0xFF):
            continue
        if marker == 0xD9:
            break
        if marker in _JPEG_SOF:
            height, width = struct.unpack_from(">HH", data, position + 3)
        if marker == 0xDA:
            if not width:
                break
            return Claim("JPEG", width, height, num_scans=data.count(b"\xff\xda"))
        position += max(2, struct.unpack_from(">H", data, position)[0])
    raise HeaderError("holds no JPEG image data")


def _read_tiff(data: bytes) -> Claim:
    """TIFF file -> Claim, from the chain of image file directories; the size is the largest of all frames and tiles."""
    order = "<" if data.startswith(b"II") else ">"
    is_big = struct.unpack_from(order + "H", data, 2)[0] == 43
    if is_big and order == ">":
        raise HeaderError("a big-endian BigTIFF, which can't be decoded here", "export it as plain TIFF or PNG")
    count_format, entry_format, next_format = ("Q", "HHQ", "Q") if is_big else ("H", "HHI", "I")
    count_bytes, entry_bytes = (8, 20) if is_big else (2, 12)
    offset = struct.unpack_from(order + next_format, data, 8 if is_big else 4)[0]
    value_at = entry_bytes - (8 if is_big else 4)
    seen: set[int] = set()
    width = height = num_values_seen = 0
    while offset and offset not in seen:
        seen.add(offset)
        _checked_frames(len(seen))
        num_entries = struct.unpack_from(order + count_format, data, offset)[0]
        first, after = offset + count_bytes, offset + count_bytes + num_entries * entry_bytes
        for at in range(first, min(after, len(data)), entry_bytes):
            tag, kind, num_values = struct.unpack_from(order + entry_format, data, at)
            num_values_seen += 1 if kind in _TIFF_BYTE_TYPES else num_values
            if num_values_seen > MAX_TIFF_VALUES:
                raise HeaderError(f"claims more than {MAX_TIFF_VALUES:,} values in its TIFF tags")
            if tag in _TIFF_WIDTHS + _TIFF_HEIGHTS:
                value = struct.unpack_from(order + _TIFF_SIZE_TYPES.get(kind, "I"), data, at + value_at)[0]
                width, height = (max(width, value), height) if tag in _TIFF_WIDTHS else (width, max(height, value))
        offset = struct.unpack_from(order + next_format, data, after)[0]
    if not seen:
        raise HeaderError("holds no TIFF frame")
    return Claim("TIFF", width, height, len(seen))


def _read_gif(data: bytes) -> Claim:
    """GIF file -> Claim, from its blocks; the size is the canvas that holds every frame."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _gif_table_bytes(flags)
    num_frames = num_blocks = 0
    while position < len(data) and data[position] != 0x3B:
        kind = data[position]
        if kind == 0x21:
            position += 2
        elif kind == 0x2C:
            left, top, frame_width, frame_height, flags = struct.unpack_from("<HHHHB", data, position + 1)
            width, height = max(width, left + frame_width), max(height, top + frame_height)
            num_frames = _checked_frames(num_frames + 1)
            position += 11 + _gif_table_bytes(flags)
        else:
            position += 1  # decoders skip unknown bytes
            num_blocks += 1
            continue
        while length := data[position]:
            position += 1 + length
            num_blocks += 1
            if num_blocks > MAX_GIF_BLOCKS:
                raise HeaderError(f"holds more than {MAX_GIF_BLOCKS:,} GIF blocks")
        position += 1
    if not num_frames:
        raise HeaderError("holds no GIF frame")
    return Claim("GIF", width, height, num_frames)


def _gif_table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _read_bmp(data: bytes) -> Claim:
    header_bytes = struct.unpack_from("<I", data, 14)[0]
    width, height = struct.unpack_from("<HH" if header_bytes == 12 else "<ii", data, 18)
    return Claim("BMP", abs(width), abs(height))


def _read_webp(data: bytes) -> Claim:
    if data[8:12] != b"WEBP":
        raise HeaderError("a RIFF file (sound or video), not an image")
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return Claim("WEBP", width, height, _count_webp_frames(data))
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return Claim("WEBP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return Claim("WEBP", width & 0x3FFF, height & 0x3FFF)
    raise HeaderError("a WebP file of an unknown kind")


def _count_webp_frames(data: bytes) -> int:
    num_frames, position = 0, 12
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        num_frames = _checked_frames(num_frames + (kind == b"ANMF"))
        position += 8 + length + (length & 1)
    return max(1, num_frames)


def _checked_frames(num_frames: int) -> int:
    if num_frames > MAX_FRAMES:
        raise HeaderError(f"holds more than {MAX_FRAMES:,} frames")
    return num_frames


_AS_PICTURE = "export it as PNG or JPEG"
_OTHER_KINDS = (
    (b"PK\x03\x04", 0, "a zip archive", "unpack it, or give it to predict --output parquet"),
    (b"\x1f\x8b", 0, "a gzip archive", "unpack it"),
    (b"ustar", 257, "a tar archive", "unpack it, or give it to predict --output parquet"),
    (b"Rar!", 0, "a RAR archive", "unpack it"),
    (b"7z\xbc\xaf", 0, "a 7-Zip archive", "unpack it"),
    (b"%PDF", 0, "a PDF document", "export the images in it as PNG"),
    (b"\x93NUMPY", 0, "a NumPy array", "load it by numpy.load and give it to Predictor.predict"),
    (b"NRRD", 0, "an NRRD volume", "export the 2-D image as PNG"),
    (b"n+1\0", 344, "a NIfTI volume", "export the 2-D image as PNG"),
    (b"\x89HDF", 0, "an HDF5 file", "export the image in it as PNG"),
    (b"MATLAB", 0, "a MATLAB file", "export the image in it as PNG"),
    *((b"ftyp" + brand, 4, f"a picture of the kind {kind}", _AS_PICTURE) for brand, kind in _PICTURE_BRANDS.items()),
    (b"DICM", 128, "a DICOM file", "save it as PNG"),
)
"""Files that people take for images: first bytes, their place, what it is, the fix."""
_READERS = (
    (b"\x89PNG\r\n\x1a\n", _read_png),
    (b"\xff\xd8\xff", _read_jpeg),
    (b"II*\0", _read_tiff),
    (b"MM\0*", _read_tiff),
    (b"II+\0", _read_tiff),
    (b"MM\0+", _read_tiff),
    (b"GIF87a", _read_gif),
    (b"GIF89a", _read_gif),
    (b"BM", _read_bmp),
    (b"RIFF", _read_webp),
)
