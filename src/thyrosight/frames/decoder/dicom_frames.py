"""DICOM stream -> facts of its header, and its frames one at a time; runs in the decoding child (worker.py).

Only the elements in ELEMENTS (dicom_header.py) are read; none of them identifies a patient. The pixel data stays in the
file. The bytes of an uncompressed frame are found by their position, those of a compressed one by the list of
fragments. They are checked against the header before they are decoded.

Source: DICOM PS3.5 annex A (transfer syntaxes, fragments, offset tables), PS3.3 C.7.6.3 (image pixel).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any, BinaryIO

from thyrosight.frames.decoder.codestream import starts_frame, starts_rle_frame
from thyrosight.frames.decoder.dicom_header import (
    LONG_VRS,
    UNDEFINED,
    Bounded,
    Encoding,
    header_facts,
    read_dataset,
    read_layout,
)
from thyrosight.frames.decoder.dicom_pixels import FrameDecoder, as_claimed
from thyrosight.frames.decoder.layout import Layout
from thyrosight.frames.decoder.video import VideoFrames
from thyrosight.frames.headers import MAX_FRAMES, HeaderError
from thyrosight.frames.transfer_syntaxes import BIG, COMPRESSED, NATIVE, RLE, VIDEO
from thyrosight.types import UInt8Array

MAX_FRAGMENTS = 100_000
MAX_FRAME_BYTES = 256 << 20

_DOCUMENT_CLASSES = "1.2.840.10008.5.1.4.1.1.104."
_ITEM, _END = 0xFFFEE000, 0xFFFEE0DD

STILL_CLASSES = frozenset(f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("6", "6.1", "7"))
"""SOP classes of one frame: ultrasound (retired and current), secondary capture."""
_OTHER_SAMPLING = {"YBR_FULL_422": ("YBR_FULL",), "YBR_FULL": ("YBR_FULL_422",)}

Places = list[tuple[tuple[int, int], ...]]
"""One entry per frame: (position, number of bytes) of its parts in the stream."""


class DicomFrames:
    """An open DICOM image: `header` is for the parent, `frame` decodes one frame."""

    def __init__(self, bytes_of: Callable[[int], bytes], decoder: FrameDecoder, header: dict[str, Any]) -> None:
        self._bytes_of, self._decoder = bytes_of, decoder
        self.header = header

    def frame(self, index: int) -> UInt8Array:
        """Index -> uint8 _HW gray or _HW3 RGB."""
        return self._decoder.frame(self._bytes_of(index))


def open_dicom(source: BinaryIO) -> DicomFrames | VideoFrames:
    """Stream of a DICOM file -> its frames, or the video inside it.

    HeaderError where the file is no image or is damaged.
    """
    stream, encoding, dataset = read_dataset(Bounded(source))
    at, num_bytes, vr = _pixel_data(stream, encoding, dataset)
    header = header_facts(dataset)
    if encoding.transfer_syntax in VIDEO:
        parts = tuple(_fragments(stream, at)[1:])
        stated = [int(dataset[name].value or 0) if name in dataset else 0 for name in ("Rows", "Columns")]
        return VideoFrames(io.BytesIO(frame_bytes(stream, parts)), header | {"stated_hw": stated})
    if encoding.transfer_syntax not in (*NATIVE, *COMPRESSED):
        named = "".join(c for c in encoding.transfer_syntax[:64] if c in "0123456789.")
        raise HeaderError(f"its compression ({named}) can't be decoded", "export it uncompressed")
    layout = read_layout(dataset, encoding, vr)
    is_native = encoding.transfer_syntax in NATIVE
    fragments = [] if is_native else _fragments_of(stream, at, num_bytes)
    if is_native and not layout.num_frames and header["sop_class"] in STILL_CLASSES:
        layout = replace(layout, num_frames=_frames_of_a_still(layout, num_bytes))
    layout = as_stored(layout, num_bytes) if is_native else _counted(layout, stream, fragments, dataset)
    header |= {"rows": layout.rows, "columns": layout.columns, "num_frames": layout.num_frames}
    if is_native:
        check_native(layout, at, num_bytes, stream.num_bytes)

        def bytes_of(index: int) -> bytes:
            return _native_frame(stream, layout, at, index)
    else:
        places = frame_places(stream, fragments, layout, dataset)
        layout = as_claimed(layout, frame_bytes(stream, places[0]))

        def bytes_of(index: int) -> bytes:
            return frame_bytes(stream, places[index])

    decoder = FrameDecoder(layout, dataset)
    decoder.learn_range(bytes_of)
    return DicomFrames(bytes_of, decoder, header)


def as_stored(layout: Layout, num_bytes: int) -> Layout:
    """The header's layout of uncompressed pixels, their length -> a layout that fits the length.

    Where the header contradicts the length, another sampling of the colours may fit it:

    some writers unpack 4:2:2 colour and leave the header unchanged, others do the reverse. Where the header states no
    number of frames, the length gives it. Where nothing fits, the header's layout is returned.
    """
    for photometric in (layout.photometric, *_OTHER_SAMPLING.get(layout.photometric, ())):
        as_said = replace(layout, photometric=photometric)
        held, over = divmod(num_bytes, as_said.frame_bytes)
        wanted = layout.num_frames or held
        if over <= 1 and held == wanted and 1 <= held <= MAX_FRAMES:  # a byte fills an odd length up
            as_said = replace(as_said, num_frames=held)
            as_said.check()
            return as_said
    return layout if layout.num_frames else replace(layout, num_frames=1)


def _frames_of_a_still(layout: Layout, num_bytes: int) -> int:
    """-> 1, the number of frames.

    HeaderError where the data is several times as long as the header states for one image.
    """
    times, over = divmod(num_bytes, layout.frame_bytes)
    if times > 1 and over <= 1 and layout.photometric not in _OTHER_SAMPLING:
        raise HeaderError(
            f"its pixel data is {times:,} times as long as its header's colours and bits say", "correct its header"
        )
    return 1


def _fragments_of(stream: Bounded, at: int, num_bytes: int) -> list[tuple[int, int]]:
    if num_bytes != UNDEFINED:
        raise HeaderError("damaged: its header states compressed pixel data, but the data is not in fragments")
    return _fragments(stream, at)


def _counted(layout: Layout, stream: Bounded, items: list[tuple[int, int]], dataset: Any) -> Layout:
    """Layout of compressed pixels -> the same with the number of frames that the fragments hold.

    HeaderError where the header states one frame and there are several, because nobody can know which one is meant.
    """
    starts = _starts_of(layout)
    begun = sum(starts(stream.exactly(at, min(12, length))) for at, length in items[1:])
    if layout.num_frames == 1 and begun > 1 and begun == len(items) - 1:
        raise HeaderError("its header claims 1 frame, but its pixel data holds " + f"{begun:,}", "correct its header")
    return layout if layout.num_frames else replace(layout, num_frames=min(max(begun, 1), MAX_FRAMES))


def _starts_of(layout: Layout) -> Callable[[bytes], bool]:
    """-> the question whether a fragment's first bytes begin a frame of this encoding."""
    return starts_rle_frame if layout.transfer_syntax == RLE else starts_frame


