"""A finished item -> the parts of its exports: predictions, corrections, overlays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

from thyrosight.prediction import Prediction
from thyrosight.results.overlay import draw_overlay
from thyrosight.results.png import picture_png
from thyrosight.web.errors import ApiError
from thyrosight.web.jobs.clip_summary import clip_summary
from thyrosight.web.jobs.examiner import Examiner
from thyrosight.web.jobs.queue import ItemRow
from thyrosight.web.jobs.store import Store
from thyrosight.web.review.corrections import read_correction
from thyrosight.web.review.readings import person_prediction
from thyrosight.web.schemas import Correction

Reader = Literal["network", "person"]
MAX_PICTURES = 12
"""A report shows at most this many frames of a clip: the one with the largest section, then corrected frames, then
frames by risk."""
BY_PERSON = "; outlines by a person"


@dataclass(frozen=True)
class Download:
    """A file to download. content: its bytes, or the path of a file whose folder is deleted after sending."""

    name: str
    media_type: str
    content: bytes | Path


@dataclass(frozen=True)
class ExportItem:
    """An item to export. reader: whose outlines are exported; None: a person's outlines if any, else the network's.

    who: the person's name; None: for each frame, the newest reading of anybody.
    """

    item: ItemRow
    store: Store
    examiner: Examiner
    frame_index: int | None
    reader: Reader | None
    who: str | None = None

    @property
    def num_frames(self) -> int:
        return self.item.num_frames or 1

    @property
    def stem(self) -> str:
        return PurePath(self.item.name).stem or "image"

    def folder_in_zip(self, frame_index: int) -> str:
        """Index of a frame -> its folder in a ZIP, named by the frame's number, which counts from 1."""
        return f"frame-{frame_index + 1:0{len(str(self.num_frames))}d}"

    def prediction(self, frame_index: int) -> Prediction:
        found = self.store.prediction(self.item, frame_index)
        if found is None:
            raise ApiError(409, "damaged", f"{self.item.name}: the result of frame {frame_index + 1} can't be read")
        return found

    def predictions(self) -> Iterator[Prediction]:
        return (self.prediction(index) for index in range(self.num_frames))

    def corrections(self) -> dict[int, Correction]:
        found = {index: self.correction(index) for index in range(self.num_frames)}
        return {index: correction for index, correction in found.items() if correction is not None}

    def correction(self, frame_index: int) -> Correction | None:
        return read_correction(self.store, self.item, frame_index, self.who)

    def by_person(self, correction: Correction) -> Prediction:
        """Correction -> the frame's prediction with the person's nodules, as they were saved."""
        return person_prediction(self.prediction(correction.frame_index), correction)

    def by_person_marked(self, correction: Correction) -> Prediction:
        """As `by_person`, with BY_PERSON in the model's name: for files that have no other field to state this."""
        found = self.by_person(correction)
        model = found.model.model_copy(update={"name": found.model.name + BY_PERSON})
        return found.model_copy(update={"model": model})

    def overlay(self, prediction: Prediction) -> bytes:
        frame = self.examiner.frame(self.item, prediction.image.frame_index)
        return picture_png(draw_overlay(frame, prediction))

    def main_frame(self) -> int:
        """-> the requested frame, else the one with the largest section, else the first.

        ApiError 404 where the requested frame does not exist.
        """
        if self.frame_index is not None:
            if self.frame_index >= self.num_frames:
                raise ApiError(
                    404, "no_frame", f"{self.item.name}: has {self.num_frames} frames; frame_index counts from 0"
                )
            return self.frame_index
        return 0 if self.num_frames == 1 else clip_summary(self.predictions()).largest_frame or 0

    def shown_frames(self) -> list[int]:
        """-> the frames whose pictures a report shows."""
        if self.num_frames <= MAX_PICTURES:
            return list(range(self.num_frames))
        frames = clip_summary(self.predictions()).frames
        by_risk = sorted(frames, key=lambda frame: -(frame.risk or 0.0))
        wanted = [self.main_frame(), *sorted(self.corrections()), *(frame.frame_index for frame in by_risk)]
        return sorted(list(dict.fromkeys(wanted))[:MAX_PICTURES])

    def chosen_prediction(self, frame_index: int) -> tuple[Prediction, Reader]:
        """-> (the frame's prediction with the outlines that `reader` selects, whose outlines these are).

        ApiError 409 where a person's outlines are requested and there are none.
        """
        correction = None if self.reader == "network" else self.correction(frame_index)
        if correction is not None:
            return self.by_person_marked(correction), "person"
        if self.reader == "person":
            raise nobody_corrected(self.item)
        return self.prediction(frame_index), "network"


def nobody_corrected(item: ItemRow) -> ApiError:
    """-> ApiError 409: a person's outlines are requested, and there are none."""
    return ApiError(409, "no_correction", f"{item.name}: nobody has corrected it")
