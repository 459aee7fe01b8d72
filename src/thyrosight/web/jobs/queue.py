"""Jobs and their items in one SQLite file, so that an accepted job survives a crash and a restart.

An item is queued, running, done or failed. Each time the worker takes it counts as a try. An item that was running when
the server stopped is queued again. After MAX_TRIES it is suspect, and a child process tries it first: a file that stops
the server must not do so for ever, and a file that was only there at the time must not be lost.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from thyrosight.daemon import hold_folder, make_private_file
from thyrosight.errors import InputError

MAX_TRIES = 2
MAX_TRIES_AFTER_TRIAL = 6
"""A file that survives its trial and is there each time when the server ends is given up then."""
BUSY_SECONDS = 20.0
SCHEMA_VERSION = 1
ANOTHER_SERVER = "another server uses this folder; stop it, or choose another --data folder"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS items (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  name TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued', tries INTEGER NOT NULL DEFAULT 0,
  error_code TEXT, error_message TEXT, num_frames INTEGER, frames_done INTEGER NOT NULL DEFAULT 0, seconds REAL
);
CREATE INDEX IF NOT EXISTS items_by_state ON items (state, number);
CREATE INDEX IF NOT EXISTS items_by_job ON items (job_id, number);
"""
_ITEM_COLUMNS = "id, job_id, name, state, tries, error_code, error_message, num_frames, frames_done, seconds"


class QueueFullError(Exception):
    """More items would wait than may."""


@dataclass(frozen=True)
class ItemRow:
    """One file of a job: a row of the table items."""

    id: str
    job_id: str
    name: str
    state: str
    tries: int
    error_code: str | None
    error_message: str | None
    num_frames: int | None
    frames_done: int
    seconds: float | None


@dataclass(frozen=True)
class JobRow:
    """Files that were sent together: a row of the table jobs, with its items."""

    id: str
    created: str
    items: tuple[ItemRow, ...]

    @property
    def state(self) -> str:
        """queued: none has started; running: some are unfinished; failed: all failed; done: all others."""
        states = {item.state for item in self.items}
        if states in ({"queued"}, {"failed"}):
            return states.pop()
        return "done" if states <= {"done", "failed"} else "running"


