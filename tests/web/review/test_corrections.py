"""Readings: each reader has one, none replaces another unseen, nothing is lost, the network's outline stays its own."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from reader_desk import Desk, as_findings, said_by_csv, said_by_seg, said_by_sr
from thyrosight.web.review import corrections
from thyrosight.web.review.outlines import NOT_SEEN


@pytest.fixture
def item(desk: Desk) -> str:
    return desk.send()


def square(x0: float, y0: float, side: float) -> list[list[float]]:
    return [[x0, y0], [x0 + side, y0], [x0 + side, y0 + side], [x0, y0 + side]]


def test_a_deleted_nodule_takes_its_number_with_it(desk: Desk, item: str) -> None:
    first, second = as_findings(desk.nodules(item))
    added = {"outline_xy": square(70, 5, 12), "note": "new"}
    kept = desk.save(item, {"findings": [added, second]}).json()
    assert [(one["number"], one["note"]) for one in kept["findings"]] == [(2, ""), (3, "new")]
    assert kept["next_number"] == 4
    again = desk.save(item, {"findings": [first, second]}, kept["etag"]).json()
    assert [one["number"] for one in again["findings"]] == [1, 2], "back from its deletion, it is nodule 1 again"
    desk.restart()
    last = desk.save(item, {"findings": [second, {"outline_xy": square(70, 5, 13)}]}, again["etag"]).json()
    assert [one["number"] for one in last["findings"]] == [2, 4], "3 was another nodule"


def test_outlines_without_uids_are_the_nodules_that_they_overlap(desk: Desk, item: str) -> None:
    first, second = desk.nodules(item)
    moved = [[x + 1, y] for x, y in second["outline_xy"]]
    given = {"outlines_xy": [square(70, 5, 12), moved, first["outline_xy"]], "descriptors": [{}, {}, {}]}
    kept = desk.save(item, given).json()
    assert [one["uid"] for one in kept["findings"][:2]] == [first["uid"], second["uid"]]
    assert [one["origin"] for one in kept["findings"]] == ["network", "network_changed", "person"]


def test_untouched_outlines_leave_as_the_networks(desk: Desk, item: str) -> None:
    nodules = desk.nodules(item)
    findings = as_findings(nodules)
    findings[1]["outline_xy"] = [[x + 1, y] for x, y in nodules[1]["outline_xy"]]
    findings += [{"outline_xy": square(70, 5, 12)}, {"outline_xy": square(5, 95, 15), "drawn_with": "click"}]
    kept = desk.save(item, {"findings": findings}).json()
    wanted = ["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL", "SEMIAUTOMATIC"]
    origins = said_by_seg(desk.export(item, "seg").content).others["origins"]
    assert [origins[one["uid"]] for one in kept["findings"]] == wanted
    assert kept["changes_network"]


def test_an_agreed_reading_has_every_figure_of_the_network(desk: Desk, item: str) -> None:
    """Half of the untouched outlines had other signs, for the whole image was taken as the view."""
    nodules = desk.nodules(item)
    kept = desk.save(item, {"findings": as_findings(nodules)}).json()
    assert not kept["changes_network"]
    assert [one["nodule"] for one in kept["findings"]] == nodules
    for nodule in nodules:  # each on its own as well: the other nodule is no tissue around it
        answer = desk.client.post(desk.path(item, "measure"), json={"outlines_xy": [nodule["outline_xy"]]}).json()
        assert answer == [{name: nodule[name] for name in answer[0]}]


def test_what_a_person_adds_has_no_risk_that_is_not_its_own(desk: Desk, item: str) -> None:
    findings = [*as_findings(desk.nodules(item)), {"outline_xy": square(70, 5, 12)}]
    kept = desk.save(item, {"findings": findings}).json()
    *seen, added = kept["findings"]
    assert all(one["nodule"]["risk"] is not None for one in seen)
    assert (added["nodule"]["risk"], added["nodule"]["risk_interval"]) == (None, None)
    assert added["nodule"]["risk_reason"] == NOT_SEEN


def test_nothing_is_replaced_unseen(desk: Desk, item: str) -> None:
    findings = as_findings(desk.nodules(item))
    mine = desk.save(item, {"findings": findings, "note": "mine"})
    assert mine.headers["etag"] == mine.json()["etag"]
    unseen = desk.save(item, {"findings": [], "note": "blind"})
    assert (unseen.status_code, unseen.json()["error"]["code"]) == (428, "no_version")
    other = desk.save(item, {"findings": findings[:1], "note": "other"}, mine.json()["etag"])
    assert other.status_code == 200
    late = desk.save(item, {"findings": [], "note": "late"}, mine.json()["etag"])
    assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")
    theirs, yours = (entry["reading"] for entry in late.json()["error"]["detail"])
    assert theirs == other.json()
    assert (yours["note"], yours["findings"]) == ("late", [])
    assert desk.client.get(desk.path(item, "correction")).json() == other.json()
    unseen = desk.client.delete(desk.path(item, "correction"))
    assert unseen.status_code == 428
    assert desk.client.delete(desk.path(item, "correction"), headers={"If-Match": '"v1"'}).status_code == 409
    seen = {"If-Match": other.json()["etag"]}
    assert desk.client.delete(desk.path(item, "correction"), headers=seen).status_code == 204
    history = desk.client.get(desk.path(item, "history")).json()
    assert [(one["version"], one["action"]) for one in history] == [(1, "saved"), (2, "saved"), (3, "removed")]
    assert desk.client.get(desk.path(item, "history/1")).json() == mine.json()
    for tag in (other.json()["etag"], "*"):
        gone = desk.save(item, {"findings": []}, tag)
        assert gone.status_code == 409, "removed meanwhile"
        assert "none any more" in gone.json()["error"]["message"]
    assert desk.save(item, {"findings": []}).json()["version"] == 4


def test_each_reader_has_a_reading_and_a_third_sees_how_far_they_agree(desk: Desk, item: str) -> None:
    first, second = as_findings(desk.nodules(item))
    words = {"echogenicity": "very hypoechoic", "composition": "solid or almost completely solid"}
    desk.save(item, {"findings": [first, second], "who": "Ann"})
    wider = {**first, "outline_xy": [[x, y - 1 if y < 70 else y + 1] for x, y in first["outline_xy"]]}
    added = {"outline_xy": square(70, 5, 12)}
    desk.save(item, {"findings": [{**wider, "descriptors": words}, added], "who": "Bob"})
    read = desk.client.get(desk.path(item, "readings")).json()
    assert [one["who"] for one in read["readings"]] == ["Bob", "Ann"]
    (agreement,) = read["agreement"]
    (pair,) = agreement["pairs"]
    assert (pair["uid_a"], pair["uid_b"]) == (first["uid"], first["uid"])
    assert 0.9 < pair["dice"] < 1
    assert -2.5 < pair["longest_difference_px"] < 0
    assert pair["level_a"] == "TR5" != pair["level_b"]
    assert agreement["only_b"] == [second["uid"]]
    assert len(agreement["only_a"]) == 1
    assert 0.3 < agreement["dice"] < 0.9
    of_ann = desk.client.get(desk.path(item, "correction"), params={"who": "Ann"}).json()
    assert [one["uid"] for one in of_ann["findings"]] == [first["uid"], second["uid"]]
    assert len(desk.export(item, "json", who="Ann").json()["person"][0]["findings"]) == 2
    assert desk.client.get(desk.path(item, "correction"), params={"who": "Eve"}).status_code == 404


def test_two_pages_save_200_times_and_every_conflict_is_told(desk: Desk, item: str) -> None:
    """What a page is told as saved is in the history; what is refused is told, with what is kept instead."""
    findings = as_findings(desk.nodules(item))
    told: list[tuple[int, str, str | None]] = []
    lock = threading.Lock()

    def work(name: str) -> None:
        rng, etag = random.Random(name), None
        for number in range(100):
            note = f"{name} {number}"
            answer = desk.save(item, {"findings": findings, "note": note}, etag)
            with lock:
                told.append((answer.status_code, note, answer.json().get("etag")))
            if answer.status_code == 200:
                etag = answer.json()["etag"]
            else:
                etag = answer.json()["error"]["detail"][0]["reading"]["etag"]
            if rng.random() < 0.3:
                etag = desk.client.get(desk.path(item, "correction")).json()["etag"]

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    saved = {etag: note for status, note, etag in told if status == 200}
    assert len(told) == 200
    assert {status for status, _, _ in told} <= {200, 409, 428}
    history = desk.client.get(desk.path(item, "history")).json()
    assert [one["version"] for one in history] == list(range(1, len(saved) + 1)), "no version twice, none lost"
    notes = [desk.client.get(desk.path(item, f"history/{one['version']}")).json()["note"] for one in history]
    assert dict(zip([one["etag"] for one in history], notes, strict=True)) == saved


def test_a_correction_of_an_earlier_version_is_the_first_reading(desk: Desk, item: str) -> None:
    kept = desk.save(item, {"findings": as_findings(desk.nodules(item)), "note": "old", "who": "Ann"}).json()
    folder = next(path for path in Path(desk.folder, "jobs").glob(f"*/{item}"))
    names = (
        "outlines_xy",
        "descriptors",
        "system",
        "note",
        "who",
        "when",
        "measures",
        "model",
        "item_id",
        "frame_index",
    )
    old = {name: kept[name] for name in names} | {"schema_version": 1}
    old["descriptors"] = [{} for _ in old["outlines_xy"]]
    for path in (folder / "readings").rglob("*.json"):
        path.unlink()
    (folder / "readings" / "0").rmdir()
    (folder / "frames" / "0" / "correction.json").write_text(json.dumps(old))
    found = desk.client.get(desk.path(item, "correction")).json()
    assert (found["version"], found["who"], found["note"]) == (1, "Ann", "old")
    assert [one["nodule"] for one in found["findings"]] == [one["nodule"] for one in kept["findings"]]


@pytest.mark.parametrize(
    "findings",
    [
        [{"outline_xy": square(5, 5, 9), "uid": "1.2.3"}, {"outline_xy": square(50, 5, 9), "uid": "1.2.3"}],
        [{"outline_xy": square(5, 5, 9), "uid": "no uid"}],
        [{"outline_xy": square(5, 5, 9), "descriptors": {"shape": "round"}}],
        [{"outline_xy": square(5, 5, 900)}],
    ],
)
def test_findings_that_are_none_are_refused_and_nothing_is_kept(desk: Desk, item: str, findings: Any) -> None:
    assert desk.save(item, {"findings": findings}).status_code == 422
    assert desk.save(item, {}).status_code == 422
    assert desk.client.get(desk.path(item, "history")).json() == []


def test_text_of_a_reader_holds_nothing_that_a_file_must_not_hold(desk: Desk, item: str) -> None:
    """Control characters, and marks that turn the direction of writing, in notes; letters of all scripts stay."""
    note = "Zyste\x00 \x1b[31m\u202elinks\ufffe\r\n甲状腺 🦋\tA\u0308"
    clean = "Zyste [31mlinks\n甲状腺 🦋\tA\u0308"
    findings = [{**one, "note": note} for one in as_findings(desk.nodules(item))]
    kept = desk.save(item, {"findings": findings, "note": note, "who": "Dr. A\u0308nn", "when": "to\x07day"}).json()
    assert (kept["note"], kept["when"], kept["who"]) == (clean, "today", "Dr. \u00c4nn")
    for notes in (said_by_csv(desk.export(item, "csv").text).notes, said_by_sr(desk.export(item, "sr").content).notes):
        assert notes is not None
        assert set(notes.values()) == {clean}
    again = desk.save(item, {"findings": [], "who": "Dr. \u00c4nn"})
    assert again.status_code == 428, "the same name, typed on another machine"


def test_one_outline_twice_is_refused_and_both_are_named(desk: Desk, item: str) -> None:
    first, second = as_findings(desk.nodules(item))
    new = {"outline_xy": square(70, 5, 30)}
    twice = [first, {**second, "outline_xy": first["outline_xy"]}]
    nearly = [first, new, {"outline_xy": [[70, 5], [100, 5], [100, 36], [70, 36]]}]  # 961 of 992 pixels
    for given, names in (
        ({"findings": twice}, "nodule 1 and nodule 2 have the same outline (they overlap by 100%)"),
        ({"findings": nearly}, "outline 2, which is new, and outline 3, which is new, have the same outline"),
        ({"outlines_xy": [new["outline_xy"]] * 2}, "outline 1, which is new, and outline 2"),
    ):
        answer = desk.save(item, given)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "same_outline")
        assert names in answer.json()["error"]["message"]
    assert desk.client.get(desk.path(item, "history")).json() == []
    apart = [first, second, new, {"outline_xy": square(72, 7, 30)}]
    assert desk.save(item, {"findings": apart}).status_code == 200, "a real overlap may be: a nodule on a nodule"


def test_a_caliper_outside_the_image_is_refused(desk: Desk, item: str) -> None:
    for x, y in ((-1, 5), (5, -1), (160, 5), (5, 120), (1e5, 5)):
        answer = desk.save(item, {"findings": [], "calipers_xy": [[[5, 5], [9, 9]], [[5, 5], [x, y]]]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "outside_image"), (x, y)
        assert answer.json()["error"]["message"].startswith("caliper 2: ")
    assert desk.save(item, {"findings": [], "calipers_xy": [[[0, 0], [159, 119]]]}).status_code == 200


def test_measuring_again_replaces_no_reading_that_is_saved_meanwhile(
    desk: Desk, item: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another model, or another spacing: the worker measures, and the reader saves at the same moment."""
    findings = as_findings(desk.nodules(item))
    first = desk.save(item, {"findings": findings, "note": "first"}).json()
    row = desk.service.item(item)
    predictor, examination = desk.service.examiner.examination(row, 0)
    model = examination.prediction.model.model_copy(update={"id": "0" * 16})
    newer = replace(examination, prediction=examination.prediction.model_copy(update={"model": model}))
    measured = corrections.measured_nodules
    answers = []

    def while_it_measures(*arguments: Any, **options: Any) -> Any:
        if not answers:
            answers.append(None)
            answers.append(desk.save(item, {"findings": findings[:1], "note": "meanwhile"}, first["etag"]))
        return measured(*arguments, **options)

    monkeypatch.setattr(corrections, "measured_nodules", while_it_measures)
    corrections.measure_again(desk.service.store, row, predictor, newer)
    assert answers[1].status_code == 200
    now = desk.client.get(desk.path(item, "correction")).json()
    assert (now["note"], len(now["findings"]), now["model"]["id"]) == ("meanwhile", 1, "0" * 16)
    assert [one["version"] for one in desk.client.get(desk.path(item, "history")).json()] == [1, 2, 3]


