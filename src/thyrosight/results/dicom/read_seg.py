"""DICOM SEG that anybody made -> one mask per segment and source frame, with label, tracking identifier and UID.

It reads BINARY, FRACTIONAL (pixels of at least half of the maximum are inside) and LABELMAP segmentations. Compressed
pixels are refused, so that no decoder has to read a file of unknown origin. Nothing is resampled: a mask has the rows
and columns of the SEG.

Legend: `_HW` masks.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault
from thyrosight.types import BoolArray

SEG_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
MAX_PIXELS = 400_000_000
MAX_SIDE = 20_000
_UID = re.compile(r"[0-2](\.(0|[1-9][0-9]*)){1,40}")


@dataclass(frozen=True)
class SegmentMask:
    """One segment in one frame.

    source_uid, source_frame: UID and frame (from 0) of the image that it was drawn on; None where the file does not
    state them. algorithm: the SEG's word for who outlined it (AUTOMATIC, SEMIAUTOMATIC, MANUAL), or empty.
    """

    number: int
    label: str
    tracking_id: str | None
    tracking_uid: str | None
    algorithm: str
    source_uid: str | None
    source_frame: int | None
    mask_HW: BoolArray


def read_segments(path: Path) -> list[SegmentMask]:
    """SEG file -> its masks, in the order of its frames; empty masks are left out.

    InputError where the file is no SEG, is compressed, contradicts itself, or holds more than MAX_PIXELS pixels.
    """
    dataset = _dataset(path)
    if dataset.get("SOPClassUID") not in SEG_CLASSES:
        raise InputError(f"{path}: no DICOM segmentation; give a SEG, or a mask image")
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax not in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        raise InputError(f"{path}: its pixels are compressed ({syntax}); save it uncompressed, e.g. by dcmconv")
    try:
        return list(_masks(path, dataset))
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: not whole as a SEG ({type(error).__name__}: {error}); export it again") from error


def is_segmentation(path: Path) -> bool:
    """Whether the file is DICOM and states that it is a segmentation.

    OSError where the disk fails (raise_disk_fault).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return (
                dcmread(path, specific_tags=["SOPClassUID"], stop_before_pixels=True).get("SOPClassUID") in SEG_CLASSES
            )
    except Exception as error:  # anything that is no DICOM file
        raise_disk_fault(error, path)
        return False


def _dataset(path: Path) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return dcmread(path)
        except InvalidDicomError as error:
            raise InputError(f"{path}: not a DICOM file; give a SEG, or a mask image") from error
        except OSError as error:
            raise InputError(
                f"{path}: can't be read ({error.strerror or type(error).__name__}); check its path"
            ) from error
        except Exception as error:  # a damaged file can fail anywhere inside the reader
            raise InputError(f"{path}: damaged DICOM file ({type(error).__name__}); export it again") from error


def _masks(path: Path, dataset: Dataset) -> Iterator[SegmentMask]:
    frames = _frames(path, dataset)
    segments = {int(one.SegmentNumber): one for one in dataset.SegmentSequence}
    groups = list(dataset.PerFrameFunctionalGroupsSequence)
    if len(groups) != len(frames):
        raise InputError(f"{path}: {len(frames)} frames and {len(groups)} descriptions of frames; export it again")
    for group, frame_HW in zip(groups, frames, strict=True):
        source_uid, source_frame = _source_of(group, dataset)
        for number, mask_HW in _segments_in(path, dataset, group, frame_HW):
            if number not in segments:
                raise InputError(f"{path}: a frame is of segment {number}, which is not described; export it again")
            if mask_HW.any():
                yield _named(segments[number], number, source_uid, source_frame, mask_HW)


def _frames(path: Path, dataset: Dataset) -> np.ndarray[Any, Any]:
    """-> values of all frames (F, H, W)."""
    rows, columns, num = int(dataset.Rows), int(dataset.Columns), int(dataset.get("NumberOfFrames") or 1)
    bits = int(dataset.BitsAllocated)
    if not (0 < rows <= MAX_SIDE and 0 < columns <= MAX_SIDE and num > 0) or rows * columns * num > MAX_PIXELS:
        raise InputError(f"{path}: {num} frames of {columns} x {rows} pixels; at most {MAX_PIXELS} pixels are read")
    if bits not in (1, 8, 16) or int(dataset.get("SamplesPerPixel", 1)) != 1:
        raise InputError(f"{path}: {bits} bits per pixel; a SEG has 1, 8 or 16")
    wanted = rows * columns * num
    data = dataset.PixelData
    if len(data) * 8 < wanted * bits:
        raise InputError(f"{path}: its pixels end early; export it again")
    if bits == 1:
        flat = np.unpackbits(np.frombuffer(data, np.uint8), count=wanted, bitorder="little")
    else:
        flat = np.frombuffer(data, np.uint8 if bits == 8 else np.dtype("<u2"), count=wanted)
    return flat.reshape(num, rows, columns)


def _segments_in(
    path: Path, dataset: Dataset, group: Dataset, frame_HW: np.ndarray[Any, Any]
) -> Iterator[tuple[int, BoolArray]]:
    kind = str(dataset.SegmentationType)
    if kind == "LABELMAP":
        for number in np.unique(frame_HW[frame_HW > 0]):
            yield int(number), np.asarray(frame_HW == number)
        return
    identified = group.get("SegmentIdentificationSequence")
    if not identified:  # the same segment in all frames
        identified = dataset.SharedFunctionalGroupsSequence[0].SegmentIdentificationSequence
    number = int(identified[0].ReferencedSegmentNumber)
    if kind == "BINARY":
        yield number, np.asarray(frame_HW > 0)
    elif kind == "FRACTIONAL":
        yield number, np.asarray(frame_HW.astype(np.int64) * 2 >= int(dataset.MaximumFractionalValue)) & (frame_HW > 0)
    else:
        raise InputError(f"{path}: segmentation type {kind} is not known; known: BINARY, FRACTIONAL, LABELMAP")


def _source_of(group: Dataset, dataset: Dataset) -> tuple[str | None, int | None]:
    """-> UID and frame (from 0) of the image that the frame was drawn on.

    Where the frame does not state its image, this is the only source image of the SEG. (None, None) where the SEG has
    several source images.
    """
    for derivation in group.get("DerivationImageSequence") or ():
        for source in derivation.get("SourceImageSequence") or ():
            frame = source.get("ReferencedFrameNumber")
            number = int(frame if not isinstance(frame, list) else frame[0]) - 1 if frame else None
            return str(source.ReferencedSOPInstanceUID), number
    instances = [
        instance
        for series in dataset.get("ReferencedSeriesSequence") or ()
        for instance in series.ReferencedInstanceSequence
    ]
    return (str(instances[0].ReferencedSOPInstanceUID), None) if len(instances) == 1 else (None, None)


def _named(
    segment: Dataset, number: int, source_uid: str | None, source_frame: int | None, mask_HW: BoolArray
) -> SegmentMask:
    uid = str(segment.get("TrackingUID") or "")
    return SegmentMask(
        number=number,
        label=str(segment.get("SegmentLabel") or f"segment {number}"),
        tracking_id=str(segment.TrackingID) if segment.get("TrackingID") else None,
        tracking_uid=uid if _UID.fullmatch(uid) and len(uid) <= 64 else None,
        algorithm=str(segment.get("SegmentAlgorithmType") or ""),
        source_uid=source_uid,
        source_frame=source_frame,
        mask_HW=mask_HW,
    )
