"""The lexicon's words and the charts of the guidelines, typed anew for the tests."""

from __future__ import annotations

import csv
import itertools
from typing import Any

from hypothesis import strategies as st

from thyrosight.tirads.assessment import Assessment
from thyrosight.tirads.descriptors import Descriptors

Five = tuple[Any, Any, Any, Any, Any]

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


SOLID_HYPO = ("solid or almost completely solid", "hypoechoic")
MIXED_ISO = ("mixed cystic and solid", "hyperechoic or isoechoic")


# Gaps.

ANY: Any = [
    st.sampled_from([*terms, None]) for terms in (COMPOSITIONS, ECHOGENICITIES, SHAPES, MARGINS, EVERY_FOCI[1:])
]


# The command.

TR4 = ["--composition", "solid", "--echogenicity", "hypoechoic", "--shape", "wider", "--margin", "smooth"]
