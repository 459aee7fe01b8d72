"""Rescaling, modality and VOI tables without a window -> gray as a viewer shows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from decoded import Array, refusal, shown
from dicom_files import gray_picture, native

GRAY_HW, DEEP_HW = gray_picture(), gray_picture(4096)
FALLING = range(255, -1, -1)


def table(values: Iterable[int], first: int = 0, bits: int = 8, **more: Any) -> Sequence:
    item, entries = Dataset(), list(values)
    item.LUTDescriptor, item.LUTData = [len(entries), first, bits], entries
    item["LUTDescriptor"].VR, item["LUTData"].VR = ("SS" if first < 0 else "US"), "US"
    for name, value in more.items():
        setattr(item, name, value)
    return Sequence([item])


@pytest.mark.parametrize(
    ("stored", "elements", "expected"),
    [
        (255 - GRAY_HW, {"RescaleSlope": -1, "RescaleIntercept": 255}, GRAY_HW),
        (255 - GRAY_HW, {"RescaleSlope": -0.5}, GRAY_HW),
        (4095 - DEEP_HW, {"BitsStored": 12, "RescaleSlope": -1, "RescaleIntercept": 4095}, DEEP_HW / 4095 * 255),
        (255 - GRAY_HW, {"ModalityLUTSequence": table(FALLING, ModalityLUTType="US")}, GRAY_HW),
        (
            DEEP_HW,
            {"BitsStored": 12, "ModalityLUTSequence": table(range(4095, -1, -1), bits=16, ModalityLUTType="US")},
            (4095 - DEEP_HW) / 4095 * 255,
        ),
        (255 - GRAY_HW, {"RescaleSlope": 1, "RescaleIntercept": 0, "VOILUTSequence": table(FALLING)}, GRAY_HW),
        (
            DEEP_HW,
            {
                "BitsStored": 12,
                "RescaleSlope": 1,
                "RescaleIntercept": -1024,
                "VOILUTSequence": table(range(4095, -1, -1), first=-1024, bits=12),
            },
            (4095 - DEEP_HW) / 4095 * 255,
        ),
    ],
    ids=["slope", "slope alone", "deep slope", "modality", "deep modality", "VOI after slope 1", "VOI after an offset"],
)
def test_what_inverts_inverts(stored: Array, elements: dict[str, Any], expected: Array) -> None:
    assert np.abs(shown(native(stored, **elements)) - expected).max() <= 0.51


@pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize(("said", "factor"), [(16, 1), (8, 257), (16, 257), (8, 1)])
def test_a_table_whose_bits_are_said_wrong_is_read_by_its_entries(sequence: str, said: int, factor: int) -> None:
    """8-bit entries that were called 16-bit ones made the picture black."""
    more: dict[str, Any] = {"ModalityLUTType": "US"} if sequence == "ModalityLUTSequence" else {}
    tables = table((value * factor for value in FALLING), bits=said, **more)
    assert np.array_equal(shown(native(255 - GRAY_HW, **{sequence: tables})), GRAY_HW)


@pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_table_that_is_not_there_is_named(sequence: str) -> None:
    assert f"{sequence} holds no table" in refusal(native(GRAY_HW, **{sequence: Sequence([Dataset()])}))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_an_inverse_presentation_inverts_once(photometric: str) -> None:
    assert np.array_equal(shown(native(255 - GRAY_HW, photometric, PresentationLUTShape="INVERSE")), GRAY_HW)


@pytest.mark.parametrize(
    ("is_signed", "padding", "more"),
    [(1, -32768, {}), (0, 65535, {}), (0, 65500, {"PixelPaddingRangeLimit": 65535})],
)
def test_padding_takes_no_part_in_the_range_and_is_black(is_signed: int, padding: int, more: dict[str, int]) -> None:
    """One value for the corners made all tissue white, or all of it black."""
    stored = DEEP_HW.astype(np.int16 if is_signed else np.uint16)
    stored[:, -10:] = padding
    expected = DEEP_HW / 4095 * 255
    expected[:, -10:] = 0
    data = native(stored.view(np.uint16), PixelRepresentation=is_signed, PixelPaddingValue=padding, **more)
    assert np.abs(shown(data) - expected).max() <= 0.51


@pytest.mark.parametrize("number", [b"nan ", b"1,0 ", b"inf "])
def test_a_slope_that_is_no_number_is_named(number: bytes) -> None:
    data = native(GRAY_HW, RescaleSlope="1.0", RescaleIntercept="0")
    assert "RescaleSlope is not a number" in refusal(data.replace(b"1.0 ", number))
