"""Bytes of one frame, the header's image module -> 8-bit gray or RGB as a viewer shows it; runs in the decoding child.

Gray becomes what gray_levels.py says. Colour always becomes RGB. Deep gray and deep colour have more than 8 bits.
Legend: `_HW` arrays (rows, columns), `_V` table with one entry per stored value.

Source: DICOM PS3.3 C.7.6.3.1 (photometric interpretation, palettes), PS3.5 8.1.1 (bits that are not used), 8.2
(compressed colours).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thyrosight.frames.decoder.codestream import Codestream, decode_rle, read_codestream
from thyrosight.frames.decoder.gray_levels import gray_table, is_padding, range_bits, range_table, stored_values
from thyrosight.frames.decoder.layout import COLOURS, GRAY, PALETTE, Layout
from thyrosight.frames.headers import HeaderError
from thyrosight.frames.transfer_syntaxes import JPEG, NATIVE, PLUGINS, RLE, SYNTAXES
from thyrosight.types import UInt8Array

Values = NDArray[Any]
JPEG_2000 = "JPEG 2000"
OVERLAY_BITS = tuple(group << 16 | 0x0102 for group in range(0x6000, 0x6020, 2))
"""Tags of OverlayBitPosition: the bit of each sample that holds an overlay, in old files."""


class FrameDecoder:
    """Decodes the frames of one file; makes the tables from stored values to gray or colour once."""

    def __init__(self, layout: Layout, dataset: Any) -> None:
        self._layout, self._dataset = layout, dataset
        self._palette_V3 = palette_table(layout, dataset) if layout.photometric == PALETTE else None
        self._gray_V = gray_table(layout, dataset) if layout.photometric in GRAY else None
        self._colour_bits = layout.bits_stored
        overlay_bits = [int(dataset[tag].value or 0) for tag in OVERLAY_BITS if tag in dataset]
        self._has_overlay_above = any(bit > layout.high_bit for bit in overlay_bits)

    def learn_range(self, bytes_of: Callable[[int], bytes]) -> None:
        """Sets the range of deep colour, and of deep gray without a window, by the first, middle and last frame."""
        layout = self._layout
        is_deep_colour = layout.photometric in COLOURS and layout.bits_stored > 8
        if not (is_deep_colour or (layout.photometric in GRAY and self._gray_V is None)):
            return
        low, high = 0, 1
        last = layout.num_frames - 1
        is_image_V = ~is_padding(layout, self._dataset)
        for index in sorted({0, last // 2, last}):
            patterns = _index(layout, self._samples(bytes_of(index))[0])
            values = stored_values(layout)[patterns[is_image_V[patterns]]]
            low, high = min(low, int(values.min(initial=low))), max(high, int(values.max(initial=high)))
        if is_deep_colour:
            self._colour_bits = min(layout.bits_stored, range_bits(high))
        else:
            self._gray_V = range_table(layout, self._dataset, low, high)

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
        rgb_HW3 = _eight_bits(self._layout, samples, self._colour_bits)
        return ybr_to_rgb(rgb_HW3) if colours == "YBR" else np.ascontiguousarray(rgb_HW3)

    def _samples(self, data: bytes) -> tuple[Values, str]:
        """Bytes -> (samples _HW or _HW3 as stored, their colours: "RGB", "YBR" or "" for one channel).

        HeaderError where they have more bits than the header states. Above the high bit there may only be copies of
        the sign, or an overlay that the header names (PS3.5 8.1.1).
        """
        samples, colours = self._decoded(data)
        layout = self._layout
        if layout.high_bit + 1 < samples.dtype.itemsize * 8 and not self._has_overlay_above:
            above = samples >> (layout.high_bit + 1)
            if layout.is_signed:
                all_ones = (1 << (samples.dtype.itemsize * 8 - layout.high_bit - 1)) - 1
                is_negative = (samples >> layout.high_bit) & 1 == 1
                above = np.where(is_negative & (above == all_ones), 0, above)
            if above.any():
                raise HeaderError(
                    f"its pixels have more bits than its header's BitsStored ({layout.bits_stored}) states",
                    "correct its header",
                )
        return samples, colours

    def _decoded(self, data: bytes) -> tuple[Values, str]:
        layout = self._layout
        declared = "" if layout.channels == 1 else "YBR" if layout.photometric.startswith("YBR_FULL") else "RGB"
        if layout.transfer_syntax in NATIVE:
            return native_samples(layout, data), declared
        if layout.transfer_syntax == RLE:
            return rle_samples(layout, data), declared
        claim = checked_claim(layout, data)
        if claim.kind == "JPEG" and (layout.transfer_syntax in JPEG or not claim.is_lossless):
            return jpeg_samples(layout, data, claim, declared)
        if claim.kind == JPEG_2000 and layout.channels > 1:
            declared = _colours_of_jpeg_2000(layout, claim)
        elif claim.has_stated_colours and claim.colours is not None:
            declared = claim.colours
        return plugin_samples(layout, data, claim), declared


def as_claimed(layout: Layout, data: bytes) -> Layout:
    """Layout, a compressed frame -> the layout with the sign that a JPEG 2000 frame states.

    The decoder follows the frame, so a header that states another sign would turn dark to bright.
    """
    if layout.transfer_syntax == RLE or layout.photometric not in GRAY:
        return layout
    claim = read_codestream(data)
    return replace(layout, is_signed=claim.is_signed) if claim.kind == JPEG_2000 else layout


def _colours_of_jpeg_2000(layout: Layout, claim: Codestream) -> str:
    """-> the colours that the decoder returns: RGB where the frame states a transform, else those of the header."""
    if claim.colours is not None:
        return claim.colours
    if layout.photometric in ("YBR_RCT", "YBR_ICT"):
        raise HeaderError(
            f"its header states {layout.photometric}, but its frames have no colour transform", "export it as RGB"
        )
    return "YBR" if layout.photometric.startswith("YBR_FULL") else "RGB"


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
    """JPEG lossless, JPEG-LS or JPEG 2000 frame -> samples as stored, by pydicom's decoders.

    Where the file states another compression than the frame has, the frame is followed.
    """
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    syntaxes = SYNTAXES[claim.kind]
    syntax = layout.transfer_syntax if layout.transfer_syntax in syntaxes else syntaxes[0]
    decoder = get_decoder(UID(syntax))
    preferred = PLUGINS[syntax]
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
        "planar_configuration": 0,  # the header's is of no meaning here: decoders return whole pixels (PS3.5 8.2)
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


def _eight_bits(layout: Layout, samples_HW3: Values, bits: int) -> UInt8Array:
    """Colour samples of any depth, the bits that they use -> eight bits; fewer than eight are scaled up."""
    if layout.bits_stored == 8 and samples_HW3.dtype == np.uint8:
        return np.asarray(samples_HW3)
    index_HW3 = _index(layout, samples_HW3).astype(np.uint32)
    largest = 2**bits - 1
    return np.asarray(np.minimum((index_HW3 * 255 + largest // 2) // largest, 255), np.uint8)
