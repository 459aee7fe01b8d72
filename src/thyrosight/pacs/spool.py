"""The spool folder: accepted images stay in it until their results are sent, so that a restart continues the work.

SPOOL/incoming/           instances that are being received; emptied at the start
SPOOL/items/KEY/          one accepted instance: item.json, and source.dcm or the results that are still to be sent
SPOOL/failed/KEY/         the same after the last try, and reason.txt with one line
SPOOL/done/KEY            an empty file: the instance with this KEY is done

KEY is a hash of the SOP Instance UID and the file, 64 hexadecimal digits. So no name comes from a sender, and the same
instance sent twice is one item. An item has a source to predict or results to send, never both: the source is deleted
when the results are complete on the disk. Where both exist, the results are made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from thyrosight.daemon import hold_folder, make_private_folder
from thyrosight.errors import InputError
from thyrosight.files import Deletions, raise_disk_fault, sha256_of, sync_folder, write_atomic

SOURCE_NAME, ITEM_NAME, REASON_NAME = "source.dcm", "item.json", "reason.txt"
FOLDERS = ("incoming", "items", "failed", "done")
DONE_SECONDS = 30 * 86_400.0
"""The spool remembers for this long that an instance is done."""
MAX_CRASHES, MAX_STARTS = 2, 6
"""Limits on the number of predictions of one item during which the process ended. After MAX_CRASHES the item is
suspect: a child process tries it first. After MAX_STARTS the item has failed, because a file must not stop the service
again and again."""
OUT_OF_RESOURCES, INVALID_INSTANCE = 0xA700, 0x0117
"""C-STORE statuses, DICOM PS3.4 table B.2-1 and PS3.7 annex C."""

_KEY = re.compile(r"[0-9a-f]{64}")
_UID = re.compile(r"[0-9.]{1,64}")


class RefusedError(Exception):
    """An instance is not accepted: the status for its sender, and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class SpoolLimits:
    """Limits of what is accepted. max_bytes: largest size of one instance. max_items: most items not yet sent.

    spare_bytes: kept free on the disk.
    """

    max_bytes: int = 512 << 20
    max_items: int = 1000
    spare_bytes: int = 1 << 30


@dataclass
class SpoolItem:
    """One accepted instance. uid: its SOP Instance UID. due: when its results may be sent, by time.monotonic."""

    key: str
    folder: Path
    uid: str
    received: float
    is_predicted: bool = False
    num_starts: int = 0
    num_tries: int = 0
    due: float = 0.0
    num_refusals: int = 0
    """How often the system refused to read or write the item; this number is not stored on the disk."""

    @property
    def is_suspect(self) -> bool:
        """Whether a child process tries the item first: the process ended MAX_CRASHES times during its prediction."""
        return self.num_starts >= MAX_CRASHES

    @property
    def label(self) -> str:
        """-> its name in log lines, which does not identify the patient."""
        return self.key[:12]

    @property
    def source(self) -> Path:
        return self.folder / SOURCE_NAME

    def results(self) -> list[Path]:
        """-> the DICOM files that are still to be sent."""
        return sorted(path for path in self.folder.glob("*.dcm") if path.name != SOURCE_NAME)

    def write(self) -> None:
        record = {"uid": self.uid, "received": self.received, "starts": self.num_starts, "tries": self.num_tries}
        write_atomic(self.folder / ITEM_NAME, json.dumps(record) + "\n")


