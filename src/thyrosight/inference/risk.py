"""Malignancy logit -> calibrated risk, its interval and its map: sigmoid(scale x logit + offset), Platt 1999.

Platt, Advances in Large Margin Classifiers, MIT Press 1999. The formula is only here; evaluation and web import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thyrosight.bundle.records import BundleInfo
from thyrosight.inference.records import RawPrediction
from thyrosight.types import UInt8Array

Z95 = 1.959964

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Fit:
    """A calibration: risk = sigmoid(scale x logit + offset), and the covariance of (scale, offset).

    covariance: variance of the scale, covariance, variance of the offset.
    """

    scale: float
    offset: float
    covariance: tuple[float, float, float]


def sigmoid(z: Floats) -> Floats:
    """Any shape -> 1 / (1 + exp(-z)), in the same precision; infinities give 0 and 1."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))


def risk_of(logit: float, scale: float, offset: float) -> float:
    """Logit, calibration -> risk, 0 to 1; infinities give 0 and 1."""
    return float(sigmoid(np.asarray(scale * logit + offset)))


def interval_of(logit: float, fit: Fit) -> tuple[float, float]:
    """Logit, calibration -> 95 % interval of the risk, from the uncertainty of the calibration alone."""
    variance = logit * logit * fit.covariance[0] + 2 * logit * fit.covariance[1] + fit.covariance[2]
    centre, half = fit.scale * logit + fit.offset, Z95 * max(variance, 0.0) ** 0.5
    low, high = sigmoid(np.array([centre - half, centre + half]))
    return float(low), float(high)


def calibrated_risk(info: BundleInfo, malignancy_logit: float) -> float | None:
    """The bundle's info, logit -> risk to six digits; None where the model does not rate malignancy."""
    if not info.has_malignancy:
        return None
    return round(risk_of(malignancy_logit, info.calibration.scale, info.calibration.offset), 6)


def risk_interval(info: BundleInfo, malignancy_logit: float) -> tuple[float, float] | None:
    """The bundle's info, logit -> 95 % interval of the risk; None where the bundle has no covariance or risk."""
    calibration = info.calibration
    if not info.has_malignancy or calibration.covariance is None:
        return None
    low, high = interval_of(malignancy_logit, Fit(calibration.scale, calibration.offset, calibration.covariance))
    return round(low, 6), round(high, 6)


def risk_map(raw: RawPrediction, info: BundleInfo) -> UInt8Array:
    """The network's maps, the bundle's info -> uint8 _HW: round(255 x risk) in the panels, 0 outside."""
    risk_HW = np.zeros(raw.malignancy_map_HW.shape, np.uint8)
    scale, offset = info.calibration.scale, info.calibration.offset
    for panel in raw.panels:
        risk_HW[panel.slices] = np.rint(255 * sigmoid(scale * raw.malignancy_map_HW[panel.slices] + offset))
    return risk_HW
