"""Image -> the boxes of the text burned into it, and the image without this text.

Legend: `_HW` arrays (rows, columns), `_N` glyphs, `_px` pixels.

Text is thin, brighter than its surroundings, and sharp along rows as well as along columns; the beam smears echoes
along rows. Glyphs are text only where they stand in a row, close together and alike in height and brightness. So
calipers, ruler ticks and single marks are no text.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.types import BoolArray, Box, UInt8Array

MIN_CONTRAST_LEVELS = 60  # of ink on black; on brighter ground CONTRAST_PER_LEVEL of its level is added
CONTRAST_PER_LEVEL = 0.25
MIN_GLYPH_PX = 5  # height of a capital letter; nobody can read smaller ones
MAX_GLYPH_SHARE = 0.07  # of the image's shorter side
MAX_GLYPHS = 4000  # the brightest; bounds time and memory on images full of specks
MIN_ROW_STROKES = 4.0  # mean number of strokes that a line along a row of text crosses
MIN_STROKES_PER_HEIGHT = 1.08  # strokes along a line as long as the row is high; streaks of echoes have up to 1.02
MIN_STROKES_PER_HEIGHT_ON_BLACK = 0.7  # less, because letters run together in a small picture; black has no echoes
BLACK_LEVEL = 12
MIN_SHORT_STROKES = 1.9  # for short rows such as "LT", which must also be bright, level and close
MIN_SHORT_LEVEL = 170
MIN_SHORT_STROKES_PER_HEIGHT = 1.2


@dataclass(frozen=True)
class _Glyphs:
    """Candidate glyphs, one entry per glyph: corners of the box, mean number of strokes, mean gray level."""

    x0_N: NDArray[np.int64]
    y0_N: NDArray[np.int64]
    x1_N: NDArray[np.int64]
    y1_N: NDArray[np.int64]
    strokes_N: NDArray[np.float64]
    level_N: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.x0_N)


def find_text(image_HW: UInt8Array, box: Box | None = None) -> tuple[Box, ...]:
    """Gray frame, or a box of it -> boxes of its rows of text in the frame's pixels, top to bottom."""
    height, width = image_HW.shape
    area = box or Box(0, 0, width, height)
    view_HW = np.ascontiguousarray(image_HW[area.slices])
    if min(view_HW.shape) < MIN_GLYPH_PX:
        return ()
    ink_HW = _ink(view_HW, _stroke_px(image_HW.shape))
    glyphs = _glyphs(view_HW, ink_HW, max(2 * MIN_GLYPH_PX, int(MAX_GLYPH_SHARE * min(height, width))))
    rows = [_row_box(glyphs, members) for members in _rows(glyphs) if _is_text(view_HW, glyphs, members)]
    moved = [row.moved(area.x0, area.y0) for row in rows]
    return tuple(sorted(moved, key=lambda row: (row.y0, row.x0)))


def mask_text(image_HW: UInt8Array, boxes: tuple[Box, ...]) -> UInt8Array:
    """Gray frame, boxes of text -> a copy in which the ink in the boxes is filled in from its surroundings.

    Fast marching (Telea, J Graph Tools 9:23, 2004).
    """
    ink_HW = np.zeros(image_HW.shape, np.uint8)
    for box in boxes:
        grown = Box(max(0, box.x0 - 2), max(0, box.y0 - 2), box.x1 + 2, box.y1 + 2)
        ink_HW[grown.slices] = 1
    ink_HW[~_ink(image_HW, _stroke_px(image_HW.shape), factor=0.5)] = 0
    if not ink_HW.any():
        return image_HW.copy()
    thick_HW = cv2.dilate(ink_HW, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.inpaint(image_HW, thick_HW, 3, cv2.INPAINT_TELEA), dtype=np.uint8)


def without_text(image_HW: UInt8Array, box: Box) -> tuple[UInt8Array, tuple[Box, ...]]:
    """Gray frame, its field -> (the frame with the field's text filled in, boxes of that text).

    Networks get this frame, in training and in prediction; pictures for people show it too.
    """
    text = find_text(image_HW, box)
    return (mask_text(image_HW, text) if text else image_HW), text