def test_what_was_measured_on_another_result_is_not_kept(
    desk: Desk, item: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, store = desk.service.item(item), desk.service.store
    measured = corrections.measured_nodules

    def and_the_worker_comes_first(*arguments: Any, **options: Any) -> Any:
        found = store.prediction(row, 0)
        assert found is not None
        store.write_result(row, 0, found.model_copy(update={"seconds": found.seconds + 1}).to_json())
        return measured(*arguments, **options)

    monkeypatch.setattr(corrections, "measured_nodules", and_the_worker_comes_first)
    answer = desk.save(item, {"findings": as_findings(desk.nodules(item))})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_ready")
    assert desk.client.get(desk.path(item, "history")).json() == []


def test_of_an_item_that_is_deleted_meanwhile_nothing_comes_back(
    desk: Desk, item: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = desk.save(item, {"findings": []}).json()["etag"]
    row = desk.service.item(item)
    monkeypatch.setattr(corrections, "check_version", lambda *_: desk.service.store.remove(row.job_id))
    path = desk.path(item, "correction")
    for answer in (
        desk.client.delete(path, headers={"If-Match": etag}),
        desk.client.put(path, json={"findings": []}, headers={"If-Match": etag}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) in ((404, "not_found"), (409, "damaged"))
    assert not desk.service.store.item_folder(row).exists()
