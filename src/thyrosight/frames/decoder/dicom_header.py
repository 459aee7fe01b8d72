"""DICOM stream -> its encoding, its image module, and the facts that the parent process may get; runs in the child.

A false length costs no memory, and each value is checked. Nothing that identifies a patient is read or passed on.

Source: DICOM PS3.3 C.7.6.3 (image pixel), C.7.6.5 (cine), C.8.5.5 (ultrasound regions); PS3.5 annex A; PS3.10 7.1.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from thyrosight.frames.decoder.body_parts import other_body_part
from thyrosight.frames.decoder.dicom_pixels import OVERLAY_BITS
from thyrosight.frames.decoder.layout import Layout
from thyrosight.frames.headers import MAX_FRAMES, HeaderError, has_dicom_preamble
from thyrosight.frames.transfer_syntaxes import BIG, DEFLATED, EXPLICIT, IMPLICIT

MAX_INFLATED_BYTES = 256 << 20
MAX_PIXELS = 20_000_000
MIN_SIDE_PX = 32
MAX_REGIONS = 64
MAX_META_ELEMENTS = 64
UNDEFINED = 0xFFFFFFFF
"""Stands for a length that is not stated; marks show the end."""

_PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
LONG_VRS = frozenset((b"OB", b"OW", b"OF", b"SQ", b"UT", b"UN", b"OD", b"OL", b"OV", b"UC", b"UR", b"SV", b"UV"))

ELEMENTS = (
    *("SOPClassUID", "Modality", "ImageType", "BodyPartExamined"),
    *("NumberOfFrames", "FrameTime", "CineRate", "RecommendedDisplayFrameRate"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "ExtendedOffsetTable"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "VOILUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "PresentationLUTShape"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")),
    *(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *("SequenceOfUltrasoundRegions", "UltrasoundColorDataPresent", "PixelSpacing", "PixelAspectRatio"),
)
"""Keywords of the elements that are read; all others are skipped."""

_REGION_NUMBERS = {
    "format": "RegionSpatialFormat",
    "data_type": "RegionDataType",
    "flags": "RegionFlags",
    "x0": "RegionLocationMinX0",
    "y0": "RegionLocationMinY0",
    "x1": "RegionLocationMaxX1",
    "y1": "RegionLocationMaxY1",
    "units_x": "PhysicalUnitsXDirection",
    "units_y": "PhysicalUnitsYDirection",
    "delta_x": "PhysicalDeltaX",
    "delta_y": "PhysicalDeltaY",
}


UNSAID = 0
"""Stands for a number of frames that the header does not state; then the frames in the pixel data are counted."""


class Bounded:
    """A stream that never reads past its end, so that a false length costs no memory."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.num_bytes = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        self.seek, self.tell = stream.seek, stream.tell
        self.name = ""

    def read(self, num_bytes: int = -1) -> bytes:
        left = max(0, self.num_bytes - self.tell())
        return self._stream.read(left if num_bytes < 0 else min(num_bytes, left))

    def exactly(self, at: int, num_bytes: int) -> bytes:
        if at < 0 or num_bytes < 0 or at + num_bytes > self.num_bytes:
            raise HeaderError("cut off: the file ends inside the image")
        self.seek(at)
        return self.read(num_bytes)


@dataclass(frozen=True)
class Encoding:
    """How the data set is encoded, and its position in the stream."""

    transfer_syntax: str
    is_implicit: bool
    is_little: bool
    start: int


def read_dataset(stream: Bounded, keywords: tuple[str, ...] = ELEMENTS) -> tuple[Bounded, Encoding, Any]:
    """Stream of a DICOM file, keywords -> (stream at its pixel data, its encoding, the elements of these keywords).

    For a deflated file the stream is a new one, of the inflated data set.
    """
    import pydicom.config
    from pydicom import filereader
    from pydicom.datadict import tag_for_keyword

    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    encoding = read_encoding(stream)
    if encoding.transfer_syntax == DEFLATED:
        stream = Bounded(io.BytesIO(inflated(stream, encoding.start)))
        encoding = Encoding(DEFLATED, False, True, 0)
    stream.seek(encoding.start)
    wanted = [*(tag for tag in map(tag_for_keyword, keywords) if tag is not None), *OVERLAY_BITS]
    dataset = filereader.read_dataset(
        stream,  # type: ignore[arg-type]
        encoding.is_implicit,
        encoding.is_little,
        stop_when=_at_pixels(stream, frozenset(wanted)),
        specific_tags=wanted,
    )
    return stream, encoding, dataset


