"""Stored values of gray -> the levels that a viewer shows: rescaled, windowed, inverted; runs in the decoding child.

One table from stored value to gray level does all of it, for every frame of a file. Deep gray has more than 8 bits.
Legend: `_V` table with one entry per stored value.

Source: DICOM PS3.3 C.11.1 (modality tables, rescaling), C.11.2 (VOI tables and windows).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thyrosight.frames.decoder.layout import Layout
from thyrosight.frames.headers import HeaderError
from thyrosight.types import UInt8Array

_RANGE_BITS = (8, 10, 12, 14, 16)


def gray_table(layout: Layout, dataset: Any) -> UInt8Array | None:
    """-> the table `_V` with the gray level of each stored value, by rescaling and the first window or look-up table.

    None for deep gray without a window or look-up table: then range_table makes the table `_V`, once the values of the
    pixels are known.
    """
    values_V = _rescaled(dataset, stored_values(layout))
    shown_V = _by_lut(dataset, values_V)
    if shown_V is None:
        shown_V = _by_window(dataset, values_V)
    if shown_V is None and dataset.get("ModalityLUTSequence"):
        shown_V = values_V.astype(np.float64) / (2 ** range_bits(int(values_V.max())) - 1)
    if shown_V is None:
        if layout.bits_stored > 8 or layout.is_signed:
            return None
        return range_table(layout, dataset, 0, 2**layout.bits_stored - 1)
    return _as_levels(layout, dataset, shown_V)


def range_table(layout: Layout, dataset: Any, low: int, high: int) -> UInt8Array:
    """Lowest and highest stored value of the frames -> the table `_V` with the gray level of each stored value.

    Black is 0. White is the largest value of 8, 10, 12, 14 or 16 bits: the smallest of these that is not below `high`,
    as in load.py. With negative values black is the lowest value and white the highest. A negative rescale slope
    inverts gray. Padding is black.
    """
    values_V = stored_values(layout).astype(np.float64)
    if low >= 0 and layout.bits_stored > 8:
        high = 2 ** range_bits(high) - 1
    shown_V = (values_V - low) / max(1, high - low)
    slope = _number(dataset, "RescaleSlope")
    levels_V = _as_levels(layout, dataset, 1 - shown_V if slope is not None and slope < 0 else shown_V)
    if layout.bits_stored > 8:
        levels_V[is_padding(layout, dataset)] = 0
    return levels_V


def is_padding(layout: Layout, dataset: Any) -> NDArray[np.bool_]:
    """-> table `_V`: which stored values fill the picture up around the image (PS3.3 C.7.5.1.1.2)."""
    values_V, mask = stored_values(layout), 2**layout.bits_stored - 1
    ends = [_number(dataset, name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if ends[0] is None:
        return np.zeros(values_V.shape, np.bool_)
    found = [int(values_V[int(end) & mask]) for end in ends if end is not None]
    return np.asarray((values_V >= min(found)) & (values_V <= max(found)))


def range_bits(high: int) -> int:
    """Highest value -> the smallest usual depth that holds it: 8, 10, 12, 14 or 16 bits."""
    return next((bits for bits in _RANGE_BITS if high < 2**bits), _RANGE_BITS[-1])


def stored_values(layout: Layout) -> NDArray[np.int64]:
    """-> table _V: the number that each pattern of the stored bits means."""
    patterns_V = np.arange(2**layout.bits_stored, dtype=np.int64)
    half = 2 ** (layout.bits_stored - 1)
    return np.where(patterns_V >= half, patterns_V - 2 * half, patterns_V) if layout.is_signed else patterns_V


def _as_levels(layout: Layout, dataset: Any, shown_V: NDArray[np.float64]) -> UInt8Array:
    """Shares of the full range -> levels of gray, inverted where either element says so (C.7.6.3.1.2, C.11.6)."""
    levels_V = np.rint(np.clip(shown_V, 0, 1) * 255).astype(np.uint8)
    is_inverse = str(dataset.get("PresentationLUTShape") or "").strip().upper() == "INVERSE"
    return 255 - levels_V if layout.photometric == "MONOCHROME1" or is_inverse else levels_V


def _rescaled(dataset: Any, values_V: NDArray[np.int64]) -> NDArray[Any]:
    """Applies the modality table, or rescale slope and intercept (C.11.1); a slope of zero is ignored."""
    if dataset.get("ModalityLUTSequence"):
        from pydicom.pixels.processing import apply_modality_lut

        _table_bits(dataset, "ModalityLUTSequence")
        return np.asarray(apply_modality_lut(values_V, dataset))
    slope, intercept = _number(dataset, "RescaleSlope"), _number(dataset, "RescaleIntercept")
    return values_V * slope + (intercept or 0.0) if slope else values_V


def _by_lut(dataset: Any, values_V: NDArray[Any]) -> NDArray[np.float64] | None:
    """Rescaled values _V -> shares of the full range (0 black, 1 white) by the first VOI table (C.11.2.1.1).

    None where the file has no such table. A table has one entry per whole number; a value between two takes the nearer.
    Where no entry exceeds 255, the file has 8-bit levels in 16-bit entries, a common mistake.
    """
    from pydicom.pixels.processing import apply_voi

    if not dataset.get("VOILUTSequence"):
        return None
    bits = _table_bits(dataset, "VOILUTSequence")
    shown_V = np.asarray(apply_voi(np.rint(values_V).astype(np.int64), dataset, 0), np.float64)
    if shown_V.max() <= 255:
        bits = 8
    return np.asarray(shown_V / (2 ** (bits if 8 <= bits <= 16 else 16) - 1))


def _table_bits(dataset: Any, sequence: str) -> int:
    """Sequence of look-up tables -> the bits of the first table's entries; 16 where some need more than it states."""
    table = dataset[sequence][0]
    if table.get("LUTDescriptor") is None or table.get("LUTData") is None:
        raise HeaderError(f"damaged: its header's {sequence} holds no table")
    bits = int(table.LUTDescriptor[2])
    if bits <= 8 and not isinstance(table.LUTData, bytes) and max(table.LUTData) > 255:
        table.LUTDescriptor[2] = bits = 16
    return bits


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


def _number(dataset: Any, keyword: str) -> float | None:
    """-> the value of an element, None where it is absent or empty; HeaderError where it is no finite number."""
    value = dataset.get(keyword)
    if value in (None, ""):
        return None
    number = _first(value)
    if number is None or not math.isfinite(number):
        raise HeaderError(f"damaged: its header's {keyword} is not a number")
    return number
