"""The work-list: folders in their order, filters, cursors over thousands of items, an earlier queue, verdicts."""

from __future__ import annotations

import sqlite3
import statistics
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from thyrosight.web.jobs.queue import JobQueue
from thyrosight.web.jobs.store import new_id
from thyrosight.web.jobs.work_list import (
    Facts,
    Said,
    items_without_facts,
    list_items,
    note_facts,
    note_reading,
    note_verdict,
)
from thyrosight.web.work_list_schemas import WorkListQuery


@pytest.fixture
def queue(tmp_path: Path) -> JobQueue:
    return JobQueue(tmp_path / "queue.sqlite", capacity=10_000)


def accept(queue: JobQueue, name: str | None, *paths: str) -> list[str]:
    """-> item ids of a folder whose files are done."""
    items = [(new_id(), path.rpartition("/")[2], path) for path in paths]
    queue.accept(new_id(), items, name)
    with queue.transaction() as db:
        db.execute("UPDATE items SET state = 'done', num_frames = 1, frames_done = 1")
    return [item_id for item_id, *_ in items]


def paths_of(queue: JobQueue, **wanted: object) -> list[str]:
    return [row.path for row in list_items(queue, WorkListQuery(**wanted))[0]]  # type: ignore[arg-type]


def test_a_folder_is_one_group_in_its_own_order(queue: JobQueue) -> None:
    accept(queue, "old", "old/1.png")
    accept(queue, "new", "new/b/10.png", "new/b/9.png", "new/a/2.png")
    (job,) = [job for job in queue.jobs(10, 0)[0] if job.name == "new"]
    assert queue.append(job.id, [(new_id(), "1.png", "new/a/1.png")]) is not None
    new = ["new/a/1.png", "new/a/2.png", "new/b/9.png", "new/b/10.png"]
    assert paths_of(queue) == [*new, "old/1.png"]
    (again,) = [job for job in queue.jobs(10, 0)[0] if job.name == "new"]
    assert [item.path for item in again.items] == new
    assert queue.append(new_id(), [(new_id(), "x", "x")]) is None


def test_one_item_can_go_and_the_last_takes_its_folder_along(queue: JobQueue) -> None:
    first, second = accept(queue, "f", "f/1.png", "f/2.png")
    assert queue.remove_item(first)
    assert not queue.remove_item(first)
    assert paths_of(queue) == ["f/2.png"]
    assert queue.remove_item(second)
    assert queue.jobs(10, 0) == ([], 0)


def test_filters(queue: JobQueue) -> None:
    a, b, c = accept(queue, "Ward 100%", "a.png", "b_1.png", "c.png")
    note_facts(queue, a, Facts(0.9, "TR5", 1, ("touches_border",), "m", 0.2))
    note_facts(queue, b, Facts(0.2, "TR2 to TR4", 2, (), "m", 0.9))
    note_facts(queue, c, Facts(None, None, 0, ("no_nodule",), "m", None))
    assert paths_of(queue, flag="touches_border") == ["a.png"]
    assert paths_of(queue, flag="border") == []
    assert paths_of(queue, min_risk=0.1, max_risk=0.5) == ["b_1.png"]
    assert (paths_of(queue, level="TR4"), paths_of(queue, level="TR2")) == (["b_1.png"], [])
    assert paths_of(queue, search="B_1") == ["b_1.png"]
    assert paths_of(queue, search="0%") == ["a.png", "b_1.png", "c.png"]
    assert paths_of(queue, search="_") == ["b_1.png"]
    assert paths_of(queue, sort="risk") == ["a.png", "b_1.png", "c.png"]
    assert paths_of(queue, sort="teaches") == ["b_1.png", "a.png", "c.png"]


def test_who_has_read_what(queue: JobQueue) -> None:
    a, b, c, d = accept(queue, None, "a", "b", "c", "d")
    note_reading(queue, a, {"Ann": (1, 1)}, {"Ann": Said(0.5, "TR3", 2, False)})
    note_reading(queue, b, {"Ann": (1, 0), "Bob": (1, 1)}, {})
    note_verdict(queue, c, "Bob", "skipped")
    note_verdict(queue, d, "Bob", "read")
    note_verdict(queue, d, "Bob", "unread")
    rows = {row.path: row for row in list_items(queue, WorkListQuery())[0]}
    assert {path: row.reading for path, row in rows.items()} == {
        "a": "corrected",
        "b": "corrected",
        "c": "skipped",
        "d": "unread",
    }
    assert (rows["a"].risk, rows["a"].level, rows["a"].num_nodules, rows["a"].is_level_proposed) == (0.5, "TR3", 2, 0)
    assert sorted(rows["b"].readers.split("\x1f")) == ["Ann", "Bob"]
    assert rows["d"].readers == ""
    assert paths_of(queue, who="Ann", reading="unread") == ["c", "d"]
    assert paths_of(queue, who="Ann", reading="agreed") == ["b"]
    note_reading(queue, a, {}, {})
    assert paths_of(queue, reading="unread") == ["a", "d"]
    assert [v for (v,) in queue.read("SELECT verdict FROM verdicts ORDER BY number", ())] == [
        "skipped",
        "read",
        "unread",
    ]


