"""A person's words: rated beside what measures propose, kept apart from the network's in DICOM and on paper."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

import pydicom
from fastapi.testclient import TestClient

import dicom_files as files
from thyrosight.inference.predictor import Predictor
from thyrosight.measurement.size import measure
from thyrosight.prediction import Nodule, Prediction
from thyrosight.results.report import write_results
from thyrosight.tirads.reading import (
    RatedNodule,
    Reading,
    assess_nodule,
    descriptors_of,
    in_words,
    read_reading,
    write_reading,
)
from thyrosight.types import Spacing
from thyrosight.web.app import create_app
from thyrosight.web.service import Service, ServiceLimits
from tiny_bundle import make_tiny_bundle
from web_server import ADDRESS, noisy_frame, post, wait_for

SOLID, HYPO = "solid or almost completely solid", "hypoechoic"
WORDS = {"composition": SOLID, "echogenicity": HYPO, "margin": "smooth", "foci": ["punctate echogenic foci"]}


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"), threads=1)


@pytest.fixture(scope="module")
def client(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with TestClient(
        create_app(Service(predictor, tmp_path_factory.mktemp("data"), ServiceLimits())), base_url=ADDRESS
    ) as one:
        yield one


def nodule(predictor: Predictor, spacing: Spacing | None = None) -> Nodule:
    """-> a disc as wide as high, 12 mm where there is a spacing of 0.2 mm."""
    rows, columns = np.mgrid[:96, :128]
    mask_HW = (rows - 48) ** 2 + (columns - 64) ** 2 <= 30**2
    (found,) = predictor.predict(noisy_frame(1)).nodules
    return found.model_copy(update={"size": measure(mask_HW, spacing), "signs": None})


def test_what_a_person_left_out_is_proposed_and_marked(predictor: Predictor) -> None:
    given = assess_nodule(nodule(predictor, Spacing(0.2, 0.2)), WORDS)
    assert (given.level, given.points, given.proposed) == ("TR5", 7, ("shape",))  # 2 + 2 + 0 + 3, wider than tall 0
    words = in_words(given)
    assert words.startswith("ACR TI-RADS 2017: TR5, 7 points. Read: composition solid")
    assert "Proposed by measures, unread: shape wider-than-tall." in words
    assert "FNA" in words
    alone = assess_nodule(nodule(predictor))
    assert alone.proposed == ("shape",)
    assert "Advice" not in in_words(alone), "measures alone advise nothing"
    assert "Open: composition, echogenicity, margin, foci." in in_words(alone)
    assert assess_nodule(nodule(predictor), WORDS, "eu").system == "eu"


@pytest.mark.parametrize(
    ("words", "said"), [({"colour": "blue"}, "colour is no descriptor"), ({"margin": "nice"}, "nice")]
)
def test_words_that_are_none_are_refused(words: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        descriptors_of(words)
    assert descriptors_of({"margin": None, "foci": []}).missing == descriptors_of({}).missing


def test_a_reading_is_kept_beside_a_result(predictor: Predictor, tmp_path: Path) -> None:
    reading = Reading(
        who="R", note="n", nodules=(RatedNodule(number=1, assessment=assess_nodule(nodule(predictor), WORDS)),)
    )
    write_reading(tmp_path, reading)
    assert read_reading(tmp_path) == reading
    assert read_reading(tmp_path / "nowhere") is None
    assert reading.assessment(2) is None


def test_the_page_holds_each_nodule_in_its_own_unit_with_interval_and_tirads(
    predictor: Predictor, tmp_path: Path
) -> None:
    said = predictor.predict(noisy_frame(1))
    in_mm = nodule(predictor, Spacing(0.2, 0.2)).model_copy(update={"risk": 0.4, "risk_interval": (0.3, 0.52)})
    in_px = nodule(predictor).model_copy(update={"number": 2})
    result = said.model_copy(update={"nodules": (in_mm, in_px)})
    for name in ("network", "person"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(result.to_json(), encoding="utf-8")
    rating = RatedNodule(number=1, assessment=assess_nodule(in_mm, WORDS))
    write_reading(tmp_path / "person", Reading(who="Dr <b>", note="a & b", nodules=(rating,)))
    page = write_results(tmp_path).read_text(encoding="utf-8")
    network, person = page.split('<article class="card"')[1:]
    for card in (network, person):
        assert " mm</td>" in card
        assert " px</td>" in card
        assert "40% <span" in card
        assert "(30–52%)" in card
        assert said.model.id in card
    assert "Read: " not in network
    assert "Reader&#39;s note" in network or "Reader's note" not in network
    assert "TR5, 7 points. Read: composition solid" in person
    assert "Dr &lt;b&gt;" in person
    assert "a &amp; b" in person


def dicom_item(client: TestClient, num_frames: int | None = None) -> str:
    """-> the item id of a DICOM still, or clip, that is done."""
    more: dict[str, Any] = {"SequenceOfUltrasoundRegions": [whole_region()], "StudyInstanceUID": "1.2.3"}
    more |= {"SeriesInstanceUID": "1.2.4", "PatientBirthDate": "", "PatientSex": "", "StudyDate": "", "StudyTime": ""}
    more |= {"StudyID": "", "AccessionNumber": "", "ReferringPhysicianName": "", "SeriesNumber": 1, "InstanceNumber": 1}
    frames = np.stack([noisy_frame(seed) for seed in range(num_frames or 1)])
    if num_frames:
        more |= {"NumberOfFrames": num_frames, "SOPClassUID": files.US_MULTI}
    content = files.native(frames if num_frames else frames[0], **more)
    job = wait_for(client, post(client, ("scan.dcm", content)).json()["id"])
    assert job["state"] == "done", job
    return str(job["items"][0]["id"])


def whole_region() -> Any:
    return files.region(
        RegionLocationMinX0=0, RegionLocationMinY0=0, RegionLocationMaxX1=127, RegionLocationMaxY1=95,
        PhysicalDeltaX=0.02, PhysicalDeltaY=0.02,
    )  # fmt: skip


def square(x0: float, y0: float, side: float) -> list[list[float]]:
    return [[x0, y0], [x0 + side, y0], [x0 + side, y0 + side], [x0, y0 + side]]


def correct(client: TestClient, item_id: str, frame: int = 0, **given: Any) -> Any:
    return client.put(f"/api/v1/items/{item_id}/frames/{frame}/correction", json=given)


def report_of(client: TestClient, item_id: str, **query: str) -> str:
    """-> the SR as text, every item of it."""
    answer = client.get(f"/api/v1/items/{item_id}/export/sr", params=query)
    assert answer.status_code == 200, answer.text
    return str(pydicom.dcmread(io.BytesIO(answer.content)).to_json())


def test_words_and_note_reach_the_dicom_report_by_the_right_nodule(client: TestClient) -> None:
    """The small outline is given first and described; nodules are numbered by size, so it is number 2."""
    item_id = dicom_item(client)
    kept = correct(
        client, item_id, note="cold nodule", who="Cuddy", system="acr",
        outlines_xy=[square(10, 10, 15), square(60, 30, 40)], descriptors=[WORDS, {}],
    )  # fmt: skip
    assert kept.status_code == 200, kept.text
    said = report_of(client, item_id)
    assert "Reader's note: cold nodule" in said
    assert said.count("punctate echogenic foci") == 1
    assert said.count("ACR TI-RADS 2017: TR5") == 1
    assert said.index("TI-RADS echogenic foci") > said.index("Reader's note"), "with the second, smaller nodule"
    by_network = report_of(client, item_id, reader="network")
    assert "TI-RADS echogenic" not in by_network
    assert "cold nodule" not in by_network
    page = client.get(f"/api/v1/items/{item_id}/export/report").text
    network, person = page.split('<article class="card"')[1:]
    assert "cold nodule" in person
    assert "Read: composition" in person
    assert "Read: " not in network
    assert "cold nodule" not in network


def test_on_a_clip_the_words_go_with_the_nodule_and_notes_are_never_lost(client: TestClient) -> None:
    item_id = dicom_item(client, 3)
    result = Prediction.model_validate_json(client.get(f"/api/v1/items/{item_id}/frames/1/result").content)
    ring = [list(point) for point in result.nodules[0].outline_xy]
    assert correct(client, item_id, 1, outlines_xy=[ring], descriptors=[WORDS], system="k").status_code == 200
    assert correct(client, item_id, 2, outlines_xy=[], note="nothing to see").status_code == 200
    said = report_of(client, item_id)
    assert said.count("punctate echogenic foci") == 1
    assert "Reader's note on frame 3: nothing to see" in said
    assert "K-TIRADS" in said


def test_words_that_are_none_of_the_lexicons_are_refused_when_they_are_sent(client: TestClient) -> None:
    item_id = dicom_item(client)
    for words in ({"margin": "nice"}, {"colour": "blue"}, {"foci": [1]}):
        answer = correct(client, item_id, outlines_xy=[square(10, 10, 15)], descriptors=[words])
        assert answer.status_code == 422, answer.text
        assert answer.json()["error"]["code"] == "invalid_request"
        assert "\n" not in answer.json()["error"]["message"]
