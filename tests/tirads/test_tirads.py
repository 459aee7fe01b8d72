"""TI-RADS: every combination of descriptors against tables written apart from the engine; sizes at every limit.

The tables here are in another form on purpose: the ACR's as one CSV and a chain of comparisons, the pattern systems' as
grids of levels by composition and echogenicity, filled in by hand from the papers' tables. They import no table of the
engine; the words are written out.
"""

from __future__ import annotations

import csv
import itertools
import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from thyrosight.cli import app
from thyrosight.errors import InputError
from thyrosight.phantom.nodule import draw_descriptors
from thyrosight.phantom.records import PhantomSettings, tirads_level, tirads_points
from thyrosight.tirads.assessment import Assessment, assess
from thyrosight.tirads.descriptors import LEXICON, UNDETERMINED, Descriptors, override, term_of
from thyrosight.tirads.proposals import Limits, MeasuredSigns, propose

Five = tuple[Any, Any, Any, Any, Any]
runner = CliRunner()

CHART = """
composition,cystic or almost completely cystic,0
composition,spongiform,0
composition,mixed cystic and solid,1
composition,solid or almost completely solid,2
composition,cannot be determined,2
echogenicity,anechoic,0
echogenicity,hyperechoic or isoechoic,1
echogenicity,hypoechoic,2
echogenicity,very hypoechoic,3
echogenicity,cannot be determined,1
shape,wider-than-tall,0
shape,taller-than-wide,3
margin,smooth,0
margin,ill-defined,0
margin,lobulated or irregular,2
margin,extra-thyroidal extension,3
margin,cannot be determined,0
foci,none or large comet-tail artifacts,0
foci,macrocalcifications,1
foci,peripheral (rim) calcifications,2
foci,punctate echogenic foci,3
"""
CHART_ROWS = list(csv.reader(CHART.strip().splitlines()))
COMPOSITIONS, ECHOGENICITIES, SHAPES, MARGINS, FOCI = (
    [word for category, word, _ in CHART_ROWS if category == name]
    for name in ("composition", "echogenicity", "shape", "margin", "foci")
)
EVERY_FOCI: list[Any] = [None] + [some for number in range(1, 5) for some in itertools.combinations(FOCI, number)]
EVERYTHING: list[Five] = list(
    itertools.product([*COMPOSITIONS, None], [*ECHOGENICITIES, None], [*SHAPES, None], [*MARGINS, None], EVERY_FOCI)
)


def described(five: Five) -> Descriptors:
    return Descriptors(**dict(zip(("composition", "echogenicity", "shape", "margin", "foci"), five, strict=True)))


def numbers_of(found: Assessment) -> tuple[int, int]:
    """-> lowest and highest level, as numbers."""
    return int(found.lowest_level[-1]), int(found.highest_level[-1])


# ACR, by the chart.


def chart_points(category: str, word: str) -> int:
    return next(int(points) for one, other, points in CHART_ROWS if (one, other) == (category, word))


def chart_level(points: int) -> int:
    if points >= 7:
        return 5
    if 4 <= points <= 6:
        return 4
    if points == 3:
        return 3
    return 2 if points in (1, 2) else 1  # the chart has no row for one point: upwards


def chart_range(five: Five) -> tuple[int, int]:
    """Descriptors, perhaps with gaps -> fewest and most points, counted a category at a time."""
    composition, echogenicity, shape, margin, foci = five
    if composition == "spongiform":
        return 0, 0
    low, high = inside_points(composition, echogenicity)
    low += 0 if shape is None else chart_points("shape", shape)
    high += 3 if shape is None else chart_points("shape", shape)
    low += 0 if margin is None else chart_points("margin", margin)
    high += 3 if margin is None else chart_points("margin", margin)
    low += sum(chart_points("foci", focus) for focus in foci or ())
    high += 6 if foci is None else sum(chart_points("foci", focus) for focus in foci)
    return (0 if composition is None else low), high  # an unsaid composition may yet be spongiform


