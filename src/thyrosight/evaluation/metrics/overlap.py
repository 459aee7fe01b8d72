"""Reference mask, predicted mask -> overlap (Dice, IoU), boundary (NSD, HD95), nodules found, agreement of diameters.

Legend: `_HW` masks are boolean (rows, columns), reference first, prediction second; `_N` one value per boundary
element. Empty masks have one policy: an empty reference asks for an empty prediction; both empty is a perfect score,
one empty is the worst score. HD95 has no worst value, so one empty mask gives None, and a mean has to state how it
counts None. A mask that touches the border of the image has a boundary there as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.types import BoolArray, Spacing

Float64Array = NDArray[np.float64]
IntArray = NDArray[np.int32]

MIN_IOU_OF_FOUND_NODULE = 0.3
DISTANCE_SLACK = 1e-6
"""Relative slack of `distance <= tolerance`, because distances are rounded: they are float32 times millimetres."""
SEARCH_ELEMENTS = 2_000_000
"""Pairs of boundary elements that are compared at once where pixels are not square: about 50 MB."""


# Overlap


def dice(reference_HW: BoolArray, prediction_HW: BoolArray) -> float:
    """Two masks -> 2|A∩B| / (|A| + |B|) in 0..1 (Dice 1945); both empty 1."""
    _same_shape(reference_HW, prediction_HW)
    total = int(np.count_nonzero(reference_HW)) + int(np.count_nonzero(prediction_HW))
    return 2.0 * int(np.count_nonzero(reference_HW & prediction_HW)) / total if total else 1.0


def iou(reference_HW: BoolArray, prediction_HW: BoolArray) -> float:
    """Two masks -> |A∩B| / |A∪B| in 0..1 (Jaccard 1901); both empty 1."""
    _same_shape(reference_HW, prediction_HW)
    union = int(np.count_nonzero(reference_HW | prediction_HW))
    return int(np.count_nonzero(reference_HW & prediction_HW)) / union if union else 1.0


# Boundaries


@dataclass(frozen=True)
class SurfaceDistances:
    """The elements of each boundary: distance to the other boundary, and the length of boundary per element.

    Distances and lengths are in pixels, or in millimetres where a spacing was given. An empty mask has no elements, and
    the distances of the other mask are infinite.
    """

    reference_distance_N: Float64Array
    reference_length_N: Float64Array
    prediction_distance_N: Float64Array
    prediction_length_N: Float64Array


def surface_distances(
    reference_HW: BoolArray, prediction_HW: BoolArray, spacing: Spacing | None = None
) -> SurfaceDistances:
    """Two masks -> distances between their boundaries, in pixels, or in mm where the spacing is given.

    Boundary elements are at pixel corners, as in Nikolov et al., Deep learning to achieve clinically applicable
    segmentation of head and neck anatomy for radiotherapy (2018; JMIR 2021), here in two dimensions: every 2 x 2
    neighbourhood that is not uniform is one element; its weight is the length of the marching-squares contour there.
    """
    _same_shape(reference_HW, prediction_HW)
    unit = spacing or Spacing(1.0, 1.0)
    around = _bounding_slices(reference_HW | prediction_HW)
    reference_code_HW = _corner_codes(reference_HW[around])
    prediction_code_HW = _corner_codes(prediction_HW[around])
    length_by_code = _contour_lengths(unit)
    reference_edge_HW = length_by_code[reference_code_HW] > 0
    prediction_edge_HW = length_by_code[prediction_code_HW] > 0
    return SurfaceDistances(
        reference_distance_N=_distances(reference_edge_HW, prediction_edge_HW, unit),
        reference_length_N=length_by_code[reference_code_HW[reference_edge_HW]],
        prediction_distance_N=_distances(prediction_edge_HW, reference_edge_HW, unit),
        prediction_length_N=length_by_code[prediction_code_HW[prediction_edge_HW]],
    )


def normalised_surface_dice(surface: SurfaceDistances, tolerance: float) -> float:
    """Boundary distances -> share of both boundaries' length within `tolerance` of the other (NSD; Nikolov 2018).

    tolerance has the unit of the distances (pixels or mm). Both masks empty: 1; one empty: 0.
    """
    reach = tolerance * (1.0 + DISTANCE_SLACK)
    total = float(surface.reference_length_N.sum() + surface.prediction_length_N.sum())
    if total == 0.0:
        return 1.0
    reference_within = surface.reference_length_N[surface.reference_distance_N <= reach].sum()
    prediction_within = surface.prediction_length_N[surface.prediction_distance_N <= reach].sum()
    return float(reference_within + prediction_within) / total


def hausdorff95(surface: SurfaceDistances) -> float | None:
    """Boundary distances -> the larger of the two directed 95th percentiles (by contour length), in the same unit.

    Definition of Nikolov 2018: the smallest distance that holds at least 95 % of the length of the boundary. Both masks
    empty: 0. One empty: None, because there is no boundary to measure to.
    """
    num_reference, num_prediction = surface.reference_length_N.size, surface.prediction_length_N.size
    if num_reference == 0 and num_prediction == 0:
        return 0.0
    if num_reference == 0 or num_prediction == 0:
        return None
    return max(
        _length_percentile(surface.reference_distance_N, surface.reference_length_N, 0.95),
        _length_percentile(surface.prediction_distance_N, surface.prediction_length_N, 0.95),
    )


def _length_percentile(distance_N: Float64Array, length_N: Float64Array, share: float) -> float:
    order = np.argsort(distance_N, kind="stable")
    covered_N = np.cumsum(length_N[order])
    index = int(np.searchsorted(covered_N, share * covered_N[-1] * (1.0 - 1e-12)))
    return float(distance_N[order][min(index, order.size - 1)])


def _bounding_slices(mask_HW: BoolArray) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask_HW.any(axis=1)), np.flatnonzero(mask_HW.any(axis=0))
    if rows.size == 0:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _corner_codes(mask_HW: BoolArray) -> NDArray[np.uint8]:
    """Mask -> for each pixel corner (H + 1, W + 1) a code of which of its four pixels are set.

    The code is the sum of 8 (above left), 4 (above right), 2 (below left) and 1 (below right).
    """
    padded_HW = np.pad(mask_HW, 1).astype(np.uint8)
    return np.asarray(
        8 * padded_HW[:-1, :-1] + 4 * padded_HW[:-1, 1:] + 2 * padded_HW[1:, :-1] + padded_HW[1:, 1:], dtype=np.uint8
    )


def _contour_lengths(spacing: Spacing) -> Float64Array:
    """Spacing -> contour length by corner code (marching squares): a cut corner, an edge, or two cut corners."""
    diagonal = float(np.hypot(spacing.row_mm, spacing.column_mm))
    lengths = np.zeros(16)
    lengths[[1, 2, 4, 8, 7, 11, 13, 14]] = diagonal / 2.0
    lengths[[3, 12]] = spacing.column_mm
    lengths[[5, 10]] = spacing.row_mm
    lengths[[6, 9]] = diagonal
    return lengths


def _distances(from_HW: BoolArray, to_HW: BoolArray, spacing: Spacing) -> Float64Array:
    """Boundary elements -> distance of each in `from_HW` to the nearest in `to_HW`; infinite where there is none."""
    if not to_HW.any():
        return np.full(int(np.count_nonzero(from_HW)), np.inf)
    if spacing.row_mm == spacing.column_mm:
        distance_HW = cv2.distanceTransform((~to_HW).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return np.asarray(distance_HW[from_HW], dtype=np.float64) * spacing.row_mm
    unit_yx = np.array([spacing.row_mm, spacing.column_mm])
    from_yx, to_yx = np.argwhere(from_HW) * unit_yx, np.argwhere(to_HW) * unit_yx
    step = max(1, SEARCH_ELEMENTS // len(to_yx))
    nearest = [_nearest(from_yx[start : start + step], to_yx) for start in range(0, len(from_yx), step)]
    return np.concatenate(nearest) if nearest else np.zeros(0)


def _nearest(from_yx: Float64Array, to_yx: Float64Array) -> Float64Array:
    difference = from_yx[:, None, :] - to_yx[None, :, :]
    return np.asarray(np.sqrt(np.min(np.sum(difference * difference, axis=2), axis=1)), dtype=np.float64)


# Nodules found


class Match(NamedTuple):
    """A reference nodule and the predicted nodule that found it: component numbers from 1, and their IoU."""

    reference: int
    prediction: int
    iou: float


@dataclass(frozen=True)
class Detection:
    """The nodules of one image: matches, best first; label maps of all components of both masks (0: background)."""

    matches: tuple[Match, ...]
    num_reference: int
    num_predicted: int
    reference_labels_HW: IntArray
    prediction_labels_HW: IntArray


def detect(reference_HW: BoolArray, prediction_HW: BoolArray, min_iou: float = MIN_IOU_OF_FOUND_NODULE) -> Detection:
    """Two masks -> which reference nodules were found. Nodules (8-connected) are matched one to one, highest IoU first.

    A reference nodule is found where a predicted nodule overlaps it with IoU >= min_iou; every predicted nodule without
    a match is a false positive. Maier-Hein, Reinke et al., Metrics reloaded (Nature Methods 2024), ask for mask IoU
    where outlines are available, for a lenient cut-off where the boundary is uncertain (0.3 here, because the outlines
    of two readers differ), and for one-to-one matching. Below 0.5 two nodules can compete for one match; the larger IoU
    wins.
    """
    _same_shape(reference_HW, prediction_HW)
    num_reference, reference_labels_HW = _components(reference_HW)
    num_predicted, prediction_labels_HW = _components(prediction_HW)
    shape = (num_reference + 1, num_predicted + 1)
    pair_HW = reference_labels_HW.astype(np.int64) * shape[1] + prediction_labels_HW
    overlap_RP = np.bincount(pair_HW.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
    reference_area_R, predicted_area_P = overlap_RP.sum(axis=1), overlap_RP.sum(axis=0)
    union_RP = reference_area_R[:, None] + predicted_area_P[None, :] - overlap_RP
    iou_RP = overlap_RP / np.maximum(union_RP, 1)
    matches = _greedy(iou_RP[1:, 1:], min_iou)
    return Detection(matches, num_reference, num_predicted, reference_labels_HW, prediction_labels_HW)


def _components(mask_HW: BoolArray) -> tuple[int, IntArray]:
    count, labels_HW = cv2.connectedComponents(mask_HW.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    return int(count) - 1, np.asarray(labels_HW, dtype=np.int32)


def _greedy(iou_RP: Float64Array, min_iou: float) -> tuple[Match, ...]:
    candidates = np.argwhere((iou_RP >= min_iou) & (iou_RP > 0))
    ordered = sorted(candidates.tolist(), key=lambda pair: (-iou_RP[pair[0], pair[1]], pair))
    matches: list[Match] = []
    for reference, prediction in ordered:
        taken = any(match.reference == reference + 1 or match.prediction == prediction + 1 for match in matches)
        if not taken:
            matches.append(Match(reference + 1, prediction + 1, float(iou_RP[reference, prediction])))
    return tuple(matches)


# Agreement of a measurement


@dataclass(frozen=True)
class Agreement:
    """Bland-Altman: bias (prediction - reference), its standard deviation and the 95 % limits of agreement."""

    bias: float
    sd: float
    lower_limit: float
    upper_limit: float
    n: int


def bland_altman(
    reference_N: Sequence[float] | Float64Array, prediction_N: Sequence[float] | Float64Array
) -> Agreement | None:
    """Paired measurements -> bias, limits of agreement bias ± 1.96 sd, in the same unit (Bland & Altman 1986).

    sd with n - 1. None for fewer than two pairs. The limits treat the pairs as independent.
    """
    return _agreement(np.asarray(prediction_N, dtype=np.float64) - np.asarray(reference_N, dtype=np.float64))


def bland_altman_percent(
    reference_N: Sequence[float] | Float64Array, prediction_N: Sequence[float] | Float64Array
) -> Agreement | None:
    """Paired positive measurements -> as `bland_altman`, for the differences of `percent_differences`."""
    return _agreement(percent_differences(reference_N, prediction_N))


def percent_differences(
    reference_N: Sequence[float] | Float64Array, prediction_N: Sequence[float] | Float64Array
) -> Float64Array:
    """Paired positive measurements -> 100 (prediction - reference) / mean of the two."""
    reference, prediction = np.asarray(reference_N, dtype=np.float64), np.asarray(prediction_N, dtype=np.float64)
    return np.asarray(200.0 * (prediction - reference) / (prediction + reference), dtype=np.float64)


def _agreement(difference_N: Float64Array) -> Agreement | None:
    if difference_N.size < 2:
        return None
    bias, sd = float(difference_N.mean()), float(difference_N.std(ddof=1))
    return Agreement(bias, sd, bias - 1.96 * sd, bias + 1.96 * sd, int(difference_N.size))


def _same_shape(reference_HW: BoolArray, prediction_HW: BoolArray) -> None:
    if reference_HW.shape != prediction_HW.shape or reference_HW.dtype != np.bool_ or prediction_HW.dtype != np.bool_:
        raise ValueError(
            f"masks must be boolean and of one shape; reference {reference_HW.dtype} {reference_HW.shape}, "
            f"prediction {prediction_HW.dtype} {prediction_HW.shape}"
        )
