"""(image_HW in [0, 1], mask_HW, valid_HW), rng -> the same view, as another scanner, hand or patient would give it.

Geometry (depth and zoom, small rotation, shift, horizontal flip, smooth warp) moves image and mask alike. Gain, gamma,
time gain, speckle, shadow, blur and calipers change the image alone. There is no vertical flip: depth runs downwards.
evaluation/stress/perturb.py has other formulas for the same disturbances, because a test must not use those that the
model was trained with.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from thyrosight.config import AugmentConfig
from thyrosight.measurement.outlines import components
from thyrosight.measurement.size import measure
from thyrosight.prediction import PointXY
from thyrosight.types import BoolArray, FloatArray, UInt8Array
from thyrosight.views.calipers import INK_LEVEL, draw_cross, draw_dots

MIN_MEASURED_PX = 25
"""A part of a mask with fewer pixels gets no calipers."""

View = tuple[FloatArray, BoolArray, BoolArray, *tuple[BoolArray, ...]]
"""image_HW, mask_HW, valid_HW, and further masks that are moved in the same way."""
Rng = np.random.Generator


def augment(view: View, settings: AugmentConfig, rng: Rng) -> View:
    """Changes the geometry first, then what a scanner changes, in a fixed order; pixels outside valid_HW stay 0."""
    if not settings.enabled:
        return view
    image_HW, mask_HW, valid_HW, *further = warp(view, settings, rng)
    for change in PHOTOMETRIC:
        image_HW = change(image_HW, settings, rng)
    image_HW = random_calipers(image_HW, mask_HW, settings, rng)
    image_HW = np.clip(image_HW, 0.0, 1.0) * valid_HW
    return (np.ascontiguousarray(image_HW, dtype=np.float32), mask_HW, valid_HW, *further)


def warp(view: View, settings: AugmentConfig, rng: Rng) -> View:
    """Flips, zooms, rotates, shifts and bends in one resampling; masks (8 at most) by nearest neighbour."""
    image_HW, *masks = view
    height, width = image_HW.shape
    columns, rows = _sampling_grid(height, width, settings, rng)
    warped_HW = cv2.remap(image_HW, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    labels_HW: UInt8Array = cv2.remap(  # type: ignore[assignment]
        np.sum([mask_HW.astype(np.uint8) << bit for bit, mask_HW in enumerate(masks)], axis=0, dtype=np.uint8),
        columns,
        rows,
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    mask_HW, valid_HW, *further = (labels_HW & (1 << bit) > 0 for bit in range(len(masks)))
    return (np.asarray(warped_HW, np.float32), mask_HW, valid_HW, *further)


def _sampling_grid(height: int, width: int, settings: AugmentConfig, rng: Rng) -> tuple[FloatArray, FloatArray]:
    """-> (columns_HW, rows_HW), float32: the input position of each output pixel."""
    angle = np.deg2rad(rng.uniform(-1, 1) * settings.rotate_degrees)
    zoom = np.exp(rng.uniform(-1, 1) * settings.zoom)
    aspect = np.exp(rng.uniform(-1, 1) * settings.zoom / 3)
    mirror = -1.0 if rng.random() < settings.flip else 1.0
    shift_xy = rng.uniform(-1, 1, 2) * settings.shift * (width, height)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    inverse = rotation @ np.diag([mirror / (zoom * aspect), aspect / zoom])
    centre_xy = np.array([(width - 1) / 2, (height - 1) / 2])
    x = np.arange(width)[None, :] - centre_xy[0] - shift_xy[0]
    y = np.arange(height)[:, None] - centre_xy[1] - shift_xy[1]
    columns = inverse[0, 0] * x + inverse[0, 1] * y + centre_xy[0]
    rows = inverse[1, 0] * x + inverse[1, 1] * y + centre_xy[1]
    if settings.elastic > 0:
        amplitude = rng.uniform(0, settings.elastic) * width
        columns = columns + amplitude * _smooth_field((height, width), 4, rng)
        rows = rows + amplitude * _smooth_field((height, width), 4, rng)
    return columns.astype(np.float32), rows.astype(np.float32)


def _smooth_field(size_hw: tuple[int, int], knots: int, rng: Rng) -> FloatArray:
    """Smooth random values in about [-1, 1], from a coarse grid of knots."""
    coarse = rng.uniform(-1, 1, (knots, knots)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, size_hw[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def random_gain(image_HW: FloatArray, settings: AugmentConfig, rng: Rng) -> FloatArray:
    """Changes gain and dynamic range: after log compression they are an offset and a factor; black stays black."""
    factor = np.exp(rng.normal(0, settings.gain / 2)) if settings.gain > 0 else 1.0
    offset = rng.normal(0, settings.gain / 2) if settings.gain > 0 else 0.0
    return image_HW * np.float32(factor) + np.float32(offset) * np.clip(image_HW * 10, 0, 1)


def random_gamma(image_HW: FloatArray, settings: AugmentConfig, rng: Rng) -> FloatArray:
    """Image -> the same with another gray curve (gamma): scanners have different gray maps."""
    if settings.gamma <= 0:
        return image_HW
    return np.asarray(np.power(np.clip(image_HW, 0, 1), np.float32(np.exp(rng.normal(0, settings.gamma)))), np.float32)


def random_time_gain(image_HW: FloatArray, settings: AugmentConfig, rng: Rng) -> FloatArray:
    """Applies another time-gain compensation: a smooth factor over depth."""
    if settings.time_gain <= 0:
        return image_HW
    knots = 1.0 + rng.uniform(-1, 1, 4) * settings.time_gain
    curve_H = np.interp(np.linspace(0, 3, image_HW.shape[0]), np.arange(4), knots)
    return image_HW * curve_H[:, None].astype(np.float32)


def random_speckle(image_HW: FloatArray, settings: AugmentConfig, rng: Rng) -> FloatArray:
    """Multiplies the image by noise whose grain is wider than deep, like speckle."""
    if settings.speckle <= 0 or rng.random() < 0.5:
        return image_HW
    noise_HW = rng.standard_normal(image_HW.shape, dtype=np.float32)
    sigma = rng.uniform(0.6, 1.4)
    grain_HW = np.asarray(cv2.GaussianBlur(noise_HW, (0, 0), sigmaX=sigma * 1.4, sigmaY=sigma * 0.8), np.float32)
    strength = rng.uniform(0, settings.speckle) / max(float(grain_HW.std()), 1e-6)
    return image_HW * (np.float32(1.0) + np.float32(strength) * grain_HW)


def random_shadow(image_HW: FloatArray, settings: AugmentConfig, rng: Rng) -> FloatArray:
    """Draws a darker band with soft sides, from some depth downwards."""
    if rng.random() >= settings.shadow:
        return image_HW
    height, width = image_HW.shape
    centre, half = rng.uniform(0, width), rng.uniform(0.02, 0.1) * width
    begins = rng.uniform(0, 0.6) * height
    across_W = 1 / (1 + np.exp((np.abs(np.arange(width) - centre) - half) / (0.25 * half + 1)))
    down_H = 1 / (1 + np.exp(-(np.arange(height) - begins) / 4))
    depth = rng.uniform(0.3, 0.8)
    darkening_HW = np.asarray(1 - depth * down_H[:, None] * across_W[None, :], np.float32)
    return image_HW * darkening_HW


def random_blur(image_HW: FloatArray, settings: AugmentConfig, rng: Rng) -> FloatArray:
    """Blurs the image, as another transducer or a scanner that smooths would."""
    if rng.random() >= settings.blur:
        return image_HW
    sigma = rng.uniform(0.4, 1.2)
    return np.asarray(cv2.GaussianBlur(image_HW, (0, 0), sigma), np.float32)


def random_calipers(image_HW: FloatArray, mask_HW: BoolArray, settings: AugmentConfig, rng: Rng) -> FloatArray:
    """Draws measurement crosses, with or without dots between them; half of the time on a nodule, if there is one."""
    if settings.calipers <= 0 or rng.random() >= settings.calipers:
        return image_HW
    parts = components(mask_HW, MIN_MEASURED_PX)
    if parts and rng.random() < 0.5:
        size = measure(parts[rng.integers(len(parts))], None)
        diameters = [size.longest_ends_xy, size.perpendicular_ends_xy]
    else:
        diameters = _diameters_anywhere(image_HW.shape, rng)
    cross_px = int(rng.uniform(0.025, 0.09) * image_HW.shape[0]) | 1
    is_open, has_dots = rng.random() < 0.5, rng.random() < 0.5
    ink_HW = np.zeros(image_HW.shape, np.uint8)
    for ends_xy in diameters[: rng.integers(1, 3)]:
        if has_dots:
            draw_dots(ink_HW, ends_xy, cross_px)
        for end_xy in ends_xy:
            draw_cross(ink_HW, end_xy, cross_px, is_open)
    return np.where(ink_HW > 0, np.float32(INK_LEVEL / 255), image_HW)


def _diameters_anywhere(size_hw: tuple[int, ...], rng: Rng) -> list[tuple[PointXY, PointXY]]:
    """-> the two axes of a random ellipse in the image."""
    height, width = size_hw
    centre_xy = rng.uniform(0.15, 0.85, 2) * (width, height)
    half_px, angle = rng.uniform(0.05, 0.25) * height, rng.uniform(0, np.pi)
    axes = []
    for length_px, turn in ((half_px, 0.0), (half_px * rng.uniform(0.5, 0.95), np.pi / 2)):
        arm_xy = length_px * np.array([np.cos(angle + turn), np.sin(angle + turn)])
        (x0, y0), (x1, y1) = centre_xy - arm_xy, centre_xy + arm_xy
        axes.append(((float(x0), float(y0)), (float(x1), float(y1))))
    return axes


PHOTOMETRIC: tuple[Callable[[FloatArray, AugmentConfig, Rng], FloatArray], ...] = (
    random_gain,
    random_gamma,
    random_time_gain,
    random_speckle,
    random_shadow,
    random_blur,
)
