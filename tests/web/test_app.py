"""The API in this process: from a file to its result, pictures in the source's geometry, outlines measured, exports."""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient

from bad_inputs import HANDLED, REFUSED, write_bad_inputs
from thyrosight.errors import InputError
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.risk import risk_map
from thyrosight.measurement.cine import summarise_clip
from thyrosight.measurement.nodule_uids import nodule_uid
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.prediction import Prediction
from thyrosight.web.app import create_app
from thyrosight.web.jobs.clip_summary import clip_summary
from thyrosight.web.review.outlines import NOT_SEEN
from thyrosight.web.routes import items
from thyrosight.web.service import Service, ServiceLimits
from tiny_bundle import MAP_EDGE, make_tiny_bundle
from web_server import ADDRESS, DARK, clip_tiff, encoded, frame_png, noisy_frame, post, wait_for


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    bundle = make_tiny_bundle(
        tmp_path_factory.mktemp("bundle") / "tiny",
        calibration={"scale": 0.5, "offset": -0.2, "n": 40, "fitted_on": "x", "covariance": (0.01, 0.0, 0.04)},
    )
    return Service(Predictor.load(bundle, threads=1), tmp_path_factory.mktemp("data"), ServiceLimits(max_queue=100))


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service), base_url=ADDRESS) as client:
        yield client


@pytest.fixture(scope="module")
def still(client: TestClient) -> str:
    """-> the item id of one frame that is done."""
    return done_item(client, "frame.png", frame_png(1))


@pytest.fixture(scope="module")
def clip(client: TestClient) -> str:
    """-> the item id of a clip of four frames that is done."""
    return done_item(client, "clip.tif", clip_tiff(4))


def done_item(client: TestClient, name: str, content: bytes) -> str:
    job = wait_for(client, post(client, (name, content)).json()["id"])
    assert job["state"] == "done", job
    return str(job["items"][0]["id"])


def frame_path(item_id: str, name: str, frame: int = 0) -> str:
    return f"/api/v1/items/{item_id}/frames/{frame}/{name}"


def picture(client: TestClient, item_id: str, name: str, frame: int = 0) -> np.ndarray:
    response = client.get(frame_path(item_id, name, frame))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    return np.asarray(cv2.imdecode(np.frombuffer(response.content, np.uint8), cv2.IMREAD_UNCHANGED))


def code_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def square(x0: float, y0: float, side: float) -> list[list[float]]:
    return [[x0, y0], [x0 + side, y0], [x0 + side, y0 + side], [x0, y0 + side]]


# Jobs.


def test_a_job_is_on_the_disk_before_it_is_accepted(service: Service, tmp_path: Path) -> None:
    other = Service(service.predictor, tmp_path, ServiceLimits())
    with TestClient(create_app(other), base_url=ADDRESS) as client:
        other.worker.stop()
        other.worker.join()
        content = frame_png(5)
        response = post(client, ("../../a\u202eb.png", content), ("b.png", content))
        assert response.status_code == 202
        job = response.json()
        assert [(item["name"], item["state"]) for item in job["items"]] == [("ab.png", "queued"), ("b.png", "queued")]
        for item in job["items"]:
            assert (tmp_path / "jobs" / job["id"] / item["id"] / "source").read_bytes() == content
        assert other.queue.counts()["queued"] == 2
        assert client.get(f"/api/v1/jobs/{job['id']}").json()["state"] == "queued"
        path = frame_path(job["items"][0]["id"], "result")
        assert code_of(client.get(path)) == (409, "not_ready")
        assert client.get("/api/v1/health").json()["status"] == "worker_stopped"
        names = {path.name for path in tmp_path.rglob("*")}
        assert not {name for name in names if name.endswith(".png")}, "a sender's name became a path"


