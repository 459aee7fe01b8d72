"""One Predictor for the worker and for questions about single frames, asked one at a time: memory stays bounded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2

from thyrosight.bundle.records import BundleInfo
from thyrosight.errors import InputError
from thyrosight.frames.load import FrameFile, open_frames
from thyrosight.inference.network import RawPrediction
from thyrosight.inference.predictor import Examination, Predictor
from thyrosight.inference.risk import risk_map
from thyrosight.measurement.cine import summarise_clip
from thyrosight.prediction import Prediction
from thyrosight.results.layout import MASK_NAME, RESULT_NAME
from thyrosight.results.overlay import mask_png, picture_png, shown_frame
from thyrosight.types import Frame
from thyrosight.web.errors import try_later
from thyrosight.web.jobs.queue import ItemRow
from thyrosight.web.jobs.store import IMAGE_NAME, MAP_NAME, Store
from thyrosight.web.schemas import ClipFrame, ClipSummary

MAX_WAITING = 12
"""Questions that may wait for their turn; threads that wait can't answer others."""
WAIT_SECONDS = 20.0
MAX_KEPT = 2
MAX_KEPT_PIXELS = 4_000_000
"""An examination takes some 14 bytes a pixel; larger ones are made anew for each question."""


class Examiner:
    """Frames by item and number -> Frame and Examination, decoded and run on demand; the last few are kept."""

    def __init__(self, predictor: Predictor, store: Store) -> None:
        self.predictor = predictor
        self._store = store
        self._turn = threading.Lock()
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)
        self._kept: OrderedDict[tuple[str, int], Examination] = OrderedDict()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The worker's turn: it waits as long as it must."""
        with self._turn:
            yield

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Alone with the memory that a large image takes. ApiError 503 where too many wait, or for too long."""
        if not self._waiting.acquire(blocking=False):
            raise try_later("busy", "too many requests wait for the network", 2)
        try:
            if not self._turn.acquire(timeout=WAIT_SECONDS):
                raise try_later("busy", "the network is busy", 5)
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._waiting.release()

    def examination(self, item: ItemRow, frame_index: int) -> Examination:
        """-> all that the network says of a frame; to be called within a turn."""
        key = (item.id, frame_index)
        found = self._kept.pop(key, None) or self.predictor.examine(self.frame(item, frame_index))
        if found.frame.image_HW.size <= MAX_KEPT_PIXELS:
            self._kept[key] = found
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return found

    def frame(self, item: ItemRow, frame_index: int) -> Frame:
        """-> a frame as decoded; to be called within a turn."""
        kept = self._kept.get((item.id, frame_index))
        if kept is not None:
            return kept.frame
        with open_source(self._store.source(item), item.name) as source:
            return source.frame(frame_index)


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


class Source:
    """An open file: how many frames it has, and each of them, under the sender's name."""

    def __init__(self, path: Path, name: str, file: FrameFile) -> None:
        self._path, self._name, self._file = path, name, file
        self.num_frames: int = file.num_frames

    def frame(self, index: int) -> Frame:
        """Index in 0..num_frames-1 -> Frame; any other is an InputError."""
        if not 0 <= index < self.num_frames:
            raise InputError(f"{self._path}: has {self.num_frames} frames, counted from 0; there is no {index}")
        return replace(self._file.frame(index), path=Path(self._name))


@contextmanager
def open_source(path: Path, name: str) -> Iterator[Source]:
    """Path, the sender's name for it -> the open file. InputError names the file as the sender does."""
    try:
        with open_frames(path) as file:
            yield Source(path, name, file)
    except InputError as error:
        raise InputError(str(error).replace(str(path), name)) from error


def clip_frame(prediction: Prediction) -> ClipFrame:
    """One frame's result -> its line of the summary; the sizes are those of its largest nodule."""
    largest = next(iter(prediction.nodules), None)
    return ClipFrame(
        frame_index=prediction.image.frame_index,
        num_nodules=len(prediction.nodules),
        area_px=largest.size.area_px if largest else None,
        longest_mm=largest.size.longest_mm if largest else None,
        risk=prediction.risk,
    )


def clip_summary(predictions: Iterable[Prediction]) -> ClipSummary:
    """Results of all frames, in order -> summary: what the frames say together, and each of them in a line."""
    found = list(predictions)
    clip = summarise_clip(found)
    frames = [clip_frame(prediction) for prediction in found]
    return ClipSummary(
        num_frames=clip.num_frames,
        num_frames_with_nodule=sum(frame.num_nodules > 0 for frame in frames),
        largest_frame=clip.representative_frame if clip.tracks else None,
        risk=clip.risk,
        risk_spread=clip.risk_spread,
        risk_reason=clip.risk_reason,
        tracks=clip.tracks,
        frames=frames,
    )
