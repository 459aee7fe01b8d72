"""What readings teach, by the API: the training set in a ZIP, and the log of a study of readers."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from reader_desk import Desk, as_findings
from thyrosight.examination.reading_log import read_log
from thyrosight.web.routes.learning import LOG_NAME
from tiny_bundle import make_tiny_bundle


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(make_tiny_bundle(tmp_path / "tiny"), tmp_path / "data")
    yield found
    found.close()


def test_readings_leave_as_a_training_set(desk: Desk) -> None:
    refused = desk.client.get("/api/v1/training-set")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "nothing_read")
    item = desk.send("a.dcm")
    assert desk.client.get("/api/v1/training-set", params={"who": "Ann"}).status_code == 409
    assert desk.save(item, {"findings": as_findings(desk.nodules(item))[:1], "who": "Ann"}).status_code == 200
    answer = desk.client.get("/api/v1/training-set", params={"who": " Ann\t"})
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    (row,) = csv.DictReader(io.StringIO(archive.read("readings/cases.csv").decode()))
    assert row["reader"] == "Ann"
    assert {f"readings/{row['image']}", f"readings/{row['mask']}"} <= set(archive.namelist())
    assert not list((desk.folder / "incoming").glob("*")), "nothing stays behind"


def test_a_reading_of_a_study_is_logged_with_the_image_that_it_is_of(desk: Desk) -> None:
    item = desk.send("a.dcm")
    path = f"/api/v1/items/{item}/frames/0/study"
    given = {"reader": "Ann", "network_shown": False, "outlines_xy": [], "suspicion": 0.2, "seconds": 4.5}
    assert desk.client.post(path, json=given).status_code == 204
    assert (
        desk.client.post(path, json={**given, "reader": " Ann ", "network_shown": True, "suspicion": 0.7}).status_code
        == 204
    )
    for nobody in ("", " \t"):
        assert desk.client.post(path, json={**given, "reader": nobody}).status_code == 422
    readings, faults = read_log(desk.folder / LOG_NAME)
    assert faults == []
    assert [(one.reader, one.network_shown) for one in readings] == [("Ann", False), ("Ann", True)]
    assert [one.suspicion for one in readings] == [0.2, 0.7]
    result = desk.client.get(f"/api/v1/items/{item}/frames/0/result").json()
    assert {one.image_sha256 for one in readings} == {result["image"]["sha256"]}
