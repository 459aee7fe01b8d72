"""The thread behind the queue: takes an item, examines its frames one at a time, writes them, takes the next."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from contextlib import ExitStack
from dataclasses import dataclass, field

from thyrosight.daemon import BackgroundThread
from thyrosight.errors import InputError, ThyrosightError
from thyrosight.files import write_atomic
from thyrosight.results.layout import CLIP_NAME
from thyrosight.web.jobs.clip_summary import clip_summary
from thyrosight.web.jobs.examiner import Examiner
from thyrosight.web.jobs.frame_files import frame_files
from thyrosight.web.jobs.queue import ItemRow, JobQueue
from thyrosight.web.jobs.source_file import SourceFile, open_source_file
from thyrosight.web.jobs.store import Store, StoreError

MAX_FRAMES = 1_000
"""Of one clip: at some 5 a second it would hold up the others for minutes."""
IDLE_SECONDS = 1.0


@dataclass
class WorkTally:
    """What this process has done so far."""

    num_frames: int = 0
    seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, seconds: float) -> None:
        with self.lock:
            self.num_frames += 1
            self.seconds += seconds

    def read(self) -> tuple[int, float]:
        """-> (frames examined, seconds that they took)."""
        with self.lock:
            return self.num_frames, self.seconds


class _StoppedError(Exception):
    """The server is asked to stop."""


class _DeletedError(Exception):
    """The job was deleted while it was in work."""


class QueueWorker(BackgroundThread):
    """Works until `stop`; no file and no fault of ours ends it."""

    def __init__(self, queue: JobQueue, store: Store, examiner: Examiner) -> None:
        super().__init__("worker", self.step)
        self.tally = WorkTally()
        self._queue, self._store, self._examiner = queue, store, examiner

    def step(self) -> float:
        """Works on the next item -> seconds to wait before the one after it."""
        try:
            item = self._queue.take()
            if item is None:
                return IDLE_SECONDS
            self.work(item)
        except Exception:  # the disk or the queue's file is at fault: the item stays running, and is found again
            traceback.print_exc(file=sys.stderr)
            return IDLE_SECONDS
        return 0

    def work(self, item: ItemRow) -> None:
        """An item that was taken -> done, failed with a line that says why, or given back."""
        started = time.perf_counter()
        try:
            self._examine(item)
            self._queue.finish(item.id, time.perf_counter() - started)
        except _StoppedError:
            self._queue.give_back(item.id)
        except _DeletedError:
            self._store.remove(item.job_id)
        except Exception as error:
            if self._queue.item(item.id) is not None:
                code, message = fault_of(error, item.name)
                self._queue.fail(item.id, code, message, time.perf_counter() - started)

    def _examine(self, item: ItemRow) -> None:
        """Every frame of an item; those that an earlier try has finished stay."""
        with ExitStack() as stack:
            with self._examiner.alone():
                source = stack.enter_context(open_source_file(self._store.source(item), item.name))
            num_frames = source.num_frames
            if num_frames > MAX_FRAMES:
                fault = f"{num_frames:,} frames, the limit is {MAX_FRAMES:,}"
                raise InputError(f"{item.name}: {fault}; send a part of it")
            for index in range(num_frames):
                if self.is_stopping:
                    raise _StoppedError
                if not self._queue.note_progress(item.id, num_frames, index):
                    raise _DeletedError
                if self._store.prediction(item, index) is None:
                    self._examine_frame(item, source, index)
        if num_frames > 1:
            found = (self._store.prediction(item, index) for index in range(num_frames))
            summary = clip_summary(prediction for prediction in found if prediction is not None)
            write_atomic(self._store.item_folder(item) / CLIP_NAME, summary.model_dump_json())
        if not self._queue.note_progress(item.id, num_frames, num_frames):
            raise _DeletedError

    def _examine_frame(self, item: ItemRow, source: SourceFile, index: int) -> None:
        predictor = self._examiner.predictor
        with self._examiner.alone():
            examination = predictor.examine(source.frame(index))
            files = frame_files(examination, predictor.info)
        self.tally.add(examination.prediction.seconds)
        self._store.write_frame(item, index, files)


def fault_of(error: Exception, name: str) -> tuple[str, str]:
    """What went wrong with a file -> (code, one line for people)."""
    if isinstance(error, StoreError):
        return "not_kept", str(error)
    if isinstance(error, ThyrosightError):
        return "unusable", " ".join(str(error).split())
    traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, MemoryError):
        return "out_of_memory", f"{name}: not enough memory; export it smaller"
    return "internal_error", f"{name}: internal error ({type(error).__name__}); please report it"