def inside_points(composition: Any, echogenicity: Any) -> tuple[int, int]:
    """Composition and echogenicity -> fewest and most points of both; anechoic is for what has no tissue, and its."""
    if composition is not None and echogenicity is not None:
        both = chart_points("composition", composition) + chart_points("echogenicity", echogenicity)
        return both, both
    if composition is None and echogenicity is None:
        return 0, 2 + 3
    if composition is None:
        return 0, (0 if echogenicity == "anechoic" else 2) + chart_points("echogenicity", echogenicity)
    if composition == "cystic or almost completely cystic":
        return 0, 0
    return chart_points("composition", composition) + 1, chart_points("composition", composition) + 3


def test_acr_of_every_combination() -> None:
    assert len(EVERYTHING) == 6 * 6 * 3 * 6 * 16
    wrong = []
    for five in EVERYTHING:
        found = assess(described(five), None)
        low, high = chart_range(five)
        is_as_charted = (
            (found.lowest_points, found.highest_points) == (low, high)
            and numbers_of(found) == (chart_level(low), chart_level(high))
            and found.points == (low if low == high else None)
            and (found.level is None) == (chart_level(low) != chart_level(high))
        )
        if not is_as_charted:
            wrong.append((five, found.lowest_points, found.highest_points, low, high))
    assert not wrong


def test_acr_points_of_each_category_add_up() -> None:
    for five in EVERYTHING[::7]:
        found = assess(described(five), None)
        if None not in five:
            assert sum(points or 0 for points in found.points_by.values()) == found.points
            expected = {
                name: sum(chart_points(name, focus) for focus in word) if name == "foci" else chart_points(name, word)
                for name, word in zip(found.points_by, five, strict=True)
            }
            assert found.points_by == (dict.fromkeys(expected, 0) if five[0] == "spongiform" else expected)
        elif five[0] != "spongiform":
            assert (found.points_by["composition"] is None) == (five[0] is None)
            assert found.points_by["shape"] == (None if five[2] is None else chart_points("shape", five[2]))


@pytest.mark.parametrize(
    ("typed", "points", "level"),
    [  # each counted by hand from the chart
        ("solid, hypoechoic, taller, smooth, punctate", 10, "TR5"),
        ("solid, isoechoic, wider, smooth, none", 3, "TR3"),
        ("mixed, isoechoic, wider, ill-defined, none", 2, "TR2"),
        ("cystic, anechoic, wider, smooth, none", 0, "TR1"),
        ("cystic, anechoic, wider, smooth, punctate", 3, "TR3"),
        ("spongiform, hypoechoic, taller, extra-thyroidal, punctate", 0, "TR1"),
        ("cannot, cannot, wider, cannot, macro", 4, "TR4"),
        ("cannot, cannot, wider, cannot, rim", 5, "TR4"),
        ("solid, very hypoechoic, wider, smooth, macro", 6, "TR4"),
        ("solid, very hypoechoic, wider, smooth, rim", 7, "TR5"),
        ("solid, very hypoechoic, taller, extra-thyroidal, macro + rim + punctate", 17, "TR5"),
    ],
)
def test_acr_by_hand(typed: str, points: int, level: str) -> None:
    *words, foci = typed.split(", ")
    terms = [term_of(name, word) for name, word in zip(LEXICON, words, strict=False)]
    found = assess(described((*terms, tuple(term_of("foci", focus) for focus in foci.split(" + ")))), None)
    assert (found.points, found.level) == (points, level)


def test_one_point_is_told() -> None:
    five = ("cystic or almost completely cystic", "hyperechoic or isoechoic", SHAPES[0], "smooth", (FOCI[0],))
    found = assess(described(five), 40)
    assert (found.points, found.level, found.advice.action) == (1, "TR2", "none")
    assert any("one point" in warning for warning in found.warnings)


def test_a_suspicious_sign_more_never_lowers_the_acr_level() -> None:
    rising = [COMPOSITIONS[:1] + COMPOSITIONS[2:4], ECHOGENICITIES[:4], SHAPES, ["smooth", *MARGINS[2:4]]]
    subsets = [some for number in range(4) for some in itertools.combinations(FOCI[1:], number)]
    level = {
        (*words, some): numbers_of(assess(described((*words, some or (FOCI[0],))), None))[0]
        for words in itertools.product(*rising)
        for some in subsets
    }
    for (*words, some), before in level.items():
        steps = [(*words, other) for other in subsets if set(some) < set(other)]
        for place, terms in enumerate(rising):
            for worse in terms[terms.index(words[place]) + 1 :]:
                steps.append((*words[:place], worse, *words[place + 1 :], some))
        assert all(level[after] >= before for after in steps)
    suspicious = (ECHOGENICITIES[2], SHAPES[1], MARGINS[2], (FOCI[3],))
    assert assess(described(("spongiform", *suspicious)), None).level == "TR1"  # the one rule that lowers
    assert assess(described((COMPOSITIONS[2], *suspicious)), None).level == "TR5"


