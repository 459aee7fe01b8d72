"""Exports of an item: what a reader said is in them, numbers agree, and what fails leaves nothing behind."""

from __future__ import annotations

import csv
import html
import io
import re

import pytest

pytest.importorskip("fastapi")

from reader_desk import Desk, as_findings
from thyrosight.web.errors import ApiError
from thyrosight.web.review import exports
from web_server import frame_png
from web_server import wait_for as wait_for_job


def test_a_zip_that_fails_leaves_nothing_in_the_data_folder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    item = desk.send()

    def refuse(*_: object) -> None:
        raise ApiError(404, "no_frame", "gone")

    monkeypatch.setattr(exports, "export_csv", refuse)
    assert desk.client.get(f"/api/v1/items/{item}/export/zip").status_code == 404
    assert not list((desk.folder / "incoming").iterdir())


def words_of(page: str) -> str:
    """Report -> its text, without pictures and marks."""
    body = re.sub(r"<style.*?</style>|<script.*?</script>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_the_report_counts_an_image_once_and_holds_all_that_the_reader_said(desk: Desk) -> None:
    item = desk.send("photo.png", frame_png(3))
    spacing = {"row_mm": 0.2, "column_mm": 0.2, "who": "Ann"}
    assert desk.client.put(f"/api/v1/items/{item}/spacing", json=spacing).status_code == 202
    (row,) = desk.client.get("/api/v1/worklist", params={"item": item}).json()["items"]
    wait_for_job(desk.client, row["job_id"])
    before = words_of(desk.export(item, "report").text)
    assert "1 image " in before
    assert "a person's outlines" not in before
    given = {"findings": [], "who": "Ann", "note": "cyst, seen before", "calipers_xy": [[[0, 0], [30, 40]]]}
    assert desk.save(item, given).status_code == 200
    text = words_of(desk.export(item, "report").text)
    assert "1 image, 1 with a person's outlines" in text
    assert "images 1 with a nodule outlined 1 with a person's outlines 1 failed 0" in text
    assert text.count("This risk assumes") == before.count("This risk assumes")
    assert "Reader's note, Ann: cyst, seen before" in text
    assert "Calipers placed by the reader: 10.0 mm." in text
    assert text.count("0.2 × 0.2 mm per pixel (given on the page by Ann)") == 2


def test_a_note_on_the_frame_is_in_each_of_the_readers_rows(desk: Desk) -> None:
    item = desk.send()
    findings = as_findings(desk.nodules(item))

    def notes() -> list[tuple[str, str]]:
        rows = csv.DictReader(io.StringIO(desk.export(item, "csv").text))
        return [(row["made_by"], row["reading_note"]) for row in rows]

    etag = desk.save(item, {"findings": findings, "note": "calcified", "who": "Ann"}).headers["etag"]
    assert notes() == [("network", "")] * 2 + [("person", "calcified")] * 2
    assert desk.save(item, {"findings": [], "note": "healthy", "who": "Ann"}, etag).status_code == 200
    assert notes() == [("network", "")] * 2 + [("person", "healthy")]


def test_a_level_is_the_readers_where_the_readers_words_alone_give_it(desk: Desk) -> None:
    item = desk.send()
    first, second = as_findings(desk.nodules(item))
    one_word = {"composition": "solid or almost completely solid"}
    enough = one_word | {"echogenicity": "very hypoechoic", "shape": "taller-than-wide"}
    given = {"findings": [{**first, "descriptors": one_word}, {**second, "descriptors": enough}], "who": "Ann"}
    kept = desk.save(item, given).json()["findings"]
    assert [(one["level"], one["is_level_proposed"]) for one in kept][1] == ("TR5", False)
    assert kept[0]["is_level_proposed"] is True
    rows = list(csv.DictReader(io.StringIO(desk.export(item, "csv").text)))
    assert [row["is_level_proposed"] for row in rows if row["made_by"] == "person"] == ["1", "0"]
