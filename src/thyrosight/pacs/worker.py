"""Items of the spool -> SEG and SR beside their source, one after the other, by the same path as `predict`."""

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
from thyrosight.pacs.log import internal_error_line, plain_line
from thyrosight.pacs.spool import Spool, SpoolItem
from thyrosight.results.dicom.files import DicomOptions, case_dicom_files
from thyrosight.results.dicom.source import MANUFACTURER

IDLE_SECONDS = 1.0
PAUSE_SECONDS = 30.0
"""After a fault of the disk: what was accepted waits."""
MAX_REASON = 300

FOR_THE_STUDY = DicomOptions(identity="keep")
"""The results have to land in the patient's study, so they name patient and study as the source does."""


class SpoolWorker(BackgroundThread):
    """Works until `stop`; no file and no fault of ours ends it."""

    def __init__(
        self, predictor: Predictor, spool: Spool, on_results: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        super().__init__("worker", self.step)
        self._say = say
        self._predictor, self._spool, self._on_results = predictor, spool, on_results

    def step(self) -> float:
        """Works on the next item -> seconds to wait before the one after it."""
        try:
            item = self._spool.next_to_predict()
            if item is None:
                return IDLE_SECONDS
            self.work(item)
        except Exception as error:  # the disk refuses: the item stays, and is tried again
            self._say(str(error) if isinstance(error, ThyrosightError) else internal_error_line(error))
            return PAUSE_SECONDS
        return 0

    def work(self, item: SpoolItem) -> None:
        """An item with its source -> the same with its results, done where there is nothing to do, or failed."""
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
        except Exception as error:  # a fault of ours in one file must not cost the others
            self._raise_fault_of_system(item, error)
            self._fail(item, internal_error_line(error))
            return
        try:
            if is_ours:
                self._spool.finish(item)
                self._say(f"{item.label} left alone: it was made by this program")
                return
            self._spool.keep_results(item, files)
        except (InputError, OSError):
            item.num_starts -= 1  # that was no fault of the file
            raise
        seconds = time.perf_counter() - started
        frames = f"{len(predictions)} frames" if len(predictions) > 1 else "1 frame"
        self._say(f"{item.label} predicted in {seconds:.1f} s: {frames}, {', '.join(files)}")
        self._on_results()

    def _raise_fault_of_system(self, item: SpoolItem, error: Exception) -> None:
        """Raises again what was no fault of the file: no room, too many open files. The item is tried again later."""
        if disk_fault_of(error) is not None:
            item.num_starts -= 1
            raise error

    def _fail(self, item: SpoolItem, reason: str) -> None:
        line = plain_line(reason, MAX_REASON)
        self._spool.fail(item, line)
        self._say(f"{item.label} failed: {line}")


def is_own(path: Path, uid: str) -> bool:
    """A received image, the UID it was sent under -> whether this program made it (an overlay that was sent on).

    InputError where the image does not have that UID: results that refer to it could not be filed beside it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=["Manufacturer", "SOPInstanceUID"])
            manufacturer, found = str(header.get("Manufacturer") or ""), str(header.get("SOPInstanceUID") or "")
        except Exception as error:  # a damaged header can fail anywhere inside the reader
            raise InputError(f"{path}: damaged DICOM header ({type(error).__name__}); export it again") from error
    if found != uid:
        raise InputError(f"{path}: its SOP Instance UID is not the one that it was sent under; export it again")
    return manufacturer == MANUFACTURER
