"""The disk is full, or gone, beneath a running service: what was accepted waits, and no sound file fails."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("pynetdicom")

from fastapi.testclient import TestClient

from pacs_peers import archive, send, us_dataset, wait_until
from small_disk import fill, small_disk
from thyrosight.errors import InputError
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.trial import survives
from thyrosight.pacs.entities import Destination
from thyrosight.pacs.listener import Listener, ListenerSettings
from thyrosight.pacs.sender import SenderSettings
from thyrosight.pacs.service import PacsService
from thyrosight.pacs.spool import OUT_OF_RESOURCES, Spool, SpoolLimits
from thyrosight.web import service as service_module
from thyrosight.web.app import create_app
from thyrosight.web.jobs import store, worker
from thyrosight.web.jobs.store import new_id
from thyrosight.web.security import rules_for
from thyrosight.web.service import Service
from tiny_bundle import make_tiny_bundle
from web_server import ADDRESS, frame_png, post, wait_for


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"), threads=1)


def client_of(service: Service) -> Any:
    return TestClient(create_app(service, rules_for("127.0.0.1", None, ())), base_url=ADDRESS)


def no_room(path: Path, *_: Any) -> None:
    try:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise InputError(f"{path}: can't be written") from error


def states(client: Any, job_id: str) -> list[tuple[str, Any]]:
    items = client.get(f"/api/v1/jobs/{job_id}").json()["items"]
    return [(item["state"], (item["error"] or {}).get("code")) for item in items]


def test_results_that_find_no_room_are_made_again(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once 15 of 20 accepted files failed for good, as unusable."""
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.05)
    write = store.write_folder_atomic
    monkeypatch.setattr(store, "write_folder_atomic", no_room)
    service = Service(predictor, tmp_path / "data")
    with client_of(service) as client:
        job = post(client, *[(f"{k}.png", frame_png(k)) for k in range(4)]).json()["id"]
        time.sleep(1.5)
        assert {state for state, _ in states(client, job)} <= {"queued", "running"}
        monkeypatch.setattr(store, "write_folder_atomic", write)
        wait_for(client, job)
        assert states(client, job) == [("done", None)] * 4


