"""DICOM or video file -> Frames, decoded by a child process; images that are not ultrasound are refused.

The parent process parses no DICOM itself. It recognises the kind of a file by its first bytes, and checks each reply of
the child against the header that the child sent first. The child reads nothing that identifies the patient.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from thyrosight.errors import InputError
from thyrosight.files import mend_of, sha256_of
from thyrosight.frames.decoder.client import DecodeChild, borrowed_child
from thyrosight.frames.gray import gray_and_rgb
from thyrosight.frames.headers import HeaderError, has_dicom_preamble, is_phone_picture
from thyrosight.frames.spacing import agreeing, check_square, frame_spacing, read_regions, unlikely_view
from thyrosight.types import Frame, Region, Spacing, UInt8Array

HEAD_BYTES = 160
MAX_FILE_BYTES = 2 << 30
"""A clip of 300 uncompressed frames of 1024 x 768 has 700 MB; one frame is read at a time."""

ULTRASOUND = "US"
VIDEO_SPACING = "a video does not say how many millimetres a pixel is"
_STORAGE = "1.2.840.10008.5.1.4.1.1."
_ULTRASOUND_CLASSES = frozenset(_STORAGE + number for number in ("3", "3.1", "6", "6.1"))
_VOLUME_CLASS = _STORAGE + "6.2"
_CAPTURE_CLASSES = frozenset(("", *(_STORAGE + number for number in ("7", "7.1", "7.2", "7.3", "7.4"))))
IMAGE_CLASSES = tuple(sorted(_ULTRASOUND_CLASSES | _CAPTURE_CLASSES - {""}))
"""SOP classes that may hold ultrasound: images and clips, current and retired, and five kinds of secondary capture."""
_CAPTURE_MODALITIES = frozenset(("", "OT", "SC"))
_VIDEO_BRANDS = (b"ftyp", b"moov", b"mdat", b"wide")


def kind_of(head: bytes) -> str | None:
    """First HEAD_BYTES of a file -> "dicom", "video", or None for anything else.

    DICOM without a preamble is recognised by its first element: its group is 2 or 8, its number is low, and a value
    representation or a short length follows.
    """
    if has_dicom_preamble(head):
        return "dicom"
    if is_phone_picture(head):
        return None
    if head[4:8] in _VIDEO_BRANDS or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return "video"
    if len(head) < 12:
        return None
    if head[:2] in (b"\x02\0", b"\x08\0") and head[3] == 0 and head[2] < 0x80:
        has_type = head[4:6].isalpha() and head[4:6].isupper()
        return "dicom" if has_type or int.from_bytes(head[4:8], "little") <= 1024 else None
    if head[0] == 0 and head[1] in (2, 8) and head[2] == 0 and head[4:6].isalpha() and head[4:6].isupper():
        return "dicom"
    return None


class DecodedFile:
    """An open DICOM or video file; `frame` decodes one of its frames."""

    def __init__(self, child: DecodeChild, header: dict[str, Any], path: Path | None, name: str, sha256: str) -> None:
        self._child, self._path, self._name, self._sha256 = child, path, name, sha256
        self.num_frames = int(header["num_frames"])
        self.frame_ms: float | None = header["frame_ms"]
        """Milliseconds from frame to frame, None where the file does not state them."""
        self._size_hw = int(header["rows"]), int(header["columns"])
        self._facts = _facts(name, header, self._size_hw)

    @property
    def is_clip(self) -> bool:
        """Whether it has several frames of one sweep; `predict` reads all of them unless one is chosen."""
        return self.num_frames > 1

    def frame(self, index: int) -> Frame:
        """Index in 0..num_frames-1 -> Frame. InputError where it can't be decoded."""
        if not 0 <= index < self.num_frames:
            raise InputError(f"{self._name}: {self.num_frames} frames, counted from 0; there is no frame {index}")
        reply, content = _asked(self._child, self._where(index), {"op": "frame", "index": index})
        shape = tuple(reply["shape"])
        if shape not in (self._size_hw, (*self._size_hw, 3)):
            raise InputError(f"{self._name}: damaged: a frame has another size than its header states; export it again")
        image: UInt8Array = np.frombuffer(content, np.uint8).reshape(shape)
        gray_HW, rgb_HW3 = (image, None) if image.ndim == 2 else gray_and_rgb(image)
        return Frame(self._path, gray_HW, rgb_HW3, sha256=self._sha256, frame_index=index, num_frames=self.num_frames,
                     **self._facts)  # fmt: skip

    def _where(self, index: int) -> str:
        return f"{self._name}: frame {index + 1} of {self.num_frames}" if self.num_frames > 1 else self._name


