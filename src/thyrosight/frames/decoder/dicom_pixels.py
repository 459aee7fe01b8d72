"""Bytes of one frame, the header's image module -> 8-bit gray or RGB as a viewer shows it; runs in the decoding child.

Gray is rescaled, windowed by the file's first window or look-up table, and inverted where the file states this. One
table from stored value to gray level does all of it, for every frame of a clip. Colour always becomes RGB. Deep gray
has more than 8 bits.
Legend: `_HW` arrays (rows, columns), `_V` table with one entry per stored value.

Source: DICOM PS3.3 C.7.6.3.1 (photometric interpretation, palettes), C.11.2 (windows), PS3.5 8.2 (compressed colours).
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thyrosight.frames.decoder.codestream import Codestream, decode_rle, read_codestream
from thyrosight.frames.headers import HeaderError
from thyrosight.frames.transfer_syntaxes import JPEG, NATIVE, PLUGINS, RLE
from thyrosight.types import UInt8Array

Values = NDArray[Any]

GRAY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
OTHER_COLOURS = ("ARGB", "CMYK", "HSV", "XYB", "YBR_PARTIAL_420", "YBR_PARTIAL_422")
"""Colour spaces of the standard that can't be read here. An error names only these: any other word may be free text."""
_RANGE_BITS = (8, 10, 12, 14, 16)