def test_the_list_says_what_the_reader_said_who_asks(queue: JobQueue) -> None:
    a, b = accept(queue, None, "a", "b")
    for item_id in (a, b):
        note_facts(queue, item_id, Facts(0.4, "TR4", 3, (), "m", 0.5))
    said = {"": Said(0.9, "TR5", 1, True), "Ann": Said(0.1, "TR2", 2, False)}  # the unnamed reader was the last
    note_reading(queue, a, {"Ann": (1, 1), "": (1, 1)}, said)

    def shown(who: str | None) -> dict[str, tuple[object, ...]]:
        rows, _, _ = list_items(queue, WorkListQuery(who=who))
        return {row.path: (row.risk, row.level, row.num_nodules, row.is_level_proposed, row.said_by) for row in rows}

    assert shown("Ann") == {"a": (0.1, "TR2", 2, 0, "Ann"), "b": (0.4, "TR4", 3, 1, None)}
    for who in (None, "", "Bob"):
        assert shown(who)["a"] == (0.9, "TR5", 1, 1, ""), who
    assert paths_of(queue, who="Ann", max_risk=0.2) == paths_of(queue, who="Ann", level="TR2") == ["a"]
    assert paths_of(queue, who="Bob", max_risk=0.2) == []
    assert paths_of(queue, who="Ann", sort="risk") == ["b", "a"]
    assert paths_of(queue, who="Bob", sort="risk") == ["a", "b"]
    note_reading(queue, a, {"Ann": (1, 1)}, {"Ann": said["Ann"]})
    assert shown("Bob")["a"] == (0.1, "TR2", 2, 0, "Ann")
    note_reading(queue, a, {}, {})
    assert shown("Ann")["a"] == (0.4, "TR4", 3, 1, None)


def test_what_an_earlier_version_kept_of_the_newest_reading_is_read_again(queue: JobQueue) -> None:
    (a,) = accept(queue, None, "a")
    note_facts(queue, a, Facts(0.4, "TR4", 3, (), "m", 0.5))
    assert items_without_facts(queue) == []
    with queue.transaction() as db:
        db.execute("UPDATE facts SET read_risk = 0.9, read_level = 'TR5', read_nodules = 1")
    assert items_without_facts(queue) == [a]
    note_facts(queue, a, Facts(0.4, "TR4", 3, (), "m", None))
    note_reading(queue, a, {"Ann": (1, 1)}, {"Ann": Said(0.9, "TR5", 1, True)})
    assert items_without_facts(queue) == []
    (row,) = list_items(queue, WorkListQuery())[0]
    assert (row.risk, row.said_by, row.teaches) == (0.9, "Ann", 0.5), "what a reading would teach is as before"
    note_facts(queue, a, Facts(0.4, "TR4", 3, (), "another model", None))
    assert list_items(queue, WorkListQuery())[0][0].teaches is None


@pytest.mark.parametrize("order", ["order", "newest", "name", "risk", "teaches"])
def test_five_thousand_items_by_cursor_each_once_and_quickly(queue: JobQueue, order: str) -> None:
    ids = []
    for folder in range(50):
        ids += accept(queue, f"folder {folder}", *(f"folder {folder}/{k}.png" for k in range(100)))
    for place, item_id in enumerate(ids):
        note_facts(queue, item_id, Facts(place % 97 / 97, "TR4", 1, ("no_nodule",) * (place % 5 == 0), "m", 0.5))
    seen, seconds, cursor = [], [], None
    while True:
        began = time.perf_counter()
        rows, cursor, total = list_items(queue, WorkListQuery(sort=order, cursor=cursor))  # type: ignore[arg-type]
        seconds.append(time.perf_counter() - began)
        seen += [row.id for row in rows]
        assert total == 5_000
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 5_000
    assert statistics.median(seconds) < 0.25, "on an idle machine it is below 0.05"


def test_a_cursor_of_another_order_is_refused(queue: JobQueue) -> None:
    accept(queue, None, "a", "b")
    _, cursor, _ = list_items(queue, WorkListQuery(limit=1))
    for bad in (cursor, "x", "é", "W10="):
        with pytest.raises(ValueError, match="cursor"):
            list_items(queue, WorkListQuery(sort="newest", cursor=bad))


def test_a_queue_of_version_1_is_taken_on(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    db = sqlite3.connect(path)
    db.executescript(
        """CREATE TABLE jobs (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, created TEXT NOT NULL);
        CREATE TABLE items (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
          job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, name TEXT NOT NULL,
          state TEXT NOT NULL DEFAULT 'queued', tries INTEGER NOT NULL DEFAULT 0, error_code TEXT, error_message TEXT,
          num_frames INTEGER, frames_done INTEGER NOT NULL DEFAULT 0, seconds REAL);
        INSERT INTO jobs (id, created) VALUES ('j', '2026-01-01');
        INSERT INTO items (id, job_id, name) VALUES ('b', 'j', 'b.png'), ('a', 'j', 'a.png');
        PRAGMA user_version = 1;"""
    )
    db.commit()
    db.close()
    for _ in range(2):
        queue = JobQueue(path, 10)
        (job,) = queue.jobs(10, 0)[0]
        assert [(item.name, item.path) for item in job.items] == [("b.png", "b.png"), ("a.png", "a.png")]
        queue.close()