class JobQueue:
    """The queue's file, open in this process only. Its methods may be called from several threads."""

    def __init__(self, path: Path, capacity: int) -> None:
        self.capacity = capacity
        self._lock = threading.Lock()
        self._guard = hold_folder(path.with_suffix(".lock"), ANOTHER_SERVER)
        try:
            self._db = self._opened(path)
        except BaseException:
            self._guard.close()
            raise

    @staticmethod
    def _opened(path: Path) -> sqlite3.Connection:
        """Path -> the open file. InputError where it has another version, is damaged, or can't be written."""
        try:
            make_private_file(path)  # file names of patients may be in it
            db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        except OSError as error:
            raise InputError(f"{path}: can't be written ({error.strerror}); check its permissions") from error
        try:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
                db.execute(f"PRAGMA {pragma}")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version not in (0, SCHEMA_VERSION):
                raise InputError(f"{path}: a queue of another version ({version}); choose another --data folder")
            db.executescript(_SCHEMA)
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("quick_check")
            for column_names in (_ITEM_COLUMNS, "number"):
                db.execute(f"SELECT {column_names} FROM items LIMIT 0")
        except sqlite3.Error as error:
            db.close()
            what = "can't be written" if isinstance(error, sqlite3.OperationalError) else "damaged"
            raise InputError(
                f"{path}: {what} ({error}); move it away to start with an empty queue, or make room"
            ) from None
        except InputError:
            db.close()
            raise
        return db

    def close(self) -> None:
        with self._lock:
            self._db.close()
            self._guard.close()

    def recover(self) -> None:
        """After a start: running items are queued again."""
        self._write("UPDATE items SET state = 'queued' WHERE state = 'running'", ())

    def accept(self, job_id: str, items: Sequence[tuple[str, str]]) -> JobRow:
        """Job id, (item id, name) of its files -> the job, now on the disk. QueueFullError where too many wait."""
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._transaction() as db:
            (num_queued,) = db.execute("SELECT count(*) FROM items WHERE state = 'queued'").fetchone()
            if num_queued + len(items) > self.capacity:
                raise QueueFullError
            db.execute("INSERT INTO jobs (id, created) VALUES (?, ?)", (job_id, created))
            db.executemany(
                "INSERT INTO items (id, job_id, name) VALUES (?, ?, ?)",
                [(item_id, job_id, name) for item_id, name in items],
            )
        rows = [ItemRow(item_id, job_id, name, "queued", 0, None, None, None, 0, None) for item_id, name in items]
        return JobRow(job_id, created, tuple(rows))

    def take(self, had_a_turn: Collection[str] = ()) -> ItemRow | None:
        """-> the next item, now running, with this try counted; None where no item waits.

        Suspect items (MAX_TRIES tries before) come last, before them those of `had_a_turn`; within each group the one
        that has waited longest comes first. The try of a suspect item is on the disk only after `note_try`.
        """
        marks = ", ".join("?" * len(had_a_turn))
        order = f"tries >= {MAX_TRIES}, id IN ({marks}), number"
        with self._transaction() as db:
            row = db.execute(
                f"SELECT {_ITEM_COLUMNS} FROM items WHERE state = 'queued' ORDER BY {order} LIMIT 1", tuple(had_a_turn)
            ).fetchone()
            if row is None:
                return None
            waiting = ItemRow(*row)
            taken = replace(waiting, state="running", tries=waiting.tries + 1)
            on_disk = min(taken.tries, max(waiting.tries, MAX_TRIES))
            db.execute("UPDATE items SET state = 'running', tries = ? WHERE id = ?", (on_disk, taken.id))
        return taken

    def note_try(self, item: ItemRow) -> None:
        """Records a try of a suspect item that a child process has survived."""
        self._write("UPDATE items SET tries = ? WHERE id = ?", (item.tries, item.id))

    def give_back(self, item: ItemRow) -> None:
        """A running item -> queued, and the try is not counted: the item was not the cause of the stop."""
        self._write("UPDATE items SET state = 'queued', tries = ? WHERE id = ?", (item.tries - 1, item.id))

    def has_queued(self) -> bool:
        """-> whether any item waits."""
        return bool(self._read("SELECT 1 FROM items WHERE state = 'queued' LIMIT 1", ()))

    def note_progress(self, item_id: str, num_frames: int, frames_done: int) -> bool:
        """Records how many frames are done -> whether the item still exists: its job may have been deleted."""
        statement = "UPDATE items SET num_frames = ?, frames_done = ? WHERE id = ?"
        return self._write(statement, (num_frames, frames_done, item_id)) == 1

    def finish(self, item_id: str, seconds: float) -> None:
        self._write("UPDATE items SET state = 'done', seconds = ? WHERE id = ?", (round(seconds, 3), item_id))

    def fail(self, item_id: str, code: str, message: str, seconds: float) -> None:
        self._write(
            "UPDATE items SET state = 'failed', error_code = ?, error_message = ?, seconds = ? WHERE id = ?",
            (code, message, round(seconds, 3), item_id),
        )

    def remove(self, job_id: str) -> bool:
        """Deletes a job -> whether there was one."""
        return self._write("DELETE FROM jobs WHERE id = ?", (job_id,)) == 1

    def item(self, item_id: str) -> ItemRow | None:
        rows = self._read(f"SELECT {_ITEM_COLUMNS} FROM items WHERE id = ?", (item_id,))
        return ItemRow(*rows[0]) if rows else None

    def job(self, job_id: str) -> JobRow | None:
        rows = self._read("SELECT id, created FROM jobs WHERE id = ?", (job_id,))
        return self._with_items(rows)[0] if rows else None

    def jobs(self, limit: int, offset: int) -> tuple[list[JobRow], int]:
        """-> (at most `limit` jobs after the first `offset`, newest first; number of all jobs)."""
        rows = self._read("SELECT id, created FROM jobs ORDER BY number DESC LIMIT ? OFFSET ?", (limit, offset))
        return self._with_items(rows), int(self._read("SELECT count(*) FROM jobs", ())[0][0])

    def job_ids(self) -> set[str]:
        return {row[0] for row in self._read("SELECT id FROM jobs", ())}

    def counts(self) -> dict[str, int]:
        """-> {state: number of items}, with every state."""
        found = dict(self._read("SELECT state, count(*) FROM items GROUP BY state", ()))
        return {state: int(found.get(state, 0)) for state in ("queued", "running", "done", "failed")}

    def _with_items(self, jobs: Sequence[tuple[Any, ...]]) -> list[JobRow]:
        ids = [job_id for job_id, _ in jobs]
        marks = ", ".join("?" * len(ids))
        found: dict[str, list[ItemRow]] = {job_id: [] for job_id in ids}
        for row in self._read(f"SELECT {_ITEM_COLUMNS} FROM items WHERE job_id IN ({marks}) ORDER BY number", ids):
            item = ItemRow(*row)
            found[item.job_id].append(item)
        return [JobRow(job_id, created, tuple(found[job_id])) for job_id, created in jobs if found[job_id]]

    def _read(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            return list(self._db.execute(statement, values).fetchall())

    def _write(self, statement: str, values: Sequence[Any]) -> int:
        with self._transaction() as db:
            return db.execute(statement, values).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """No one else uses the file within the block. It is committed to the disk, or undone where the block raises."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
