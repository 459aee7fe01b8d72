"""Words of the lexicon: as people type them, who gave them, and as JSON."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from thyrosight.errors import InputError
from thyrosight.tirads.assessment import Assessment, assess
from thyrosight.tirads.descriptors import LEXICON, UNDETERMINED, Descriptors, term_of
from thyrosight.tirads.proposals import MeasuredSigns, propose
from tirads_words import (
    CHART_ROWS,
)

# Words and who said them.


def test_the_lexicon_is_the_charts() -> None:
    assert {name: list(terms) for name, terms in LEXICON.items()} == {
        name: [word for category, word, _ in CHART_ROWS if category == name and word != UNDETERMINED]
        for name in ("composition", "echogenicity", "shape", "margin", "foci")
    }


@pytest.mark.parametrize(
    ("name", "typed", "term"),
    [
        ("composition", "Solid", "solid or almost completely solid"),
        ("composition", "cystic", "cystic or almost completely cystic"),
        ("composition", "mixed", "mixed cystic and solid"),
        ("composition", "cannot be determined", UNDETERMINED),
        ("echogenicity", "isoechoic", "hyperechoic or isoechoic"),
        ("echogenicity", "Hypoechoic", "hypoechoic"),
        ("echogenicity", "markedly hypoechoic", "very hypoechoic"),
        ("shape", "taller than wide", "taller-than-wide"),
        ("margin", "irregular", "lobulated or irregular"),
        ("margin", "extrathyroidal extension", "extra-thyroidal extension"),
        ("foci", "rim", "peripheral (rim) calcifications"),
        ("foci", "microcalcifications", "punctate echogenic foci"),
        ("foci", "none", "none or large comet-tail artifacts"),
    ],
)
def test_terms_as_people_type_them(name: str, typed: str, term: str) -> None:
    assert term_of(name, typed) == term


@pytest.mark.parametrize(
    ("name", "typed", "nearest"),
    [
        ("composition", "spongyform", "spongiform"),
        ("margin", "smoth", "smooth"),
        ("foci", "microcalcs", "punctate echogenic foci"),
        ("echogenicity", "anechoeic", "anechoic"),
        ("shape", UNDETERMINED, None),
        ("composition", "", None),
    ],
)
def test_an_unknown_word_is_told_the_nearest_and_all(name: str, typed: str, nearest: str | None) -> None:
    with pytest.raises(InputError) as told:
        term_of(name, typed)
    assert all(term in str(told.value) for term in LEXICON[name])
    assert nearest is None or f"the nearest is '{nearest}'" in str(told.value)
    with pytest.raises(ValidationError, match="no one term of the lexicon"):
        Descriptors(**{name: (typed,) if name == "foci" else typed})


def test_a_word_that_fits_several_terms_is_told_which() -> None:
    with pytest.raises(InputError, match=r"it fits macrocalcifications, peripheral \(rim\) calcifications;"):
        term_of("foci", "Calcifications")


def test_descriptors_are_frozen_and_know_no_others() -> None:
    words = Descriptors(composition="spongiform")
    with pytest.raises(ValidationError):
        words.composition = None  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Descriptors(colour="blue")  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="sources of shape, which is not given"):
        Descriptors(composition="spongiform", sources={"shape": "reader"})


def test_foci_are_in_one_order_and_an_empty_list_says_nothing() -> None:
    both = Descriptors(foci=("punctate echogenic foci", "macrocalcifications", "punctate echogenic foci"))
    assert both.foci == ("macrocalcifications", "punctate echogenic foci")
    assert Descriptors(foci=()).missing == tuple(LEXICON)


def test_a_word_without_a_source_is_the_readers() -> None:
    words = Descriptors(composition="spongiform", shape="wider-than-tall", sources={"shape": "network"})
    assert words.sources == {"composition": "reader", "shape": "network"}
    assert words.proposed == ("shape",)


def test_records_survive_their_json() -> None:
    found = assess(propose(MeasuredSigns(cystic_share=0.2, echogenicity_ratio=0.7, num_foci=9)), 12)
    again = Assessment.model_validate_json(found.model_dump_json())
    assert again == found
    assert again.descriptors.evidence["foci"].value == 9
