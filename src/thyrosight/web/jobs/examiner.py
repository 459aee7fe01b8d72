"""The models, which the worker and requests about single frames share.

Only one thread uses a model at any time, to limit the memory.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from thyrosight.errors import ThyrosightError
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.records import Examination
from thyrosight.types import Frame
from thyrosight.web.errors import ApiError, try_later
from thyrosight.web.jobs.models import ServedModels
from thyrosight.web.jobs.queue import ItemRow
from thyrosight.web.jobs.source_file import open_source_file
from thyrosight.web.jobs.store import Store

MAX_WAITING = 12
"""At most this many requests wait for their turn, because a thread that waits can't answer other requests."""
WAIT_SECONDS = 20.0
MAX_KEPT = 2
MAX_KEPT_PIXELS = 4_000_000
"""An examination takes about 14 bytes per pixel. One of a larger image is not kept, but made again for each request."""


class Examiner:
    """Item, frame index -> Frame or Examination, made on demand; the last MAX_KEPT examinations stay in memory."""

    def __init__(self, models: ServedModels, store: Store) -> None:
        self.models = models
        self._store = store
        self._turn = threading.Lock()
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)
        self._kept: OrderedDict[tuple[str, int, str], Examination] = OrderedDict()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The worker's turn: within the block no other thread uses a model.

        The worker waits for its turn as long as necessary.
        """
        with self._turn:
            yield

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A request's turn: within the block no other thread uses a model.

        ApiError 503 where more than MAX_WAITING requests wait, or where this request has waited for WAIT_SECONDS.
        """
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

    def model_for(self, item: ItemRow) -> Predictor:
        """An item before its prediction -> the model that a person asked for, else the chosen model.

        InputError where this server no longer has the model that a person asked for.
        """
        wanted = self._store.wanted_model(item)
        return self.models.chosen if wanted is None else self.models.needed(wanted, item.name)

    def model_of(self, item: ItemRow, frame_index: int) -> Predictor:
        """Item, frame index -> the model that made the frame's result, so that one model makes all measures of a frame.

        ApiError 409 where this server does not have this model.
        """
        prediction = self._store.prediction(item, frame_index)
        if prediction is None:
            return self.models.chosen
        try:
            return self.models.needed(prediction.model, item.name)
        except ThyrosightError as error:
            raise ApiError(409, "other_model", " ".join(str(error).split())) from error

    def examination(self, item: ItemRow, frame_index: int) -> tuple[Predictor, Examination]:
        """Item, frame index -> the model that made the frame's result, and the frame's examination by this model.

        Call it within a turn. ApiError 409 as `model_of`.
        """
        predictor = self.model_of(item, frame_index)
        key = (item.id, frame_index, predictor.model.id)
        found = self._kept.pop(key, None) or predictor.examine(self.frame(item, frame_index))
        if found.frame.image_HW.size <= MAX_KEPT_PIXELS:
            self._kept[key] = found
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return predictor, found

    def forget(self, item: ItemRow) -> None:
        """Drops the examinations of an item from memory, because its spacing has changed."""
        for key in [key for key in self._kept if key[0] == item.id]:
            self._kept.pop(key, None)

    def frame(self, item: ItemRow, frame_index: int) -> Frame:
        """Item, frame index -> the decoded frame. Call it within a turn."""
        for key, kept in self._kept.items():
            if key[:2] == (item.id, frame_index):
                return kept.frame
        with open_source_file(self._store.source(item), item.name, self._store.spacing(item)) as source:
            return source.frame(frame_index)