@dataclass
class Spool:
    """The folder, which only this process uses. Several threads may call its methods."""

    folder: Path
    limits: SpoolLimits = field(default_factory=SpoolLimits)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._items: dict[str, SpoolItem] = {}
        self._deletions = Deletions()
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name in FOLDERS:
                make_private_folder(self.folder / name)
        except OSError as error:
            raise InputError(f"{self.folder}: can't be the spool ({error.strerror}); choose another --spool") from error
        fix = "another listener uses this folder; stop it, or choose another --spool folder"
        self._guard = hold_folder(self.folder / "spool.lock", fix)
        try:
            self._items = {item.key: item for item in self._recovered()}
        except OSError as error:
            self._guard.close()
            what = f"can't be tidied ({error.strerror})"
            raise InputError(f"{self.folder}: {what}; make it writable, or choose another --spool") from error

    def close(self) -> None:
        self.delete_again()
        self._guard.close()

    def discard(self, path: Path) -> None:
        """Deletes a received file; where the disk refuses, `delete_again` tries again."""
        self._deletions.delete(path)

    def delete_again(self) -> None:
        """Deletes what the disk refused to delete before. The sender calls it when it has nothing to do."""
        self._deletions.again()

    @property
    def incoming(self) -> Path:
        return self.folder / "incoming"

    def counts(self) -> dict[str, int]:
        """-> number of items by state: "waiting" for the network, "to send", "failed"."""
        with self._lock:
            num_predicted = sum(item.is_predicted for item in self._items.values())
            num_items = len(self._items)
        num_failed = sum(1 for name in os.listdir(self.folder / "failed") if _KEY.fullmatch(name))
        return {"waiting": num_items - num_predicted, "to send": num_predicted, "failed": num_failed}

    def accept(self, path: Path, uid: str) -> tuple[SpoolItem, bool]:
        """A received file, its SOP Instance UID -> (its item, now on the disk; whether it is new).

        RefusedError where it is not accepted. The caller deletes the file given.
        """
        if not _UID.fullmatch(uid):
            raise RefusedError(INVALID_INSTANCE, "its SOP Instance UID is not a UID")
        num_bytes = path.stat().st_size
        if num_bytes > self.limits.max_bytes:
            limit = f"the limit is {self.limits.max_bytes / 2**20:,.0f} MB"
            raise RefusedError(OUT_OF_RESOURCES, f"{num_bytes / 2**20:,.1f} MB, {limit}")
        key = hashlib.sha256(f"{uid}\0{sha256_of(path)}".encode()).hexdigest()
        item = SpoolItem(key, self.folder / "items" / key, uid, time.time())
        with self._lock:
            if key in self._items:
                return self._items[key], False
            if (self.folder / "done" / key).is_file():
                return item, False
            if len(self._items) >= self.limits.max_items:
                raise RefusedError(OUT_OF_RESOURCES, f"the queue is full ({self.limits.max_items:,} items)")
            if shutil.disk_usage(self.folder).free < self.limits.spare_bytes + num_bytes:
                raise RefusedError(OUT_OF_RESOURCES, "the disk is nearly full")
            self._deletions.again()
            self._place(path, item)
            self._items[key] = item
        return item, True

    def next_to_predict(self) -> SpoolItem | None:
        """-> the item that has waited longest for the network; None where no item waits.

        The more often the system has refused to read or write an item, the later it comes. So a bad place on the disk
        delays no other item.
        Suspect items, whose prediction has ended the process before, come last.
        """
        with self._lock:
            waiting = [item for item in self._items.values() if not item.is_predicted]
        return min(waiting, key=lambda item: (item.is_suspect, item.num_refusals), default=None)

    def start(self, item: SpoolItem) -> bool:
        """Records on the disk that a prediction starts -> False where MAX_STARTS of them have never ended."""
        if item.num_starts >= MAX_STARTS:
            return False
        item.num_starts += 1
        try:
            item.write()
        except InputError:
            item.num_starts -= 1
            raise
        return True

    def keep_results(self, item: SpoolItem, files: Mapping[str, bytes]) -> None:
        """Writes the results of an item to the disk, then deletes its source."""
        for leftover in item.results():
            leftover.unlink()
        for name, content in files.items():
            write_atomic(item.folder / name, content)
        item.source.unlink()
        with self._lock:
            item.is_predicted = True  # at once: without its source the item can't be predicted again
        sync_folder(item.folder)

    def due(self, now: float, limit: int) -> list[SpoolItem]:
        """-> at most `limit` items whose results may be sent now."""
        with self._lock:
            found = [item for item in self._items.values() if item.is_predicted and item.due <= now]
        return found[:limit]

    def delay(self, item: SpoolItem, seconds: float) -> None:
        """Records a failed try on the disk. The next try is due after `seconds`."""
        item.num_tries += 1
        item.due = time.monotonic() + seconds  # the clock may be set back
        item.write()

    def finish(self, item: SpoolItem) -> None:
        """Deletes an item whose results have arrived, or that needs no results, and records its key as done."""
        write_atomic(self.folder / "done" / item.key, b"")
        self._forget(item)
        self._deletions.delete(item.folder)

    def fail(self, item: SpoolItem, reason: str) -> None:
        """Moves an item to failed/KEY with reason.txt, for a person."""
        write_atomic(item.folder / REASON_NAME, " ".join(reason.split()) + "\n")
        place = self.folder / "failed" / item.key
        shutil.rmtree(place, ignore_errors=True)
        os.rename(item.folder, place)
        self._forget(item)  # before anything else may fail: its folder is no more there
        sync_folder(place.parent)

    def retry_failed(self) -> int:
        """Moves every failed item back to the queue -> number of items. Their tries count from 0 again."""
        num_back = 0
        for folder in _own(self.folder / "failed"):
            item = _read_item(folder)
            if item is None or item.key in self._items:
                continue
            item.num_starts = item.num_tries = 0
            item.write()
            (folder / REASON_NAME).unlink(missing_ok=True)
            item.folder = self.folder / "items" / item.key
            os.rename(folder, item.folder)
            with self._lock:
                self._items[item.key] = item
            num_back += 1
        return num_back

    def _forget(self, item: SpoolItem) -> None:
        with self._lock:
            self._items.pop(item.key, None)

    def _place(self, path: Path, item: SpoolItem) -> None:
        """A received file -> the item's folder, by one rename, synced to the disk.

        RefusedError where this fails; then nothing of the item stays, so that the sender may try again.
        """
        place = new = self.incoming / f"{secrets.token_hex(8)}.new"
        try:
            new.mkdir(mode=0o700)
            source = new / SOURCE_NAME
            try:
                os.link(path, source)
            except OSError:
                shutil.copyfile(path, source)
            with open(source, "rb+") as stream:
                os.fsync(stream.fileno())
            SpoolItem(item.key, new, item.uid, item.received).write()
            sync_folder(new)
            os.rename(new, item.folder)
            place = item.folder
            sync_folder(place.parent)
        except (OSError, InputError) as error:
            self._deletions.delete(place)
            reason = getattr(error, "strerror", None) or str(error)
            raise RefusedError(OUT_OF_RESOURCES, f"it can't be stored ({reason})") from error
        self._deletions.delete(self.folder / "failed" / item.key)  # it was sent again: it starts anew

    def _recovered(self) -> list[SpoolItem]:
        """Items of an earlier run, in the order in which they were received.

        Files that were never accepted are deleted.
        """
        for path in self.incoming.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in (self.folder / "done").iterdir():
            if path.stat().st_mtime < time.time() - DONE_SECONDS:
                path.unlink()
        found = []
        for folder in _own(self.folder / "items"):
            item = _read_item(folder)
            if (self.folder / "done" / folder.name).is_file():
                shutil.rmtree(folder, ignore_errors=True)
            elif item is None:
                self.fail(SpoolItem(folder.name, folder, "", 0.0), f"{ITEM_NAME} is damaged")
            else:
                found.append(item)
        return sorted(found, key=lambda item: item.received)


def _own(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return [Path(e.path) for e in entries if _KEY.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]


def _read_item(folder: Path) -> SpoolItem | None:
    """An item's folder -> the item; None where its record is damaged. OSError where the disk can't be read now."""
    try:
        record = json.loads((folder / ITEM_NAME).read_bytes())
        item = SpoolItem(folder.name, folder, str(record["uid"]), float(record["received"]))
        item.num_starts, item.num_tries = int(record["starts"]), int(record["tries"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_disk_fault(error)
        return None
    item.is_predicted = not item.source.is_file()
    return item
