"""The data folder: files that were sent, and their results, under random names. A sender's file name is a label only.

DATA/queue.sqlite             the queue
DATA/reader-study.jsonl       readings of a study of readers; see routes/learning.py
DATA/incoming/ID/             files that are being received
DATA/jobs/JOB/ITEM/source     a file as it was sent
DATA/jobs/JOB/ITEM/clip.json  a clip as one examination
DATA/jobs/JOB/ITEM/spacing.json  millimetres per pixel that a person gave
DATA/jobs/JOB/ITEM/model.json    the model for the next prediction, where a person asked for one
DATA/jobs/JOB/ITEM/frames/N/ result.json, mask.png, image.png, malignancy_map.png
DATA/jobs/JOB/ITEM/earlier/N/ MODEL.json, the result of another model before this one
DATA/jobs/JOB/ITEM/readings/  what people read of its frames, every version; see review/reading_files.py
DATA/trash/ID/                a job that is being deleted
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from thyrosight.daemon import make_private_folder
from thyrosight.errors import InputError
from thyrosight.files import Deletions, raise_disk_fault, sync_folder, write_atomic, write_folder_atomic
from thyrosight.measurement.nodule_uids import nodule_uid
from thyrosight.prediction import ModelIdentity, Prediction, SpacingMm
from thyrosight.results.layout import CLIP_NAME, MASK_NAME, OVERLAY_NAME, RESULT_NAME, read_result
from thyrosight.types import Spacing
from thyrosight.web.jobs.queue import ItemRow

IMAGE_NAME, MAP_NAME, CORRECTION_NAME = "image.png", "malignancy_map.png", "correction.json"
QUEUE_NAME, SOURCE_NAME, READINGS_NAME = "queue.sqlite", "source", "readings"
SPACING_NAME = "spacing.json"
WANTED_NAME, EARLIER_NAME = "model.json", "earlier"
GIVEN_REASON = "given on the page"
FRAME_FILES = frozenset({RESULT_NAME, MASK_NAME, OVERLAY_NAME, IMAGE_NAME, MAP_NAME, CORRECTION_NAME})

_ID = re.compile(r"[0-9a-f]{32}")
_MODEL_ID = re.compile(r"[0-9a-f]{1,64}")


def new_id() -> str:
    """-> 128 random bits as 32 hexadecimal digits, which nobody can guess."""
    return secrets.token_hex(16)


class GivenSpacing(SpacingMm):
    """Millimetres per pixel that a person gave for an image whose file states none; who gave them, and when."""

    who: str = ""
    when: str = ""

    @property
    def spacing(self) -> Spacing:
        return Spacing(self.row_mm, self.column_mm)

    @property
    def reason(self) -> str:
        return GIVEN_REASON + (f" by {self.who}" if self.who else "")


class StoreError(InputError):
    """The disk refuses a read or write; the file that was sent is not the cause."""


class Store:
    """The data folder; made where it is missing, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._deletions = Deletions()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name in ("incoming", "jobs", "trash"):
                make_private_folder(folder / name)
        except OSError as error:
            raise InputError(f"{folder}: can't hold the data ({error.strerror}); choose another --data") from error

    @property
    def queue_path(self) -> Path:
        return self.folder / QUEUE_NAME

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.folder).free

    def new_incoming(self) -> Path:
        """-> an empty folder for the files of one upload."""
        path = self.folder / "incoming" / new_id()
        path.mkdir(mode=0o700)
        return path

    def keep(self, incoming: Path, job_id: str) -> None:
        """An upload's folder, with ITEM/source in it -> the job's folder, by one rename that is synced to the disk.

        Where the disk refuses, no part of the upload stays.
        """
        try:
            os.rename(incoming, self._job(job_id))
            sync_folder(self.folder / "jobs")
        except BaseException:
            self.remove(job_id)
            raise

    def add(self, incoming: Path, job_id: str, item_ids: Iterable[str]) -> None:
        """As `keep`, for an existing job: each ITEM folder is renamed into the job's folder."""
        kept = tuple(item_ids)
        try:
            for item_id in kept:
                os.rename(incoming / item_id, self._job(job_id) / item_id)
            sync_folder(self._job(job_id))
        except BaseException:
            self.remove_items(job_id, kept)
            raise
        self.discard(incoming)

    def discard(self, path: Path) -> None:
        """Deletes a folder; where the disk refuses, `discard_again` tries again."""
        self._deletions.delete(path)

    def discard_again(self) -> None:
        """Deletes what the disk refused to delete before. The worker calls it when it has nothing to do."""
        self._deletions.again()

    def remove(self, job_id: str) -> None:
        """Deletes a job's folder."""
        self._remove(self._job(job_id))

    def remove_items(self, job_id: str, item_ids: Iterable[str]) -> None:
        """Deletes items' folders."""
        for item_id in item_ids:
            self._remove(self._job(job_id) / item_id)

    def _remove(self, folder: Path) -> None:
        """Deletes a folder.

        It is renamed first, where the disk allows this, so that no request sees a half-deleted folder.
        """
        trash = self.folder / "trash" / new_id()
        try:
            os.rename(folder, trash)
        except FileNotFoundError:
            return
        except OSError:  # a full disk may refuse a rename, and yet delete
            trash = folder
        self.discard(trash)

    def sweep(self, job_ids: set[str], item_ids: set[str] | None = None) -> None:
        """After a start: deletes unfinished uploads, folders of unknown jobs and items. Names that aren't ours stay."""
        for name in ("incoming", "trash"):
            for path in _own_folders(self.folder / name):
                self.discard(path)
        for path in _own_folders(self.folder / "jobs"):
            if path.name not in job_ids:
                self.discard(path)
            elif item_ids is not None:
                for item_folder in _own_folders(path):
                    if item_folder.name not in item_ids:
                        self.discard(item_folder)

    def source(self, item: ItemRow) -> Path:
        return self.item_folder(item) / SOURCE_NAME

    def item_folder(self, item: ItemRow) -> Path:
        assert _ID.fullmatch(item.id), "ids are our own"
        return self._job(item.job_id) / item.id

    def spacing(self, item: ItemRow) -> GivenSpacing | None:
        """-> the millimetres per pixel that a person gave for the item; None where nobody did."""
        try:
            return GivenSpacing.model_validate_json((self.item_folder(item) / SPACING_NAME).read_bytes())
        except (OSError, ValueError) as error:
            raise_disk_fault(error)
            return None

    def write_spacing(self, item: ItemRow, given: GivenSpacing | None) -> None:
        """Writes the spacing that a person gave; None removes it. StoreError as `write_frame`."""
        path = self.item_folder(item) / SPACING_NAME
        with _as_store_error(item):
            if given is None:
                path.unlink(missing_ok=True)
            else:
                write_atomic(path, given.model_dump_json() + "\n")

    def wanted_model(self, item: ItemRow) -> ModelIdentity | None:
        """-> the model that must predict the item; None: the one that is chosen when the item's turn comes."""
        try:
            return ModelIdentity.model_validate_json((self.item_folder(item) / WANTED_NAME).read_bytes())
        except (OSError, ValueError) as error:
            raise_disk_fault(error)
            return None

    def want_model(self, item: ItemRow, model: ModelIdentity) -> None:
        """Writes which model must predict the item. StoreError as `write_frame`."""
        with _as_store_error(item):
            write_atomic(self.item_folder(item) / WANTED_NAME, model.model_dump_json() + "\n")

    def keep_earlier(self, item: ItemRow, prediction: Prediction) -> None:
        """Keeps the result of another model before it is replaced. StoreError as `write_frame`."""
        folder = self.item_folder(item) / EARLIER_NAME / str(prediction.image.frame_index)
        assert _MODEL_ID.fullmatch(prediction.model.id), "ids are digits of a hash"
        with _as_store_error(item):
            folder.parent.mkdir(exist_ok=True)
            folder.mkdir(exist_ok=True)
            write_atomic(folder / f"{prediction.model.id}.json", prediction.to_json())

    def earlier(self, item: ItemRow, frame_index: int) -> list[Prediction]:
        """-> the last result of each other model that predicted the frame before, the newest first."""
        folder = self.item_folder(item) / EARLIER_NAME / str(int(frame_index))
        found = []
        for path in sorted(folder.glob("*.json"), key=lambda path: -path.stat().st_mtime_ns):
            try:
                found.append(Prediction.model_validate_json(path.read_bytes()))
            except (OSError, ValueError) as error:
                raise_disk_fault(error)
                continue  # damaged
        return found

    def readings_folder(self, item: ItemRow) -> Path:
        """-> the folder of people's readings of the item; see review/reading_files.py."""
        return self.item_folder(item) / READINGS_NAME

    def frame_folder(self, item: ItemRow, frame_index: int) -> Path:
        return self.item_folder(item) / "frames" / str(int(frame_index))

    def frame_file(self, item: ItemRow, frame_index: int, name: str) -> Path:
        assert name in FRAME_FILES
        return self.frame_folder(item, frame_index) / name

    def has_old_correction(self, item: ItemRow, frame_index: int) -> bool:
        """-> whether a correction is stored next to the frame's result, as an earlier version of this program did."""
        return self.frame_file(item, frame_index, CORRECTION_NAME).is_file()

    def clip(self, item: ItemRow) -> bytes | None:
        """-> the content of a clip's summary; None for a still."""
        try:
            return (self.item_folder(item) / CLIP_NAME).read_bytes()
        except OSError as error:
            raise_disk_fault(error)
            return None

    def write_frame(self, item: ItemRow, frame_index: int, files: Mapping[str, bytes]) -> None:
        """Writes a frame's files, all of them or none. StoreError where the disk refuses, or the job is deleted."""
        assert files.keys() <= FRAME_FILES
        folder = self.frame_folder(item, frame_index)
        with _as_store_error(item):
            folder.parent.mkdir(exist_ok=True)  # without parents: the folder of a deleted job must not come back
            write_folder_atomic(folder, files)

    def write_result(self, item: ItemRow, frame_index: int, text: str) -> None:
        """Writes a frame's result anew, and deletes its overlay, which shows the old numbers and is drawn on request.

        StoreError as `write_frame`.
        """
        with _as_store_error(item):
            self.frame_file(item, frame_index, OVERLAY_NAME).unlink(missing_ok=True)
            write_atomic(self.frame_file(item, frame_index, RESULT_NAME), text)

    def write_clip(self, item: ItemRow, text: str) -> None:
        """Writes a clip's summary. StoreError where the disk refuses, or the job is deleted."""
        with _as_store_error(item):
            write_atomic(self.item_folder(item) / CLIP_NAME, text)

    def prediction(self, item: ItemRow, frame_index: int) -> Prediction | None:
        """-> a frame's prediction; None where there is none yet. Nodules of earlier versions get their UID here."""
        found = read_result(self.frame_folder(item, frame_index))
        if found is None or all(nodule.uid for nodule in found.nodules):
            return found
        sha256, index = found.image.sha256, found.image.frame_index
        nodules = [
            nodule.model_copy(update={"uid": nodule.uid or nodule_uid(sha256, index, nodule.outline_xy)})
            for nodule in found.nodules
        ]
        return found.model_copy(update={"nodules": tuple(nodules)})

    def _job(self, job_id: str) -> Path:
        assert _ID.fullmatch(job_id), "ids are our own"
        return self.folder / "jobs" / job_id


@contextmanager
def _as_store_error(item: ItemRow) -> Iterator[None]:
    try:
        yield
    except (OSError, InputError) as error:
        raise StoreError(f"{item.name}: its results can't be stored; is the disk full?") from error


def _own_folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return [Path(e.path) for e in entries if _ID.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]
