"""Deleting what a disk refuses to rename or to delete: it is deleted later, and a job's end is never an error."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from thyrosight.prediction import ModelIdentity
from thyrosight.web.jobs import store as store_module
from thyrosight.web.jobs.models import CHOICE_NAME, chosen_before
from thyrosight.web.jobs.queue import ItemRow
from thyrosight.web.jobs.store import GivenSpacing, Store, new_id
from thyrosight.web.review.reading_files import read_numbers


def _job(store: Store) -> str:
    job_id = new_id()
    incoming = store.new_incoming()
    (incoming / "source").write_bytes(b"of a person")
    store.keep(incoming, job_id)
    return job_id


def _all_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _refused(code: int) -> Callable[..., Any]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


def test_a_disk_that_refuses_a_rename_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "data")
    job_id = _job(store)
    monkeypatch.setattr(os, "rename", _refused(errno.ENOSPC))
    store.remove(job_id)
    assert not _all_files(tmp_path)


def test_what_can_not_be_deleted_now_goes_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "data")
    job_id = _job(store)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        store.remove(job_id)
        assert _all_files(tmp_path)
    store.discard_again()
    assert not _all_files(tmp_path)


def test_a_job_whose_rename_can_not_be_synced_is_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "data")
    incoming, job_id = store.new_incoming(), new_id()
    (incoming / "source").write_bytes(b"of a person")
    monkeypatch.setattr(store_module, "sync_folder", _refused(errno.EMFILE))
    with pytest.raises(OSError, match="open files"):
        store.keep(incoming, job_id)
    assert not _all_files(tmp_path)


def test_more_files_are_added_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "data")
    job_id, incoming, item_ids = _job(store), store.new_incoming(), [new_id(), new_id()]
    before = _all_files(tmp_path)
    for item_id in item_ids:
        (incoming / item_id).mkdir()
        (incoming / item_id / "source").write_bytes(b"of a person")
    monkeypatch.setattr(store_module, "sync_folder", _refused(errno.EMFILE))
    with pytest.raises(OSError, match="open files"):
        store.add(incoming, job_id, item_ids)
    store.discard(incoming)  # as the route does
    assert _all_files(tmp_path) == before


def test_a_scale_that_can_not_be_read_now_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many open files: once the item was measured without the millimetres that a person had given."""
    store = Store(tmp_path / "data")
    item = ItemRow(new_id(), new_id(), "a.png", "running", 1, None, None, 1, 0, None)
    store.item_folder(item).mkdir(parents=True)
    store.write_spacing(item, GivenSpacing(row_mm=0.1, column_mm=0.1))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", _refused(errno.EMFILE))
        for read in (lambda: store.spacing(item), lambda: store.clip(item), lambda: store.prediction(item, 0)):
            with pytest.raises(OSError, match="open files"):
                read()
        with pytest.raises(OSError, match="open files"):
            read_numbers(store.readings_folder(item))
    assert store.spacing(item) is not None
    assert store.clip(item) is None
    assert read_numbers(store.readings_folder(item)) == {}


def test_the_model_that_a_person_asked_for_is_not_forgotten_where_it_can_not_be_read_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many open files: once another model outlined the item, and nobody was told."""
    store = Store(tmp_path / "data")
    item = ItemRow(new_id(), new_id(), "a.png", "running", 1, None, None, 1, 0, None)
    store.item_folder(item).mkdir(parents=True)
    store.want_model(item, ModelIdentity(name="b", id="0123456789ab"))
    (tmp_path / "data" / CHOICE_NAME).write_text('{"id": "0123456789ab"}')
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", _refused(errno.EMFILE))
        for read in (lambda: store.wanted_model(item), lambda: chosen_before(tmp_path / "data")):
            with pytest.raises(OSError, match="open files"):
                read()
    assert store.wanted_model(item) == ModelIdentity(name="b", id="0123456789ab")
    assert chosen_before(tmp_path / "data") == "0123456789ab"