def _at_pixels(stream: Bounded, wanted: frozenset[int]) -> Callable[[int, str | None, int], bool]:
    """Stream, tags that are read -> the question of pydicom's reader before each element: are these the pixels?

    HeaderError where an element that is read is there twice, because nothing says which of the two holds, and where it
    ends beyond the file.
    """
    seen: set[int] = set()

    def is_pixels(tag: int, vr: str | None, length: int) -> bool:
        if tag in seen:
            raise HeaderError("damaged: its header holds an element twice")
        if tag in wanted:
            seen.add(tag)
            if length != UNDEFINED and length > stream.num_bytes - stream.tell():
                raise HeaderError("cut off: the file ends inside its header")
        return tag in _PIXEL_TAGS

    return is_pixels


def read_encoding(stream: Bounded) -> Encoding:
    """Stream -> transfer syntax, and position of the data set; without a preamble the first element decides.

    File meta information: PS3.10 section 7.1, always explicit little endian.
    """
    position = 132 if has_dicom_preamble(stream.exactly(0, min(132, stream.num_bytes))) else 0
    syntax = None
    for _ in range(MAX_META_ELEMENTS):
        stream.seek(position)
        head = stream.read(12)
        if len(head) < 12 or head[:2] != b"\x02\0":
            break
        is_long = head[4:6] in LONG_VRS
        length = struct.unpack_from("<I" if is_long else "<H", head, 8 if is_long else 6)[0]
        start = position + (12 if is_long else 8)
        if head[2:4] == b"\x10\0":
            syntax = stream.exactly(start, length).strip(b"\0 ").decode("ascii", "replace") or None
        position = start + length
    stream.seek(position)
    head = stream.read(6)
    if len(head) < 6:
        raise HeaderError("holds no image: the file ends after its DICOM header")
    is_explicit = head[4:6].isalpha() and head[4:6].isupper()
    if syntax is None:
        is_little = not (is_explicit and int.from_bytes(head[:2], "little") >= 1024)
        names = {(False, True): IMPLICIT, (True, True): EXPLICIT, (True, False): BIG}
        return Encoding(names[is_explicit, is_little], not is_explicit, is_little, position)
    is_implicit = syntax == IMPLICIT
    if syntax != DEFLATED and is_implicit == is_explicit:
        is_implicit = not is_explicit  # some writers state one and write the other; the first element decides
    return Encoding(syntax, is_implicit, syntax != BIG, position)


def inflated(stream: Bounded, start: int) -> bytes:
    """Stream at a deflated data set (PS3.5 A.5) -> the data set inflated, at most MAX_INFLATED_BYTES."""
    stream.seek(start)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(stream.read(), MAX_INFLATED_BYTES)
    except zlib.error:
        raise HeaderError("damaged: its deflated data can't be inflated") from None
    if inflater.unconsumed_tail:
        limit_mb = MAX_INFLATED_BYTES >> 20
        raise HeaderError(f"inflates to more than {limit_mb} MB", "export the frames that you need")
    if not inflater.eof:
        raise HeaderError("cut off: its deflated data ends too early")
    return data


