"""ACR TI-RADS 2017: descriptors -> points, points -> level, level and size -> advice.

Tessler et al., J Am Coll Radiol 14 (2017) 587-595, with the chart of the ACR; Tessler, Middleton and Grant, Radiology
287 (2018) 29-36, the user's guide (corrected on 2 April 2018). Rules that are easy to miss:

- The points of all foci add up; in every other category one word counts. Large comet-tail artifacts have no points.
- Spongiform: `do not add further points for other categories`. The nodule has 0 points, TR1, with any other signs.
- Cystic or almost completely cystic: 0 points, and anechoic is 0. The chart ends the count for spongiform nodules only;
  Radiopaedia and some calculators end it for cystic ones too. This module follows the chart and warns the reader.
- Cannot be determined: composition 2 (because of calcification; as solid), echogenicity 1, margin 0. Shape and foci
  have no default.
- The chart has no row for one point. The white paper gives the reason: a nodule with any point has at least 2, because
  the tissue of a mixed nodule (1) has an echogenicity (1 or more). One point comes from contradictory descriptors, such
  as an isoechoic cyst. Calculators differ (TR1 or TR2); here it is TR2, the higher one, with a warning. The advice is
  the same.
- Extra-thyroidal extension is 3 points, and obvious invasion is malignancy until proven otherwise.
- A size at the limit counts as reaching it (>=). For a TR5 of 5 to 9 mm the chart points to the discussion of papillary
  microcarcinomas: follow-up, and FNA if the treating physicians agree on it.
- Follow-up may end after 5 years without growth; a nodule whose level rises is imaged again after a year.
"""

from __future__ import annotations

from thyrosight.tirads.descriptors import (
    ANECHOIC,
    CYSTIC,
    EXTENSION,
    HYPOECHOIC,
    ILL_DEFINED,
    IRREGULAR,
    ISOECHOIC,
    MACRO,
    MIXED,
    NO_FOCI,
    PUNCTATE,
    RIM,
    SMOOTH,
    SOLID,
    SPONGIFORM,
    TALLER,
    UNDETERMINED,
    VERY_HYPOECHOIC,
    WIDER,
    Signs,
)
from thyrosight.tirads.system import Level, SizeRule, System

POINTS: dict[str, dict[str, int]] = {
    "composition": {CYSTIC: 0, SPONGIFORM: 0, MIXED: 1, SOLID: 2, UNDETERMINED: 2},
    "echogenicity": {ANECHOIC: 0, ISOECHOIC: 1, HYPOECHOIC: 2, VERY_HYPOECHOIC: 3, UNDETERMINED: 1},
    "shape": {WIDER: 0, TALLER: 3},
    "margin": {SMOOTH: 0, ILL_DEFINED: 0, IRREGULAR: 2, EXTENSION: 3, UNDETERMINED: 0},
    "foci": {NO_FOCI: 0, MACRO: 1, RIM: 2, PUNCTATE: 3},
}
LEVEL_FROM = ((7, 5), (4, 4), (3, 3), (1, 2), (0, 1))
"""(lowest number of points, level), highest first; the rows of the chart are 0, 2, 3, 4 to 6, 7 and more."""

NEVER = SizeRule("no FNA and no follow-up, at any size")
LEVELS = {
    1: Level("TR1", "benign", NEVER),
    2: Level("TR2", "not suspicious", NEVER),
    3: Level(
        "TR3",
        "mildly suspicious",
        SizeRule(
            "FNA from 25 mm on; follow-up from 15 mm on, after 1, 3 and 5 years",
            fna_mm=25,
            follow_up_mm=15,
            follow_up="after 1, 3 and 5 years",
        ),
    ),
    4: Level(
        "TR4",
        "moderately suspicious",
        SizeRule(
            "FNA from 15 mm on; follow-up from 10 mm on, after 1, 2, 3 and 5 years",
            fna_mm=15,
            follow_up_mm=10,
            follow_up="after 1, 2, 3 and 5 years",
        ),
    ),
    5: Level(
        "TR5",
        "highly suspicious",
        SizeRule(
            "FNA from 10 mm on; follow-up from 5 mm on, every year for up to 5 years",
            fna_mm=10,
            follow_up_mm=5,
            follow_up="every year for up to 5 years; on FNA below 10 mm see the white paper on microcarcinomas",
        ),
    ),
}


def points_of(signs: Signs) -> dict[str, int | None]:
    """Descriptors -> points per category, None where one is missing; a spongiform nodule has 0 in all."""
    if signs.composition == SPONGIFORM:
        return dict.fromkeys(POINTS, 0)
    one_word = {name: POINTS[name].get(getattr(signs, name)) for name in POINTS if name != "foci"}
    return one_word | {"foci": None if signs.foci is None else sum(POINTS["foci"][focus] for focus in signs.foci)}


def total_of(signs: Signs) -> int:
    """Descriptors without gaps -> the sum of their points."""
    return sum(points or 0 for points in points_of(signs).values())


def level_of(signs: Signs) -> int:
    """Descriptors without gaps -> level 1 to 5."""
    return next(level for least, level in LEVEL_FROM if total_of(signs) >= least)


def notes(signs: Signs) -> tuple[str, ...]:
    """Descriptors, perhaps with gaps -> remarks on their points."""
    found = []
    if signs.composition == SPONGIFORM and any(word is not None for word in signs[1:]):
        found.append("spongiform: no points are added for the other categories")
    if None not in signs and total_of(signs) == 1:
        found.append("one point is no row of the chart (0 or at least 2): descriptors contradict; taken as TR2")
    if signs.composition == CYSTIC and None not in signs and level_of(signs) > 1:
        found.append("cystic: the chart adds points all the same; some calculators stop at TR1")
    return tuple(found)


ACR = System(
    name="ACR TI-RADS 2017",
    citation="Tessler et al., J Am Coll Radiol 14 (2017) 587-595, doi:10.1016/j.jacr.2017.01.046; "
    "Tessler et al., Radiology 287 (2018) 29-36, doi:10.1148/radiol.2017171240",
    levels=LEVELS,
    level_of=level_of,
    as_read=lambda signs: signs,
    notes=notes,
    points_of=points_of,
)