def _pixel_data(stream: Bounded, encoding: Encoding, dataset: Any) -> tuple[int, int, str | None]:
    """Stream at the pixel data's element -> (position of its value, number of bytes or UNDEFINED, VR)."""
    head = stream.read(8)
    order = "<" if encoding.is_little else ">"
    if len(head) < 8:
        if str(dataset.get("SOPClassUID") or "").startswith(_DOCUMENT_CLASSES):
            raise HeaderError("an encapsulated document, not an image", "export the image itself")
        if "Rows" in dataset:
            raise HeaderError("holds no pixel data")
        raise HeaderError("a DICOM file without an image", "pass the ultrasound image itself")
    group, element = struct.unpack_from(order + "HH", head)
    if (group, element) != (0x7FE0, 0x0010):
        raise HeaderError("floating-point pixels are no ultrasound image", "export it with 8 bits")
    if encoding.is_implicit:
        return stream.tell(), struct.unpack_from(order + "I", head, 4)[0], None
    if head[4:6] not in LONG_VRS:
        raise HeaderError("damaged: the pixel data's type is unknown")
    return stream.tell() + 4, struct.unpack(order + "I", stream.exactly(stream.tell(), 4))[0], head[4:6].decode()


def frame_bytes(stream: Bounded, parts: tuple[tuple[int, int], ...]) -> bytes:
    """Parts of a frame -> its bytes."""
    if sum(num_bytes for _, num_bytes in parts) > MAX_FRAME_BYTES:
        raise HeaderError(f"a frame of more than {MAX_FRAME_BYTES >> 20} MB", "export it as PNG")
    return b"".join(stream.exactly(at, num_bytes) for at, num_bytes in parts)