@contextmanager
def open_decoded(kind: str, path: Path | None, data: bytes | None = None) -> Iterator[DecodedFile]:
    """Kind from `kind_of`, path, bytes of the file (None: they are read from the path) -> the open file.

    Errors name the path. InputError where the file is damaged, too large, or not ultrasound.
    """
    name = str(path) if path is not None else "image"
    sha256 = hashlib.sha256(data).hexdigest() if data is not None else _bounded_sha256(Path(name))
    place = os.path.abspath(name) if data is None else None
    with ExitStack() as stack:
        try:
            child = stack.enter_context(borrowed_child())
        except InputError as error:
            raise InputError(f"{name}: {error}") from error.__cause__
        request = {"op": "open", "kind": kind, "path": place}
        header = _asked(child, name, request, data or b"")[0]["header"]
        yield DecodedFile(child, header, path, name, sha256)


def is_dicomdir(name: str) -> bool:
    """Name of a file -> whether it is the index of a DICOM medium."""
    return name.upper() == "DICOMDIR"


def files_of_dicomdir(path: Path, data: bytes | None = None) -> list[tuple[str, ...]]:
    """DICOMDIR, its bytes (None: read from the path) -> the images that it names, as parts of paths below its folder.

    InputError where it is damaged.
    """
    with borrowed_child() as child:
        place = os.path.abspath(path) if data is None else None
        _, content = _asked(child, str(path), {"op": "index", "path": place}, data or b"")
    return [tuple(parts) for parts in json.loads(content)]


def _bounded_sha256(path: Path) -> str:
    """Path -> SHA-256 of a file of at most MAX_FILE_BYTES."""
    try:
        num_bytes = path.stat().st_size
        if num_bytes <= MAX_FILE_BYTES:
            return sha256_of(path)
    except OSError as error:
        mend = mend_of(error, "check the path and its permissions")
        raise InputError(f"{path}: can't be read ({error.strerror}); {mend}") from error
    limit_mb = MAX_FILE_BYTES >> 20
    raise InputError(f"{path}: {num_bytes / 2**20:,.0f} MB, the limit is {limit_mb:,} MB; export fewer frames")


def _asked(
    child: DecodeChild, name: str, request: dict[str, Any], body: bytes = b""
) -> tuple[dict[str, Any], bytearray]:
    try:
        return child.ask(request, body)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error.__cause__


def _facts(name: str, header: dict[str, Any], size_hw: tuple[int, int]) -> dict[str, Any]:
    """Header from the child -> the fields of a Frame that are the same for all frames."""
    if "sop_class" not in header:
        _check_square(name, header["pixel_ratio"], "sample aspect ratio")
        return {"spacing": None, "spacing_reason": VIDEO_SPACING}
    modality = ultrasound_modality(name, header["sop_class"], header["modality"])
    regions, fault = read_regions(header["regions"], size_hw[1], size_hw[0])
    if (stated_hw := header.get("stated_hw", [*size_hw])) != [*size_hw]:
        sizes = [f"{width:,} x {height:,} pixels" for height, width in (size_hw, stated_hw)]
        regions, fault = (), f"a video of {sizes[0]}, and its header states {sizes[1]}: it was resized after the scan"
    regions = agreeing(regions, header["pixel_spacing"], size_hw)
    if not any(region.spacing for region in regions):
        _check_square(name, header["pixel_ratio"], "PixelAspectRatio")
    spacing, reason = frame_spacing(regions, fault, header["pixel_spacing"], size_hw)
    return {
        "spacing": spacing,
        "spacing_reason": reason,
        "regions": regions,
        "modality": modality,
        "other_body_part": header["other_body_part"] or None,
        "has_colour_data": bool(header["has_colour_data"]),
    }


def _check_square(name: str, ratio: float | None, element: str) -> None:
    try:
        check_square(ratio, element)
    except HeaderError as error:
        raise InputError(f"{name}: {error}") from None


def ultrasound_modality(name: str, sop_class: str, modality: str) -> str:
    """SOP class and modality of a DICOM image -> its modality, "US" for ultrasound; InputError for any other kind.

    A secondary capture without a modality is accepted, because many systems store ultrasound in this way; it gets a
    flag later.
    """
    if sop_class == _VOLUME_CLASS:
        raise InputError(f"{name}: a 3-D ultrasound volume; export 2-D images from it")
    if modality == ULTRASOUND or sop_class in _ULTRASOUND_CLASSES:
        return ULTRASOUND
    if sop_class in _CAPTURE_CLASSES and modality in _CAPTURE_MODALITIES:
        return modality or "none"
    kind = modality or f"class {sop_class}"
    raise InputError(f"{name}: its header states {kind}, not ultrasound; pass B-mode images")


def with_spacing(frame: Frame, spacing: Spacing | None) -> Frame:
    """Frame, spacing from a person (None: keep the frame's) -> the frame with this spacing.

    InputError where it makes the view larger or smaller than any probe shows: then it is in another unit.
    """
    if spacing is None:
        return frame
    height, width = frame.size_hw
    if reason := unlikely_view(spacing, width, height, f"--mm-per-pixel {spacing.row_mm:g},{spacing.column_mm:g}"):
        name = frame.path if frame.path is not None else "image"
        raise InputError(f"{name}: {reason}; give the millimetres of one pixel")
    from dataclasses import replace

    regions: tuple[Region, ...] = ()
    return replace(frame, spacing=spacing, spacing_reason="given by the user (--mm-per-pixel)", regions=regions)