@dataclass(frozen=True)
class Layout:
    """The values of the header's image pixel module that decoding needs."""

    transfer_syntax: str
    is_little: bool
    vr: str | None
    rows: int
    columns: int
    num_frames: int
    channels: int
    photometric: str
    is_planar: bool
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame; 4:2:2 stores two of three samples (PS3.3 C.7.6.3.1.2)."""
        channels = 2 if self.photometric == "YBR_FULL_422" and self.transfer_syntax in NATIVE else self.channels
        return self.rows * self.columns * channels * self.bits_allocated // 8

    def check(self) -> None:
        """HeaderError where these values contradict each other or are not supported."""
        if self.photometric not in (*GRAY, PALETTE, *COLOURS):
            named = self.photometric if self.photometric in OTHER_COLOURS else "that its header names"
            raise HeaderError(f"colours of the kind {named} can't be read", "export it as RGB or MONOCHROME2")
        wanted = 3 if self.photometric in COLOURS else 1
        if self.channels != wanted:
            raise HeaderError(f"damaged: its header states {self.photometric} with {self.channels} samples per pixel")
        if self.bits_allocated not in (8, 16):
            raise HeaderError(f"{self.bits_allocated} bits per sample can't be read", "export it with 8 or 16 bits")
        if not (1 <= self.bits_stored <= self.bits_allocated and self.bits_stored - 1 <= self.high_bit):
            raise HeaderError("damaged: its header's bits allocated, stored and high bit contradict each other")
        if self.high_bit >= self.bits_allocated:
            raise HeaderError("damaged: its header's high bit is outside the sample")
        if self.photometric == "YBR_FULL_422" and self.transfer_syntax in NATIVE and self.columns % 2:
            raise HeaderError("damaged: its header states 4:2:2 colour with an odd number of columns")


class FrameDecoder:
    """Decodes the frames of one file; makes the tables from stored values to gray or colour once."""

    def __init__(self, layout: Layout, dataset: Any) -> None:
        self._layout, self._dataset = layout, dataset
        self._palette_V3 = palette_table(layout, dataset) if layout.photometric == PALETTE else None
        self._gray_V = gray_table(layout, dataset) if layout.photometric in GRAY else None

    def learn_range(self, bytes_of: Callable[[int], bytes]) -> None:
        """Sets the range of values for deep gray without a window, from the first, middle and last frame."""
        if self._layout.photometric not in GRAY or self._gray_V is not None:
            return
        low, high = 0, 1
        last = self._layout.num_frames - 1
        for index in sorted({0, last // 2, last}):
            values_HW = _aligned(self._layout, self._samples(bytes_of(index))[0])
            low, high = min(low, int(values_HW.min())), max(high, int(values_HW.max()))
        self._gray_V = range_table(self._layout, low, high)

    def frame(self, data: bytes) -> UInt8Array:
        """Bytes of one frame -> uint8 _HW or _HW3, C-contiguous."""
        samples, colours = self._samples(data)
        if self._palette_V3 is not None:
            return np.ascontiguousarray(self._palette_V3[_index(self._layout, samples)])
        if self._gray_V is not None:
            gray_HW = np.ascontiguousarray(self._gray_V[_index(self._layout, samples)])
            if self._layout.num_frames == 1 and gray_HW.min() == gray_HW.max() and samples.min() < samples.max():
                raise HeaderError(
                    "its window (WindowCenter, WindowWidth) makes the whole picture one level of gray",
                    "export it with a window that shows it",
                )
            return gray_HW
        rgb_HW3 = _eight_bits(self._layout, samples)
        return ybr_to_rgb(rgb_HW3) if colours == "YBR" else np.ascontiguousarray(rgb_HW3)

    def _samples(self, data: bytes) -> tuple[Values, str]:
        """Bytes -> (samples _HW or _HW3 as stored, their colours: "RGB", "YBR" or "" for one channel)."""
        layout = self._layout
        declared = "" if layout.channels == 1 else "YBR" if layout.photometric.startswith("YBR_FULL") else "RGB"
        if layout.transfer_syntax in NATIVE:
            return native_samples(layout, data), declared
        if layout.transfer_syntax == RLE:
            return rle_samples(layout, data), declared
        claim = checked_claim(layout, data)
        if layout.transfer_syntax in JPEG:
            return jpeg_samples(layout, data, claim, declared)
        return plugin_samples(layout, data, claim), declared


def native_samples(layout: Layout, data: bytes) -> Values:
    """Uncompressed frame -> samples _HW or _HW3."""
    order = "<" if layout.is_little else ">"
    if layout.bits_allocated == 8:
        values: Values = np.frombuffer(data, np.uint8)
    else:
        values = np.frombuffer(data, f"{order}u2")
    height, width = layout.rows, layout.columns
    if layout.channels == 1:
        return values.reshape(height, width)
    if layout.photometric == "YBR_FULL_422":
        pairs = values.reshape(height, width // 2, 4)  # Y1 Y2 Cb Cr
        luma_HW = pairs[..., :2].reshape(height, width)
        chroma_HW2 = np.repeat(pairs[..., 2:], 2, axis=1)
        return np.concatenate([luma_HW[..., None], chroma_HW2], axis=2)
    if layout.is_planar:
        return np.moveaxis(values.reshape(3, height, width), 0, 2)
    return values.reshape(height, width, 3)


def rle_samples(layout: Layout, data: bytes) -> Values:
    """RLE frame -> samples _HW or _HW3: byte planes, channel after channel, most significant byte first."""
    num_bytes = layout.bits_allocated // 8
    planes = decode_rle(data, layout.channels * num_bytes, layout.rows * layout.columns)
    stack = np.stack([np.frombuffer(plane, np.uint8) for plane in planes])
    stack = stack.reshape(layout.channels, num_bytes, layout.rows, layout.columns)
    values: Values = stack[:, 0] if num_bytes == 1 else stack[:, 0].astype(np.uint16) << 8 | stack[:, 1]
    return values[0] if layout.channels == 1 else np.moveaxis(values, 0, 2)


def checked_claim(layout: Layout, data: bytes) -> Codestream:
    """A compressed frame -> its claims.

    HeaderError where the header differs, because a decoder allocates what the frame claims.
    """
    claim = read_codestream(data)
    if (claim.rows, claim.columns) != (layout.rows, layout.columns):
        size, wanted = (f"{width:,} x {height:,}" for width, height in (
            (claim.columns, claim.rows), (layout.columns, layout.rows)
        ))  # fmt: skip
        raise HeaderError(f"damaged: a compressed frame claims {size} pixels, its header {wanted}")
    if claim.channels != layout.channels:
        raise HeaderError(
            f"damaged: a compressed frame of {claim.channels} channels, its header states {layout.channels}"
        )
    if claim.bits > layout.bits_allocated:
        raise HeaderError(f"damaged: a compressed frame of {claim.bits} bits in samples of {layout.bits_allocated}")
    return claim


def jpeg_samples(layout: Layout, data: bytes, claim: Codestream, declared: str) -> tuple[Values, str]:
    """JPEG frame of 8 bits -> (samples, colours).

    Where frame and header differ, the frame is followed: "RGB" in the header of a JFIF frame is a common mistake of
    software that compressed the frame and kept the header.
    """
    from PIL import Image

    if claim.bits != 8:
        raise HeaderError(f"JPEG of {claim.bits} bits can't be decoded", "export it uncompressed")
    image = Image.open(io.BytesIO(data), formats=["JPEG"])
    is_raw_rgb = claim.channels == 3 and claim.colours is None and declared == "RGB"
    if is_raw_rgb:  # the frame does not state that it was converted to YBR, so it is not converted back
        image.draft("YCbCr", image.size)
    image.load()
    if is_raw_rgb:
        return np.frombuffer(image.tobytes(), np.uint8).reshape(layout.rows, layout.columns, 3), "RGB"
    return np.asarray(image if layout.channels == 1 else image.convert("RGB")), "RGB"


def plugin_samples(layout: Layout, data: bytes, claim: Codestream) -> Values:
    """JPEG lossless, JPEG-LS or JPEG 2000 frame -> samples as stored, by pydicom's decoders."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    try:
        decoder = get_decoder(UID(layout.transfer_syntax))
    except NotImplementedError:
        named = "".join(c for c in layout.transfer_syntax[:64] if c in "0123456789.")
        raise HeaderError(f"its compression ({named}) can't be decoded", "export it uncompressed") from None
    preferred = PLUGINS.get(layout.transfer_syntax, "")
    plugins = sorted(decoder.available_plugins, key=lambda name: name != preferred)
    if not plugins:
        raise HeaderError("no decoder for its compression is installed", "pip install python-gdcm pylibjpeg-openjpeg")
    options: dict[str, Any] = {
        "rows": layout.rows,
        "columns": layout.columns,
        "number_of_frames": 1,
        "samples_per_pixel": layout.channels,
        "photometric_interpretation": layout.photometric,
        "pixel_representation": int(layout.is_signed),
        "planar_configuration": int(layout.is_planar),
        "bits_allocated": layout.bits_allocated,
        "bits_stored": layout.bits_stored,
        "pixel_keyword": "PixelData",
    }
    one_frame = encapsulate([data], has_bot=False)
    for number, plugin in enumerate(plugins, start=1):
        try:
            samples, _ = decoder.as_array(one_frame, index=0, raw=True, decoding_plugin=plugin, **options)
            break
        except (RuntimeError, ValueError, NotImplementedError, AttributeError):
            if number == len(plugins):
                raise
    values: Values = np.asarray(samples)
    return values.view(f"u{values.dtype.itemsize}")


