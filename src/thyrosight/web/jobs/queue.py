"""Jobs and their items in one SQLite file, so that an accepted job survives a crash and a restart.

An item is queued, running, done or failed. Each time that the worker takes an item counts as one try. An item that was
running when the server stopped is queued again. After MAX_TRIES it is suspect, and a child process tries it first.
So a bad file can't stop the server again and again, and a good file that was running at each stop is not lost.
"""

from __future__ import annotations

import re
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
from thyrosight.web.jobs.work_list_table import WORK_LIST_SCHEMA

MAX_TRIES = 2
MAX_TRIES_AFTER_TRIAL = 6
"""A file fails after this many tries if a child process reads it without harm and the server still ended during each
try."""
BUSY_SECONDS = 20.0
SCHEMA_VERSION = 2
ANOTHER_SERVER = "another server uses this folder; stop it, or choose another --data folder"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, created TEXT NOT NULL, name TEXT
);
CREATE TABLE IF NOT EXISTS items (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  name TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued', tries INTEGER NOT NULL DEFAULT 0,
  error_code TEXT, error_message TEXT, num_frames INTEGER, frames_done INTEGER NOT NULL DEFAULT 0, seconds REAL,
  path TEXT NOT NULL DEFAULT '', sort_key TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS items_by_state ON items (state, number);
CREATE INDEX IF NOT EXISTS items_by_job ON items (job_id, number);
"""
_TO_VERSION_2 = (
    "ALTER TABLE jobs ADD COLUMN name TEXT",
    "ALTER TABLE items ADD COLUMN path TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE items ADD COLUMN sort_key TEXT NOT NULL DEFAULT ''",
    "UPDATE items SET path = name",
)
"""A queue of version 1 had no folders; its items stay in the order in which they came."""
ITEM_COLUMNS = "id, job_id, name, state, tries, error_code, error_message, num_frames, frames_done, seconds, path"


class QueueFullError(Exception):
    """More items would wait than the server allows."""


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
    path: str = ""
    """The sender's name with its folders."""


@dataclass(frozen=True)
class JobRow:
    """Files that belong together, in the order of their paths: a row of the table jobs, with its items."""

    id: str
    created: str
    items: tuple[ItemRow, ...]
    name: str | None = None

    @property
    def state(self) -> str:
        """queued: no item has started; running: some are unfinished; failed: all failed; done: all ended, some well."""
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
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{path}: can't be written ({reason}); check its permissions") from error
        try:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
                db.execute(f"PRAGMA {pragma}")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version not in (0, 1, SCHEMA_VERSION):
                raise InputError(f"{path}: a queue of another version ({version}); choose another --data folder")
            _upgrade(db, version)
            db.executescript(_SCHEMA + WORK_LIST_SCHEMA)
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("quick_check")
            for column_names in (ITEM_COLUMNS, "number, sort_key"):
                db.execute(f"SELECT {column_names} FROM items LIMIT 0")
        except sqlite3.Error as error:
            db.close()
            what = "can't be written" if isinstance(error, sqlite3.OperationalError) else "damaged"
            raise InputError(
                f"{path}: {what} ({error}); move it away to start with an empty queue, or free space"
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

    def accept(self, job_id: str, items: Sequence[tuple[str, ...]], name: str | None = None) -> JobRow:
        """Job id, (item id, name, and path if it has one) of its files -> the job, now on the disk.

        QueueFullError where too many wait.
        """
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self.transaction() as db:
            db.execute("INSERT INTO jobs (id, created, name) VALUES (?, ?, ?)", (job_id, created, name))
            rows = self._insert(db, job_id, items)
        return JobRow(job_id, created, tuple(rows), name)

    def append(self, job_id: str, items: Sequence[tuple[str, ...]]) -> list[ItemRow] | None:
        """As accept, for a job that exists -> its new items; None where there is no such job."""
        with self.transaction() as db:
            if db.execute("SELECT 1 FROM jobs WHERE id = ?", (job_id,)).fetchone() is None:
                return None
            return self._insert(db, job_id, items)

    def _insert(self, db: sqlite3.Connection, job_id: str, items: Sequence[tuple[str, ...]]) -> list[ItemRow]:
        (num_queued,) = db.execute("SELECT count(*) FROM items WHERE state = 'queued'").fetchone()
        if num_queued + len(items) > self.capacity:
            raise QueueFullError
        rows = [
            ItemRow(item_id, job_id, name, "queued", 0, None, None, None, 0, None, path[0] if path else name)
            for item_id, name, *path in items
        ]
        db.executemany(
            "INSERT INTO items (id, job_id, name, path, sort_key) VALUES (?, ?, ?, ?, ?)",
            [(row.id, job_id, row.name, row.path, sort_key_of(row.path)) for row in rows],
        )
        return rows

    def take(self, had_a_turn: Collection[str] = ()) -> ItemRow | None:
        """-> the next item, now running, with this try counted; None where no item waits.

        Suspect items (MAX_TRIES tries before) come last; items of `had_a_turn` come just before them. Within each group
        the item that has waited longest comes first. The try of a suspect item is on the disk only after `note_try`.
        """
        marks = ", ".join("?" * len(had_a_turn))
        order = f"tries >= {MAX_TRIES}, id IN ({marks}), number"
        with self.transaction() as db:
            row = db.execute(
                f"SELECT {ITEM_COLUMNS} FROM items WHERE state = 'queued' ORDER BY {order} LIMIT 1", tuple(had_a_turn)
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
        """Queues a running item again, and this try is not counted: the item did not cause the stop."""
        self._write("UPDATE items SET state = 'queued', tries = ? WHERE id = ?", (item.tries - 1, item.id))

    def has_queued(self) -> bool:
        """-> whether any item waits."""
        return bool(self.read("SELECT 1 FROM items WHERE state = 'queued' LIMIT 1", ()))

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

    def remove_item(self, item_id: str) -> bool:
        """Deletes an item, and its job where it was the last -> whether there was one."""
        with self.transaction() as db:
            found = db.execute("SELECT job_id FROM items WHERE id = ?", (item_id,)).fetchone()
            if found is None:
                return False
            db.execute("DELETE FROM items WHERE id = ?", (item_id,))
            db.execute("DELETE FROM jobs WHERE id = ? AND id NOT IN (SELECT job_id FROM items)", found)
            return True

    def queue_again(self, item_id: str) -> bool:
        """Queues a finished item again, as if it were new -> whether it was finished."""
        statement = "UPDATE items SET state = 'queued', tries = 0, frames_done = 0, error_code = NULL"
        return self._write(f"{statement} WHERE id = ? AND state IN ('done', 'failed')", (item_id,)) == 1

    def item(self, item_id: str) -> ItemRow | None:
        rows = self.read(f"SELECT {ITEM_COLUMNS} FROM items WHERE id = ?", (item_id,))
        return ItemRow(*rows[0]) if rows else None

    def job(self, job_id: str) -> JobRow | None:
        rows = self.read("SELECT id, created, name FROM jobs WHERE id = ?", (job_id,))
        return self._with_items(rows)[0] if rows else None

    def jobs(self, limit: int, offset: int) -> tuple[list[JobRow], int]:
        """-> (at most `limit` jobs after the first `offset`, newest first; number of all jobs)."""
        rows = self.read("SELECT id, created, name FROM jobs ORDER BY number DESC LIMIT ? OFFSET ?", (limit, offset))
        return self._with_items(rows), int(self.read("SELECT count(*) FROM jobs", ())[0][0])

    def job_ids(self) -> set[str]:
        return {row[0] for row in self.read("SELECT id FROM jobs", ())}

    def item_ids(self) -> set[str]:
        return {row[0] for row in self.read("SELECT id FROM items", ())}

    def counts(self) -> dict[str, int]:
        """-> {state: number of items}, with every state."""
        found = dict(self.read("SELECT state, count(*) FROM items GROUP BY state", ()))
        return {state: int(found.get(state, 0)) for state in ("queued", "running", "done", "failed")}

    def _with_items(self, jobs: Sequence[tuple[Any, ...]]) -> list[JobRow]:
        ids = [job_id for job_id, *_ in jobs]
        marks = ", ".join("?" * len(ids))
        found: dict[str, list[ItemRow]] = {job_id: [] for job_id in ids}
        order = "ORDER BY sort_key, number"
        for row in self.read(f"SELECT {ITEM_COLUMNS} FROM items WHERE job_id IN ({marks}) {order}", ids):
            item = ItemRow(*row)
            found[item.job_id].append(item)
        return [JobRow(job_id, created, tuple(found[job_id]), name) for job_id, created, name in jobs if found[job_id]]

    def read(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """A SELECT statement, its values -> the rows."""
        with self._lock:
            return list(self._db.execute(statement, values).fetchall())

    def _write(self, statement: str, values: Sequence[Any]) -> int:
        with self.transaction() as db:
            return db.execute(statement, values).rowcount

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Within the block no other thread uses the file.

        The changes are committed to the disk, or undone where the block raises.
        """
        with self._lock:
            self._roll_back()  # what the disk did not let us undo before
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        if self._db.in_transaction:  # SQLite itself undoes it after some errors
            self._db.execute("ROLLBACK")


def sort_key_of(path: str) -> str:
    """Path of a file -> text for sorting that puts folder/2.png before folder/10.png: numbers are padded with zeros."""
    return re.sub(r"[0-9]+", lambda match: match[0].lstrip("0").zfill(20), path.casefold())


def _upgrade(db: sqlite3.Connection, version: int) -> None:
    """A queue of an earlier version -> the present version; its jobs and items stay."""
    if version == 1:
        db.execute("BEGIN IMMEDIATE")
        for statement in _TO_VERSION_2:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
