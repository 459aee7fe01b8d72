"""View -> 27 numbers that distinguish ultrasound from other pictures.

They describe gray levels, change over depth, directions, heavy tails of differences, and speckle.

Legend: `_HW` arrays (rows, columns) of gray levels 0 to 255 at the working size, `_N` places in it; "across" is along a
row (lateral), "down" along a column (axial). Level 0 of the pyramid is the working size; each next level halves it.

The reasons:
- The beam smears echoes across, and the pulse keeps them short down. So changes downwards exceed changes across at
  every scale.
- After log compression, speckle is equally strong in bright and dark tissue, and nothing lit is smooth (Burckhardt,
  IEEE Trans Sonics Ultrason 25:1, 1978). A picture of surfaces has smooth and busy parts, and its differences have
  heavy tails (Field, J Opt Soc Am A 4:2379, 1987).
- Echoes fade with depth, and tissue has layers.
The finest scale has one number only, because resampling, sharpening and coding of the image change it most.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from thyrosight.types import FloatArray, UInt8Array

STATISTICS = (
    "middle_level",
    "commonest_level",
    "between_rows",
    "between_columns",
    "top_over_bottom",
    "middle_over_ends",
    *(f"down_over_across_{level}" for level in range(4)),
    *(f"fall_{level}" for level in (2, 3)),
    *(f"tail_{way}_{level}" for level in (1, 2, 3) for way in ("across", "down")),
    *(f"cross_{level}" for level in (1, 2)),
    "quiet",
    "loud",
    "bright_speckle",
    "dark_speckle",
    "speckle_skewness",
    "coherence",
    "layers",
)
SIDE_PX = 128
"""Geometric mean of the sides at working size; so a pixel of pyramid level k is the same share of every view."""
MIN_SIDE_PX = 32
MAX_ASPECT = 4.0
LIT_LEVEL = 20.0
"""Tissue darker than this level shows no speckle, because its gray is clipped."""
LEVEL_FLOOR = 0.05  # added to mean differences and mean squares of gray levels, so that a flat view has statistics


def view_statistics(view_HW: UInt8Array) -> FloatArray:
    """Gray view of any size -> its statistics, float32 (27,); finite for any input, nearly equal if mirrored."""
    return statistics_at_size(working_size(view_HW))


def working_size(view_HW: UInt8Array, stretch: float = 1.0) -> FloatArray:
    """View -> the view at the working size; its ratio of width to height becomes `stretch` times as large."""
    height, width = view_HW.shape
    aspect = math.sqrt(min(max(stretch * width / height, 1 / MAX_ASPECT), MAX_ASPECT))
    size = max(MIN_SIDE_PX, round(SIDE_PX * aspect)), max(MIN_SIDE_PX, round(SIDE_PX / aspect))
    is_larger = height * width > SIDE_PX**2
    method = cv2.INTER_AREA if is_larger else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(view_HW, size, interpolation=method), dtype=np.float32)


def varied(view_HW: UInt8Array, rng: np.random.Generator) -> FloatArray:
    """View, rng -> the view at the working size, as other settings or another scanner might show it.

    A part of the depth and width is cut out, it gets another aspect ratio, gray curve and gain, and is smoothed or
    sharpened.
    """
    height, width = view_HW.shape
    rows, columns = (max(1, round(side * rng.uniform(0.7, 1.0))) for side in (height, width))
    top, left = int(rng.integers((height - rows) // 3 + 1)), int(rng.integers(width - columns + 1))
    part_HW = np.ascontiguousarray(view_HW[top : top + rows, left : left + columns])
    values_HW = working_size(part_HW, math.exp(2 * rng.uniform(-0.25, 0.25)))
    change = rng.uniform(-1.0, 1.2)
    smooth_HW = cv2.GaussianBlur(values_HW, (0, 0), max(0.1, change) if change > 0 else 1.0)
    values_HW = np.asarray(smooth_HW if change > 0 else values_HW - change * (values_HW - smooth_HW), dtype=np.float32)
    curve, gain = math.exp(rng.normal(0, 0.3)), math.exp(rng.normal(0, 0.15))
    return np.asarray(np.clip(255 * gain * (np.clip(values_HW, 0, 255) / 255) ** curve, 0, 255), dtype=np.float32)


def statistics_at_size(values_HW: FloatArray) -> FloatArray:
    """View at the working size -> its statistics, in the order of STATISTICS."""
    found = [*_levels(values_HW), *_profiles(values_HW), *_scales(values_HW), *_speckle(values_HW), *_layers(values_HW)]
    assert len(found) == len(STATISTICS)
    return np.asarray(found, dtype=np.float32)


def _levels(values_HW: FloatArray) -> tuple[float, float]:
    """-> square root of the median level; log share of the commonest level, which is large in drawings."""
    counts = np.bincount(values_HW.ravel().astype(np.uint8), minlength=256)
    median = int(np.searchsorted(counts.cumsum(), values_HW.size / 2))
    return math.sqrt(median), math.log(int(counts.max()) / values_HW.size + 1e-3)


def _profiles(values_HW: FloatArray) -> tuple[float, float, float, float]:
    """-> (log share of the variance between rows, between columns, top - bottom, middle - mean of top and bottom).

    top, middle, bottom: mean level of each third of the rows, in standard deviations of the view.
    """
    rows, columns = values_HW.mean(axis=1), values_HW.mean(axis=0)
    variance = float(values_HW.var()) + 0.25
    third = len(rows) // 3
    top, middle, bottom = (float(part.mean()) for part in (rows[:third], rows[third:-third], rows[-third:]))
    sd = math.sqrt(variance)
    return (
        math.log(float(rows.var()) / variance + 0.01),
        math.log(float(columns.var()) / variance + 0.01),
        (top - bottom) / sd,
        (middle - (top + bottom) / 2) / sd,
    )


def _scales(values_HW: FloatArray) -> list[float]:
    """-> logarithms of ratios over a pyramid of four levels.

    Level 0 is the finest, and each level has half the size of the one before.

    A change is a difference of neighbouring pixels, across or down. At each level: changes down over changes across. At
    levels 2 and 3: strength of changes over their strength at the level before. At levels 1 to 3, across and down: mean
    square over squared mean of changes. At levels 1 and 2: mixed changes (`_cross`).
    """
    ratios, strengths, tails, crosses = [], [], [], []
    level_HW = values_HW
    for level in range(4):
        across_HW, down_HW = np.diff(level_HW, axis=1), np.diff(level_HW, axis=0)
        across, down = (float(np.abs(change).mean()) + LEVEL_FLOOR for change in (across_HW, down_HW))
        ratios.append(math.log(down / across))
        strengths.append(math.log(down * across) / 2)
        if level > 0:
            for change_HW, mean in ((across_HW, across), (down_HW, down)):
                tails.append(math.log((float(np.square(change_HW).mean()) + LEVEL_FLOOR) / mean**2))
        if level in (1, 2):
            crosses.append(_cross(across_HW, down_HW))
        level_HW = np.asarray(cv2.pyrDown(level_HW), dtype=np.float32)
    falls = [strengths[level] - strengths[level - 1] for level in (2, 3)]
    return [*ratios, *falls, *tails, *crosses]


def _cross(across_HW: FloatArray, down_HW: FloatArray) -> float:
    """First differences -> log of the mixed second difference over the geometric mean of both unmixed ones."""
    mixed, second_across, second_down = (
        float(np.abs(change).mean()) + LEVEL_FLOOR
        for change in (np.diff(across_HW, axis=0), np.diff(across_HW, axis=1), np.diff(down_HW, axis=0))
    )
    return math.log(mixed / math.sqrt(second_across * second_down))


def _speckle(values_HW: FloatArray) -> tuple[float, float, float, float, float]:
    """-> three measures of the fine structure: spread of its local strength, dependence on gray, mean skewness.

    Spread: logs of the 10th and of the 90th percentile of the strength over its median, where the view is lit.
    Dependence: mean log strength in the brightest third and in the darkest third of the lit pixels, relative to the
    middle third.
    """
    window = (9, 9)
    fine_HW = values_HW - cv2.GaussianBlur(values_HW, (0, 0), 2)
    strength_HW = np.sqrt(np.maximum(cv2.blur(fine_HW * fine_HW, window), 0))
    inner = (slice(4, -4), slice(4, -4))
    skewness = float(np.mean((fine_HW[inner] / (strength_HW[inner] + 0.5)) ** 3))
    sparse = (slice(4, -4, 2), slice(4, -4, 2))
    level_N, strength_N = cv2.blur(values_HW, window)[sparse].ravel(), np.log(strength_HW[sparse].ravel() + 0.25)
    is_lit = level_N >= min(LIT_LEVEL, float(np.percentile(level_N, 70)))
    level_N, strength_N = level_N[is_lit], strength_N[is_lit]
    quiet, middle, loud = (float(value) for value in np.percentile(strength_N, (10, 50, 90)))
    low, high = np.percentile(level_N, (33, 67))
    parts = (level_N <= low, (level_N > low) & (level_N <= high), level_N > high)
    dark, even, bright = (float(strength_N[part].mean()) if part.any() else middle for part in parts)
    return quiet - middle, loud - middle, bright - even, dark - even, skewness


def _layers(values_HW: FloatArray) -> tuple[float, float]:
    """-> log of the mean local coherence of the gradients; their mean direction, 1 for downwards and -1 for across.

    From the structure tensor (Bigun and Granlund, ICCV 1987), averaged over 15 x 15 pixels.
    """
    smooth_HW = cv2.GaussianBlur(values_HW, (0, 0), 1.5)
    across_HW, down_HW = cv2.Sobel(smooth_HW, cv2.CV_32F, 1, 0), cv2.Sobel(smooth_HW, cv2.CV_32F, 0, 1)
    window = (15, 15)
    xx_HW, yy_HW = cv2.blur(across_HW * across_HW, window), cv2.blur(down_HW * down_HW, window)
    xy_HW = cv2.blur(across_HW * down_HW, window)
    total_HW = xx_HW + yy_HW + 1
    coherence_HW = np.sqrt((xx_HW - yy_HW) ** 2 + 4 * xy_HW**2) / total_HW
    return math.log(float(coherence_HW.mean()) + 0.02), float(((yy_HW - xx_HW) / total_HW).mean())
