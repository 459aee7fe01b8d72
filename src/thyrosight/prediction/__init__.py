"""Prediction, Nodule and their parts: the JSON of a result, and how a prediction draws itself."""

from __future__ import annotations

from thyrosight.prediction.drawing import HIGH_RISK, LOW_RISK, Colour, risk_colour
from thyrosight.prediction.records import (
    EchogenicFocus,
    Flag,
    FlagCode,
    ImageIdentity,
    ModelIdentity,
    Nodule,
    NoduleSigns,
    NoduleSize,
    OperatingPointResult,
    PixelBox,
    PointXY,
    Prediction,
    Probability,
    Record,
    RiskShare,
    SpacingMm,
    json_schema,
    risk_threshold,
)

__all__ = [
    "HIGH_RISK",
    "LOW_RISK",
    "Colour",
    "EchogenicFocus",
    "Flag",
    "FlagCode",
    "ImageIdentity",
    "ModelIdentity",
    "Nodule",
    "NoduleSigns",
    "NoduleSize",
    "OperatingPointResult",
    "PixelBox",
    "PointXY",
    "Prediction",
    "Probability",
    "Record",
    "RiskShare",
    "SpacingMm",
    "json_schema",
    "risk_colour",
    "risk_threshold",
]