def _stroke_px(shape: tuple[int, ...]) -> int:
    """Size of the frame -> an odd number of pixels, more than the widest stroke of its text."""
    return max(7, min(shape) // 60) | 1


def _ink(image_HW: UInt8Array, stroke_px: int, factor: float = 1.0) -> BoolArray:
    """-> pixels that exceed the background around them by at least the contrast of text times `factor`."""
    ground_HW = cv2.morphologyEx(image_HW, cv2.MORPH_OPEN, np.ones((stroke_px, stroke_px), np.uint8))
    needed_HW = factor * (MIN_CONTRAST_LEVELS + CONTRAST_PER_LEVEL * ground_HW.astype(np.float32))
    return np.asarray(image_HW.astype(np.float32) - ground_HW >= needed_HW)


def _glyphs(image_HW: UInt8Array, ink_HW: BoolArray, max_height_px: int) -> _Glyphs:
    num_labels, labels_HW, stats, _ = cv2.connectedComponentsWithStats(ink_HW.astype(np.uint8), connectivity=8)
    starts_HW = ink_HW.copy()
    starts_HW[:, 1:] &= ~ink_HW[:, :-1]
    labels_of_ink = labels_HW[ink_HW]
    level_N = np.bincount(labels_of_ink, image_HW[ink_HW], num_labels) / np.maximum(1, stats[:, cv2.CC_STAT_AREA])
    runs_N = np.bincount(labels_HW[starts_HW], minlength=num_labels)
    x0_N, y0_N, width_N, height_N, area_N = stats.T.astype(np.int64)
    fill_N = area_N / (width_N * height_N)
    is_glyph = (height_N >= MIN_GLYPH_PX) & (height_N <= max_height_px) & (width_N <= 20 * height_N)
    is_glyph &= (fill_N >= 0.1) & ((fill_N <= 0.85) | (width_N <= 0.5 * height_N))
    is_glyph[0] = False
    kept = np.flatnonzero(is_glyph)
    kept = kept[np.argsort(-level_N[kept], kind="stable")[:MAX_GLYPHS]]
    x1_N, y1_N = x0_N + width_N, y0_N + height_N
    return _Glyphs(x0_N[kept], y0_N[kept], x1_N[kept], y1_N[kept], (runs_N / height_N)[kept], level_N[kept])


def _rows(glyphs: _Glyphs) -> list[NDArray[np.intp]]:
    """Glyphs -> groups of neighbouring glyphs: alike in height, on one line, close to each other."""
    order = np.argsort(glyphs.x0_N, kind="stable")
    parent = np.arange(len(glyphs))

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = int(parent[k])
        return k

    height_N = glyphs.y1_N - glyphs.y0_N
    for position, k in enumerate(order):
        others = order[position + 1 :]
        reach = glyphs.x1_N[k] + 1.5 * height_N[k]
        others = others[: np.searchsorted(glyphs.x0_N[others], reach, side="right")]
        overlap = np.minimum(glyphs.y1_N[k], glyphs.y1_N[others]) - np.maximum(glyphs.y0_N[k], glyphs.y0_N[others])
        small, large = np.minimum(height_N[k], height_N[others]), np.maximum(height_N[k], height_N[others])
        alike = (overlap >= 0.7 * small) & (large <= 1.6 * small) & (glyphs.x0_N[others] >= glyphs.x0_N[k])
        alike &= np.abs(glyphs.level_N[others] - glyphs.level_N[k]) <= 40
        for other in others[alike]:
            parent[root(int(other))] = root(int(k))
    roots = np.array([root(k) for k in range(len(glyphs))], dtype=np.intp)
    return [np.flatnonzero(roots == value) for value in sorted(set(roots.tolist()))]


def _is_text(view_HW: UInt8Array, glyphs: _Glyphs, members: NDArray[np.intp]) -> bool:
    """Whether these neighbouring glyphs are text: they have enough strokes, and gaps no wider than between letters."""
    box = _row_box(glyphs, members)
    strokes = float(glyphs.strokes_N[members].sum())
    per_height = strokes * box.height / box.width
    if strokes >= MIN_ROW_STROKES:
        needed = MIN_STROKES_PER_HEIGHT_ON_BLACK if _is_on_black(view_HW, box) else MIN_STROKES_PER_HEIGHT
        return box.width >= 1.2 * box.height and per_height >= needed
    slack_px = max(1.0, 0.1 * box.height)
    is_level = max(np.ptp(glyphs.y0_N[members]), np.ptp(glyphs.y1_N[members])) <= slack_px
    is_bright = glyphs.level_N[members].min() >= MIN_SHORT_LEVEL
    is_dense = per_height >= MIN_SHORT_STROKES_PER_HEIGHT and strokes >= MIN_SHORT_STROKES
    return bool(len(members) > 1 and is_level and is_bright and is_dense and box.height >= MIN_GLYPH_PX + 2)


def _is_on_black(view_HW: UInt8Array, box: Box) -> bool:
    """Whether the two lines of pixels above the row and the two below it are mostly black."""
    above_HW = view_HW[max(0, box.y0 - 3) : max(0, box.y0 - 1), box.x0 : box.x1]
    below_HW = view_HW[box.y1 + 1 : box.y1 + 3, box.x0 : box.x1]
    return all(np.median(line_HW) <= BLACK_LEVEL for line_HW in (above_HW, below_HW) if line_HW.size)


def _row_box(glyphs: _Glyphs, members: NDArray[np.intp]) -> Box:
    return Box(
        int(glyphs.x0_N[members].min()),
        int(glyphs.y0_N[members].min()),
        int(glyphs.x1_N[members].max()),
        int(glyphs.y1_N[members].max()),
    )
