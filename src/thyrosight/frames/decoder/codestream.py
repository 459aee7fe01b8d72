"""Bytes of a compressed frame -> the claims of its own header: size, channels, depth. Only RLE is decoded here.

A DICOM file states its size twice: in its header, and in each compressed frame. Decoders trust the frame and allocate
what it claims, so both are compared first. An RLE frame makes no claim. It is decoded here, to exactly as many bytes as
the header needs.

Sources: JPEG (ITU-T T.81 annex B), JPEG-LS (ITU-T T.87 annex C), JPEG 2000 (ISO/IEC 15444-1 annex A, boxes annex I),
RLE (DICOM PS3.5 annex G).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise

from thyrosight.frames.headers import HeaderError

MAX_SEGMENTS = 4_096
MAX_TILES = 4_096
MAX_SCANS = 64
MAX_BOXES = 256

_COD, _SOT, _SOD = 0xFF52, 0xFF90, 0xFF93
_SOI, _SOC, _JP2 = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_LOSSLESS_FRAMES = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_RGB_IDS = (ord("R"), ord("G"), ord("B"))
_RLE_HEADER_BYTES, _RLE_MAX_SEGMENTS = 64, 15


@dataclass(frozen=True)
class Codestream:
    """The claims of a compressed frame.

    colours: "RGB" or "YBR" where the frame states it (Adobe's marker, JFIF, component names, subsampling; the colour
    transform of JPEG 2000, whose decoders return RGB), else None. has_adobe: whether it has Adobe's marker.
    is_lossless: whether a JPEG is of the lossless process. is_signed: whether the samples are signed numbers.
    """

    kind: str
    rows: int
    columns: int
    channels: int
    bits: int
    colours: str | None = None
    has_adobe: bool = False
    is_lossless: bool = False
    is_signed: bool = False

    @property
    def has_stated_colours(self) -> bool:
        """Whether a marker or the names of the channels state the colours; JFIF alone is often left over."""
        return self.has_adobe or self.colours == "RGB"


def read_codestream(data: bytes) -> Codestream:
    """One compressed frame -> Codestream. HeaderError where it is damaged, or is not JPEG, JPEG-LS or JPEG 2000."""
    try:
        if data.startswith(_SOI):
            return _read_jpeg(data)
        if data.startswith(_SOC):
            return _read_jpeg2000(data, 2)
        if data.startswith(_JP2):
            return _read_jpeg2000(data, _codestream_in_boxes(data))
    except (struct.error, IndexError):
        raise HeaderError("damaged: a compressed frame is cut off inside its header") from None
    raise HeaderError("damaged: a compressed frame does not begin as one")


def starts_frame(head: bytes) -> bool:
    """First bytes of a fragment -> whether a compressed frame begins there."""
    return head.startswith((_SOI, _SOC, _JP2))


def starts_rle_frame(head: bytes) -> bool:
    """First bytes of a fragment -> whether an RLE frame begins there (number of segments, place of the first)."""
    if len(head) < 8:
        return False
    num_segments, first = struct.unpack_from("<II", head)
    return bool(1 <= num_segments <= _RLE_MAX_SEGMENTS and first == _RLE_HEADER_BYTES)


def _read_jpeg(data: bytes) -> Codestream:
    """Reads the segments of a JPEG or JPEG-LS frame up to its first scan."""
    position, found = 2, None
    adobe: int | None = None
    is_jfif = False
    for _ in range(MAX_SEGMENTS):
        if data[position] != 0xFF:
            break
        while data[position] == 0xFF:
            position += 1
        marker, position = data[position], position + 1
        if marker in _BARE:
            continue
        if marker in (0xD9, 0x00):
            break
        length = struct.unpack_from(">H", data, position)[0]
        body = data[position + 2 : position + length]
        if marker in _JPEG_FRAMES:
            found = body
            kind, is_lossless = "JPEG-LS" if marker == 0xF7 else "JPEG", marker in _LOSSLESS_FRAMES
        elif marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        elif marker == 0xE0 and body.startswith(b"JFIF"):
            is_jfif = True
        elif marker == 0xDA:
            if found is None or data.count(b"\xff\xda") > MAX_SCANS:
                break
            bits, rows, columns, channels = struct.unpack_from(">BHHB", found)
            colours = _jpeg_colours(found, channels, adobe, is_jfif) if channels == 3 and kind == "JPEG" else None
            return Codestream(kind, rows, columns, channels, bits, colours, adobe is not None, is_lossless)
        position += max(2, length)
    raise HeaderError("damaged: a compressed frame holds no JPEG image data")


def _jpeg_colours(frame: bytes, channels: int, adobe: int | None, is_jfif: bool) -> str | None:
    """Body of the frame's segment, Adobe's transform, JFIF -> RGB or YBR, as the frame states; else None."""
    components = [struct.unpack_from("BBB", frame, 6 + 3 * index) for index in range(channels)]
    if adobe is not None:
        return "YBR" if adobe else "RGB"
    if tuple(component[0] for component in components) == _RGB_IDS:
        return "RGB"
    is_subsampled = len({component[1] for component in components}) > 1
    return "YBR" if is_jfif or is_subsampled else None


def _codestream_in_boxes(data: bytes) -> int:
    """JP2 file -> position of the codestream's SIZ marker."""
    position = 0
    for _ in range(MAX_BOXES):
        length, kind = struct.unpack_from(">I4s", data, position)
        head = 8
        if length == 1:
            length, head = struct.unpack_from(">Q", data, position + 8)[0], 16
        if kind == b"jp2c":
            return position + head + 2
        if length < head:
            break
        position += length
    raise HeaderError("damaged: a JPEG 2000 frame holds no codestream")


