"""Names of the files in a results folder; results folder -> the predictions in it.

OUT/case_id/{mask.png, overlay.png, result.json, clip.json}    OUT/results.csv    OUT/report.html    OUT/run.json
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from thyrosight.errors import InputError
from thyrosight.files import natural_key, raise_disk_fault, sha256_of
from thyrosight.prediction import Prediction
from thyrosight.types import UInt8Array

MASK_NAME, OVERLAY_NAME, RESULT_NAME, CLIP_NAME = "mask.png", "overlay.png", "result.json", "clip.json"
CSV_NAME, REPORT_NAME, RUN_NAME = "results.csv", "report.html", "run.json"


@dataclass(frozen=True)
class FailedFile:
    """A file without a result: its name within the run, and the error line, which also names the file."""

    file: str
    message: str


def read_result(case_folder: Path) -> Prediction | None:
    """Case folder -> its prediction; None where result.json is missing, damaged or of another version.

    OSError where the disk fails (raise_disk_fault).
    """
    try:
        return Prediction.model_validate_json((case_folder / RESULT_NAME).read_bytes())
    except (OSError, ValueError) as error:
        raise_disk_fault(error, case_folder / RESULT_NAME)
        return None


def case_folders(out: Path) -> list[str]:
    """Results folder -> names of the case folders that hold a result.json, in natural order."""
    with os.scandir(out) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return sorted((name for name in names if (out / name / RESULT_NAME).is_file()), key=natural_key)


def results_of(folder: Path, source: Path, *, with_pictures: bool) -> tuple[list[Prediction], dict[int, UInt8Array]]:
    """Case or results folder, source file -> (predictions of the source, {frame index: overlay picture}).

    In a results folder, the source's SHA-256 selects the cases. InputError where there is no case, or where a case is
    damaged.
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
    """clip.json -> the predictions of its frames; an empty list where there is no such file."""
    if not path.is_file():
        return []
    try:
        return [Prediction.model_validate(frame) for frame in json.loads(path.read_bytes())["frames"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_disk_fault(error, path)
        raise InputError(f"{path}: damaged or of another version; predict again with --overwrite") from error


def _picture(path: Path) -> UInt8Array:
    """PNG -> RGB picture _HW3."""
    picture_HW3 = read_picture(path)
    if picture_HW3 is None:
        raise InputError(f"{path}: is no picture; predict again with --overwrite")
    return picture_HW3


def read_picture(path: Path) -> UInt8Array | None:
    """PNG -> RGB picture _HW3; None where it is absent or damaged.

    The decoder gets bytes instead of the path, because some names are not valid text.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise_disk_fault(error, path)
        return None
    picture_HW3 = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    return None if picture_HW3 is None else np.ascontiguousarray(picture_HW3[..., ::-1], dtype=np.uint8)