def check_native(layout: Layout, at: int, num_bytes: int, file_bytes: int) -> None:
    """HeaderError where the header claims more pixels than the uncompressed pixel data holds."""
    if num_bytes == UNDEFINED:
        raise HeaderError("damaged: its pixel data is in fragments, but its header states uncompressed data")
    if at + num_bytes > file_bytes:
        raise HeaderError("cut off: the file ends inside the image")
    held = num_bytes // layout.frame_bytes
    if held > layout.num_frames and num_bytes - held * layout.frame_bytes <= 1:
        claim = f"{layout.num_frames:,} frames" if layout.num_frames > 1 else "1 frame"
        raise HeaderError(f"its header claims {claim}, but its pixel data holds {held:,}", "correct its header")
    if held < layout.num_frames:
        claim = f"{layout.num_frames:,} x {layout.columns:,} x {layout.rows:,}"
        raise HeaderError(f"its header claims {claim} pixels, but it holds {held:,} of these frames")


def _native_frame(stream: Bounded, layout: Layout, at: int, index: int) -> bytes:
    """Uncompressed pixel data -> the bytes of one frame. Big-endian words are swapped to little-endian."""
    start, num_bytes = index * layout.frame_bytes, layout.frame_bytes
    if not (layout.transfer_syntax == BIG and layout.vr == "OW" and layout.bits_allocated == 8):
        return stream.exactly(at + start, num_bytes)
    first, end = start // 2 * 2, -(-(start + num_bytes) // 2) * 2
    words = bytearray(stream.exactly(at + first, end - first))
    words[0::2], words[1::2] = words[1::2], words[0::2]
    return bytes(words[start - first : start - first + num_bytes])


def _fragments(stream: Bounded, at: int) -> list[tuple[int, int]]:
    """Compressed pixel data -> (position, number of bytes) of its items, the offset table first (PS3.5 A.4)."""
    found: list[tuple[int, int]] = []
    while len(found) <= MAX_FRAGMENTS:
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            break
        group, element, length = struct.unpack("<HHI", head)
        if group << 16 | element == _END:
            break
        if group << 16 | element != _ITEM or at + 8 + length > stream.num_bytes:
            raise HeaderError("cut off or damaged: its compressed frames are not whole")
        found.append((at + 8, length))
        at += 8 + length
    else:
        raise HeaderError(f"holds more than {MAX_FRAGMENTS:,} fragments")
    if len(found) < 2:
        raise HeaderError("holds no compressed frame")
    return found


def frame_places(stream: Bounded, items: list[tuple[int, int]], layout: Layout, dataset: Any) -> Places:
    """Offset table and fragments -> the fragments of each frame.

    Where there are as many fragments as frames, each fragment is a frame. A single frame has all fragments. Otherwise
    the offset table (basic or extended) decides; without a table, the places where compressed frames begin.
    """
    (table_at, table_bytes), fragments = items[0], items[1:]
    num_frames, starts_one = layout.num_frames, _starts_of(layout)
    if len(fragments) == num_frames:
        return [(fragment,) for fragment in fragments]
    if num_frames == 1:
        return [tuple(fragments)]
    extended = dataset.get("ExtendedOffsetTable")
    starts: Callable[[tuple[int, int]], bool] = lambda fragment: starts_one(  # noqa: E731
        stream.exactly(fragment[0], min(12, fragment[1]))
    )
    table, step = (bytes(extended), 8) if extended else (stream.exactly(table_at, table_bytes), 4)
    if len(table) == step * num_frames:
        first = fragments[0][0] - 8
        offsets = {first + value for (value,) in struct.iter_unpack("<Q" if step == 8 else "<I", table)}
        starts = lambda fragment: fragment[0] - 8 in offsets  # noqa: E731
    places: list[list[tuple[int, int]]] = []
    for fragment in fragments:
        if starts(fragment):
            places.append([])
        if not places:
            break
        places[-1].append(fragment)
    if len(places) != num_frames:
        raise HeaderError(f"its header claims {num_frames:,} frames, but its pixel data holds {len(places):,}")
    return [tuple(parts) for parts in places]