def _read_jpeg2000(data: bytes, siz: int) -> Codestream:
    """JPEG 2000, position of its SIZ marker -> its claims; the number of tiles has a limit too."""
    marker, _, _, right, below, left, top, tile_width, tile_height, _, _, channels = struct.unpack_from(
        ">HHHIIIIIIIIH", data, siz
    )
    if marker != 0xFF51 or right <= left or below <= top or not tile_width or not tile_height or not channels:
        raise HeaderError("damaged: a JPEG 2000 frame without a valid size")
    if -(-right // tile_width) * -(-below // tile_height) > MAX_TILES:
        raise HeaderError(f"damaged: a JPEG 2000 frame in more than {MAX_TILES:,} tiles")
    for index in range(channels):
        depth, step_x, step_y = struct.unpack_from("BBB", data, siz + 40 + 3 * index)
        if (step_x, step_y) != (1, 1):
            raise HeaderError("a JPEG 2000 frame with channels of unlike size", "export it uncompressed")
    colours = "RGB" if channels >= 3 and _has_colour_transform(data, siz) else None
    is_signed = bool(depth & 0x80)
    return Codestream(
        "JPEG 2000", below - top, right - left, channels, (depth & 0x7F) + 1, colours, is_signed=is_signed
    )


def _has_colour_transform(data: bytes, siz: int) -> bool:
    """JPEG 2000, position of its SIZ marker -> whether its COD segment states a transform of the colours (A.6.1)."""
    position = siz
    for _ in range(MAX_SEGMENTS):
        if position + 9 > len(data):
            break
        marker, length = struct.unpack_from(">HH", data, position)
        if marker in (_COD, _SOT, _SOD):
            return bool(marker == _COD and data[position + 8] == 1)
        position += 2 + max(2, length)
    return False


def decode_rle(data: bytes, num_segments: int, segment_bytes: int) -> list[bytes]:
    """One RLE frame -> its segments (byte planes, most significant first), each of exactly segment_bytes bytes."""
    if len(data) < _RLE_HEADER_BYTES:
        raise HeaderError("cut off: an RLE frame without its header")
    claimed, *offsets = struct.unpack_from("<16I", data)
    if claimed != num_segments or claimed > _RLE_MAX_SEGMENTS:
        raise HeaderError(f"damaged: an RLE frame of {claimed:,} segments where its header asks for {num_segments}")
    bounds = [*offsets[:claimed], len(data)]
    if bounds[0] < _RLE_HEADER_BYTES or any(a >= b for a, b in pairwise(bounds)):
        raise HeaderError("damaged: the segments of an RLE frame overlap or are outside it")
    return [_unpacked(data[a:b], segment_bytes) for a, b in pairwise(bounds)]


def _unpacked(packed: bytes, num_bytes: int) -> bytes:
    """PackBits -> num_bytes bytes. HeaderError for fewer or more; one byte of padding is allowed."""
    unpacked = bytearray()
    position, end = 0, len(packed)
    while position + 1 < end and len(unpacked) < num_bytes:
        control = packed[position]
        if control < 128:
            unpacked += packed[position + 1 : position + 2 + control]
            position += 2 + control
        elif control > 128:
            unpacked += packed[position + 1 : position + 2] * (257 - control)
            position += 2
        else:
            position += 1
    if len(unpacked) != num_bytes or end - position > 2:
        held = "fewer" if len(unpacked) < num_bytes else "more"
        raise HeaderError(f"damaged: an RLE frame holds {held} bytes than its header asks for")
    return bytes(unpacked)
