"""Pictures -> bytes of DICOM files of every kind that can be encoded here, and of those that must be refused."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pydicom.config
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

US, US_MULTI, SC = (f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("6.1", "3.1", "7"))
NATIVE = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}
SIZE_HW = (48, 64)
Array = NDArray[Any]


def gray_picture(levels: int = 256, seed: int = 0) -> Array:
    """-> _HW of 0..levels-1: a ramp with a dark disc and a bright corner, uint8 or uint16."""
    height, width = SIZE_HW
    rows, columns = np.mgrid[:height, :width]
    image_HW = (columns * (levels - 1) // (width - 1)).astype(np.uint16)
    image_HW[(rows - 24) ** 2 + (columns - 20 - seed) ** 2 < 64] = levels // 16
    image_HW[:6, :6] = levels - 1
    return image_HW.astype(np.uint8) if levels <= 256 else image_HW


def colour_picture() -> Array:
    """-> RGB uint8 _HW3 of eight plain patches with even sides, over a gray ramp, so that every channel differs."""
    height, width = SIZE_HW
    image_HW3 = np.repeat(gray_picture()[..., None], 3, axis=2)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255), (10, 20, 30)]
    for index, colour in enumerate(colours):
        image_HW3[16 : height - 8, 8 * index : 8 * index + 8] = colour
    image_HW3[-8:, width // 2 :] = (200, 120, 40)
    return image_HW3


def to_ybr(rgb_HW3: Array) -> Array:
    """RGB -> full-range YCbCr by the formula of PS3.3 C.7.6.3.1.2, rounded."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    return np.clip(np.rint(rgb_HW3 @ matrix.T + [0, 128, 128]), 0, 255).astype(np.uint8)


