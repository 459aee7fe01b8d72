"""Gray image, nodule -> its inside compared with the tissue around it: echogenicity, fluid, bright spots.

Every measure is relative to the median gray of the band: a ring of tissue around the nodule in the same view. The
scanner's gain and gray curve change nodule and band alike. Gray levels remain those of the screen: log-compressed, and
different for each maker. The limits below come from phantoms with known truth (docs/experiments.md), not from readers:
the results are candidates.

Legend: `_HW` arrays in source pixels; "equivalent diameter" is the diameter of the disc of equal area, in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.types import BoolArray, FloatArray, Spacing, UInt8Array

BAND = (0.06, 0.35)
"""The band around the nodule lies between these two distances from the outline, in equivalent diameters."""
MIN_BAND_SHARE = 0.2
"""The band must have at least this share of the nodule's number of pixels for a fair comparison."""
MIN_GRAY = 16.0
"""A band darker than this shows no tissue."""
RIM_SHARE = 0.03
"""Pixels nearer to the outline than this belong to the margin, not to the inside; in equivalent diameters."""
FOCUS_RIM_SHARE = 0.06
"""The same limit for spots. It is larger, because a nodule's rim is a bright line with even brighter places."""
SMOOTHING_SHARE = 0.012
"""Standard deviation of the Gaussian against speckle, in equivalent diameters; at least 1 pixel."""
FLUID_BELOW = 0.4
"""A pixel is echo-free if its smoothed gray divided by the band's median is less than this."""
MIN_SOLID_SHARE = 0.05
"""The echogenicity of a nodule with a smaller share of tissue is not measured."""
FOCUS_MM = 1.2
FOCUS_SHARE = 0.08
"""Diameter of the largest spot: in millimetres, or in equivalent diameters where no millimetres are known. A punctate
focus is below 1 mm (Tessler 2017), and the image blurs it."""
FOCUS_CONTRAST = 0.55
FOCUS_NOISE = 6.0
"""A spot must exceed its surroundings by this multiple of the band's median gray, and by this number of deviations of
the speckle."""
MAX_FOCI = 99

NO_TISSUE = "there is too little tissue around the nodule in the view to compare with"
DARK_TISSUE = "the surroundings are too dark to compare with"
NO_SOLID = "nearly all of the nodule is echo-free: no tissue to compare"
TOO_SMALL = "the nodule is too small to look inside"


@dataclass(frozen=True)
class Surroundings:
    """The tissue around a nodule: its pixels and their median gray."""

    band_HW: BoolArray
    gray: float


@dataclass(frozen=True)
class Focus:
    """A bright spot: centre (column, row), diameter of a disc of its area, gray level of its peak in the top-hat."""

    centre_xy: tuple[float, float]
    diameter_px: float
    rise: float


def equivalent_diameter(mask_HW: BoolArray) -> float:
    """Mask -> diameter of the disc of equal area, in pixels."""
    return 2 * math.sqrt(np.count_nonzero(mask_HW) / math.pi)


