"""A second reader gets nothing of what the network or others say of a frame from any route, until they have read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("highdicom")

from fastapi.testclient import TestClient

from reader_desk import Desk
from thyrosight.web.app import create_app
from thyrosight.web.hiding import HIDDEN
from thyrosight.web.security import Rules, read_second_readers, rules_for
from web_server import ADDRESS, clip_tiff

TOKEN, SECOND_TOKEN = "t" * 20, "s" * 20
RING = [[20, 30], [60, 30], [60, 60], [20, 60]]
BO = {"Second-Reader": "B%C3%B6"}
FRAME_PATHS = ["mask.png", "malignancy_map.png", "overlay.png", "correction", "readings", "history", "earlier"]


@pytest.fixture
def item_id(desk: Desk) -> str:
    """An item that Ann has read."""
    found = desk.send()
    assert desk.save(found, {"who": "Ann", "outlines_xy": [RING]}).status_code == 200
    return found


def code_of(answer: Any) -> str:
    return str(answer.json()["error"]["code"])


def row_of(desk: Desk, item_id: str, headers: dict[str, str]) -> dict[str, Any]:
    rows = desk.client.get("/api/v1/worklist", params={"who": "Bö"}, headers=headers).json()["items"]
    return dict(next(row for row in rows if row["id"] == item_id))


def test_no_route_delivers_what_is_hidden(desk: Desk, item_id: str) -> None:
    client = desk.client
    shown = client.get(desk.path(item_id, "result"), headers=BO).json()
    assert (shown["nodules"], shown["risk"], shown["risk_reason"], shown["operating_points"]) == ([], None, HIDDEN, [])
    assert shown["risk_share"] is None
    assert not {flag["code"] for flag in shown["flags"]} & {"several_nodules", "no_nodule"}
    for name in FRAME_PATHS:
        assert code_of(client.get(desk.path(item_id, name), headers=BO)) == "hidden", name
    assert code_of(client.get(desk.path(item_id, "history/1"), headers=BO)) == "hidden"
    assert code_of(client.get(desk.path(item_id, "correction"), params={"who": "Ann"}, headers=BO)) == "other_reader"
    assert code_of(client.post(desk.path(item_id, "outline"), json={"point_xy": [38, 45]}, headers=BO)) == "hidden"
    (measured,) = client.post(desk.path(item_id, "measure"), json={"outlines_xy": [RING]}, headers=BO).json()
    assert measured["size"]["area_px"] > 0
    assert (measured["risk"], measured["mean_probability"], measured["risk_reason"]) == (None, None, HIDDEN)
    for kind in ("json", "csv", "png", "report", "zip", "seg", "sr"):
        assert code_of(client.get(f"/api/v1/items/{item_id}/export/{kind}", headers=BO)) == "hidden", kind
    assert code_of(client.get("/api/v1/training-set", headers=BO)) == "hidden"
    agreed = {"who": "Bö", "verdict": "agreed"}
    assert code_of(client.put(f"/api/v1/items/{item_id}/verdict", json=agreed, headers=BO)) == "hidden"
    for verdict in ("agreed", "read", "skipped", "unread"):
        for_ann = {"who": "Ann", "verdict": verdict}
        assert code_of(client.put(f"/api/v1/items/{item_id}/verdict", json=for_ann, headers=BO)) == "other_reader"
    row = row_of(desk, item_id, BO)
    assert [row[name] for name in ("risk", "level", "num_nodules", "teaches", "said_by", "readers")] == [None] * 5 + [
        []
    ]
    assert "several_nodules" not in row["flags"]
    for question in (
        {"sort": "risk"},
        {"sort": "teaches"},
        {"level": "TR5"},
        {"min_risk": "0.5"},
        {"flag": "no_nodule"},
    ):
        assert code_of(client.get("/api/v1/worklist", params=question, headers=BO)) == "hidden", question
    assert client.get(desk.path(item_id, "image.png"), headers=BO).status_code == 200


def test_after_their_own_reading_everything_is_shown(desk: Desk, item_id: str) -> None:
    client = desk.client
    other = client.put(desk.path(item_id, "correction"), json={"who": "Ann", "outlines_xy": [RING]}, headers=BO)
    assert code_of(other) == "other_reader"
    kept = client.put(desk.path(item_id, "correction"), json={"who": "Bö", "outlines_xy": [RING]}, headers=BO)
    assert kept.status_code == 200
    for name in (*FRAME_PATHS, "result"):
        assert client.get(desk.path(item_id, name), headers=BO).status_code == 200, name
    assert client.get(desk.path(item_id, "result"), headers=BO).json()["nodules"]
    assert row_of(desk, item_id, BO)["num_nodules"] is not None
    desk.restart()
    assert desk.client.get(desk.path(item_id, "result"), headers=BO).json()["nodules"]


def test_a_rating_alone_is_a_reading_and_an_empty_entry_is_none(desk: Desk, item_id: str) -> None:
    def rate(**given: Any) -> Any:
        body = {"reader": "Bö", "network_shown": False, **given}
        return desk.client.post(desk.path(item_id, "study"), json=body, headers=BO)

    assert rate().status_code == 204
    assert code_of(desk.client.get(desk.path(item_id, "mask.png"), headers=BO)) == "hidden"
    assert rate(suspicion=0.7).status_code == 204
    assert desk.client.get(desk.path(item_id, "mask.png"), headers=BO).status_code == 200


def test_each_frame_of_a_clip_is_read_by_itself(desk: Desk) -> None:
    item_id = desk.send("clip.tif", clip_tiff(2))
    assert code_of(desk.client.get(f"/api/v1/items/{item_id}/clip", headers=BO)) == "hidden"
    for frame, code in ((0, 409), (1, 200)):
        given = {"who": "Bö", "outlines_xy": []}
        assert desk.client.put(desk.path(item_id, "correction", frame), json=given, headers=BO).status_code == 200
        assert desk.client.get(f"/api/v1/items/{item_id}/clip", headers=BO).status_code == code


def test_a_second_readers_token_leaves_no_choice(desk: Desk, item_id: str, tmp_path: Path) -> None:
    path = tmp_path / "second"
    path.write_text(f"{SECOND_TOKEN} Cara Li\n", encoding="utf-8")
    rules = Rules(token_digest=rules_for("127.0.0.1", TOKEN).token_digest, second_readers=read_second_readers(path))
    client = TestClient(create_app(desk.service, rules), base_url=ADDRESS)
    place = desk.path(item_id, "mask.png")
    assert client.get(place).status_code == 401
    assert client.get(place, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    second = {"Authorization": f"Bearer {SECOND_TOKEN}"}
    assert code_of(client.get(place, headers=second)) == "hidden"
    assert code_of(client.get(place, headers=second | {"Second-Reader": "Ann"})) == "hidden"
    given = {"who": "Cara Li", "outlines_xy": [RING]}
    assert client.put(desk.path(item_id, "correction"), json=given, headers=second).status_code == 200
    assert client.get(place, headers=second).status_code == 200
