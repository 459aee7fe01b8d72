"""The thread behind the queue: takes an item, predicts its frames one after the other, writes their files."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from thyrosight.daemon import BackgroundThread
from thyrosight.errors import InputError, ThyrosightError
from thyrosight.files import disk_fault_of
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.records import Examination
from thyrosight.inference.trial import survives
from thyrosight.prediction import Prediction, SpacingMm
from thyrosight.web.jobs.clip_summary import number_clip
from thyrosight.web.jobs.examiner import Examiner
from thyrosight.web.jobs.frame_files import frame_files
from thyrosight.web.jobs.queue import MAX_TRIES, MAX_TRIES_AFTER_TRIAL, ItemRow, JobQueue
from thyrosight.web.jobs.source_file import SourceFile, open_source_file
from thyrosight.web.jobs.store import GIVEN_REASON, GivenSpacing, Store, StoreError
from thyrosight.web.jobs.teaching import outline_doubt
from thyrosight.web.jobs.work_list import items_without_facts

MAX_FRAMES = 1_000
"""Most frames of one clip. At about 5 frames per second, a longer clip would delay the others for minutes."""
IDLE_SECONDS = 1.0
PAUSE_SECONDS = 5.0
"""Seconds to wait after the disk has refused; afterwards it may have space."""
TURN_SECONDS = 20.0
"""A clip that has taken this many seconds lets waiting items go first, and continues after them."""


@dataclass
class WorkTally:
    """How many frames this process has predicted, and in how many seconds. Several threads may use it."""

    num_frames: int = 0
    seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, seconds: float) -> None:
        with self.lock:
            self.num_frames += 1
            self.seconds += seconds

    def read(self) -> tuple[int, float]:
        """-> (frames predicted, seconds that they took)."""
        with self.lock:
            return self.num_frames, self.seconds


@dataclass(frozen=True)
class AfterWork:
    """Functions that the worker calls when frames are done, for readings and the work-list.

    item_done(item, doubts): the network's doubt about the outlines of each frame. measured_again(item, predictor,
    examination): called for a frame whose earlier result had another spacing or another model. named_again(item, new
    result) -> the new result of a frame that had one before; its nodules keep their UIDs and numbers.
    known_numbers(item) -> {UID: number} of the nodules that the item had before.
    """

    item_done: Callable[[ItemRow, Sequence[float]], None]
    measured_again: Callable[[ItemRow, Predictor, Examination], None]
    named_again: Callable[[ItemRow, Prediction], Prediction]
    known_numbers: Callable[[ItemRow], dict[str, int]]


class _StoppedError(Exception):
    """The server stops."""


class _DeletedError(Exception):
    """The job was deleted while the worker was at one of its items."""


class _DeadlyError(InputError):
    """The file ends the process that reads it."""


class _TurnOverError(Exception):
    """The item has used up its time while other items wait."""


class QueueWorker(BackgroundThread):
    """Predicts items until `stop`. Neither a bad file nor a bug of ours ends it."""

    def __init__(self, queue: JobQueue, store: Store, examiner: Examiner, after: AfterWork) -> None:
        super().__init__("worker", self.step)
        self._after = after
        self.tally = WorkTally()
        self._queue, self._store, self._examiner = queue, store, examiner
        self._had_a_turn: set[str] = set()
        self._cleared: set[str] = set()
        self._indexed: set[str] = set()
        self._unsettled: Callable[[], None] | None = None
        """Writes the outcome of the last item, which the full disk has not taken yet."""

    def step(self) -> float:
        """Works on the next item -> seconds to wait before the following item."""
        try:
            self._settle(self._unsettled)
            item = self._queue.take(self._had_a_turn)
            if item is None:
                self._had_a_turn.clear()
                self._store.discard_again()
                return 0 if self._index_old_item() else IDLE_SECONDS
            if item.id in self._had_a_turn:
                self._had_a_turn.clear()  # every waiting item has had its turn: a new round
            self.work(item)
        except (StoreError, sqlite3.Error, OSError) as error:
            refused = disk_fault_of(error)
            reason = refused.strerror if refused is not None else type(error).__name__
            sys.stderr.write(f"the data folder can't be written ({reason}); waiting files are tried again\n")
            return PAUSE_SECONDS
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return IDLE_SECONDS
        return 0

    def work(self, item: ItemRow) -> None:
        """A running item -> done, failed with a reason, or queued again.

        Where the disk refuses, the item is queued again and the error is raised, so that accepted items wait until the
        disk has space.
        """
        started = time.perf_counter()
        give_back = partial(self._queue.give_back, item)
        try:
            self._check_trial(item)
            self._examine(item)
        except _StoppedError:
            self._settle(give_back)
        except _TurnOverError:
            self._had_a_turn.add(item.id)
            self._settle(give_back)
        except _DeletedError:
            if self._queue.job(item.job_id) is None:
                self._store.remove(item.job_id)
            else:
                self._store.remove_items(item.job_id, [item.id])
        except Exception as error:
            self._unsettled = give_back  # the question that follows may fail too
            if self._queue.item(item.id) is None:
                self._unsettled = None
                return
            if self._is_disks_fault(error, item):
                self._had_a_turn.add(item.id)  # a bad place of the disk under one file holds up no other
                self._settle(give_back)
                raise
            code, message = fault_of(error, item.name)
            self._settle(partial(self._queue.fail, item.id, code, message, time.perf_counter() - started))
        else:
            self._settle(partial(self._queue.finish, item.id, time.perf_counter() - started))

    def _settle(self, note: Callable[[], None] | None) -> None:
        """Writes the outcome to the queue. Where this fails, the next `step` writes it before anything else."""
        self._unsettled = note
        if note is not None:
            note()
        self._unsettled = None

    def _is_disks_fault(self, error: Exception, item: ItemRow) -> bool:
        if not self._store.source(item).is_file():
            return False  # a person removed it from the data folder: it never comes back
        return isinstance(error, sqlite3.Error) or disk_fault_of(error) is not None

    def _check_trial(self, item: ItemRow) -> None:
        """Tries a suspect item once in a child process.

        _DeadlyError where the child ends too, or after MAX_TRIES_AFTER_TRIAL tries.
        """
        if item.tries <= MAX_TRIES or item.id in self._cleared:
            return
        is_hopeless = item.tries > MAX_TRIES_AFTER_TRIAL
        if is_hopeless or not survives(self._examiner.models.chosen.bundle_path, self._store.source(item)):
            raise _DeadlyError(f"{item.name}: the program ends whenever it reads this file; export the image again")
        self._cleared.add(item.id)
        self._queue.note_try(item)

    def _examine(self, item: ItemRow) -> None:
        """Predicts every frame of an item; frames that an earlier try has finished are not predicted again."""
        given, doubts = self._store.spacing(item), []
        predictor = self._examiner.model_for(item)  # one for all frames, whatever is chosen meanwhile
        with ExitStack() as stack:
            with self._examiner.alone():
                source = stack.enter_context(open_source_file(self._store.source(item), item.name, given))
            num_frames = source.num_frames
            if num_frames > MAX_FRAMES:
                fault = f"{num_frames:,} frames, the limit is {MAX_FRAMES:,}"
                raise InputError(f"{item.name}: {fault}; send a part of it")
            end = time.monotonic() + TURN_SECONDS
            for index in range(num_frames):
                if self.is_stopping:
                    raise _StoppedError
                if time.monotonic() > end and self._queue.has_queued():
                    raise _TurnOverError
                if not self._queue.note_progress(item.id, num_frames, index):
                    raise _DeletedError
                if not self._is_present(item, index, given, predictor):
                    doubts.append(self._examine_frame(item, source, index, predictor))
        if num_frames > 1:
            number_clip(self._store, item, num_frames, self._after.known_numbers(item))
        if not self._queue.note_progress(item.id, num_frames, num_frames):
            raise _DeletedError
        self._after.item_done(replace(item, num_frames=num_frames), doubts)

    def _is_present(self, item: ItemRow, index: int, given: GivenSpacing | None, predictor: Predictor) -> bool:
        """-> whether the frame already has a result of this model with the present spacing."""
        found = self._store.prediction(item, index)
        if found is None or found.model != predictor.model:
            return False
        wanted = None if given is None else SpacingMm(row_mm=given.row_mm, column_mm=given.column_mm)
        is_given = (found.image.spacing_reason or "").startswith(GIVEN_REASON)
        return found.image.spacing == wanted if given is not None else not is_given

    def _index_old_item(self) -> bool:
        """Puts one item of an earlier version into the work-list -> whether there was one."""
        for item_id in items_without_facts(self._queue, limit=1 + len(self._indexed)):
            item = self._queue.item(item_id)
            if item is not None and item_id not in self._indexed:
                self._indexed.add(item_id)  # once: a result that can't be read would be tried for ever
                self._after.item_done(item, ())
                return True
        return False

    def _examine_frame(self, item: ItemRow, source: SourceFile, index: int, predictor: Predictor) -> float:
        """Predicts a frame and writes its files -> the network's doubt about its outlines."""
        before = self._store.prediction(item, index)
        with self._examiner.alone():
            examination = predictor.examine(source.frame(index))
            if before is not None:
                named = self._after.named_again(item, examination.prediction)
                examination = replace(examination, prediction=named)
            files = frame_files(examination, predictor.info)
        self.tally.add(examination.prediction.seconds)
        self._store.write_frame(item, index, files)
        if before is not None:  # with another spacing, or by another model
            with self._examiner.alone():
                self._after.measured_again(item, predictor, examination)
        return outline_doubt(examination.raw)


def fault_of(error: Exception, name: str) -> tuple[str, str]:
    """Error that a file caused, the file's name -> (code for programs, one line for people)."""
    if isinstance(error, _DeadlyError):
        return "interrupted", str(error)
    if isinstance(error, StoreError):
        return "not_kept", str(error)
    if isinstance(error, ThyrosightError):
        return "unusable", " ".join(str(error).split())
    traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, MemoryError):
        return "out_of_memory", f"{name}: not enough memory; export it smaller"
    return "internal_error", f"{name}: internal error ({type(error).__name__}); please report it"