def surroundings_of(image_HW: UInt8Array, mask_HW: BoolArray, excluded_HW: BoolArray) -> Surroundings | str:
    """View, nodule, pixels without tissue (other nodules, text) -> Surroundings, or why there are none.

    The band is BAND equivalent diameters outside the outline. Pixels straight below the nodule are left out: the nodule
    enhances or shadows the sound that passes through it.
    """
    diameter = equivalent_diameter(mask_HW)
    distance_HW = cv2.distanceTransform((~mask_HW).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    band_HW = (distance_HW > BAND[0] * diameter) & (distance_HW <= BAND[1] * diameter)
    band_HW &= ~_behind(mask_HW) & ~excluded_HW
    if np.count_nonzero(band_HW) < max(MIN_BAND_SHARE * np.count_nonzero(mask_HW), 16):
        return NO_TISSUE
    gray = float(np.median(image_HW[band_HW]))
    return Surroundings(band_HW, gray) if gray >= MIN_GRAY else DARK_TISSUE


def inner_part(mask_HW: BoolArray, rim_share: float = RIM_SHARE) -> BoolArray:
    """Mask -> the mask without a margin that is rim_share equivalent diameters wide."""
    padded_HW = np.pad(mask_HW.astype(np.uint8), 1)
    distance_HW = cv2.distanceTransform(padded_HW, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
    return np.asarray(distance_HW > rim_share * equivalent_diameter(mask_HW))


def fluid_of(image_HW: UInt8Array, mask_HW: BoolArray, around: Surroundings) -> BoolArray:
    """Image, nodule, surroundings -> the pixels inside the nodule with hardly any echo.

    Anechoic means black in comparison with the thyroid: the smoothed gray is less than FLUID_BELOW times the median
    gray of the band around the nodule. The Gaussian averages the speckle of tissue; fluid has little speckle.
    """
    return mask_HW & (_smoothed(image_HW, mask_HW) < FLUID_BELOW * around.gray)


def echogenicity(image_HW: UInt8Array, solid_HW: BoolArray, around: Surroundings) -> tuple[float, float]:
    """Image, the nodule's tissue without fluid, surroundings -> (ratio, difference) of two median grays.

    They compare the median gray of the nodule's tissue with the median gray of the band around the nodule.

    Medians are used, because the bright tail of speckle and single foci or vessels would change a mean.
    """
    inside = float(np.median(image_HW[solid_HW]))
    return inside / around.gray, inside - around.gray


def echogenic_foci(
    image_HW: UInt8Array, mask_HW: BoolArray, around: Surroundings, spacing: Spacing | None
) -> tuple[Focus, ...]:
    """Image, nodule, surroundings, spacing -> small bright spots inside, the brightest first; candidates only.

    White top-hat (Meyer 1979; Serra, Image Analysis and Mathematical Morphology, 1982): the lightly smoothed image
    minus its opening by a disc of FOCUS_MM (FOCUS_SHARE of the equivalent diameter without millimetres). It keeps spots
    smaller than the disc and brighter than their surroundings. The top-hat of a spot must reach FOCUS_CONTRAST times
    the gray of the tissue around the nodule. It must also be FOCUS_NOISE robust deviations above the median top-hat of
    the nodule. Its brightest pixel must be at least as bright as the tissue around the nodule, which excludes specks in
    fluid. The rim of the nodule (FOCUS_RIM_SHARE) is left out. At most MAX_FOCI are given.
    """
    width = FOCUS_SHARE * equivalent_diameter(mask_HW)
    sizes = (width, width) if spacing is None else (FOCUS_MM / spacing.column_mm, FOCUS_MM / spacing.row_mm)
    kernel_wh = tuple(2 * max(2, round(size / 2)) + 1 for size in sizes)
    light_HW = cv2.GaussianBlur(image_HW, (0, 0), 0.8).astype(np.float32)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, kernel_wh)
    rise_HW: FloatArray = np.asarray(cv2.morphologyEx(light_HW, cv2.MORPH_TOPHAT, disc), np.float32)
    inner_HW = inner_part(mask_HW, FOCUS_RIM_SHARE)
    if not inner_HW.any():
        return ()
    rises = rise_HW[inner_HW]
    middle = float(np.median(rises))
    deviation = 1.4826 * float(np.median(np.abs(rises - middle)))
    bound = max(FOCUS_CONTRAST * around.gray, middle + FOCUS_NOISE * deviation)
    spots_HW = inner_HW & (rise_HW > 0.5 * bound)
    return _spots(spots_HW, rise_HW, light_HW, bound, around.gray)


def _spots(
    spots_HW: BoolArray, rise_HW: FloatArray, light_HW: FloatArray, bound: float, gray: float
) -> tuple[Focus, ...]:
    """Pixels with a top-hat above half the limit -> Focus per connected part with a peak above the limit."""
    num, labels_HW, stats, centres_xy = cv2.connectedComponentsWithStats(spots_HW.astype(np.uint8), connectivity=8)
    found = []
    for label in range(1, num):
        x, y, width, height, area = (int(value) for value in stats[label])
        here = (slice(y, y + height), slice(x, x + width))
        part_HW = labels_HW[here] == label
        peak = float(rise_HW[here][part_HW].max())
        if peak >= bound and float(light_HW[here][part_HW].max()) >= gray:
            centre_xy = (float(centres_xy[label][0]), float(centres_xy[label][1]))
            found.append(Focus(centre_xy, 2 * math.sqrt(area / math.pi), peak))
    found.sort(key=lambda focus: -focus.rise)
    return tuple(found[:MAX_FOCI])


def _behind(mask_HW: BoolArray) -> BoolArray:
    """Mask -> in each column of the mask, the pixels below its lowest pixel."""
    return np.logical_or.accumulate(mask_HW, axis=0) & ~mask_HW


def _smoothed(image_HW: UInt8Array, mask_HW: BoolArray) -> NDArray[np.float32]:
    """-> the image smoothed within the mask; pixels outside have no influence (normalised convolution)."""
    sigma = max(1.0, SMOOTHING_SHARE * equivalent_diameter(mask_HW))
    weight_HW = mask_HW.astype(np.float32)
    total_HW = cv2.GaussianBlur(image_HW.astype(np.float32) * weight_HW, (0, 0), sigma)
    return np.asarray(total_HW / np.maximum(cv2.GaussianBlur(weight_HW, (0, 0), sigma), 1e-6), np.float32)
