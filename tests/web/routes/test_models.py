"""Switching the model: earlier results keep theirs, what is measured is never mixed, predicted again on request."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("highdicom")

from reader_desk import Desk, as_findings, said_by_csv, said_by_findings, two_nodules
from thyrosight.web.review.training_set import write_training_set
from tiny_bundle import make_tiny_bundle
from web_server import clip_tiff, encoded, wait_for

LARGER = 0.047
"""Least share of an image for a nodule: the other model overlooks the smaller of the two."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    first = make_tiny_bundle(tmp_path / "first", name="first")
    make_tiny_bundle(
        tmp_path / "models" / "learned" / "bundle", name="other", mask_threshold=0.2, min_area_fraction=LARGER
    )
    found = Desk(first, tmp_path / "data", [tmp_path / "models"])
    yield found
    found.close()


def ids_by_name(desk: Desk) -> dict[str, str]:
    return {one["name"]: one["id"] for one in desk.client.get("/api/v1/models").json()["models"]}


def choose(desk: Desk, name: str) -> str:
    model_id = ids_by_name(desk)[name]
    answer = desk.client.put("/api/v1/model", json={"id": model_id})
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == name
    return model_id


def again(desk: Desk, *item_ids: str) -> dict[str, Any]:
    answer = desk.client.post("/api/v1/predict-again", json={"items": list(item_ids)})
    assert answer.status_code == 202, answer.text
    for item_id in item_ids:
        job = next(job for job in desk.service.queue.jobs(100, 0)[0] if any(i.id == item_id for i in job.items))
        assert wait_for(desk.client, job.id)["state"] == "done"
    return dict(answer.json())


def result(desk: Desk, item_id: str, frame: int = 0) -> dict[str, Any]:
    return dict(desk.client.get(desk.path(item_id, "result", frame)).json())


def test_the_chosen_model_predicts_what_comes_and_nothing_before(desk: Desk) -> None:
    before = desk.send()
    assert ids_by_name(desk).keys() == {"first", "other"}
    other = choose(desk, "other")
    after = desk.send()
    assert result(desk, before)["model"]["name"] == "first"
    assert result(desk, after)["model"] == {"name": "other", "id": other}
    listed = {one["name"]: one for one in desk.client.get("/api/v1/models").json()["models"]}
    assert (listed["first"]["num_items"], listed["other"]["num_items"]) == (1, 1)
    assert [listed[name]["is_chosen"] for name in ("first", "other")] == [False, True]
    desk.restart()
    assert desk.client.get("/api/v1/health").json()["model"]["name"] == "other"


def test_an_earlier_result_is_measured_by_the_model_that_made_it(desk: Desk) -> None:
    item_id = desk.send()
    network = result(desk, item_id)["nodules"]
    choose(desk, "other")
    rings = [nodule["outline_xy"] for nodule in network]
    measured = desk.client.post(desk.path(item_id, "measure"), json={"outlines_xy": rings}).json()
    assert [one["risk"] for one in measured] == [nodule["risk"] for nodule in network]
    assert [one["mean_probability"] for one in measured] == [nodule["mean_probability"] for nodule in network]
    kept = desk.save(item_id, {"findings": as_findings(network)}).json()
    assert kept["model"]["name"] == "first"
    assert not kept["changes_network"]


def test_a_scale_that_is_given_later_keeps_the_model(desk: Desk) -> None:
    item_id = desk.send("a.png", encoded([two_nodules()], "PNG"))
    choose(desk, "other")
    answer = desk.client.put(f"/api/v1/items/{item_id}/spacing", json={"row_mm": 0.1, "column_mm": 0.1})
    assert answer.status_code == 202, answer.text
    job_id = desk.service.queue.item(item_id).job_id  # type: ignore[union-attr]
    wait_for(desk.client, job_id)
    assert result(desk, item_id)["model"]["name"] == "first"
    assert result(desk, item_id)["image"]["spacing"]["row_mm"] == 0.1


def test_predicted_again_a_nodule_keeps_its_name_and_the_earlier_result_stays(desk: Desk) -> None:
    item_id = desk.send()
    old = result(desk, item_id)
    added = [[5.0, 90.0], [30.0, 90.0], [30.0, 110.0], [5.0, 110.0]]
    findings = [*as_findings(old["nodules"]), {"outline_xy": added}]
    read = desk.save(item_id, {"findings": findings, "who": "Ann"}).json()
    choose(desk, "other")
    assert again(desk, item_id)["num_queued"] == 1
    new = result(desk, item_id)
    assert new["model"]["name"] == "other"
    assert len(new["nodules"]) == 1
    names = {nodule["uid"]: nodule["number"] for nodule in old["nodules"]}
    assert names[new["nodules"][0]["uid"]] == new["nodules"][0]["number"]
    assert new["nodules"][0]["outline_xy"] != old["nodules"][0]["outline_xy"]
    (earlier,) = desk.client.get(desk.path(item_id, "earlier")).json()
    assert earlier == old
    now = desk.client.get(desk.path(item_id, "correction")).json()
    assert now["model"]["name"] == "other"
    assert now["changes_network"]
    for name in ("uid", "number", "outline_xy", "origin", "note"):
        assert [one[name] for one in now["findings"]] == [one[name] for one in read["findings"]], name
    assert [one["version"] for one in desk.client.get(desk.path(item_id, "history")).json()] == [1, 2]
    assert said_by_csv(desk.export(item_id, "csv").text).numbers == said_by_findings(now["findings"]).numbers
    assert again(desk, item_id) == {"model": {"id": new["model"]["id"]}, "num_queued": 0, "num_same": 1, "num_left": 0}
    same = [{"uid": one["uid"], "outline_xy": one["outline_xy"]} for one in now["findings"]]
    saved = desk.save(item_id, {"findings": same, "who": "Ann"}, now["etag"]).json()
    assert [one["origin"] for one in saved["findings"]] == [one["origin"] for one in read["findings"]]