def ybr_to_rgb(ybr_HW3: UInt8Array) -> UInt8Array:
    """Full-range YCbCr (PS3.3 C.7.6.3.1.2, ITU-R BT.601) -> RGB, 8 bit."""
    from PIL import Image

    height, width, _ = ybr_HW3.shape
    image = Image.frombytes("YCbCr", (width, height), np.ascontiguousarray(ybr_HW3).tobytes())
    return np.array(image.convert("RGB"))


def gray_table(layout: Layout, dataset: Any) -> UInt8Array | None:
    """-> table stored value -> gray level _V, by rescaling and the first window or look-up table.

    None for deep gray without a window or table.
    """
    values_V = _rescaled(layout, dataset, stored_values(layout))
    shown_V = _by_lut(dataset, values_V)
    if shown_V is None:
        shown_V = _by_window(dataset, values_V)
    if shown_V is None:
        if layout.bits_stored > 8 or layout.is_signed:
            return None
        return range_table(layout, 0, 2**layout.bits_stored - 1)
    return _as_levels(layout, shown_V)


def range_table(layout: Layout, low: int, high: int) -> UInt8Array:
    """Lowest and highest stored value of the frames -> table stored value -> gray level _V.

    Black is 0. White is the largest value of 8, 10, 12, 14 or 16 bits: the smallest of these that is not below `high`,
    as in load.py. With negative values black is the lowest value and white the highest.
    """
    values_V = stored_values(layout).astype(np.float64)
    if low >= 0 and layout.bits_stored > 8:
        high = 2 ** next(bits for bits in _RANGE_BITS if high < 2**bits) - 1
    return _as_levels(layout, (values_V - low) / max(1, high - low))


def stored_values(layout: Layout) -> NDArray[np.int64]:
    """-> table _V: the number that each pattern of the stored bits means."""
    patterns_V = np.arange(2**layout.bits_stored, dtype=np.int64)
    half = 2 ** (layout.bits_stored - 1)
    return np.where(patterns_V >= half, patterns_V - 2 * half, patterns_V) if layout.is_signed else patterns_V


