"""The queue on the disk and the data folder: order, capacity, tries, states, one server a folder, what is swept."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from thyrosight.errors import InputError

pytest.importorskip("fastapi")

from thyrosight.web.jobs.queue import MAX_TRIES, ItemRow, JobQueue, JobRow, QueueFullError
from thyrosight.web.jobs.store import Store, new_id
from thyrosight.web.jobs.uploads import Upload, check_usable, label


@pytest.fixture
def queue(tmp_path: Path) -> JobQueue:
    return JobQueue(tmp_path / "queue.sqlite", capacity=5)


def accept(queue: JobQueue, *names: str) -> JobRow:
    return queue.accept(new_id(), [(new_id(), name) for name in names])


def test_first_in_first_out_and_each_item_is_taken_once(queue: JobQueue) -> None:
    accept(queue, "a", "b")
    accept(queue, "c")
    taken = [queue.take() for _ in range(4)]
    assert [item.name if item else None for item in taken] == ["a", "b", "c", None]


def test_what_would_exceed_the_capacity_is_refused_whole(queue: JobQueue) -> None:
    accept(queue, "a", "b", "c")
    with pytest.raises(QueueFullError):
        accept(queue, "d", "e", "f")
    assert queue.counts()["queued"] == 3
    assert queue.take() is not None  # one that runs waits no longer
    accept(queue, "d", "e", "f")
    assert queue.counts() == {"queued": 5, "running": 1, "done": 0, "failed": 0}


@pytest.mark.parametrize(
    ("states", "of_job"),
    [
        (["queued", "queued"], "queued"),
        (["running", "queued"], "running"),
        (["done", "queued"], "running"),
        (["done", "failed"], "done"),
        (["failed", "failed"], "failed"),
        (["done", "done"], "done"),
    ],
)
def test_state_of_a_job_follows_from_its_items(states: list[str], of_job: str) -> None:
    items = tuple(ItemRow(str(k), "j", "n", state, 0, None, None, None, 0, None) for k, state in enumerate(states))
    assert JobRow("j", "", items).state == of_job


def test_an_item_that_was_there_when_the_server_ended_twice_comes_last_and_is_not_tried_without_a_trial(
    tmp_path: Path,
) -> None:
    path = tmp_path / "queue.sqlite"
    taken = []
    for start in range(5):
        queue = JobQueue(path, capacity=5)
        if not start:
            job = accept(queue, "deadly", "good")
        queue.recover()
        item = queue.take()
        assert item is not None
        taken.append((item.name, item.tries))
        queue.close()  # as if the process had ended here
    assert taken == [("deadly", 1), ("deadly", 2), ("good", 1), ("good", 2), ("deadly", MAX_TRIES + 1)]
    queue = JobQueue(path, capacity=5)
    queue.recover()
    item = queue.take()
    assert item is not None
    assert item.tries == MAX_TRIES + 1, "a trial that was cut off is no try"
    queue.note_try(item)
    queue.close()
    queue = JobQueue(path, capacity=5)
    queue.recover()
    found = queue.job(job.id)
    assert found is not None
    assert [(item.state, item.tries) for item in found.items] == [("queued", MAX_TRIES + 1), ("queued", MAX_TRIES)]


def test_those_that_had_a_turn_come_after_the_others(queue: JobQueue) -> None:
    accept(queue, "long", "short")
    first = queue.take()
    assert first is not None
    queue.give_back(first)
    second = queue.take({first.id})
    assert second is not None
    assert (first.name, second.name) == ("long", "short")
    again = queue.take({first.id})
    assert again is not None
    assert again.id == first.id


@pytest.mark.parametrize("name", ["queue.sqlite", "queue.lock"])
@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + bytes(100)])
def test_a_damaged_file_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        JobQueue(tmp_path / "queue.sqlite", capacity=5)


def test_others_can_not_read_the_names_in_it(tmp_path: Path) -> None:
    (tmp_path / "queue.sqlite").touch(mode=0o644)
    JobQueue(tmp_path / "queue.sqlite", capacity=5).close()
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())


def test_an_item_given_back_has_not_been_tried(queue: JobQueue) -> None:
    accept(queue, "a")
    for _ in range(5):
        item = queue.take()
        assert item is not None
        assert item.tries == 1
        queue.give_back(item)


def test_jobs_come_newest_first_and_by_page(queue: JobQueue) -> None:
    ids = [accept(queue, name).id for name in "abcd"]
    page, total = queue.jobs(limit=3, offset=0)
    assert ([job.id for job in page], total) == (ids[:0:-1], 4)
    assert [job.id for job in queue.jobs(limit=3, offset=3)[0]] == [ids[0]]


def test_a_deleted_job_is_gone_with_its_items_and_told_to_the_worker(queue: JobQueue) -> None:
    job = accept(queue, "a")
    item = queue.take()
    assert item is not None
    assert queue.note_progress(item.id, 1, 0)
    assert queue.remove(job.id)
    assert not queue.remove(job.id)
    assert queue.item(item.id) is None
    assert not queue.note_progress(item.id, 1, 1)


def test_two_servers_can_not_share_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    first = JobQueue(path, capacity=5)
    with pytest.raises(InputError, match="another server uses this folder"):
        JobQueue(path, capacity=5)
    first.close()
    JobQueue(path, capacity=5).close()


def test_a_start_sweeps_uploads_that_never_ended_and_folders_of_no_job_and_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    kept, orphan = new_id(), new_id()
    for job_id in (kept, orphan):
        incoming = store.new_incoming()
        (incoming / "x").write_bytes(b"1")
        store.keep(incoming, job_id)
    unfinished = store.new_incoming()
    (store.folder / "jobs" / "notes").mkdir()
    store.sweep({kept})
    assert sorted(path.name for path in (store.folder / "jobs").iterdir()) == sorted([kept, "notes"])
    assert not unfinished.exists()


def test_data_folder_is_its_owners_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    assert store.folder.stat().st_mode & 0o077 == 0
    assert (store.folder / "jobs").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\scans\\a b.dcm", "a b.dcm"),
        ("..", "image"),
        ("", "image"),
        ("a\0b\n\u202egnp.exe", "abgnp.exe"),
        ("x" * 300 + ".png", "x" * 155 + "….png"),
    ],
)
def test_a_file_name_is_a_label_and_no_path(name: str, shown: str) -> None:
    assert label(name) == shown


def test_uploads_without_any_image_are_refused_and_mixed_ones_are_not() -> None:
    from thyrosight.web.errors import ApiError

    text = Upload("1", "a.txt", 5, b"hello")
    image = Upload("2", "a.png", 9, b"\x89PNG\r\n\x1a\n\0")
    check_usable([text, image])
    for uploads, status in (([text], 415), ([], 422), ([Upload("3", "b", 0, b"")], 415)):
        with pytest.raises(ApiError) as refused:
            check_usable(uploads)
        assert refused.value.status_code == status


def test_a_full_disk_is_named_as_such_and_the_queue_goes_on_after_it(queue: JobQueue) -> None:
    """SQLite undoes a transaction itself where the disk is full; a second undo hid the reason."""
    (pages,) = queue.read("PRAGMA page_count", ())[0]
    queue.read(f"PRAGMA max_page_count = {pages}", ())
    with pytest.raises(sqlite3.OperationalError, match="full"):
        accept(queue, "a" * 100_000)
    queue.read("PRAGMA max_page_count = 100000", ())
    accept(queue, "b")
    assert queue.counts()["queued"] == 1
