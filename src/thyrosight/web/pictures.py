"""Examination -> the pictures of one frame, all in the source's own pixels: they lie exactly over each other."""

from __future__ import annotations

import cv2
import numpy as np

from thyrosight.bundle import BundleInfo
from thyrosight.overlay import mask_png, picture_png, shown_frame
from thyrosight.predict import Examination, RawPrediction
from thyrosight.report import MASK_NAME, RESULT_NAME
from thyrosight.types import UInt8Array
from thyrosight.web.store import IMAGE_NAME, MAP_NAME


def frame_files(examination: Examination, info: BundleInfo) -> dict[str, bytes]:
    """Examination -> the files that are kept of its frame. The overlay is drawn when it is asked for."""
    picture_HW3, _ = shown_frame(examination.frame, examination.prediction)
    files = {MASK_NAME: mask_png(examination.mask_HW), IMAGE_NAME: picture_png(picture_HW3)}
    if info.has_malignancy and info.has_malignancy_map:
        files[MAP_NAME] = risk_map_png(examination.raw, info)
    return files | {RESULT_NAME: examination.prediction.to_json().encode()}


def risk_map_png(raw: RawPrediction, info: BundleInfo) -> bytes:
    """-> PNG of one channel: calibrated risk of each pixel, 0 to 255 for 0 to 1; 0 outside the panels."""
    is_encoded, data = cv2.imencode(".png", risk_map(raw, info))
    assert is_encoded
    return bytes(data.tobytes())


def risk_map(raw: RawPrediction, info: BundleInfo) -> UInt8Array:
    """-> uint8 _HW: round(255 * sigmoid(scale * logit + offset)) in the panels, which is the risk's own formula."""
    risk_HW = np.zeros(raw.malignancy_map_HW.shape, np.uint8)
    scale, offset = info.calibration.scale, info.calibration.offset
    for panel in raw.panels:
        z_HW = scale * raw.malignancy_map_HW[panel.slices] + offset
        risk_HW[panel.slices] = np.rint(127.5 * (1.0 + np.tanh(0.5 * z_HW)))
    return risk_HW
