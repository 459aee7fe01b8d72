"""Items of the spool -> their SEG and SR, one item after the other, by the same code as `predict`."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path

from pydicom import dcmread

from thyrosight.daemon import BackgroundThread
from thyrosight.errors import InputError, ThyrosightError
from thyrosight.files import disk_fault_of
from thyrosight.inference.predict_file import ReadOptions, examine_file
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.trial import survives
from thyrosight.pacs.log import Log, error_line, internal_error_line, plain_line
from thyrosight.pacs.spool import Spool, SpoolItem
from thyrosight.results.dicom.files import DicomOptions, case_dicom_files
from thyrosight.results.dicom.source import MANUFACTURER

IDLE_SECONDS = 1.0
PAUSE_SECONDS = 30.0
"""Seconds to wait after an error of the disk; accepted items wait as well."""
MAX_REASON = 300

FOR_THE_STUDY = DicomOptions(identity="keep")
"""Results are filed in the patient's study, so they name patient and study as their source does."""


class SpoolWorker(BackgroundThread):
    """Predicts items until `stop`. Neither a bad file nor a bug of ours ends it."""

    def __init__(self, predictor: Predictor, spool: Spool, on_results: Callable[[], None], log: Log) -> None:
        super().__init__("worker", self.step)
        self._log = log
        self._predictor, self._spool, self._on_results = predictor, spool, on_results

    def step(self) -> float:
        """Works on the next item -> seconds to wait before the one after it."""
        item = None
        try:
            item = self._spool.next_to_predict()
            if item is None:
                return IDLE_SECONDS
            self.work(item)
        except Exception as error:  # the disk refuses: the item stays and is tried again
            self._log(error_line(error))
            if item is not None:
                item.num_refusals += 1
            return PAUSE_SECONDS
        return 0

    def work(self, item: SpoolItem) -> None:
        """Predicts an item. Afterwards it has results to send, or has failed; an image that this program made is done.

        Raises an error of the system; the item then stays and is tried again.
        """
        is_deadly = item.is_suspect and not survives(self._predictor.bundle_path, item.source)
        if is_deadly or not self._spool.start(item):
            self._fail(item, "the service stopped each time it worked on this file; export the image again")
            return
        started = time.perf_counter()
        try:
            is_ours = is_own(item.source, item.uid)
            predictions = () if is_ours else examine_file(self._predictor, item.source, ReadOptions()).predictions
            files = {} if is_ours else case_dicom_files(item.source, predictions, options=FOR_THE_STUDY)
        except ThyrosightError as error:
            self._raise_fault_of_system(item, error)
            self._fail(item, str(error).replace(str(item.source), "the image"))
            return
        except Exception as error:  # a bug of ours with one file must not stop the others
            self._raise_fault_of_system(item, error)
            self._fail(item, internal_error_line(error))
            return
        try:
            if is_ours:
                self._spool.finish(item)
                self._log(f"{item.label} left alone: this program made it")
                return
            self._spool.keep_results(item, files)
        except (InputError, OSError):
            item.num_starts -= 1  # the file is not the cause
            raise
        seconds = time.perf_counter() - started
        frames = f"{len(predictions)} frames" if len(predictions) > 1 else "1 frame"
        self._log(f"{item.label} predicted in {seconds:.1f} s: {frames}, {', '.join(files)}")
        self._on_results()

    def _raise_fault_of_system(self, item: SpoolItem, error: Exception) -> None:
        """Raises an error of the system again (no space, too many open files): the item is tried again later."""
        if disk_fault_of(error) is not None:
            item.num_starts -= 1
            raise error

    def _fail(self, item: SpoolItem, reason: str) -> None:
        line = plain_line(reason, MAX_REASON)
        self._spool.fail(item, line)
        self._log(f"{item.label} failed: {line}")


def is_own(path: Path, uid: str) -> bool:
    """A received image, the UID of its C-STORE -> whether it is an output of this program, which a PACS has forwarded.

    InputError where the file has another UID: results that refer to it could not be filed with it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=["Manufacturer", "SOPInstanceUID"])
            manufacturer, found = str(header.get("Manufacturer") or ""), str(header.get("SOPInstanceUID") or "")
        except Exception as error:  # a damaged header can fail anywhere inside the reader
            raise InputError(f"{path}: damaged DICOM header ({type(error).__name__}); export it again") from error
    if found != uid:
        raise InputError(f"{path}: its SOP Instance UID is not the one that the sender gave; export it again")
    return manufacturer == MANUFACTURER
