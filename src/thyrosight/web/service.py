"""Models, data folder, limits -> the parts that the routes use, started and stopped together."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from thyrosight.daemon import is_loopback
from thyrosight.errors import InputError
from thyrosight.inference.predictor import Predictor
from thyrosight.web.errors import ApiError, not_found, try_later
from thyrosight.web.jobs.examiner import Examiner
from thyrosight.web.jobs.models import ServedModels
from thyrosight.web.jobs.queue import ItemRow, JobQueue
from thyrosight.web.jobs.store import Store
from thyrosight.web.jobs.uploads import UploadLimits
from thyrosight.web.jobs.worker import AfterWork, QueueWorker
from thyrosight.web.other_model import known_numbers, take_over
from thyrosight.web.review.corrections import measure_again
from thyrosight.web.review.item_facts import index_item

MAX_FILES = 200
MAX_UPLOADS, MAX_UPLOADS_PER_PEER = 32, 16
"""Most uploads at the same time: in all, and per address of another machine. Each may fill max_upload_bytes of the
disk."""
STOP_SECONDS = 30.0
"""When the server stops, it waits at most this many seconds for the frame that is being predicted."""
SPARE_BYTES = 256 << 20
"""Bytes of the disk that stay free for results."""


@dataclass(frozen=True)
class ServiceLimits:
    """Limits of the server. max_upload_bytes: of one upload. max_queue: items that may wait."""

    max_upload_bytes: int = 512 << 20
    max_queue: int = 1_000

    @property
    def upload(self) -> UploadLimits:
        return UploadLimits(self.max_upload_bytes, min(MAX_FILES, self.max_queue))


class Service:
    """Queue, store, worker and models of one data folder."""

    def __init__(self, models: Predictor | ServedModels, folder: Path, limits: ServiceLimits | None = None) -> None:
        self.limits = limits or ServiceLimits()
        self.models = models if isinstance(models, ServedModels) else ServedModels(models)
        self.store = Store(folder)
        self.queue = JobQueue(self.store.queue_path, self.limits.max_queue)
        self.examiner = Examiner(self.models, self.store)
        after = AfterWork(
            item_done=partial(index_item, self.queue, self.store),
            measured_again=partial(measure_again, self.store),
            named_again=partial(take_over, self.queue, self.store),
            known_numbers=partial(known_numbers, self.store),
        )
        self.worker = QueueWorker(self.queue, self.store, self.examiner, after)
        self.refused: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._uploads: Counter[str] = Counter()

    @property
    def predictor(self) -> Predictor:
        """The model that is chosen for new images."""
        return self.models.chosen

    def tidy(self) -> None:
        """Cleans up after an earlier stop. InputError where the disk refuses."""
        try:
            self.queue.recover()
            self.store.sweep(self.queue.job_ids(), self.queue.item_ids())
        except (sqlite3.Error, OSError) as error:
            what = f"can't be written ({getattr(error, 'strerror', None) or error})"
            raise InputError(f"{self.store.folder}: {what}; free space, or choose another --data folder") from error

    def start(self) -> None:
        """Cleans up after an earlier stop, and starts the worker."""
        self.tidy()
        self.worker.start()

    def stop(self) -> None:
        """Stops after the frame in work; its item returns to the queue."""
        self.worker.stop()
        if self.worker.is_alive():
            self.worker.join(STOP_SECONDS)
        self.queue.close()

    def begin_upload(self, peer: str = "") -> None:
        """Takes a place for one upload; the caller frees it with `end_upload`. ApiError 503 where no place is free."""
        if self.queue.counts()["queued"] >= self.queue.capacity:
            raise queue_full()
        if self.store.free_bytes() < SPARE_BYTES + self.limits.max_upload_bytes:
            raise try_later("disk_full", "the disk of this server is nearly full; delete jobs", 60)
        share = MAX_UPLOADS_PER_PEER if peer and not is_loopback(peer) else MAX_UPLOADS
        with self._lock:
            if self._uploads.total() >= MAX_UPLOADS or self._uploads[peer] >= share:
                raise try_later("busy", "too many uploads at a time", 2)
            self._uploads[peer] += 1

    def end_upload(self, peer: str = "") -> None:
        with self._lock:
            self._uploads[peer] -= 1
            self._uploads += Counter()  # without those at 0

    def item(self, item_id: str) -> ItemRow:
        """Item id -> item, or ApiError 404."""
        found = self.queue.item(item_id)
        if found is None:
            raise not_found("item")
        return found

    def item_with_frame(self, item_id: str, frame_index: int) -> ItemRow:
        """Item id, frame -> item. ApiError 404 or 409 where the frame has no result."""
        found = self.item(item_id)
        if found.num_frames is not None and frame_index >= found.num_frames:
            raise ApiError(404, "no_frame", f"{found.name}: has {found.num_frames} frames; frame_index counts from 0")
        if frame_index < found.frames_done:
            return found
        raise unfinished(found)

    def finished_item(self, item_id: str) -> ItemRow:
        """Item id -> item. ApiError 404 or 409 where not all of its frames are done."""
        found = self.item(item_id)
        if found.state != "done":
            raise unfinished(found)
        return found


def queue_full() -> ApiError:
    """-> ApiError 503: the queue is full."""
    return try_later("queue_full", "too many images wait already", 10)


def unfinished(item: ItemRow) -> ApiError:
    """Item -> ApiError 409: it has no results yet, or will never have any."""
    if item.state == "failed":
        return ApiError(409, item.error_code or "failed", item.error_message or f"{item.name}: failed")
    return ApiError(409, "not_ready", f"{item.name}: not finished yet", headers={"Retry-After": "1"})