def _as_levels(layout: Layout, shown_V: NDArray[np.float64]) -> UInt8Array:
    levels_V = np.rint(np.clip(shown_V, 0, 1) * 255).astype(np.uint8)
    return 255 - levels_V if layout.photometric == "MONOCHROME1" else levels_V


def _rescaled(layout: Layout, dataset: Any, values_V: NDArray[np.int64]) -> NDArray[Any]:
    """Applies the modality table, or rescale slope and intercept (C.11.1); a slope of zero is ignored."""
    from pydicom.pixels.processing import apply_modality_lut

    slope = dataset.get("RescaleSlope")
    if dataset.get("ModalityLUTSequence") or slope not in (None, "", 0):
        return np.asarray(apply_modality_lut(values_V, dataset))
    return values_V


def _by_lut(dataset: Any, values_V: NDArray[Any]) -> NDArray[np.float64] | None:
    """Rescaled values _V -> shares of the full range (0 black, 1 white) by the first VOI table (C.11.2.1.1).

    None where the file has no such table.
    """
    from pydicom.pixels.processing import apply_voi

    if not dataset.get("VOILUTSequence") or values_V.dtype.kind not in "iu":
        return None
    bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
    shown_V = np.asarray(apply_voi(values_V, dataset, 0), np.float64)
    return np.asarray(shown_V / (2 ** (bits if 8 <= bits <= 16 else 16) - 1))


def _by_window(dataset: Any, values_V: NDArray[Any]) -> NDArray[np.float64] | None:
    """Rescaled values _V -> shares of the full range by the first window (C.11.2.1.2, C.11.2.1.3), not clipped to 0..1.

    None without a valid window.
    """
    centre, width = (_first(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or not (math.isfinite(centre) and math.isfinite(width)):
        return None
    kind = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    values_V = values_V.astype(np.float64)
    if kind == "SIGMOID" and width > 0:
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values_V - centre) / width, -500, 500))))
    if kind == "LINEAR_EXACT" and width > 0:
        return np.asarray((values_V - centre) / width + 0.5)
    if width > 1:
        return np.asarray((values_V - (centre - 0.5)) / (width - 1) + 0.5)
    return np.asarray(values_V > centre - 0.5, np.float64) if width == 1 else None


def _first(value: Any) -> float | None:
    """A number, or the first of several -> float; None where there is none."""
    try:
        return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)
    except (TypeError, ValueError, IndexError):
        return None


def palette_table(layout: Layout, dataset: Any) -> UInt8Array:
    """-> table stored value -> RGB _V3, from the file's palette.

    Entries of 16 bits are cut to their upper eight bits. Where no entry exceeds 255, the file has 8-bit colours in
    16-bit entries, a common mistake, and they stay unchanged.
    """
    from pydicom.pixels.processing import apply_color_lut

    for colour in ("Red", "Green", "Blue"):
        has_data = any(
            dataset.get(f"{kind}{colour}PaletteColorLookupTableData") is not None for kind in ("", "Segmented")
        )
        if not has_data or dataset.get(f"{colour}PaletteColorLookupTableDescriptor") is None:
            raise HeaderError("damaged: it states PALETTE COLOR and holds no palette")
    dataset.PhotometricInterpretation = PALETTE
    table_V3 = np.asarray(apply_color_lut(stored_values(layout), dataset))
    is_deep = table_V3.dtype.itemsize > 1 and int(table_V3.max()) > 255
    return (table_V3 >> 8 if is_deep else table_V3).astype(np.uint8)


def _index(layout: Layout, samples_HW: Values) -> NDArray[Any]:
    """Samples as stored -> their stored bits alone; the other bits of a sample may hold an overlay."""
    shift = layout.high_bit + 1 - layout.bits_stored
    return np.asarray((samples_HW >> shift if shift else samples_HW) & (2**layout.bits_stored - 1))


def _aligned(layout: Layout, samples_HW: Values) -> NDArray[np.int64]:
    return np.asarray(stored_values(layout)[_index(layout, samples_HW)])


def _eight_bits(layout: Layout, samples_HW3: Values) -> UInt8Array:
    """Colour samples of any depth -> their upper eight bits; samples of fewer bits are scaled up to eight."""
    if layout.bits_stored == 8 and samples_HW3.dtype == np.uint8:
        return np.asarray(samples_HW3)
    index_HW3 = _index(layout, samples_HW3).astype(np.uint32)
    return np.asarray(index_HW3 * 255 // (2**layout.bits_stored - 1), np.uint8)
