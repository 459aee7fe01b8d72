"""What the servers share: loopback addresses, a folder for one process, a thread that waits for work."""

from __future__ import annotations

import queue
import sqlite3
from pathlib import Path

import pytest

from thyrosight.daemon import BackgroundThread, hold_folder, is_loopback
from thyrosight.errors import InputError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LocalHost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "::", "example.org", "localhost.example.org", ""])
def test_others_can_reach_it(host: str) -> None:
    assert not is_loopback(host)


def test_a_folder_is_held_by_one_until_it_lets_go(tmp_path: Path) -> None:
    held = hold_folder(tmp_path / "lock", "is in use; stop the other")
    with pytest.raises(InputError, match="is in use; stop the other"):
        hold_folder(tmp_path / "lock", "is in use; stop the other")
    held.close()
    hold_folder(tmp_path / "lock", "is in use").close()


def test_a_lock_that_can_not_be_opened_now_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many open files: once that was a traceback, in `serve` and in `listen`."""

    def refuse(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorname = "SQLITE_CANTOPEN"
        raise error

    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.raises(InputError, match="unable to open database file"):
        hold_folder(tmp_path / "lock", "is in use")


def test_the_thread_steps_without_pause_while_there_is_work_and_wakes_when_told() -> None:
    work: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[int] = queue.SimpleQueue()

    def step() -> float:
        if work.empty():
            return 600
        done.put(work.get())
        return 0

    thread = BackgroundThread("test", step)
    for number in range(3):
        work.put(number)
    thread.start()
    assert [done.get(timeout=60) for _ in range(3)] == [0, 1, 2]
    work.put(3)
    thread.wake()
    assert done.get(timeout=60) == 3
    thread.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert thread.is_stopping
