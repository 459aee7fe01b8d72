"""Examination -> the report's sentences: nothing of the list is missing, proposals and readings stay apart."""

from __future__ import annotations

import pytest

from examinations import examined, full_examination, nodule_of, signs_of_nodule
from thyrosight.examination.records import CaliperSizes, Section, ThyroidExam
from thyrosight.results.examinations.content import DRAFT, report_content
from thyrosight.results.examinations.plain_text import report_text


def test_nothing_of_the_list_is_missing() -> None:
    earlier = examined([(14, 9, 9), (9, 8, 7)], places=[("right", "upper"), ("left", "lower")])
    text = report_text(report_content(full_examination(), earlier))
    for told in (
        *("Case 17", "2026-01-20", "palpable nodule", "linear probe, 12 MHz", "outside report of 2024", "2026-01-01"),
        *("52 × 20 × 18 mm (length × width × depth), 9.8 ml; homogeneous", "3.2 mm thick", "17.0 ml"),
        *("Nodule 1: right lobe, upper third", "Nodule 2: left lobe, lower third"),
        *("composition solid", "echogenicity very hypoechoic", "shape taller-than-wide", "margin lobulated"),
        *("echogenic foci punctate", "TR5", "13 points", "close to the capsule", "FNA (longest diameter 20 mm)"),
        *("no suspicious cervical lymph node", "trachea in the midline", "Suspicious nodule on the right."),
        "Strictest advice: fine-needle aspiration (FNA) (nodule 1)",
        "Signed: Dr. B. Reader, 2026-01-20T10:00:00Z",
        "This risk assumes that 10 % of the nodules are malignant.",
        "earlier nodule 1 of 2026-01-01",
        "Research use only; not a medical device.",
    ):
        assert told in text, told
    assert DRAFT not in text


def test_proposals_and_readings_stay_apart() -> None:
    first, second = report_content(full_examination()).nodules
    assert not first.proposed
    assert not first.is_proposed
    assert not second.read
    assert second.is_proposed
    assert ("composition", "solid or almost completely solid") in second.proposed
    assert any("views paired by the program, to be confirmed" in line for line in second.measured)
    assert first.network == (
        "1 trans: outlined by the reader alone, so the network gives no risk for it",
        "1 long: outlined by the reader alone, so the network gives no risk for it",
    )
    assert second.network[0] == "2 trans: risk of malignancy 25% (95 % interval 12% to 50%)"


def test_an_unsigned_report_is_a_draft() -> None:
    content = report_content(full_examination(signed=None))
    assert (content.status, content.signature) == (DRAFT, "")
    assert DRAFT in report_text(content)


def test_without_a_risk_there_is_no_sentence_on_it() -> None:
    content = report_content(examined([(20, 12, 14)]))
    assert content.risk_sentences == ()
    assert report_content(full_examination()).risk_sentences == (
        "Risk: pathology of the nodule. This risk assumes that 10 % of the nodules are malignant.",
    )


def test_what_is_not_known_is_said() -> None:
    content = report_content(ThyroidExam(uid="2.25.1"))
    text = report_text(content)
    assert content.impression == ("No nodule is outlined.",)
    assert content.strictest == "No nodule, so no advice."
    for told in ("Indication: not stated", "Right lobe: not measured", "Isthmus: not measured", "not described"):
        assert told in text


def test_the_shape_is_proposed_from_a_transverse_view_alone() -> None:
    tall = nodule_of(8, 14, signs=signs_of_nodule())
    one = examined([(20, 12, 8)])
    across, along = one.nodules[0].sections
    only_long = one.nodules[0].model_copy(update={"sections": (Section(image=along.image, nodule=tall),)})
    only_across = one.nodules[0].model_copy(update={"sections": (Section(image=across.image, nodule=tall),)})
    shapes = [
        dict(report_content(one.model_copy(update={"nodules": (nodule,)})).nodules[0].proposed).get("shape")
        for nodule in (only_long, only_across)
    ]
    assert shapes == [None, "taller-than-wide"]


def test_the_strictest_advice_names_what_rests_on_proposals_and_what_is_open() -> None:
    one = full_examination()
    unread = one.nodules[0].model_copy(update={"descriptors": None, "calipers": CaliperSizes(width_mm=30)})
    strictest = report_content(one.model_copy(update={"nodules": (unread, one.nodules[1])})).strictest
    assert "open for nodule" in strictest or "by proposed descriptors" in strictest


@pytest.mark.parametrize("system", ["acr", "eu", "k"])
def test_each_system_rates_the_report(system: str) -> None:
    content = report_content(full_examination(system=system))
    assert {"acr": "TR5", "eu": "EU-TIRADS 5", "k": "K-TIRADS 5"}[system] in content.nodules[0].level
