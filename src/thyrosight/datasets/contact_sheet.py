"""Cases -> one PNG: images with the outlines of their masks, name and label below each."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from thyrosight.datasets.masks import load_mask
from thyrosight.errors import ThyrosightError
from thyrosight.files import raise_shortage
from thyrosight.frames.load import load_frame
from thyrosight.types import BoolArray, Case, UInt8Array

NUM_COLUMNS, MAX_ROWS = 6, 8
TILE_PX, TEXT_PX = 220, 34
OUTLINE_BGR, TEXT_BGR = (80, 220, 80), (235, 235, 235)
LABELS = {1: "malignant", 0: "benign", None: "no label"}


def contact_sheet(cases: Sequence[Case]) -> bytes:
    """Cases -> PNG of at most NUM_COLUMNS x MAX_ROWS cases, evenly spread over the table."""
    number = min(len(cases), NUM_COLUMNS * MAX_ROWS)
    chosen = [cases[round(place * (len(cases) - 1) / max(number - 1, 1))] for place in range(number)]
    tiles = [tile_of(case) for case in chosen]
    blank_HW3 = np.zeros_like(tiles[0])
    tiles += [blank_HW3] * (-len(tiles) % NUM_COLUMNS)
    rows = [np.hstack(tiles[start : start + NUM_COLUMNS]) for start in range(0, len(tiles), NUM_COLUMNS)]
    return cv2.imencode(".png", np.vstack(rows))[1].tobytes()


def tile_of(case: Case) -> UInt8Array:
    """One case -> its picture _HW3 of fixed size; where the case can't be read, a black tile that says so."""
    tile_HW3 = np.zeros((TILE_PX + TEXT_PX, TILE_PX, 3), np.uint8)
    try:
        frame = load_frame(case.image)
        picture_HW3 = outlined(frame.image_HW, load_mask(case, frame.size_hw))
    except (ThyrosightError, OSError) as error:
        raise_shortage(error)
        picture_HW3 = None
    if picture_HW3 is not None:
        height, width = picture_HW3.shape[:2]
        scale = (TILE_PX - 6) / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small_HW3 = cv2.resize(picture_HW3, size, interpolation=cv2.INTER_AREA)
        tile_HW3[3 : 3 + size[1], 3 : 3 + size[0]] = small_HW3
    mask = "can't be read" if picture_HW3 is None else "no mask" if case.mask is None else ""
    lines = (case.case_id[-32:], ", ".join(word for word in (LABELS[case.malignancy], mask, case.group[:18]) if word))
    for number, text in enumerate(lines):
        place = (4, TILE_PX + 13 + 15 * number)
        cv2.putText(tile_HW3, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, TEXT_BGR, 1, cv2.LINE_AA)
    return tile_HW3


def outlined(image_HW: UInt8Array, mask_HW: BoolArray) -> UInt8Array:
    """Gray image, mask -> BGR picture _HW3 with the outline of the mask, wide enough to be seen in a small picture."""
    picture_HW3 = cv2.cvtColor(image_HW, cv2.COLOR_GRAY2BGR)
    contours, _ = cv2.findContours(mask_HW.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    width_px = max(1, round(max(image_HW.shape) / TILE_PX * 1.5))
    return np.asarray(cv2.drawContours(picture_HW3, contours, -1, OUTLINE_BGR, width_px), np.uint8)