def test_a_queue_that_can_not_be_written_is_told_later(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once one item stayed `running` until the next start."""
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.05)
    service = Service(predictor, tmp_path / "data")
    finish, refused = service.queue.finish, []

    def full(item_id: str, seconds: float) -> None:
        if len(refused) < 3:
            refused.append(item_id)
            raise sqlite3.OperationalError("database or disk is full")
        finish(item_id, seconds)

    monkeypatch.setattr(service.queue, "finish", full)
    with client_of(service) as client:
        job = post(client, ("a.png", frame_png(0)), ("b.png", frame_png(1))).json()["id"]
        wait_for(client, job)
        assert states(client, job) == [("done", None)] * 2
    assert len(refused) == 3


@pytest.mark.parametrize("leave_bytes", [0, 300_000])
def test_a_disk_that_is_really_full(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave_bytes: int
) -> None:
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(service_module, "SPARE_BYTES", 1 << 20)
    with small_disk(tmp_path / "disk", 64) as disk:
        limits = service_module.ServiceLimits(max_upload_bytes=8 << 20)
        service = Service(predictor, disk / "data", limits)
        with client_of(service) as client:
            with service.examiner.alone():
                job = post(client, *[(f"{k}.png", frame_png(k, (300, 400))) for k in range(6)]).json()["id"]
                filler = fill(disk, leave_bytes)
                assert post(client, ("late.png", frame_png(9))).status_code == 503
            time.sleep(2.0)
            found = states(client, job)
            assert not [state for state, _ in found if state == "failed"], found
            assert client.get("/api/v1/health").status_code == 200
            filler.unlink()
            wait_for(client, job)
            assert states(client, job) == [("done", None)] * 6


@pytest.mark.parametrize("what", ["all", "jobs"])
def test_a_data_folder_that_somebody_removes(predictor: Predictor, tmp_path: Path, what: str) -> None:
    """Once: 500, internal error."""
    service = Service(predictor, tmp_path / "data")
    with client_of(service) as client:
        job = post(client, ("a.png", frame_png(0))).json()["id"]
        wait_for(client, job)
        item = client.get(f"/api/v1/jobs/{job}").json()["items"][0]["id"]
        shutil.rmtree(tmp_path / "data" if what == "all" else tmp_path / "data" / "jobs")
        answers = [
            post(client, ("b.png", frame_png(1))),
            client.get(f"/api/v1/items/{item}/frames/0/result"),
            client.get(f"/api/v1/items/{item}/frames/0/overlay.png"),
            client.get(f"/api/v1/items/{item}/export/report"),
            client.get("/api/v1/health"),
            client.get("/metrics"),
            client.delete(f"/api/v1/jobs/{job}"),
        ]
        assert not [answer.text for answer in answers if answer.status_code == 500]
        assert answers[0].status_code == 503


def test_a_listener_whose_disk_is_full_answers_out_of_resources(tmp_path: Path) -> None:
    """Once the connection was cut, and the sender was told nothing."""
    with small_disk(tmp_path / "disk", 4) as disk:
        spool = Spool(disk / "spool", SpoolLimits(spare_bytes=0))
        settings = ListenerSettings(port=0)
        lines: list[str] = []
        listener = Listener(settings, spool, lambda _: None, lines.append)
        listener.start()
        try:
            assert send(listener.port, [us_dataset(0)]) == [0]
            filler = fill(disk)
            assert send(listener.port, [us_dataset(1)]) == [OUT_OF_RESOURCES]
            filler.unlink()
            assert send(listener.port, [us_dataset(1)]) == [0]
            shutil.rmtree(disk / "spool" / "incoming")
            assert send(listener.port, [us_dataset(2)]) == [OUT_OF_RESOURCES]
        finally:
            listener.stop()
            spool.close()
        assert not list((disk / "spool" / "items").glob("*/*.dcm.dcm"))


def test_a_sound_image_that_was_there_at_many_kills_is_predicted(predictor: Predictor, tmp_path: Path) -> None:
    """Once two kills of the service while one image was in work lost it: 10 of 547."""
    spool = Spool(tmp_path / "spool", SpoolLimits(spare_bytes=0))
    path = tmp_path / "a.dcm"
    us_dataset(0).save_as(path, enforce_file_format=True)
    item, _ = spool.accept(path, str(us_dataset(0).SOPInstanceUID))
    for _ in range(3):
        assert spool.start(item)
    spool.close()
    with archive() as (kept, port):
        to = SenderSettings(Destination("ARCHIVE", "127.0.0.1", port), first_seconds=0.2, longest_seconds=0.2)
        spool = Spool(tmp_path / "spool", SpoolLimits(spare_bytes=0))
        service = PacsService(predictor, spool, ListenerSettings(port=0), to, lambda _: None)
        service.start()
        try:
            assert wait_until(lambda: len(kept.received) == 2)
            assert service.spool.counts()["failed"] == 0
        finally:
            service.stop()


def test_a_trial_tells_a_deadly_file_from_a_bad_one(predictor: Predictor, tmp_path: Path) -> None:
    sound, damaged = tmp_path / "a.png", tmp_path / "b.png"
    sound.write_bytes(frame_png(0))
    damaged.write_bytes(frame_png(0)[:200])
    assert survives(predictor.bundle_path, sound)
    assert survives(predictor.bundle_path, damaged), "a file that is refused harms nobody"
    deadly = tmp_path / "sitecustomize.py"
    deadly.write_text("import os; os.kill(os.getpid(), 9)")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        assert not survives(predictor.bundle_path, sound)


def test_an_item_of_many_kills_is_tried_alone_and_then_done(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials: list[Path] = []

    def trial(bundle: Path, path: Path) -> bool:
        trials.append(path)
        return len(trials) < 2

    monkeypatch.setattr(worker, "survives", trial)
    service = Service(predictor, tmp_path / "data")
    job_id = new_id()
    items = [(new_id(), f"{name}.png") for name in "ab"]
    for item_id, _ in items:
        folder = tmp_path / "data" / "jobs" / job_id / item_id
        folder.mkdir(parents=True)
        (folder / "source").write_bytes(frame_png(0))
    service.queue.accept(job_id, items)
    for _ in range(4):
        assert service.queue.take() is not None
        service.queue.recover()
    with client_of(service) as client:
        wait_for(client, job_id)
        assert states(client, job_id) == [("done", None), ("failed", "interrupted")]
    assert len(trials) == 2
