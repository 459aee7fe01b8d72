"""Words of the public sets -> terms of the lexicon."""

from __future__ import annotations

import pytest

from thyrosight.folders.words import to_lexicon
from thyrosight.tirads.descriptors import LEXICON

# the lexicon --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words", "term"),
    [
        ("margin", "ill- defined", "ill-defined"),
        ("margin", "Ill defined ", "ill-defined"),
        ("margin", "well defined smooth", "smooth"),
        ("margin", "well defined", None),
        ("margin", "spiculated", "lobulated or irregular"),
        ("foci", "microcalcification", "punctate echogenic foci"),
        ("foci", "microcalcifications", "punctate echogenic foci"),
        ("foci", "non", "none or large comet-tail artifacts"),
        ("composition", "predominantly cystic", "mixed cystic and solid"),
        ("composition", "dense", None),
        ("echogenicity", "marked hypoechogenicity", "very hypoechoic"),
        ("echogenicity", "hyperechogenicity", "hyperechoic or isoechoic"),
    ],
)
def test_words_of_the_sets_become_the_lexicons(name: str, words: str, term: str | None) -> None:
    assert to_lexicon(name, words) == term


def test_the_lexicons_own_terms_stay() -> None:
    assert all(to_lexicon(name, term) == term for name, terms in LEXICON.items() for term in terms)
