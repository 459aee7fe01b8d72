"""Examination of one frame -> its files in the data folder: result, mask, picture, malignancy map."""

from __future__ import annotations

import cv2

from thyrosight.bundle.records import BundleInfo
from thyrosight.inference.records import Examination, RawPrediction
from thyrosight.inference.risk import risk_map
from thyrosight.results.layout import MASK_NAME, RESULT_NAME
from thyrosight.results.png import mask_png, picture_png
from thyrosight.views.shown_frame import shown_frame
from thyrosight.web.jobs.store import IMAGE_NAME, MAP_NAME


def frame_files(examination: Examination, info: BundleInfo) -> dict[str, bytes]:
    """Examination -> {file name: content}. The overlay is not among them: it is drawn on request."""
    picture_HW3, _ = shown_frame(examination.frame, examination.prediction, examination.text)
    files = {MASK_NAME: mask_png(examination.mask_HW), IMAGE_NAME: picture_png(picture_HW3)}
    if info.has_malignancy and info.has_malignancy_map:
        files[MAP_NAME] = risk_map_png(examination.raw, info)
    return files | {RESULT_NAME: examination.prediction.to_json().encode()}


def risk_map_png(raw: RawPrediction, info: BundleInfo) -> bytes:
    """-> PNG of one channel: calibrated risk of each pixel, 0 to 255 for 0 to 1; 0 outside the panels."""
    is_encoded, data = cv2.imencode(".png", risk_map(raw, info))
    assert is_encoded
    return bytes(data.tobytes())
