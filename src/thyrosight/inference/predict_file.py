"""Image file -> its prediction; clip -> the predictions of its frames, the frame to show, and the text of clip.json.

A DICOM file or video of several frames is a clip: every frame is predicted, or every n-th. Nodules are linked over
frames. The frame with the largest section represents the clip: mask, overlay and result.json of the case show this
frame.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from thyrosight.errors import InputError
from thyrosight.frames.dicom import with_spacing
from thyrosight.frames.load import FrameFile, chosen_frame, frames_of, open_frames
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.records import Examination
from thyrosight.measurement.cine import Clip, numbered_by_track, summarise_clip
from thyrosight.prediction import Prediction
from thyrosight.types import Spacing

MAX_CLIP_FRAMES = 300
"""At most this many frames of a clip are predicted; of a longer clip, every n-th frame is."""
CLIP_KIND = "thyrosight clip"


@dataclass(frozen=True)
class ReadOptions:
    """How a file is read.

    frame_index: this frame alone. every: n, to read every n-th frame of a clip (None: the smallest n that
    MAX_CLIP_FRAMES allows).
    spacing: replaces the one that the file states.
    """

    frame_index: int | None = None
    every: int | None = None
    spacing: Spacing | None = None


@dataclass(frozen=True)
class CaseResult:
    """One case: the frame that represents it, every frame's prediction, the text of clip.json (None for a still)."""

    examination: Examination
    predictions: tuple[Prediction, ...]
    clip_json: str | None


def examine_file(predictor: Predictor, path: Path, options: ReadOptions) -> CaseResult:
    """File -> CaseResult. Of a clip all frames, or every n-th, are predicted unless a frame is chosen.

    InputError where the file can't be read, or where it has several frames, is no clip, and no frame is chosen.
    """
    with open_frames(path) as file:
        return _examine_open(predictor, file, path, options)


def examine_bytes(predictor: Predictor, data: bytes, path: Path, options: ReadOptions) -> CaseResult:
    """As `examine_file`, from the bytes of a file; the path names the file in errors and is not opened."""
    with frames_of(data, path) as file:
        return _examine_open(predictor, file, path, options)


def _examine_open(predictor: Predictor, file: FrameFile, path: Path, options: ReadOptions) -> CaseResult:
    if file.is_clip and options.frame_index is None:
        return _examine_clip(predictor, file, path, options)
    frame = file.frame(chosen_frame(str(path), file.num_frames, options.frame_index))
    examination = predictor.examine(with_spacing(frame, options.spacing))
    return CaseResult(examination, (examination.prediction,), None)


def _examine_clip(predictor: Predictor, file: FrameFile, path: Path, options: ReadOptions) -> CaseResult:
    every = step_of(path, file.num_frames, options.every)

    def examine(index: int) -> Examination:
        return predictor.examine(with_spacing(file.frame(index), options.spacing))

    found = tuple(examine(index).prediction for index in range(0, file.num_frames, every))
    predictions = numbered_by_track(found)
    clip = summarise_clip(predictions)
    text = clip_text(clip, predictions, every, file.frame_ms)
    shown = examine(clip.representative_frame)
    numbered = predictions[clip.representative_frame // every]
    shown = replace(shown, prediction=shown.prediction.model_copy(update={"nodules": numbered.nodules}))
    return CaseResult(shown, predictions, text)


def step_of(path: Path, num_frames: int, every: int | None) -> int:
    """Number of frames, the n that the user wants (None: no wish) -> n, to read every n-th frame.

    Without a wish, n is the smallest that MAX_CLIP_FRAMES allows. InputError where the user wants a smaller n than
    this.
    """
    needed = -(-num_frames // MAX_CLIP_FRAMES)
    if every is not None and every < needed:
        raise InputError(
            f"{path}: {num_frames:,} frames, and at most {MAX_CLIP_FRAMES} are read; pass --every {needed}"
        )
    return every or needed


def clip_text(clip: Clip, predictions: Sequence[Prediction], every: int, frame_ms: float | None) -> str:
    """Clip summary, predictions of its frames -> JSON of clip.json: what was read, tracks, risk, every frame."""
    image = predictions[0].image
    content: dict[str, Any] = {
        "kind": CLIP_KIND,
        "schema_version": 1,
        "sha256": image.sha256,
        "num_frames": image.num_frames,
        "every": every,
        "frame_ms": frame_ms,
        "num_read": len(predictions),
        "num_with_nodule": sum(bool(prediction.nodules) for prediction in predictions),
        **clip.model_dump(mode="json", exclude={"num_frames"}),
        "frames": [prediction.model_dump(mode="json") for prediction in predictions],
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"
