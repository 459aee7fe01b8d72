"""Level and size -> advice; missing words widen the range; contradictions are told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from thyrosight.errors import InputError
from thyrosight.tirads.assessment import assess
from thyrosight.tirads.descriptors import LEXICON, UNDETERMINED, Descriptors
from tirads_words import (
    ANY,
    COMPOSITIONS,
    EVERY_FOCI,
    FOCI,
    MARGINS,
    MIXED_ISO,
    SHAPES,
    SOLID_HYPO,
    Five,
    described,
    numbers_of,
)

# Sizes.

OF_LEVEL: dict[str, Five] = {
    "1": ("spongiform", "hyperechoic or isoechoic", "wider-than-tall", "smooth", (FOCI[0],)),
    "2": (*MIXED_ISO, "wider-than-tall", "smooth", (FOCI[0],)),
    "3": ("solid or almost completely solid", "hyperechoic or isoechoic", "wider-than-tall", "smooth", (FOCI[0],)),
    "4": (*SOLID_HYPO, "wider-than-tall", "smooth", (FOCI[0],)),
    "5": (*SOLID_HYPO, "taller-than-wide", "smooth", (FOCI[0],)),
}
ACR_SIZES = """
1  0.1:none 100:none
2  0.1:none 100:none
3  1:none 14.9:none 15:follow-up 15.1:follow-up 24.9:follow-up 25:fna 25.1:fna 80:fna
4  1:none 9.9:none 10:follow-up 10.1:follow-up 14.9:follow-up 15:fna 15.1:fna 80:fna
5  1:none 4.9:none 5:follow-up 5.1:follow-up 9.9:follow-up 10:fna 10.1:fna 80:fna
"""
EU_SIZES = """
1  0.1:none 100:none
3  1:none 19.9:none 20:none 20.1:fna 80:fna
4  1:none 14.9:none 15:none 15.1:fna 80:fna
5  1:follow-up 9.9:follow-up 10:follow-up 10.1:fna 80:fna
"""
K_SIZES = """
1  0.1:none 100:none
3  1:follow-up 19.9:follow-up 20:follow-up 20.1:fna 80:fna
4  1:follow-up 10:follow-up 10.1:follow-up 14.9:follow-up 15:follow-up 15.1:fna 80:fna
5  1:follow-up 9.9:follow-up 10:follow-up 10.1:fna 80:fna
"""


def size_cases() -> list[tuple[str, str, float, str]]:
    cases = []
    for system, text in (("acr", ACR_SIZES), ("eu", EU_SIZES), ("k", K_SIZES)):
        for line in text.strip().splitlines():
            level, *pairs = line.split()
            cases += [(system, level, float(mm), action) for mm, action in (pair.split(":") for pair in pairs)]
    return cases


@pytest.mark.parametrize(("system", "level", "longest_mm", "action"), size_cases())
def test_sizes_at_and_beside_every_limit(system: Any, level: str, longest_mm: float, action: str) -> None:
    found = assess(described(OF_LEVEL[level]), longest_mm, system)
    expected = {"1": "1" if system == "acr" else "2"}.get(level, level)
    assert found.lowest_level == found.highest_level == found.level
    assert str(found.level).endswith(expected)
    assert found.advice.action == action
    assert f"{longest_mm:g} mm" in found.advice.words


def test_a_rounding_error_does_not_miss_a_limit() -> None:
    assert assess(described(OF_LEVEL["4"]), 15 - 1e-9).advice.action == "fna"
    assert assess(described(OF_LEVEL["4"]), 15 + 1e-9, "eu").advice.action == "none"


def test_follow_up_names_its_years() -> None:
    years = {
        level: assess(described(OF_LEVEL[level]), mm).advice.words for level, mm in (("3", 16), ("4", 11), ("5", 6))
    }
    assert "1, 3 and 5 years" in years["3"]
    assert "1, 2, 3 and 5 years" in years["4"]
    assert "every year for up to 5 years" in years["5"]
    assert "every 6 months for 1 to 2 years" in assess(described(OF_LEVEL["5"]), 6, "k").advice.words
    assert "active surveillance" in assess(described(OF_LEVEL["5"]), 6, "eu").advice.words
    assert "above 10 mm where risk factors" in assess(described(OF_LEVEL["4"]), 12, "k").advice.words


def test_unknown_size_gives_the_thresholds_and_no_action() -> None:
    found = assess(described(OF_LEVEL["3"]), None)
    assert (found.advice.action, found.advice.words, found.longest_mm) == (None, "size unknown", None)
    assert found.advice.thresholds == "TR3: FNA from 25 mm on; follow-up from 15 mm on, after 1, 3 and 5 years"
    assert assess(described(OF_LEVEL["1"]), None).advice.action == "none"  # at any size


def test_an_open_level_gives_an_action_only_where_all_agree() -> None:
    words = Descriptors(composition=SOLID_HYPO[0], echogenicity="hypoechoic")  # TR4 or TR5
    assert assess(words, 16).advice.action == "fna"
    assert assess(words, 3).advice.action == "none"
    between = assess(words, 12).advice
    assert between.action is None
    assert "follow-up after 1, 2, 3 and 5 years, if TR4" in between.words
    assert "FNA, if TR5" in between.words


@pytest.mark.parametrize("longest_mm", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_length_is_refused(longest_mm: float) -> None:
    with pytest.raises(InputError, match="above zero"):
        assess(Descriptors(), longest_mm)


def test_unknown_system_is_told_its_neighbours() -> None:
    with pytest.raises(InputError, match="'ac' is not known; the nearest is 'acr'; known: acr, eu, k"):
        assess(Descriptors(), 10, "ac")  # type: ignore[arg-type]


@given(five=st.tuples(*ANY), gap=st.integers(0, 4), system=st.sampled_from(["acr", "eu", "k"]))
@example(five=(COMPOSITIONS[0], UNDETERMINED, SHAPES[0], MARGINS[0], EVERY_FOCI[1]), gap=1, system="acr")
@settings(max_examples=150, deadline=None)
def test_to_leave_a_word_out_only_widens_the_range(five: Any, gap: int, system: Any) -> None:
    composition, echogenicity = five[:2]
    if echogenicity == "anechoic" and composition not in (*COMPOSITIONS[:2], None):
        return  # what contradicts itself is in no range
    if composition == COMPOSITIONS[0] and echogenicity not in ("anechoic", UNDETERMINED, None):
        return
    low, high = numbers_of(assess(described(five), None, system))
    if composition == UNDETERMINED or (echogenicity == UNDETERMINED and (system == "k" or gap == 1)):
        return  # `cannot be determined` is a finding of its own, which fills no gap
    wider_low, wider_high = numbers_of(assess(described((*five[:gap], None, *five[gap + 1 :])), None, system))
    assert wider_low <= low <= high <= wider_high


def test_nothing_said_is_everything_possible() -> None:
    for system, ends in (("acr", (1, 5)), ("eu", (2, 5)), ("k", (2, 5))):
        found = assess(Descriptors(), 10, system)  # type: ignore[arg-type]
        assert numbers_of(found) == ends
        assert found.level is None
        assert found.missing == tuple(LEXICON)


# What contradicts itself.


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"composition": "spongiform", "foci": ("macrocalcifications",)}, "spongiform, yet macrocalcifications"),
        ({"composition": "spongiform", "margin": "lobulated or irregular"}, "spongiform, yet lobulated"),
        ({"composition": "cystic or almost completely cystic", "shape": "taller-than-wide"}, "yet taller-than-wide"),
        ({"composition": "cystic or almost completely cystic", "echogenicity": "hypoechoic"}, "yet hypoechoic"),
        ({"composition": "solid or almost completely solid", "echogenicity": "anechoic"}, "anechoic, yet solid"),
        ({"margin": "extra-thyroidal extension"}, "until proven otherwise"),
    ],
)
def test_contradictions_are_told(words: dict[str, Any], told: str) -> None:
    for system in ("acr", "eu", "k"):
        assert any(told in warning for warning in assess(Descriptors(**words), 10, system).warnings)  # type: ignore[arg-type]


def test_what_does_not_contradict_itself_is_not_warned_of() -> None:
    for level in ("2", "3", "4", "5"):
        assert assess(described(OF_LEVEL[level]), 10).warnings == ()
    comet_tails = ("none or large comet-tail artifacts", "punctate echogenic foci")
    assert assess(described((*SOLID_HYPO, "wider-than-tall", "smooth", comet_tails)), 10).points == 7


def test_a_level_is_proposed_unless_the_readers_words_alone_give_it() -> None:
    every = dict.fromkeys(LEXICON, "measured")

    def is_proposed(composition: str, *, by_reader: tuple[str, ...], system: Any = "acr") -> bool:
        sources: Any = {name: "reader" if name in by_reader else source for name, source in every.items()}
        words = Descriptors(composition=composition, echogenicity="very hypoechoic", shape="taller-than-wide",
                            margin="smooth", foci=(FOCI[0],), sources=sources)  # fmt: skip
        return assess(words, None, system).is_level_proposed

    solid = "solid or almost completely solid"
    assert is_proposed(solid, by_reader=())
    assert is_proposed(solid, by_reader=("composition",))
    assert not is_proposed(solid, by_reader=("composition", "echogenicity", "shape")), "8 points, whatever the others"
    assert not is_proposed("spongiform", by_reader=("composition",)), "nothing is added to a spongiform nodule"
    assert not is_proposed(solid, by_reader=tuple(LEXICON))
    assert is_proposed(solid, by_reader=("composition",), system="eu")
