"""Folders, the work-list, verdicts, given spacing and single removal, through the API."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from dicom_files import region, with_regions
from reader_desk import Desk, as_findings, two_nodules
from web_server import frame_png, wait_for


def test_a_folder_in_parts_is_one_group_with_its_name_and_order(desk: Desk) -> None:
    def files(*names: str) -> list[tuple[str, tuple[str, bytes]]]:
        return [("files", (name, frame_png(k))) for k, name in enumerate(names)]

    first = desk.client.post("/api/v1/jobs", params={"name": "../Ward 3"}, files=files("w/b/10.png", "w/b/9.png"))
    job_id = first.json()["id"]
    more = desk.client.post(f"/api/v1/jobs/{job_id}/files", files=files("w/a/2.png", "../../etc/passwd.png"))
    assert (first.status_code, more.status_code, more.json()["id"]) == (202, 202, job_id)
    job = wait_for(desk.client, job_id)
    assert job["name"] == "Ward 3"
    assert [item["path"] for item in job["items"]] == ["etc/passwd.png", "w/a/2.png", "w/b/9.png", "w/b/10.png"]
    assert desk.client.post(f"/api/v1/jobs/{'0' * 32}/files", files=files("x.png")).status_code == 404
    page = desk.client.get("/api/v1/worklist", params={"job": job_id, "limit": 3}).json()
    assert (page["total"], [item["name"] for item in page["items"]]) == (4, ["passwd.png", "2.png", "9.png"])
    rest = desk.client.get("/api/v1/worklist", params={"job": job_id, "cursor": page["next_cursor"]}).json()
    assert ([item["name"] for item in rest["items"]], rest["next_cursor"]) == (["10.png"], None)
    assert all(item["risk"] is not None and item["level"] and item["teaches"] is not None for item in page["items"])

    gone = page["items"][1]["id"]
    assert desk.client.delete(f"/api/v1/items/{gone}").status_code == 204
    assert desk.client.delete(f"/api/v1/items/{gone}").status_code == 404
    assert not list(Path(desk.folder, "jobs").glob(f"*/{gone}"))
    desk.restart()
    assert desk.client.get("/api/v1/worklist", params={"job": job_id}).json()["total"] == 3


def test_the_list_knows_what_readers_did(desk: Desk) -> None:
    first, second = desk.send("one.dcm"), desk.send("two.dcm")

    def state(item_id: str, who: str | None = None) -> str:
        query = {"who": who} if who else {}
        items = desk.client.get("/api/v1/worklist", params=query).json()["items"]
        return str(next(item["reading"] for item in items if item["id"] == item_id))

    assert (state(first), state(second)) == ("unread", "unread")
    kept = desk.save(first, {"findings": as_findings(desk.nodules(first)), "who": "Ann"}).json()
    assert (state(first), state(first, "Bob")) == ("agreed", "unread")
    changed = desk.save(first, {"findings": [], "who": "Ann"}, kept["etag"])
    assert state(first) == "corrected"
    row = desk.client.get("/api/v1/worklist", params={"reading": "corrected"}).json()["items"][0]
    assert (row["risk"], row["num_nodules"], row["readers"], row["is_level_proposed"]) == (None, 0, ["Ann"], False)
    path = desk.path(first, "correction")
    seen = {"If-Match": changed.headers["etag"]}
    assert desk.client.delete(path, params={"who": "Ann"}, headers=seen).status_code == 204
    assert state(first) == "unread"
    for verdict in ("skipped", "agreed"):
        answer = desk.client.put(f"/api/v1/items/{second}/verdict", json={"who": "Bob", "verdict": verdict})
        assert answer.json()["verdict"] == state(second) == verdict
    assert desk.client.put(f"/api/v1/items/{second}/verdict", json={"verdict": "maybe"}).status_code == 422
    assert desk.client.get("/api/v1/worklist", params={"cursor": "nonsense"}).status_code == 422


def test_the_list_shows_a_readers_own_reading_first(desk: Desk) -> None:
    item_id = desk.send()
    both = as_findings(desk.nodules(item_id))
    words = {"composition": "cystic or almost completely cystic", "shape": "wider-than-tall"}
    desk.save(item_id, {"findings": [{**both[0], "descriptors": words}], "who": "Ann"})
    desk.save(item_id, {"findings": [], "who": "Bob"})

    def row(who: str | None) -> tuple[object, ...]:
        asked = {"item": item_id} | ({} if who is None else {"who": who})
        (found,) = desk.client.get("/api/v1/worklist", params=asked).json()["items"]
        return found["num_nodules"], found["is_level_proposed"], found["said_by"]

    assert (row("Ann"), row("Bob")) == ((1, False, "Ann"), (0, False, "Bob"))
    assert row("Cleo") == row(None) == (0, False, "Bob"), "without one's own it is the newest, and says whose"
    desk.restart()
    assert row("Ann") == (1, False, "Ann")


def test_one_item_of_many_with_the_same_name_is_found(desk: Desk) -> None:
    """A folder per patient, each with the same file names: the page asks for the row of what it has just saved."""
    files = [("files", (f"w/patient {k}/image.png", frame_png(k))) for k in range(3)]
    job = wait_for(desk.client, desk.client.post("/api/v1/jobs", files=files).json()["id"])
    for item in job["items"]:
        rows = desk.client.get("/api/v1/worklist", params={"item": item["id"]}).json()["items"]
        assert [(row["id"], row["path"]) for row in rows] == [(item["id"], item["path"])]
    assert desk.client.get("/api/v1/worklist", params={"item": "0" * 32}).json()["total"] == 0
    assert desk.client.get("/api/v1/worklist", params={"item": "x"}).status_code == 422


def test_a_given_spacing_measures_the_item_and_its_readings_again(desk: Desk) -> None:
    item_id = desk.send("photo.png", frame_png(3))
    path = f"/api/v1/items/{item_id}/spacing"
    assert desk.client.delete(path).status_code == 404
    first = desk.nodules(item_id)
    assert first[0]["size"]["longest_mm"] is None
    kept = desk.save(item_id, {"findings": as_findings(first), "who": "Ann", "note": "mine"}).json()
    answer = desk.client.put(path, json={"row_mm": 0.1, "column_mm": 0.1, "who": "Ann"})
    assert answer.status_code == 202
    wait_for(desk.client, _job_of(desk, item_id))
    (nodule,) = desk.nodules(item_id)
    assert nodule["size"]["longest_mm"] == pytest.approx(first[0]["size"]["longest_px"] / 10, abs=1e-3)
    assert (nodule["uid"], nodule["number"]) == (first[0]["uid"], 1)
    image = desk.client.get(desk.path(item_id, "result")).json()["image"]
    assert image["spacing_reason"] == "given on the page by Ann"
    again = desk.client.get(desk.path(item_id, "correction")).json()
    assert (again["version"], again["note"]) == (kept["version"] + 1, "mine")
    assert again["findings"][0]["nodule"] == nodule
    measured = desk.client.post(desk.path(item_id, "measure"), json={"outlines_xy": [nodule["outline_xy"]]}).json()
    assert measured[0]["size"] == nodule["size"]
    assert desk.client.delete(path).status_code == 202
    wait_for(desk.client, _job_of(desk, item_id))
    assert desk.nodules(item_id) == first
    assert desk.client.put(path, json={"row_mm": 0, "column_mm": 0.1}).status_code == 422


def test_a_spacing_that_no_probe_has_is_refused_and_the_result_stays(desk: Desk) -> None:
    """A mistyped scale once made an item fail, without a way back to its result and readings."""
    item_id = desk.send("photo.png", frame_png(3))
    before = desk.nodules(item_id)
    answer = desk.client.put(f"/api/v1/items/{item_id}/spacing", json={"row_mm": 10, "column_mm": 10})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unlikely_spacing")
    told = "photo.png: 10 mm per pixel makes the view 1,280 mm wide and 960 mm deep, and 10 to 300 mm can be"
    assert answer.json()["error"]["message"] == f"{told}; give the millimetres of one pixel"
    assert desk.client.get(f"/api/v1/items/{item_id}").json()["state"] == "done"
    assert desk.nodules(item_id) == before


def test_a_spacing_of_the_region_that_holds_a_nodule_is_not_replaced(desk: Desk) -> None:
    """Regions of different scales: the image as a whole has no spacing, each nodule has that of its region."""
    left = region(RegionLocationMinX0=0, RegionLocationMaxX1=79, RegionLocationMinY0=0, RegionLocationMaxY1=119)
    right = region(
        RegionLocationMinX0=80, RegionLocationMaxX1=159, RegionLocationMinY0=0, RegionLocationMaxY1=119,
        PhysicalDeltaX=0.02, PhysicalDeltaY=0.02,
    )  # fmt: skip
    item_id = desk.send("regions.dcm", with_regions(left, right, image=two_nodules()))
    before = desk.nodules(item_id)
    assert desk.client.get(desk.path(item_id, "result")).json()["image"]["spacing"] is None
    assert all(nodule["size"]["longest_mm"] is not None for nodule in before)
    answer = desk.client.put(f"/api/v1/items/{item_id}/spacing", json={"row_mm": 0.1, "column_mm": 0.1})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "has_spacing")
    assert desk.nodules(item_id) == before


def test_the_openapi_document_names_its_token(desk: Desk) -> None:
    document = desk.client.get("/api/v1/openapi.json").json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert {"token": []} in document["security"]


def test_a_reader_points_and_the_network_outlines(desk: Desk) -> None:
    item_id = desk.send()
    (nodule, _) = desk.nodules(item_id)
    points = nodule["outline_xy"]
    middle = [sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)]
    answer = desk.client.post(desk.path(item_id, "outline"), json={"point_xy": middle}).json()
    assert answer["measure"]["size"]["area_px"] == pytest.approx(nodule["size"]["area_px"], rel=0.1)
    assert answer["measure"]["risk"] == pytest.approx(nodule["risk"], abs=0.05)
    for given, status in (
        ({"point_xy": [3, 115]}, 404),
        ({"point_xy": [5000, 5]}, 422),
        ({"box": {"x0": 9, "y0": 9, "x1": 9, "y1": 20}}, 422),
        ({}, 422),
    ):
        assert desk.client.post(desk.path(item_id, "outline"), json=given).status_code == status, given


def _job_of(desk: Desk, item_id: str) -> str:
    items = desk.client.get("/api/v1/worklist").json()["items"]
    return str(next(item["job_id"] for item in items if item["id"] == item_id))