def dataset(size_hw: tuple[int, int] = SIZE_HW, photometric: str = "MONOCHROME2", **elements: Any) -> Dataset:
    """-> an ultrasound image's data set without pixels; elements are set, None removes one."""
    found = Dataset()
    values: dict[str, Any] = {
        "SOPClassUID": US,
        "SOPInstanceUID": "1.2.3.4.5",
        "Modality": "US",
        "PatientName": "Secret^Name",
        "PatientID": "4711-SECRET",
        "Rows": size_hw[0],
        "Columns": size_hw[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": photometric,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "PixelRepresentation": 0,
    }
    if photometric in ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT"):
        values |= {"SamplesPerPixel": 3, "PlanarConfiguration": 0}
    values |= elements
    values.setdefault("HighBit", (values["BitsStored"] or 8) - 1)
    for name, value in values.items():
        if value is not None:
            setattr(found, name, value)
    return found


def file_of(found: Dataset, pixels: bytes | None, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Data set, its pixel data (encapsulated where the syntax compresses) -> bytes of a DICOM file."""
    syntax = UID(syntax)
    if pixels is not None:
        found.PixelData = pixels + b"\0" * (len(pixels) % 2)
        is_deep = found.BitsAllocated > 8 if "BitsAllocated" in found else False
        found["PixelData"].VR = "OW" if is_deep and not syntax.is_compressed else "OB"
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = syntax
    found.file_meta.MediaStorageSOPClassUID = found.get("SOPClassUID", US)
    found.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    stream = io.BytesIO()
    dcmwrite(stream, found, enforce_file_format=True)
    return stream.getvalue()


def native(image: Array, photometric: str = "MONOCHROME2", syntax: str = ExplicitVRLittleEndian, **more: Any) -> bytes:
    """Samples _HW, _HW3, _NHW or _NHW3 as they are stored -> an uncompressed file."""
    is_deep = image.dtype.itemsize == 2
    elements: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": 16} if is_deep else {}
    found = dataset(size_of(image, photometric), photometric, **elements | more)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    frames = image if "NumberOfFrames" in found else image[None]
    if photometric == "YBR_FULL_422":
        frames = np.stack(
            [frames[..., ::2, 0], frames[..., 1::2, 0], frames[..., ::2, 1], frames[..., ::2, 2]], axis=-1
        )
    elif found.get("PlanarConfiguration") == 1:
        frames = np.moveaxis(frames, -1, 1)
    return file_of(found, np.ascontiguousarray(frames, frames.dtype.newbyteorder(order)).tobytes(), syntax)


def size_of(image: Array, photometric: str) -> tuple[int, int]:
    height, width = image.shape[-3:-1] if photometric in ("RGB", "YBR_FULL", "YBR_FULL_422") else image.shape[-2:]
    return int(height), int(width)


def compressed(frames: list[bytes], syntax: str, found: Dataset, *, fragments: int = 1, table: str = "basic") -> bytes:
    """Encoded frames -> a file; table: "basic", "none" or "extended" offset table."""
    if len(frames) > 1:
        found.NumberOfFrames = len(frames)
    if table == "extended":
        data, offsets, lengths = encapsulate_extended(frames)
        found.ExtendedOffsetTable, found.ExtendedOffsetTableLengths = offsets, lengths
    else:
        data = encapsulate(frames, fragments_per_frame=fragments, has_bot=table == "basic")
    return file_of(found, data, syntax)


def jpeg(image: Array, **options: Any) -> bytes:
    """Picture -> JPEG by Pillow (JFIF, YCbCr 4:2:0 for colour)."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", **{"quality": 95} | options)
    return stream.getvalue()


def without_mark(data: bytes) -> bytes:
    """JPEG -> the same without its first segment, JFIF's or Adobe's."""
    length = struct.unpack_from(">H", data, 4)[0]
    assert data[2:4] in (b"\xff\xe0", b"\xff\xee")
    return data[:2] + data[4 + length :]


def region(**changes: Any) -> Dataset:
    """-> one ultrasound region: tissue, 2-D, 0.005 cm per pixel across and 0.006 down, with a margin around."""
    item = Dataset()
    values = {
        "RegionSpatialFormat": 1,
        "RegionDataType": 1,
        "RegionFlags": 0,
        "RegionLocationMinX0": 2,
        "RegionLocationMinY0": 2,
        "RegionLocationMaxX1": 61,
        "RegionLocationMaxY1": 45,
        "PhysicalUnitsXDirection": 3,
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": 0.005,
        "PhysicalDeltaY": 0.006,
    } | changes
    for name, value in values.items():
        if value is not None:
            setattr(item, name, value)
    return item


def with_regions(*items: Dataset, image: Array | None = None, **elements: Any) -> bytes:
    image = gray_picture() if image is None else image
    return native(image, SequenceOfUltrasoundRegions=Sequence(list(items)), **elements)


def dicomdir(*names: str | list[str], kind: str = "IMAGE") -> bytes:
    """Paths in parts -> a DICOMDIR that names these files."""
    found, records = Dataset(), []
    for name in names:
        record = Dataset()
        with pydicom.config.disable_value_validation():
            record.DirectoryRecordType, record.ReferencedFileID = kind, name
        records.append(record)
    found.DirectoryRecordSequence = Sequence(records)
    found.SOPClassUID = "1.2.840.10008.1.3.10"
    return file_of(found, None)


# Files that must be refused.


def element(group: int, number: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """-> one element in explicit little endian; length: claimed instead of the true one."""
    length = len(value) if length is None else length
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
        return struct.pack("<HH2sHI", group, number, vr, 0, length) + value
    return struct.pack("<HH2sH", group, number, vr, length) + value


def meta(syntax: str = ExplicitVRLittleEndian) -> bytes:
    """-> preamble and file meta information with a transfer syntax alone."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    body = element(2, 0x10, b"UI", uid)
    return bytes(128) + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(body))) + body


def rle_frame(segments: list[bytes], claimed: int | None = None, offsets: list[int] | None = None) -> bytes:
    """PackBits segments -> RLE frame; claimed and offsets replace the true values in its header."""
    at, found = 64, []
    for segment in segments:
        found.append(at)
        at += len(segment)
    offsets = found if offsets is None else offsets
    header = struct.pack("<I", len(segments) if claimed is None else claimed)
    return header + struct.pack(f"<{len(offsets)}I", *offsets) + bytes(4 * (15 - len(offsets))) + b"".join(segments)


def packbits(data: bytes) -> bytes:
    """-> the bytes as literal runs."""
    runs = [data[at : at + 128] for at in range(0, len(data), 128)]
    packed = b"".join(bytes([len(run) - 1]) + run for run in runs)
    return packed + b"\0" * (len(packed) % 2)


def j2k_claiming(width: int, height: int, *, channels: int = 1, tile: int | None = None) -> bytes:
    """-> the start of a JPEG 2000 codestream that claims this size, and nothing after it."""
    tile_w, tile_h = (tile, tile) if tile else (width, height)
    body = struct.pack(">HIIIIIIIIH", 0, width, height, 0, 0, tile_w, tile_h, 0, 0, channels) + b"\7\1\1" * channels
    return b"\xff\x4f\xff\x51" + struct.pack(">H", len(body) + 2) + body + b"\xff\xd9"


def nested_sequences(depth: int) -> bytes:
    """-> region sequences of undefined length, one in the other."""
    opened = element(0x18, 0x6011, b"SQ", b"", 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    closed = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return opened * depth + closed * depth


def deflate_bomb(num_bytes: int) -> bytes:
    """-> raw deflate data that becomes one private element of this many zeros."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    parts = [packer.compress(element(9, 0x10, b"OB", b"", num_bytes))]
    block = bytes(1 << 24)
    parts += [packer.compress(block) for _ in range(num_bytes // len(block))]
    return b"".join(parts) + packer.flush()


def bad_dicoms() -> dict[str, tuple[bytes, str]]:
    """-> {what is wrong: (file, words of the error)}."""
    with pydicom.config.disable_value_validation():
        return _bad_dicoms()


def _bad_dicoms() -> dict[str, tuple[bytes, str]]:
    good = native(gray_picture())
    picture = gray_picture()
    size = picture.size
    jpeg_frame = jpeg(picture)
    sof = jpeg_frame.index(b"\xff\xc0")
    tall_jpeg = jpeg_frame[: sof + 5] + struct.pack(">HH", 65_500, 65_500) + jpeg_frame[sof + 9 :]

    def plain(**elements: Any) -> bytes:
        return file_of(dataset(**elements), picture.tobytes())

    def j2k(frame: bytes, **elements: Any) -> bytes:
        return compressed([frame], JPEG2000Lossless, dataset(**elements))

    def rle(frame: bytes) -> bytes:
        return compressed([frame], RLELossless, dataset())

    def baseline(frame: bytes, **elements: Any) -> bytes:
        return compressed([frame], JPEGBaseline8Bit, dataset(**elements))

    cut_fragment = baseline(jpeg_frame)
    return {
        "cut in the pixels": (good[:-500], "cut off"),
        "cut in the header": (good[:300], "holds no image"),
        "preamble alone": (good[:132], "holds no image"),
        "garbage after the preamble": (good[:132] + np.random.default_rng(0).bytes(4000), ""),
        "zeros after the preamble": (good[:132] + bytes(4000), "without an image"),
        "no pixel data": (file_of(dataset(), None), "holds no pixel data"),
        "no rows": (plain(Rows=None), "gives no Rows"),
        "zero rows": (plain(Rows=0), "gives no Rows"),
        "rows that lie": (plain(Rows=60_000), "it holds 0 of these frames"),
        "millions of pixels": (plain(Rows=65_535, Columns=65_535), "the limit is 20 million"),
        "one pixel": (plain(Rows=1, Columns=1), "too small"),
        "frames that lie": (plain(NumberOfFrames=30), "it holds 1 of these frames"),
        "minus one frame": (plain(NumberOfFrames=-1), "claims -1 frames"),
        "two billion frames": (plain(NumberOfFrames=2_000_000_000), "claims 2,000,000,000 frames"),
        "photometric of no kind": (plain(PhotometricInterpretation="GRAYISH"), "that its header names"),
        "photometric with a path": (plain(PhotometricInterpretation="../../etc"), "colours of the kind"),
        "retired colours": (plain(PhotometricInterpretation="CMYK", SamplesPerPixel=4), "colours of the kind CMYK"),
        "one sample of RGB": (plain(PhotometricInterpretation="RGB"), "RGB with 1 samples"),
        "three bits": (plain(BitsAllocated=3), "3 bits per sample"),
        "stored more than allocated": (plain(BitsStored=12), "contradict each other"),
        "high bit outside": (plain(HighBit=15), "is outside"),
        "palette without palette": (plain(PhotometricInterpretation="PALETTE COLOR"), "holds no palette"),
        "palette that is cut": (
            plain(
                PhotometricInterpretation="PALETTE COLOR",
                **{f"{c}PaletteColorLookupTableDescriptor": [256, 0, 16] for c in ("Red", "Green", "Blue")},
                **{f"{c}PaletteColorLookupTableData": b"\1\2\3\4" for c in ("Red", "Green", "Blue")},
            ),
            "damaged",
        ),
        "CT": (plain(SOPClassUID="1.2.840.10008.5.1.4.1.1.2", Modality="CT"), "states CT, not ultrasound"),
        "captured CT": (plain(SOPClassUID=SC, Modality="CT"), "states CT, not ultrasound"),
        "a class with a path": (plain(SOPClassUID="../../etc/passwd", Modality="XX"), "states XX, not ultrasound"),
        "a volume": (plain(SOPClassUID="1.2.840.10008.5.1.4.1.1.6.2"), "3-D ultrasound volume"),
        "a document": (
            file_of(dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1", EncapsulatedDocument=b"%PDF"), None),
            "encapsulated document",
        ),
        "a huge element": (meta() + element(8, 0x60, b"OB", b"US", 0xFFFFFFF0), "ends inside its header"),
        "huge pixel data": (good[:-size - 4] + struct.pack("<I", 0xFFFFFFF0) + good[-size:], "cut off"),
        "a thousand sequences": (meta() + nested_sequences(1_000) + good[-size - 12 :], "nested too deep"),
        "unknown compression": (
            compressed([j2k_claiming(64, 48)], "1.2.840.10008.1.2.4.92", dataset()),
            "compression (1.2.840.10008.1.2.4.92) can't be decoded",
        ),
        "compressed without fragments": (
            good.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"),
            "is not in fragments",
        ),
        "JPEG that claims 4 billion pixels": (baseline(tall_jpeg), "claims 65,500 x 65,500 pixels"),
        "JPEG cut": (baseline(jpeg_frame[: len(jpeg_frame) // 2]), "can't be decoded"),
        "JPEG of zeros": (baseline(bytes(1000)), "does not begin as one"),
        "JPEG of three channels": (baseline(jpeg(colour_picture())), "of 3 channels"),
        "fragment cut": (cut_fragment[: len(cut_fragment) - 200], "not whole"),
        "frames fewer than claimed": (baseline(jpeg_frame, NumberOfFrames=5), "pixel data holds 1"),
        "JPEG 2000 that claims millions of rows": (j2k(j2k_claiming(64, 4_000_000_000)), "claims 64 x 4,000,000,000"),
        "JPEG 2000 of a million tiles": (
            j2k(j2k_claiming(4096, 4096, tile=1), size_hw=(4096, 4096)),
            "more than 4,096 tiles",
        ),
        "JPEG 2000 of 16,000 channels": (j2k(j2k_claiming(64, 48, channels=16_000)), "of 16000 channels"),
        "JPEG 2000 without pixels": (j2k(j2k_claiming(64, 48)), "can't be decoded"),
        "RLE bomb": (rle(rle_frame([b"\x81\0" * 200_000])), "holds more bytes"),
        "RLE too short": (rle(rle_frame([b"\x81\0" * 4])), "holds fewer bytes"),
        "RLE of a billion segments": (rle(rle_frame([packbits(picture.tobytes())], claimed=10**9)), "segments"),
        "RLE that points outside": (rle(rle_frame([packbits(picture.tobytes())], offsets=[10**9])), "are outside it"),
        "deflate bomb": (meta(DeflatedExplicitVRLittleEndian) + deflate_bomb(272 << 20), "inflates to more than"),
        "deflated and cut": (native(picture, syntax=DeflatedExplicitVRLittleEndian)[:-40], "ends too early"),
        "deflated garbage": (meta(DeflatedExplicitVRLittleEndian) + b"\xff" * 400, "can't be inflated"),
    }  # fmt: skip