def read_layout(dataset: Any, encoding: Encoding, vr: str | None) -> Layout:
    """Data set -> its image pixel module, each value checked; HeaderError names the value that is wrong."""
    photometric = str(dataset.get("PhotometricInterpretation") or "").strip().upper()
    if not photometric:
        raise HeaderError("damaged: its header gives no PhotometricInterpretation")
    rows, columns = (_needed(dataset, name) for name in ("Rows", "Columns"))
    if rows * columns > MAX_PIXELS:
        limit = f"{MAX_PIXELS // 1_000_000} million"
        raise HeaderError(f"its header claims {columns:,} x {rows:,} pixels, the limit is {limit}", "export it smaller")
    if min(rows, columns) < MIN_SIDE_PX:
        fix = f"pass at least {MIN_SIDE_PX} x {MIN_SIDE_PX}"
        raise HeaderError(f"{columns:,} x {rows:,} pixels, too small to hold a nodule", fix)
    num_frames = _number(dataset, "NumberOfFrames")
    num_frames = num_frames or UNSAID  # some writers give 0 for a still
    if not UNSAID <= num_frames <= MAX_FRAMES:
        raise HeaderError(f"its header claims {num_frames:,} frames; 1 to {MAX_FRAMES:,} can be read")
    allocated = _needed(dataset, "BitsAllocated")
    stored = _number(dataset, "BitsStored") or allocated
    high_bit = _number(dataset, "HighBit")
    layout = Layout(
        transfer_syntax=encoding.transfer_syntax,
        is_little=encoding.is_little,
        vr=vr,
        rows=rows,
        columns=columns,
        num_frames=num_frames,
        channels=_number(dataset, "SamplesPerPixel") or 1,
        photometric=photometric,
        is_planar=_number(dataset, "PlanarConfiguration") == 1,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=stored - 1 if high_bit is None else high_bit,
        is_signed=_number(dataset, "PixelRepresentation") == 1,
    )
    layout.check()
    return layout


def header_facts(dataset: Any) -> dict[str, Any]:
    """Data set -> the facts for the parent: numbers, and codes of the standard; no free text."""
    try:
        items = list(dataset.get("SequenceOfUltrasoundRegions") or ())[:MAX_REGIONS]
    except TypeError:
        items = []
    regions = [{name: _plain(item.get(word)) for name, word in _REGION_NUMBERS.items()} for item in items]
    return {
        "sop_class": _code(dataset.get("SOPClassUID"), 64),
        "modality": _code(dataset.get("Modality"), 16).upper(),
        "other_body_part": other_body_part(_image_type_3(dataset), _code(dataset.get("BodyPartExamined"), 16)),
        "regions": regions,
        "pixel_spacing": _pair(dataset.get("PixelSpacing")),
        "pixel_ratio": _ratio(dataset.get("PixelAspectRatio")),
        "has_colour_data": _plain(dataset.get("UltrasoundColorDataPresent")) == 1,
        "frame_ms": _frame_ms(dataset),
    }


def _frame_ms(dataset: Any) -> float | None:
    """-> milliseconds from frame to frame (PS3.3 C.7.6.5), None where the file does not state them."""
    time_ms = _plain(dataset.get("FrameTime"))
    rate = _plain(dataset.get("CineRate")) or _plain(dataset.get("RecommendedDisplayFrameRate"))
    found = time_ms or (1000 / rate if rate else None)
    return found if found is not None and 1 <= found < 60_000 else None  # below 1 ms it is in another unit


def _plain(value: Any) -> float | None:
    """Value of an element -> a finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) < 1e12 else None


def _pair(value: Any) -> list[float | None] | None:
    """PixelSpacing -> [row, column], None where it is absent, [None, None] where it is no pair of numbers."""
    if value is None or value == "":
        return None
    try:
        row, column = value
    except (TypeError, ValueError):
        return [None, None]
    return [_plain(row), _plain(column)]


def _ratio(value: Any) -> float | None:
    """PixelAspectRatio (PS3.3 C.7.6.3.1.7) -> height over width of a pixel; None where it is absent or no pair."""
    height, width = _pair(value) or (None, None)
    return height / width if height and width and height > 0 and width > 0 else None


def _image_type_3(dataset: Any) -> str:
    """-> value 3 of Image Type, "" where it is absent."""
    found = dataset.get("ImageType")
    values = [] if found is None or isinstance(found, str) else list(found)
    return _code(values[2], 16) if len(values) > 2 else ""


def _code(value: Any, max_length: int) -> str:
    """A UID or code string -> its letters, digits and dots; other characters are dropped."""
    return "".join(c for c in str(value or "")[:max_length] if c.isascii() and (c.isalnum() or c in "._ ")).strip()


def _number(dataset: Any, keyword: str) -> int | None:
    value = dataset.get(keyword)
    if value is None or value == "":
        return None
    number = _plain(value)
    if number is None or number != int(number):
        raise HeaderError(f"damaged: its header's {keyword} is not a number")
    return int(number)


def _needed(dataset: Any, keyword: str) -> int:
    number = _number(dataset, keyword)
    if number is None or number < 1:
        raise HeaderError(f"damaged: its header gives no {keyword}")
    return number
