"""What the system refuses in the middle of a step of the spool: nothing is lost, blocks or stays behind."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pynetdicom")

from thyrosight.errors import InputError
from thyrosight.pacs import spool as spool_module
from thyrosight.pacs.spool import RefusedError, Spool, SpoolItem, SpoolLimits
from thyrosight.pacs.worker import PAUSE_SECONDS, SpoolWorker

NO_SPARE = SpoolLimits(spare_bytes=0)


def _refused(code: int) -> Callable[..., Any]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


def _accept(spool: Spool, tmp_path: Path) -> SpoolItem:
    received = tmp_path / "received.dcm"
    received.write_bytes(b"an image")
    item, is_new = spool.accept(received, "1.2.3")
    assert is_new
    return item


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_instance_whose_rename_can_not_be_synced_may_be_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool", NO_SPARE)
    for is_deletion_refused in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(spool_module, "sync_folder", _refused(errno.EMFILE))
            if is_deletion_refused:
                patch.setattr(shutil, "rmtree", lambda *_, **__: None)
            with pytest.raises(RefusedError, match="open files"):
                _accept(spool, tmp_path)
        assert not sum(spool.counts().values())
    item = _accept(spool, tmp_path)
    assert _names(item.folder) == ["item.json", "source.dcm"]
    assert not _names(spool.incoming)


def test_results_that_are_there_are_sent_though_a_sync_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool", NO_SPARE)
    item = _accept(spool, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "sync_folder", _refused(errno.EMFILE))
        with pytest.raises(OSError, match="open files"):
            spool.keep_results(item, {"seg.dcm": b"results"})
    assert spool.next_to_predict() is None
    assert [found.key for found in spool.due(item.due, 9)] == [item.key]


def test_an_item_that_has_failed_blocks_nothing_though_a_sync_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool", NO_SPARE)
    item = _accept(spool, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "sync_folder", _refused(errno.EMFILE))
        with pytest.raises(OSError, match="open files"):
            spool.fail(item, "no reason")
    assert spool.next_to_predict() is None
    assert spool.counts() == {"waiting": 0, "to send": 0, "failed": 1}


def test_a_finished_item_that_can_not_be_deleted_now_goes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool", NO_SPARE)
    item = _accept(spool, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        spool.finish(item)
        assert _names(spool.folder / "items") == [item.key]
    spool.delete_again()
    assert not _names(spool.folder / "items")


def test_a_spool_that_can_not_be_tidied_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Spool(tmp_path / "spool", NO_SPARE).close()
    (tmp_path / "spool" / "incoming" / "left.dcm").touch()
    monkeypatch.setattr(Path, "unlink", _refused(errno.EROFS))
    with pytest.raises(InputError, match="Read-only file system"):
        Spool(tmp_path / "spool", NO_SPARE)


def test_an_item_that_can_not_be_read_now_is_not_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many open files at the start: once the accepted item was moved to failed/."""
    spool = Spool(tmp_path / "spool", NO_SPARE)
    item = _accept(spool, tmp_path)
    spool.close()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", _refused(errno.EMFILE))
        with pytest.raises(InputError, match="open files"):
            Spool(tmp_path / "spool", NO_SPARE)
    again = Spool(tmp_path / "spool", NO_SPARE)
    assert again.counts() == {"waiting": 1, "to send": 0, "failed": 0}
    assert again.next_to_predict() == item


def test_an_item_on_a_bad_place_of_the_disk_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it was tried again and again, and the others waited for ever."""
    spool = Spool(tmp_path / "spool", NO_SPARE)
    first = _accept(spool, tmp_path)
    (tmp_path / "received.dcm").write_bytes(b"another")
    second, _ = spool.accept(tmp_path / "received.dcm", "1.2.4")
    nothing: Any = None
    worker = SpoolWorker(nothing, spool, lambda: None, lambda line: None)
    seen = []

    def work(item: SpoolItem) -> None:
        seen.append(item.key)
        if item is first:
            raise OSError(5, "Input/output error")
        spool.finish(item)

    monkeypatch.setattr(worker, "work", work)
    assert [worker.step() for _ in range(3)] == [PAUSE_SECONDS, 0, PAUSE_SECONDS]
    assert seen == [first.key, second.key, first.key]
