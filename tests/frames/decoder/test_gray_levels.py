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


@pytest.mark.parametrize("number", [b"nan ", b"1,0 ", b"inf "])
def test_a_slope_that_is_no_number_is_named(number: bytes) -> None:
    data = native(GRAY_HW, RescaleSlope="1.0", RescaleIntercept="0")
    assert "RescaleSlope is not a number" in refusal(data.replace(b"1.0 ", number))
