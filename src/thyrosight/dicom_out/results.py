"""Results folder, source file -> the predictions in it that are of that file, and their pictures."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from thyrosight.errors import InputError
from thyrosight.files import sha256_of
from thyrosight.prediction import Prediction
from thyrosight.report import CLIP_NAME, OVERLAY_NAME, RESULT_NAME, case_folders, read_result
from thyrosight.types import UInt8Array


def results_of(folder: Path, source: Path, *, with_pictures: bool) -> tuple[list[Prediction], dict[int, UInt8Array]]:
    """Case or results folder, source file -> (its predictions, overlay pictures by frame index).

    Of a results folder those cases are taken that are of the source. InputError where there is none, or it is damaged.
    """
    is_case = (folder / RESULT_NAME).is_file()
    cases = [folder] if is_case else [folder / name for name in case_folders(folder)]
    sha256 = sha256_of(source) if source.is_file() else ""
    predictions, pictures = [], {}
    for case in cases:
        prediction = read_result(case)
        if prediction is None:
            raise InputError(f"{case / RESULT_NAME}: damaged or of another version; predict again with --overwrite")
        if not is_case and prediction.image.sha256 != sha256:
            continue
        predictions += _clip(case / CLIP_NAME) or [prediction]
        if with_pictures and (case / OVERLAY_NAME).is_file():
            pictures[prediction.image.frame_index] = _picture(case / OVERLAY_NAME)
    if not predictions:
        raise InputError(f"{folder}: holds no result of {source}; predict that file into it first")
    return predictions, pictures


def _clip(path: Path) -> list[Prediction]:
    """clip.json -> the predictions of its frames; none where there is no such file."""
    if not path.is_file():
        return []
    try:
        return [Prediction.model_validate(frame) for frame in json.loads(path.read_bytes())["frames"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged or of another version; predict again with --overwrite") from error


def _picture(path: Path) -> UInt8Array:
    """PNG -> RGB picture _HW3."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError(f"{path}: is no picture; predict again with --overwrite")
    return np.ascontiguousarray(picture[..., ::-1], dtype=np.uint8)
