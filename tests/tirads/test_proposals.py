"""Measured signs -> proposed descriptors; a reader's word overrides them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from thyrosight.tirads.assessment import assess
from thyrosight.tirads.descriptors import LEXICON, Descriptors, override
from thyrosight.tirads.proposals import Limits, MeasuredSigns, propose
from tirads_words import (
    ANY,
    described,
)

# Proposals.


@pytest.mark.parametrize(
    ("signs", "words"),
    [
        ({}, {}),
        ({"taller_than_wide": True}, {"shape": "taller-than-wide"}),
        ({"taller_than_wide": False}, {"shape": "wider-than-tall"}),
        ({"echogenicity_ratio": 0.64}, {"echogenicity": "very hypoechoic"}),
        ({"echogenicity_ratio": 0.65}, {"echogenicity": "hypoechoic"}),
        ({"echogenicity_ratio": 0.929}, {"echogenicity": "hypoechoic"}),
        ({"echogenicity_ratio": 0.93}, {"echogenicity": "hyperechoic or isoechoic"}),
        ({"echogenicity_ratio": 1.7}, {"echogenicity": "hyperechoic or isoechoic"}),
        ({"cystic_share": 0.0}, {"composition": "solid or almost completely solid"}),
        ({"cystic_share": 0.08}, {"composition": "mixed cystic and solid"}),
        (
            {"cystic_share": 0.6, "echogenicity_ratio": 0.7},
            {"composition": "cystic or almost completely cystic", "echogenicity": "anechoic"},
        ),
        ({"num_foci": 0}, {}),
        ({"num_foci": 2}, {}),
        ({"num_foci": 3}, {"foci": ("punctate echogenic foci",)}),
    ],
)
def test_proposals(signs: dict[str, Any], words: dict[str, Any]) -> None:
    found = propose(MeasuredSigns(**signs))
    assert {name: word for name in LEXICON if (word := getattr(found, name)) is not None} == words
    assert found.sources == dict.fromkeys(words, "measured")
    assert found.evidence.keys() == words.keys()
    assert all(float(signs[evidence.measure]) == evidence.value for evidence in found.evidence.values())


def test_other_limits_other_words() -> None:
    signs = MeasuredSigns(echogenicity_ratio=0.7, num_foci=2)
    found = propose(signs, Limits(very_hypoechoic_below=0.5, hypoechoic_below=0.6, foci_from=1))
    assert (found.echogenicity, found.foci) == ("hyperechoic or isoechoic", ("punctate echogenic foci",))
    with pytest.raises(ValidationError, match="limits must rise"):
        Limits(mixed_from=0.5, cystic_from=0.4)


def test_a_reader_overrides_and_the_level_follows() -> None:
    signs = MeasuredSigns(cystic_share=0, echogenicity_ratio=0.7, taller_than_wide=True, num_foci=5)
    proposed = propose(signs)
    before = assess(proposed, 12)
    assert (before.level, before.proposed) == ("TR5", ("composition", "echogenicity", "shape", "foci"))
    reader = Descriptors(shape="wider-than-tall", margin="smooth", foci=("none or large comet-tail artifacts",))
    after = assess(override(proposed, reader), 12)
    assert (after.level, after.points) == ("TR4", 4)
    assert after.proposed == ("composition", "echogenicity")
    assert after.descriptors.sources["margin"] == "reader"
    assert after.descriptors.evidence.keys() == {"composition", "echogenicity"}


@given(five=st.tuples(*ANY), other=st.tuples(*ANY))
@settings(max_examples=100, deadline=None)
def test_overriding(five: Any, other: Any) -> None:
    proposed, person = described(five), described(other)
    assert override(proposed, Descriptors()) == proposed
    assert override(Descriptors(), person) == person
    both = override(proposed, person)
    assert all(
        one == (mine if mine is not None else theirs)
        for one, mine, theirs in zip(both.signs, person.signs, proposed.signs, strict=True)
    )