def test_a_new_nodule_never_gets_a_number_that_was_given(desk: Desk) -> None:
    choose(desk, "other")
    item_id = desk.send()
    (seen,) = result(desk, item_id)["nodules"]
    desk.save(item_id, {"findings": [*as_findings([seen]), {"outline_xy": [[5, 90], [30, 90], [30, 110], [5, 110]]}]})
    choose(desk, "first")
    again(desk, item_id)
    numbers = {nodule["uid"]: nodule["number"] for nodule in result(desk, item_id)["nodules"]}
    assert numbers.pop(seen["uid"]) == 1
    assert list(numbers.values()) == [3]  # 2 is the reader's


def test_an_agreement_by_key_stays_one_with_what_was_seen(desk: Desk, tmp_path: Path) -> None:
    item_id = desk.send()
    old = result(desk, item_id)
    desk.client.put(f"/api/v1/items/{item_id}/verdict", json={"who": "Ann", "verdict": "agreed"})
    choose(desk, "other")
    again(desk, item_id)
    kept = desk.client.get(desk.path(item_id, "correction"), params={"who": "Ann"}).json()
    assert [one["outline_xy"] for one in kept["findings"]] == [one["outline_xy"] for one in old["nodules"]]
    assert {one["origin"] for one in kept["findings"]} == {"network"}
    written = write_training_set(desk.folder, tmp_path / "set")
    assert (written.num_corrected, written.num_agreed) == (1, 0)


def test_a_clip_is_by_one_model_and_its_nodules_keep_their_names(desk: Desk) -> None:
    item_id = desk.send("clip.tif", clip_tiff(3))
    old = [result(desk, item_id, frame) for frame in range(3)]
    choose(desk, "other")
    again(desk, item_id)
    new = [result(desk, item_id, frame) for frame in range(3)]
    assert {one["model"]["name"] for one in new} == {"other"}
    for before, after in zip(old, new, strict=True):
        names = [[(nodule["uid"], nodule["number"]) for nodule in one["nodules"]] for one in (before, after)]
        assert names[0] == names[1]
    tracks = desk.client.get(f"/api/v1/items/{item_id}/clip").json()["tracks"]
    assert {(one["uid"], one["number"]) for one in tracks} == {
        (nodule["uid"], nodule["number"]) for one in new for nodule in one["nodules"]
    }


def test_a_model_that_is_gone_is_named_and_nothing_is_mixed(desk: Desk, tmp_path: Path) -> None:
    choose(desk, "other")
    item_id = desk.send()
    ring = result(desk, item_id)["nodules"][0]["outline_xy"]
    shutil.rmtree(tmp_path / "models" / "learned")
    desk.restart()
    assert desk.client.get("/api/v1/health").json()["model"]["name"] == "first"
    for method, name, body in (
        ("POST", "measure", {"outlines_xy": [ring]}),
        ("POST", "outline", {"point_xy": ring[0]}),
        ("PUT", "correction", {"outlines_xy": [ring]}),
    ):
        answer = desk.client.request(method, desk.path(item_id, name), json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "other_model"), name
    assert desk.export(item_id, "report").status_code == 200
    gone = next(one for one in desk.client.get("/api/v1/models").json()["models"] if not one["is_available"])
    assert gone["num_items"] == 1
    answer = desk.client.post("/api/v1/predict-again", json={"model": gone["id"]})
    assert answer.json()["num_queued"] == 1
    wait_for(desk.client, desk.service.queue.item(item_id).job_id)  # type: ignore[union-attr]
    assert result(desk, item_id)["model"]["name"] == "first"


def test_a_damaged_bundle_is_named_and_not_chosen(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "models" / "learned" / "bundle" / "model.onnx").write_bytes(b"x")
    answer = desk.client.get("/api/v1/models").json()
    assert [one["name"] for one in answer["unusable"]] == ["bundle"]
    assert "model.onnx" in answer["unusable"][0]["fault"]
    assert desk.client.put("/api/v1/model", json={"id": "0" * 16}).status_code == 404
    assert desk.client.put("/api/v1/model", json={"id": "../first"}).status_code == 422