def test_the_phantoms_count_the_same() -> None:
    rng = np.random.default_rng(4)
    for _ in range(300):
        drawn = draw_descriptors(rng, PhantomSettings())
        chart = drawn.as_chart(tirads_points(drawn))
        foci = tuple(chart.pop("foci").split("; "))
        del chart["tirads"]
        found = assess(Descriptors(**chart, foci=foci), None)
        assert found.points == tirads_points(drawn)
        assert found.level == f"TR{tirads_level(tirads_points(drawn))}"


# EU and Korea, by grids: without a suspicious sign / with one. A range is what gaps leave open.

COLUMNS = ("anechoic", "hyperechoic or isoechoic", "hypoechoic", "very hypoechoic", "cannot be determined", None)
EU_GRID = """
cystic or almost completely cystic  2/2      3/5      4/5      4/5      2/2      2/2
spongiform                          2/2      2/2      2/2      2/2      2/2      2/2
mixed cystic and solid              34/5     3/5      4/5      4/5      34/5     34/5
solid or almost completely solid    35/5     3/5      4/5      5/5      35/5     35/5
cannot be determined                25/25    23/25    24/25    25/25    25/25    25/25
None                                2/2      23/25    24/25    25/25    25/25    25/25
"""
K_GRID = """
cystic or almost completely cystic  2/2      3/4      3/4      3/4      2/2      2/2
spongiform                          2/2      2/2      3/4      3/4      23/24    23/24
mixed cystic and solid              3/4      3/4      3/4      3/4      3/4      3/4
solid or almost completely solid    34/45    3/4      4/5      4/5      34/45    34/45
cannot be determined                24/25    23/24    34/45    34/45    24/25    24/25
None                                2/2      23/24    34/45    34/45    24/25    24/25
"""


@cache
def cells(grid: str) -> dict[tuple[Any, Any], tuple[tuple[int, int], tuple[int, int]]]:
    """Grid -> {(composition, echogenicity): ((low, high) without a sign, (low, high) with one)}."""
    read = {}
    for line in grid.strip().splitlines():
        composition, *levels = [part.strip() for part in line.split("  ") if part.strip()]
        for echogenicity, cell in zip(COLUMNS, levels, strict=True):
            without, with_sign = ((int(part[0]), int(part[-1])) for part in cell.split("/"))
            read[None if composition == "None" else composition, echogenicity] = without, with_sign
    return read


def grid_range(grid: str, five: Five) -> tuple[int, int]:
    """Descriptors -> lowest and highest level, by the grid and by whether there is a sign: yes, no, or not known."""
    composition, echogenicity, shape, margin, foci = five
    without, with_sign = cells(grid)[composition, echogenicity]
    has_sign = (
        shape == "taller-than-wide"
        or margin in ("lobulated or irregular", "extra-thyroidal extension")
        or "punctate echogenic foci" in (foci or ())
    )
    if has_sign:
        return with_sign
    is_known = shape is not None and margin in ("smooth", "ill-defined") and foci is not None
    return without if is_known else (without[0], with_sign[1])


def test_the_grids_hold_every_pair() -> None:
    pairs = set(itertools.product([*COMPOSITIONS, None], [*ECHOGENICITIES, None]))
    assert cells(EU_GRID).keys() == cells(K_GRID).keys() == pairs


def test_eu_of_every_combination() -> None:
    found = {five: assess(described(five), None, "eu") for five in EVERYTHING}
    assert not [five for five in EVERYTHING if numbers_of(found[five]) != grid_range(EU_GRID, five)]
    assert all(one.points is None and one.points_by == {} for one in found.values())


