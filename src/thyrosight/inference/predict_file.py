"""A file, open -> its prediction; of a clip, those of its frames, the frame to show, and clip.json.

A DICOM or a video of several frames is one examination: every frame is looked at, or every n-th. Nodules are linked
over frames; the frame with the largest section stands for the clip: its mask, overlay and result.json are the case's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thyrosight.errors import InputError
from thyrosight.frames.dicom import with_spacing
from thyrosight.frames.load import FrameFile, chosen_frame, open_frames
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.records import Examination
from thyrosight.measurement.cine import Clip, summarise_clip
from thyrosight.prediction import Prediction
from thyrosight.types import Spacing

MAX_CLIP_FRAMES = 300
"""Frames of one clip that are predicted; of a longer one every n-th."""
CLIP_KIND = "thyrosight clip"


@dataclass(frozen=True)
class ReadOptions:
    """What of a file is predicted: one frame, or every n-th of a clip (None: as many as may be); a given spacing."""

    frame_index: int | None = None
    every: int | None = None
    spacing: Spacing | None = None


@dataclass(frozen=True)
class CaseResult:
    """One case: the frame that stands for it, every frame's prediction, the text of clip.json where it is a clip."""

    examination: Examination
    predictions: tuple[Prediction, ...]
    clip_json: str | None


def examine_file(predictor: Predictor, path: Path, options: ReadOptions) -> CaseResult:
    """File -> CaseResult. A clip is taken whole where no frame is chosen; other files of several frames need one."""
    with open_frames(path) as file:
        if file.is_clip and options.frame_index is None:
            return _examine_clip(predictor, file, path, options)
        frame = file.frame(chosen_frame(str(path), file.num_frames, options.frame_index))
    examination = predictor.examine(with_spacing(frame, options.spacing))
    return CaseResult(examination, (examination.prediction,), None)


def _examine_clip(predictor: Predictor, file: FrameFile, path: Path, options: ReadOptions) -> CaseResult:
    every = step_of(path, file.num_frames, options.every)

    def examine(index: int) -> Examination:
        return predictor.examine(with_spacing(file.frame(index), options.spacing))

    predictions = tuple(examine(index).prediction for index in range(0, file.num_frames, every))
    clip = summarise_clip(predictions)
    told = clip_text(clip, predictions, every, file.frame_ms)
    return CaseResult(examine(clip.representative_frame), predictions, told)


def step_of(path: Path, num_frames: int, every: int | None) -> int:
    """Frames in a clip, the n that was asked for -> n; the smallest that keeps to MAX_CLIP_FRAMES where none was."""
    needed = -(-num_frames // MAX_CLIP_FRAMES)
    if every is not None and every < needed:
        raise InputError(f"{path}: {num_frames:,} frames, of which {MAX_CLIP_FRAMES} are read; pass --every {needed}")
    return every or needed


def clip_text(clip: Clip, predictions: Sequence[Prediction], every: int, frame_ms: float | None) -> str:
    """What a clip says, its frames' predictions -> the JSON of clip.json: what was read, tracks, risk, every frame."""
    image = predictions[0].image
    said = clip.model_dump(mode="json", exclude={"num_frames"})
    told: dict[str, Any] = {
        "kind": CLIP_KIND,
        "schema_version": 1,
        "sha256": image.sha256,
        "num_frames": image.num_frames,
        "every": every,
        "frame_ms": frame_ms,
        "num_read": len(predictions),
        "num_with_nodule": sum(bool(prediction.nodules) for prediction in predictions),
        **said,
        "frames": [prediction.model_dump(mode="json") for prediction in predictions],
    }
    return json.dumps(told, ensure_ascii=False, allow_nan=False) + "\n"
