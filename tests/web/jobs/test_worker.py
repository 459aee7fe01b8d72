"""What becomes of an item where the disk refuses twice: its file, and then the queue."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from thyrosight.web.jobs.queue import ItemRow, JobQueue
from thyrosight.web.jobs.store import Store, new_id
from thyrosight.web.jobs.worker import PAUSE_SECONDS, AfterWork, QueueWorker


def test_an_item_goes_back_to_the_queue_though_the_queue_could_not_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it stayed "running" until the next start."""
    store = Store(tmp_path / "data")
    queue = JobQueue(store.queue_path, capacity=5)
    job_id, item_id = new_id(), new_id()
    queue.accept(job_id, [(item_id, "a.png")])
    nothing: Any = lambda *_: None  # noqa: E731
    worker = QueueWorker(queue, store, nothing, AfterWork(nothing, nothing, nothing, nothing))

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def refuse_query(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(worker, "_examine", refuse)
    with monkeypatch.context() as patch:
        patch.setattr(queue, "item", refuse_query)
        assert worker.step() == PAUSE_SECONDS
    assert queue.counts()["running"] == 1
    item = queue.item(item_id)
    assert item is not None
    store.source(item).parent.mkdir(parents=True)
    store.source(item).touch()
    assert worker.step() == PAUSE_SECONDS, "it is tried again"
    item = queue.item(item_id)
    assert item is not None
    assert (item.state, item.tries) == ("queued", 0)


def test_a_file_on_a_bad_place_of_the_disk_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it was tried again and again, and the others waited for ever."""
    store = Store(tmp_path / "data")
    queue = JobQueue(store.queue_path, capacity=5)
    job_id, ids = new_id(), [new_id() for _ in range(3)]
    queue.accept(job_id, [(item_id, f"{at}.png") for at, item_id in enumerate(ids)])
    for item_id in ids:
        item = queue.item(item_id)
        assert item is not None
        store.source(item).parent.mkdir(parents=True)
        store.source(item).touch()
    nothing: Any = lambda *_: None  # noqa: E731
    worker = QueueWorker(queue, store, nothing, AfterWork(nothing, nothing, nothing, nothing))
    seen = []

    def examine(item: ItemRow) -> None:
        seen.append(item.name)
        if item.name == "0.png":
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(worker, "_examine", examine)
    pauses = [worker.step() for _ in range(4)]
    assert seen == ["0.png", "1.png", "2.png", "0.png"]
    assert pauses == [PAUSE_SECONDS, 0, 0, PAUSE_SECONDS]
    assert queue.counts() == {"queued": 1, "running": 0, "done": 2, "failed": 0}
