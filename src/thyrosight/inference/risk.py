"""Definitions that lay in calibration.py."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from thyrosight.bundle.records import BundleInfo
from thyrosight.inference.network import RawPrediction
from thyrosight.types import Float64Array, UInt8Array


def calibrated_interval(
    logit: float, scale: float, offset: float, covariance: tuple[float, float, float]
) -> tuple[float, float]:
    """Logit, fit and its covariance -> 95 % interval of the calibrated risk, as far as the calibration is uncertain."""
    variance = logit * logit * covariance[0] + 2 * logit * covariance[1] + covariance[2]
    centre, half = scale * logit + offset, 1.959964 * max(variance, 0.0) ** 0.5
    low, high = _sigmoid(np.array([centre - half, centre + half]))
    return float(low), float(high)


def _sigmoid(logits_N: Float64Array) -> Float64Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits_N)), dtype=np.float64)


@dataclass(frozen=True)
class Fit:
    """risk = sigmoid(scale x logit + offset), and the covariance of that fit."""

    scale: float
    offset: float
    covariance: tuple[float, float, float]


def risk_of(logit: float, fit: Fit) -> float:
    """Logit, fit -> calibrated risk; infinities give 0 and 1."""
    return float(0.5 * (1.0 + np.tanh(0.5 * (fit.scale * logit + fit.offset))))


def calibrated_risk(info: BundleInfo, malignancy_logit: float) -> float | None:
    """Malignancy logit -> risk = sigmoid(scale * logit + offset) (Platt 1999), 0 to 1; None if the model has none."""
    if not info.has_malignancy:
        return None
    z = info.calibration.scale * malignancy_logit + info.calibration.offset
    risk = 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))
    return round(risk, 6)


def risk_interval(info: BundleInfo, malignancy_logit: float) -> tuple[float, float] | None:
    """Malignancy logit -> 95 % interval of the calibrated risk, 0 to 1; None where the bundle can't say."""
    covariance = info.calibration.covariance
    if not info.has_malignancy or covariance is None:
        return None
    low, high = calibrated_interval(malignancy_logit, info.calibration.scale, info.calibration.offset, covariance)
    return round(low, 6), round(high, 6)


def risk_map(raw: RawPrediction, info: BundleInfo) -> UInt8Array:
    """-> uint8 _HW: round(255 * sigmoid(scale * logit + offset)) in the panels, which is the risk's own formula."""
    risk_HW = np.zeros(raw.malignancy_map_HW.shape, np.uint8)
    scale, offset = info.calibration.scale, info.calibration.offset
    for panel in raw.panels:
        z_HW = scale * raw.malignancy_map_HW[panel.slices] + offset
        risk_HW[panel.slices] = np.rint(127.5 * (1.0 + np.tanh(0.5 * z_HW)))
    return risk_HW