def test_a_file_becomes_the_prediction_that_the_predictor_gives(client: TestClient, service: Service) -> None:
    image_HW = noisy_frame(7)
    item_id = done_item(client, "seven.png", encoded([image_HW], "PNG"))
    answered = Prediction.model_validate_json(client.get(frame_path(item_id, "result")).content)
    expected = service.predictor.predict(image_HW)
    reason, sha256 = answered.image.spacing_reason, answered.image.sha256
    assert answered.nodules == tuple(
        nodule.model_copy(
            update={
                "size": nodule.size.model_copy(update={"mm_reason": reason}),
                "uid": nodule_uid(sha256, 0, nodule.outline_xy),  # of the file, not of the array
            }
        )
        for nodule in expected.nodules
    )
    assert len(answered.nodules) == 1
    assert (answered.risk, answered.image.name) == (expected.risk, "seven.png")


def test_each_bad_file_fails_alone_with_a_line_of_its_own(client: TestClient, tmp_path: Path) -> None:
    paths = write_bad_inputs(tmp_path)
    files = [(path.name, path.read_bytes()) for path in paths.values()]
    job = wait_for(client, post(client, *files).json()["id"])
    found = {item["name"]: item for item in job["items"]}
    assert len(found) == len(files)
    for name in (*HANDLED, "good"):
        assert found[paths[name].name]["state"] == "done", found[paths[name].name]
    for name in REFUSED:
        item = found[paths[name].name]
        assert (item["state"], item["error"]["code"]) == ("failed", "unusable")
        assert item["error"]["message"].startswith(f"{item['name']}: ")
        assert "source" not in item["error"]["message"]
        assert code_of(client.get(frame_path(item["id"], "result"))) == (409, "unusable")
    assert job["state"] == "done"


