"""The contract of an examination: it round-trips, and refuses what contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from examinations import examined
from thyrosight.examination.records import ThyroidExam, place_in_words
from thyrosight.tirads.descriptors import Descriptors


def test_an_examination_is_read_back_as_it_was() -> None:
    one = examined([(20, 10, 8), (9, 8, 7)], reader="Dr. Ä", signed="2026-01-02T03:04:05Z", remarks="a\nb")
    assert ThyroidExam.model_validate_json(one.to_json()) == one


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda one: one["images"].append(one["images"][0]), "image '1 trans' is there twice"),
        (lambda one: one["nodules"].append(one["nodules"][0]), "number of a nodule '1' is there twice"),
        (lambda one: one["images"].pop(0), "outlined in image '1 trans', which the examination does not hold"),
        (lambda one: one["nodules"][0]["sections"].append(one["nodules"][0]["sections"][0]), "two outlines in image"),
        (lambda one: one.update(signed="2026-01-02"), "signed by nobody"),
        (lambda one: one.update(date="2.1.2026"), "date"),
        (lambda one: one["gland"].update(isthmus_mm=-1), "isthmus_mm"),
        (lambda one: one["nodules"][0].update(uid="abc"), "uid"),
        (lambda one: one.update(colour="red"), "colour"),
    ],
)
def test_what_contradicts_itself_is_refused(change: Any, told: str) -> None:
    content = examined([(20, 10, 8)]).model_dump(mode="json")
    change(content)
    with pytest.raises(ValidationError, match=told):
        ThyroidExam.model_validate(content)


def test_a_proposal_is_no_word_of_the_reader() -> None:
    proposed = Descriptors(composition="spongiform", sources={"composition": "measured"})
    content = examined([(20, 10, 8)]).model_dump(mode="json")
    content["nodules"][0]["descriptors"] = proposed.model_dump(mode="json")
    with pytest.raises(ValidationError, match="reader's words alone"):
        ThyroidExam.model_validate(content)


def test_places_in_words() -> None:
    assert place_in_words("right", "upper", "anterior") == "right lobe, upper third, anterior"
    assert place_in_words("isthmus", None) == "isthmus"
    assert place_in_words(None, None) == "place not stated"
