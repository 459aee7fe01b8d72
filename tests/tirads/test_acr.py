"""ACR TI-RADS: every combination of descriptors against the chart, typed anew here."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from thyrosight.phantom.nodule import draw_descriptors
from thyrosight.phantom.records import PhantomSettings, tirads_level, tirads_points
from thyrosight.tirads.assessment import assess
from thyrosight.tirads.descriptors import LEXICON, Descriptors, term_of
from tirads_words import (
    CHART_ROWS,
    COMPOSITIONS,
    ECHOGENICITIES,
    EVERYTHING,
    FOCI,
    MARGINS,
    SHAPES,
    Five,
    described,
    numbers_of,
)

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