def test_a_fault_of_ours_in_one_file_costs_only_that_file(
    client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine = service.predictor.examine

    def faulty(frame: Any) -> Any:
        if frame.path.name == "b.png":
            raise ZeroDivisionError
        return examine(frame)

    monkeypatch.setattr(service.predictor, "examine", faulty)
    files = [(name, frame_png(3)) for name in ("a.png", "b.png", "c.png")]
    items = wait_for(client, post(client, *files).json()["id"])["items"]
    assert [item["state"] for item in items] == ["done", "failed", "done"]
    assert items[1]["error"]["code"] == "internal_error"
    assert client.get("/api/v1/health").json()["status"] == "ok"


def test_nothing_usable_is_refused_at_once(client: TestClient) -> None:
    assert code_of(post(client, ("a.txt", b"hello"))) == (415, "no_image")
    assert code_of(post(client, ("a.png", b""), ("b.pdf", b"%PDF-1.7 \x00"))) == (415, "no_image")
    assert code_of(client.post("/api/v1/jobs", data={"files": "x"})) == (415, "not_multipart")


def test_a_full_queue_says_when_to_come_again(service: Service, tmp_path: Path) -> None:
    other = Service(service.predictor, tmp_path, ServiceLimits(max_queue=2))
    with TestClient(create_app(other), base_url=ADDRESS) as client:
        other.worker.stop()
        other.worker.join()
        assert post(client, ("a.png", frame_png())).status_code == 202
        for names in (("b", "c"), ("b",), ("c",)):
            response = post(client, *[(name, frame_png()) for name in names])
            is_room = names == ("b",)
            assert response.status_code == (202 if is_room else 503)
            if not is_room:
                assert response.json()["error"]["code"] == "queue_full"
                assert int(response.headers["retry-after"]) > 0
        assert code_of(post(client, *[(str(k), frame_png()) for k in range(3)]))[0] in (413, 503)
        assert 'refused_total{reason="queue_full"} ' in client.get("/metrics").text
        assert sum(1 for _ in (tmp_path / "jobs").iterdir()) == 2
        assert not list((tmp_path / "incoming").iterdir())


def test_jobs_are_listed_newest_first_by_page(client: TestClient, still: str, clip: str) -> None:
    everything = client.get("/api/v1/jobs?limit=100").json()
    created = [job["created"] for job in everything["jobs"]]
    assert created == sorted(created, reverse=True)
    assert everything["next_offset"] is None
    first = client.get("/api/v1/jobs?limit=1").json()
    assert (first["jobs"], first["next_offset"]) == (everything["jobs"][:1], 1)
    assert first["total"] == everything["total"] == len(created)


def test_a_deleted_job_leaves_nothing(client: TestClient, service: Service) -> None:
    job = wait_for(client, post(client, ("gone.png", frame_png(9))).json()["id"])
    item_id = job["items"][0]["id"]
    assert client.get(frame_path(item_id, "overlay.png")).status_code == 200
    assert client.delete(f"/api/v1/jobs/{job['id']}").status_code == 204
    assert not list(service.store.folder.rglob(f"*{job['id']}*"))
    assert not list((service.store.folder / "trash").iterdir())
    for path in (f"/api/v1/jobs/{job['id']}", f"/api/v1/items/{item_id}", frame_path(item_id, "image.png")):
        assert code_of(client.get(path)) == (404, "not_found")
    assert code_of(client.delete(f"/api/v1/jobs/{job['id']}")) == (404, "not_found")


def test_a_job_that_is_deleted_in_work_leaves_nothing(
    client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine = service.predictor.examine

    def and_delete(frame: Any) -> Any:
        examination = examine(frame)
        if frame.frame_index == 1:
            assert client.delete(f"/api/v1/jobs/{job['id']}").status_code == 204
        return examination

    monkeypatch.setattr(service.predictor, "examine", and_delete)
    with service.examiner.alone():  # the worker waits until `job` is known
        job = post(client, ("clip.tif", clip_tiff(4))).json()
    done_item(client, "after.png", frame_png(2))
    assert not (service.store.folder / "jobs" / job["id"]).exists()


# Frames.


def test_pictures_lie_in_the_sources_own_pixels(client: TestClient, service: Service, still: str) -> None:
    image_HW = noisy_frame(1)
    examination = service.predictor.examine(image_HW)
    assert np.array_equal(picture(client, still, "image.png")[..., 0], image_HW)
    assert np.array_equal(picture(client, still, "mask.png"), examination.mask_HW * np.uint8(255))
    risk_HW = picture(client, still, "malignancy_map.png")
    logits_HW = examination.raw.malignancy_map_HW.astype(np.float64)
    assert np.abs(risk_HW - 255 / (1 + np.exp(-(0.5 * logits_HW - 0.2)))).max() <= 0.51
    assert picture(client, still, "overlay.png").shape[1] >= image_HW.shape[1]


def test_a_full_disk_does_not_hide_a_picture(
    client: TestClient, service: Service, still: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the answer was that the item may have been deleted."""

    def refuse(path: Path, _: bytes) -> None:
        raise InputError(f"{path}: can't be written") from OSError(28, "No space left on device")

    item = service.queue.item(still)
    assert item is not None
    service.store.frame_file(item, 0, "overlay.png").unlink(missing_ok=True)
    monkeypatch.setattr(items, "write_atomic", refuse)
    assert picture(client, still, "overlay.png").ndim == 3
    assert not service.store.frame_file(item, 0, "overlay.png").exists()


def test_what_lies_outside_the_field_is_blank_in_every_picture(client: TestClient, service: Service) -> None:
    screen_HW = np.zeros((240, 320), np.uint8)
    screen_HW[40:200, 60:260] = noisy_frame(4, (160, 200))
    cv2.putText(screen_HW, "DOE JANE 1970", (60, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
    item_id = done_item(client, "screen.png", encoded([screen_HW], "PNG"))
    field = json.loads(client.get(frame_path(item_id, "result")).content)["field_of_view"]
    rows, columns = slice(field["y0"], field["y1"]), slice(field["x0"], field["x1"])
    assert field["y0"] > 30
    shown_HW3 = picture(client, item_id, "image.png")
    risk_HW = picture(client, item_id, "malignancy_map.png")
    assert shown_HW3.shape[:2] == risk_HW.shape == screen_HW.shape
    outside_HW = np.ones(screen_HW.shape, bool)
    outside_HW[rows, columns] = False
    assert len(np.unique(shown_HW3[outside_HW].reshape(-1, 3), axis=0)) == 1
    assert not risk_HW[outside_HW].any()


def test_risk_map_is_the_risks_own_formula(service: Service) -> None:
    raw = service.predictor.run(service.predictor.examine(noisy_frame(2)).frame)
    logit = float(raw.malignancy_map_HW[48, 64])
    expected = 255 / (1 + math.exp(-(0.5 * logit - 0.2)))
    assert abs(int(risk_map(raw, service.predictor.info)[48, 64]) - expected) <= 0.51


def test_a_frame_that_is_not_there_is_named_as_such(client: TestClient, still: str) -> None:
    assert code_of(client.get(frame_path(still, "result", 1))) == (404, "no_frame")
    assert code_of(client.get(frame_path("0" * 32, "result"))) == (404, "not_found")
    assert code_of(client.get(frame_path(still, "result", -1))) == (422, "invalid_request")  # type: ignore[arg-type]
    assert code_of(client.get(f"/api/v1/items/{still}/clip")) == (404, "no_clip")


def test_a_clip_is_one_examination(client: TestClient, service: Service, clip: str) -> None:
    item = client.get(f"/api/v1/items/{clip}").json()
    assert (item["num_frames"], item["frames_done"]) == (4, 4)
    found = [Prediction.model_validate_json(client.get(frame_path(clip, "result", k)).content) for k in range(4)]
    assert [prediction.image.frame_index for prediction in found] == [0, 1, 2, 3]
    assert [prediction.nodules for prediction in found] != [found[0].nodules] * 4
    summary = client.get(f"/api/v1/items/{clip}/clip").json()
    assert summary == json.loads(clip_summary(found).model_dump_json())
    clip_said = summarise_clip(found)
    assert summary["largest_frame"] == clip_said.representative_frame
    assert summary["risk"] == clip_said.risk
    assert [frame["num_nodules"] for frame in summary["frames"]] == [len(one.nodules) for one in found]
    assert np.array_equal(picture(client, clip, "image.png", 2)[..., 0], noisy_frame(2))


def test_a_clip_of_too_many_frames_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thyrosight.web.jobs.worker.MAX_FRAMES", 3)
    job = wait_for(client, post(client, ("long.tif", clip_tiff(4))).json()["id"])
    assert "4 frames, the limit is 3" in job["items"][0]["error"]["message"]


# A person's outlines.


def test_the_networks_own_outline_measures_what_the_network_said(client: TestClient, still: str) -> None:
    nodule = client.get(frame_path(still, "result")).json()["nodules"][0]
    (measured,) = client.post(frame_path(still, "measure"), json={"outlines_xy": [nodule["outline_xy"]]}).json()
    for name in ("size", "mean_probability", "risk", "risk_interval", "risk_interval_reason"):
        assert measured[name] == nodule[name], name


def test_risk_of_an_outline_is_the_calibrated_mean_of_the_map_under_it(
    client: TestClient, service: Service, still: str
) -> None:
    seen_HW = service.predictor.examine(noisy_frame(1)).mask_HW
    top, left = (int(places.min()) for places in np.nonzero(seen_HW))
    rings = [square(2, 2, 20), square(left + 4.2, top + 4.4, 20)]
    answers = client.post(frame_path(still, "measure"), json={"outlines_xy": rings}).json()
    raw = service.predictor.examine(noisy_frame(1)).raw
    for ring, answer in zip(rings, answers, strict=True):
        mask_HW = fill_outlines([np.array(ring)], (96, 128))
        if not (mask_HW & seen_HW).any():  # the network sees no nodule there: no number that isn't the nodule's
            assert (answer["risk"], answer["risk_interval"]) == (None, None)
            assert answer["risk_reason"] == answer["risk_interval_reason"] == NOT_SEEN
        else:
            logit = raw.malignancy_map_HW[mask_HW].mean()
            assert answer["risk"] == pytest.approx(1 / (1 + math.exp(-(0.5 * logit - 0.2))), abs=1e-6)
            assert answer["risk_interval"][0] < answer["risk"] < answer["risk_interval"][1]
        assert answer["mean_probability"] == pytest.approx(raw.probability_HW[mask_HW].mean(), abs=1e-6)
        assert answer["size"]["area_px"] == mask_HW.sum()
    assert answers[0]["size"]["area_px"] == 21 * 21  # border pixels included
    assert answers[0]["size"]["longest_px"] == pytest.approx(21 * math.sqrt(2), abs=1e-3)
    assert answers[1]["risk"] > 0.5  # the second covers the dark ellipse, which the map takes for worse


def test_what_lies_outside_the_field_has_no_say_in_an_outlines_risk(client: TestClient) -> None:
    screen_HW = np.zeros((240, 320), np.uint8)
    screen_HW[40:200, 60:260] = noisy_frame(4, (160, 200))
    item_id = done_item(client, "screen.png", encoded([screen_HW], "PNG"))
    left = client.get(frame_path(item_id, "result")).json()["field_of_view"]["x0"]
    inside, across = square(left, 90, 40), [[left - 30, 90], [left + 40, 90], [left + 40, 130], [left - 30, 130]]
    first, second = client.post(frame_path(item_id, "measure"), json={"outlines_xy": [inside, across]}).json()
    assert second["risk"] == pytest.approx(first["risk"], abs=1e-5)
    assert second["size"]["area_px"] == 71 * 41
    refused = client.post(frame_path(item_id, "measure"), json={"outlines_xy": [square(2, 2, 20)]})
    assert code_of(refused) == (422, "outside_field")


@pytest.mark.parametrize(
    "rings",
    [
        [],
        [[[1, 1], [2, 2]]],
        [square(0, 0, 500)],
        [square(-3, 0, 5)],
        [[[1, 1], [2, 2], [3]]],
        [[[1, 1], [2, 2], [1e999, 3]]],
        [[[1, 1], [2, 2], ["x", 3]]],
        [[[1, 1], [2, 2], [True, 3]]],
        [square(1, 1, 5)] * 33,
        [[[1, 1]] * 2001],
        None,
        "x",
    ],
)
def test_outlines_that_are_none_are_refused(client: TestClient, still: str, rings: Any) -> None:
    body = json.dumps({"outlines_xy": rings})
    headers = {"content-type": "application/json"}
    response = client.post(frame_path(still, "measure"), content=body, headers=headers)
    assert response.status_code == 422, response.text
    assert set(response.json()["error"]) <= {"code", "message", "detail"}


def test_a_correction_is_kept_apart_and_can_be_taken_back(client: TestClient, clip: str) -> None:
    path, result = frame_path(clip, "correction", 1), frame_path(clip, "result", 1)
    before = client.get(result).content
    assert code_of(client.get(path)) == (404, "no_correction")
    given = {"outlines_xy": [square(20, 20, 30)], "descriptors": [{"shape": "wider-than-tall"}], "note": "só 100 %"}
    kept = client.put(path, json=given)
    assert kept.status_code == 200
    assert client.get(path).json() == kept.json()
    assert kept.json()["who"] == kept.json()["when"] == ""
    asked = {"outlines_xy": given["outlines_xy"], "others_xy": []}
    measured = client.post(frame_path(clip, "measure", 1), json=asked).json()
    assert kept.json()["measures"] == measured
    assert client.get(result).content == before
    assert code_of(client.get(frame_path(clip, "correction", 0))) == (404, "no_correction")
    seen = {"If-Match": kept.headers["etag"]}
    emptied = client.put(path, json={"outlines_xy": []}, headers=seen)  # a person says: no nodule
    assert emptied.json()["measures"] == []
    assert client.delete(path, headers={"If-Match": emptied.headers["etag"]}).status_code == 204
    assert code_of(client.delete(path)) == (404, "no_correction")


def test_descriptors_must_fit_their_outlines(client: TestClient, still: str) -> None:
    given = {"outlines_xy": [square(20, 20, 30)], "descriptors": [{}, {}]}
    assert code_of(client.put(frame_path(still, "correction"), json=given)) == (422, "invalid_request")
    given = {"outlines_xy": [], "descriptors": [], "who": "x" * 300}
    assert code_of(client.put(frame_path(still, "correction"), json=given)) == (422, "invalid_request")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 100_000, b'{"outlines_xy": NaN}', b"\xff\xfe", b"1" * 5000, b"null"]
)
def test_json_that_is_none_is_one_clear_refusal(client: TestClient, still: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    response = client.put(frame_path(still, "correction"), content=body, headers=headers)
    assert response.status_code in (400, 422)
    assert response.json()["error"]["message"]


def test_half_a_character_does_not_break_the_answer(client: TestClient, still: str) -> None:
    headers = {"content-type": "application/json"}
    for body in (b'{"outlines_xy": [], "note": "\\ud800"}', b'{"outlines_xy": [], "\\ud800": 1}'):
        response = client.put(frame_path(still, "correction"), content=body, headers=headers)
        assert response.status_code == 422


# Exports.


@pytest.fixture
def corrected(client: TestClient) -> str:
    item_id = done_item(client, "Über 1.png", frame_png(11))
    given = {"outlines_xy": [square(30, 30, 25), square(70, 30, 20)], "note": "two"}
    assert client.put(frame_path(item_id, "correction"), json=given).status_code == 200
    return item_id


def test_exports_hold_the_network_and_the_person_apart(client: TestClient, corrected: str) -> None:
    def export(kind: str, **query: Any) -> Any:
        response = client.get(f"/api/v1/items/{corrected}/export/{kind}", params=query)
        assert response.status_code == 200, response.text
        assert response.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%C3%9Cber%201")
        return response

    content = export("json").json()
    assert content["network"] == [client.get(frame_path(corrected, "result")).json()]
    assert content["person"] == [client.get(frame_path(corrected, "correction")).json()]
    rows = list(csv.DictReader(io.StringIO(export("csv").text)))
    made = [("network", "1"), ("person", "2"), ("person", "2")]
    assert [(row["made_by"], row["num_nodules"]) for row in rows] == made
    assert {int(row["area_px"]) for row in rows[1:]} == {26 * 26, 21 * 21}
    assert rows[1]["risk"] == ""
    by_default, of_network = export("png").content, export("png", reader="network").content
    assert by_default[:4] == of_network[:4] == b"\x89PNG"
    assert by_default != of_network
    assert of_network == client.get(frame_path(corrected, "overlay.png")).content
    report = export("report").text
    assert "Über 1, corrected by a person" in report
    assert "outlines by a person" in report
    with zipfile.ZipFile(io.BytesIO(export("zip").content)) as archive:
        names = set(archive.namelist())
        assert archive.testzip() is None
        assert archive.read("frame-1/result.json") == client.get(frame_path(corrected, "result")).content
    assert {"frame-1/mask.png", "frame-1/person/correction.json", "Über 1.csv", "Über 1.html"} <= names


def test_an_uncorrected_item_has_no_person_in_it(client: TestClient, still: str) -> None:
    content = client.get(f"/api/v1/items/{still}/export/json").json()
    assert content["person"] == []
    assert "person" not in client.get(f"/api/v1/items/{still}/export/csv").text.replace("made_by", "")
    refused = client.get(f"/api/v1/items/{still}/export/png?reader=person")
    assert code_of(refused) == (409, "no_correction")


def test_dicom_of_what_is_none_is_refused_with_the_reason(client: TestClient, still: str) -> None:
    for kind in ("seg", "sr"):
        response = client.get(f"/api/v1/items/{still}/export/{kind}")
        assert code_of(response) == (409, "no_dicom")
        assert response.json()["error"]["message"].startswith("frame.png: ")


def test_an_export_of_a_clip_holds_all_frames(client: TestClient, service: Service, clip: str) -> None:
    content = client.get(f"/api/v1/items/{clip}/export/json").json()
    assert len(content["network"]) == 4
    assert content["clip"] == client.get(f"/api/v1/items/{clip}/clip").json()
    largest = content["clip"]["largest_frame"]
    report = client.get(f"/api/v1/items/{clip}/export/report").text
    assert report.count("Clip: 4 of 4 frames read") == 1
    png = client.get(f"/api/v1/items/{clip}/export/png")
    assert f"clip-frame{largest + 1}-network.png" in png.headers["content-disposition"]
    assert png.content == client.get(frame_path(clip, "overlay.png", largest)).content
    assert code_of(client.get(f"/api/v1/items/{clip}/export/png?frame=4")) == (404, "no_frame")
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/api/v1/items/{clip}/export/zip").content))
    numbers = [json.loads(archive.read(f"frame-{k}/result.json"))["image"]["frame_index"] + 1 for k in range(1, 5)]
    assert numbers == [1, 2, 3, 4], "folders are named by the number that the page shows"
    assert not list((service.store.folder / "incoming").iterdir()), "scratch files stayed behind"


# The service.


def test_health_says_what_is_served(client: TestClient, service: Service) -> None:
    health = client.get("/api/v1/health").json()
    assert health["status"] == "ok"
    assert health["model"]["id"] == service.predictor.model.id
    assert health["model"]["operating_points"] == [{"name": "balanced", "threshold": 0.5, "meaning": "half way"}]
    assert health["model"]["mask_threshold"] == 0.5
    assert health["queue"]["capacity"] == 100


def test_metrics_count_what_was_done(client: TestClient, still: str) -> None:
    def read() -> dict[str, float]:
        lines = client.get("/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    before = read()
    done_item(client, "a.png", frame_png(1))
    after = read()
    assert after['thyrosight_items{state="done"}'] == before['thyrosight_items{state="done"}'] + 1
    assert after["thyrosight_prediction_seconds_count"] == before["thyrosight_prediction_seconds_count"] + 1
    assert after["thyrosight_prediction_seconds_sum"] > before["thyrosight_prediction_seconds_sum"]
    assert after["thyrosight_queue_length"] == 0


def test_every_operation_declares_its_refusals(client: TestClient) -> None:
    document = client.get("/api/v1/openapi.json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) >= 18
    for operation in operations:
        content = operation["responses"]["422"]["content"]["application/json"]
        assert content["schema"]["$ref"].endswith("/ErrorAnswer")
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404


def test_too_many_questions_at_a_time_are_told_to_come_again(client: TestClient, service: Service, still: str) -> None:
    from thyrosight.web.jobs import examiner

    permits = 0
    while service.examiner._waiting.acquire(blocking=False):
        permits += 1
    assert permits == examiner.MAX_WAITING
    try:
        response = client.post(frame_path(still, "measure"), json={"outlines_xy": [square(10, 10, 20)]})
        assert code_of(response) == (503, "busy")
        assert response.headers["retry-after"] == "2"
    finally:
        for _ in range(permits):
            service.examiner._waiting.release()


def test_tiny_network_is_what_these_tests_take_it_for() -> None:
    assert DARK / 255 < MAP_EDGE


def test_tirads_proposes_what_a_person_left_out_from_what_was_measured(client: TestClient) -> None:
    signs = {"taller_than_wide": True, "echogenicity_ratio": 0.5, "cystic_share": None}
    body = {"signs": signs, "composition": "solid or almost completely solid", "longest_mm": 12.0}
    answer = client.post("/api/v1/tirads", json=body).json()
    found = answer["descriptors"]
    assert found["shape"] == "taller-than-wide"
    assert (found["sources"]["shape"], found["sources"]["composition"]) == ("measured", "reader")
    assert found["margin"] is None
    overridden = client.post("/api/v1/tirads", json=body | {"shape": "wider-than-tall"}).json()["descriptors"]
    assert (overridden["shape"], overridden["sources"]["shape"]) == ("wider-than-tall", "reader")