def test_k_of_every_combination() -> None:
    wrong = []
    for five in EVERYTHING:
        expected = grid_range(K_GRID, five)
        hidden = five[:2] == ("cannot be determined", "cannot be determined")
        if hidden and {"macrocalcifications", "peripheral (rim) calcifications"} & set(five[4] or ()):
            expected = (4, 4)  # entirely calcified
        if numbers_of(assess(described(five), None, "k")) != expected:
            wrong.append(five)
    assert not wrong


SOLID_HYPO = ("solid or almost completely solid", "hypoechoic")
MIXED_ISO = ("mixed cystic and solid", "hyperechoic or isoechoic")


@pytest.mark.parametrize(
    ("first", "rest", "eu", "k"),
    [  # by hand from Russ 2017 and Ha 2021, table 5
        (SOLID_HYPO, ("wider-than-tall", "smooth", "none"), 4, 4),
        (SOLID_HYPO, ("taller-than-wide", "smooth", "none"), 5, 5),
        (SOLID_HYPO, ("wider-than-tall", "ill-defined", "macrocalcifications"), 4, 4),
        (MIXED_ISO, ("wider-than-tall", "smooth", "none"), 3, 3),
        (MIXED_ISO, ("wider-than-tall", "smooth", "punctate"), 5, 4),
        (("mixed cystic and solid", "hypoechoic"), ("wider-than-tall", "smooth", "none"), 4, 3),  # where the two differ
        (("solid or almost completely solid", "very hypoechoic"), ("wider-than-tall", "smooth", "none"), 5, 4),
        (("cystic or almost completely cystic", "anechoic"), ("wider-than-tall", "smooth", "none"), 2, 2),
        (("spongiform", "hyperechoic or isoechoic"), ("wider-than-tall", "smooth", "punctate"), 2, 2),
    ],
)
def test_patterns_by_hand(first: tuple[str, str], rest: tuple[str, str, str], eu: int, k: int) -> None:
    words = described((*first, *rest[:2], (term_of("foci", rest[2]),)))
    assert assess(words, None, "eu").level == f"EU-TIRADS {eu}"
    assert assess(words, None, "k").level == f"K-TIRADS {k}"


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


# Gaps.

ANY: Any = [
    st.sampled_from([*terms, None]) for terms in (COMPOSITIONS, ECHOGENICITIES, SHAPES, MARGINS, EVERY_FOCI[1:])
]


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


# The command.

TR4 = ["--composition", "solid", "--echogenicity", "hypoechoic", "--shape", "wider", "--margin", "smooth"]


def test_command_prints_level_points_and_advice() -> None:
    done = runner.invoke(app, ["tirads", *TR4, "--foci", "none", "--longest-mm", "14"])
    assert done.exit_code == 0
    assert "TR4, moderately suspicious" in done.stdout
    assert "4 (composition: 2, echogenicity: 2, shape: 0, margin: 0, foci: 0)" in done.stdout
    assert "follow-up after 1, 2, 3 and 5 years (longest diameter 14 mm)" in done.stdout
    assert done.stderr == ""


def test_command_in_json_is_the_assessment() -> None:
    done = runner.invoke(app, ["tirads", *TR4, "--foci", "macro", "--foci", "punctate", "--system", "k", "--json"])
    found = Assessment.model_validate(json.loads(done.stdout))
    assert (found.level, found.advice.words, found.points) == ("K-TIRADS 5", "size unknown", None)
    assert found.descriptors.foci == ("macrocalcifications", "punctate echogenic foci")


def test_command_says_the_range_and_what_is_missing() -> None:
    done = runner.invoke(app, ["tirads", "--composition", "spongiform", "--margin", "irregular", "--system", "acr"])
    assert "TR1, benign" in done.stdout
    assert "spongiform, yet lobulated or irregular" in done.stderr
    done = runner.invoke(app, ["tirads", *TR4[:4]])
    assert "TR4 to TR5" in done.stdout
    assert "shape, margin, foci" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--composition", "sponge cake"], "spongiform"),
        (["--system", "ac"], "known: acr, eu, k"),
        (["--longest-mm", "0"], "above zero"),
    ],
)
def test_command_refuses_in_one_line(arguments: list[str], told: str) -> None:
    done = runner.invoke(app, ["tirads", *arguments])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
