"""EU-TIRADS and K-TIRADS: every combination against their grids, typed anew here."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import pytest

from thyrosight.tirads.assessment import assess
from thyrosight.tirads.descriptors import term_of
from tirads_words import (
    COMPOSITIONS,
    ECHOGENICITIES,
    EVERYTHING,
    MIXED_ISO,
    SOLID_HYPO,
    Five,
    described,
    numbers_of,
)

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
