"""Descriptors, longest diameter, system -> Assessment: level, points, advice; ranges where descriptors are missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Literal

from pydantic import Field

from thyrosight.errors import InputError
from thyrosight.prediction import Record
from thyrosight.tirads.acr import ACR
from thyrosight.tirads.descriptors import Descriptors, Signs, completions, contradictions
from thyrosight.tirads.eu import EU
from thyrosight.tirads.korean import KOREAN
from thyrosight.tirads.system import Action, Level, System

SystemName = Literal["acr", "eu", "k"]
SYSTEMS: dict[str, System] = {"acr": ACR, "eu": EU, "k": KOREAN}
DECIMALS_MM = 1
"""Sizes are compared as they are displayed, in tenths of a millimetre, so that rounding can't miss a limit."""


class Advice(Record):
    """The advice of a system at this size. action: None where the size or the level leaves it open."""

    action: Action | None
    words: str
    thresholds: str = Field(description="the size rule of the level, or of each level still possible, in words")


class Assessment(Record):
    """One nodule in one TI-RADS.

    level is None where missing descriptors leave it open; see lowest_level and highest_level. points: None where they
    are open, and in systems without points. points_by: None for a category without a descriptor. proposed: descriptors
    that no reader gave or confirmed. is_level_proposed: the reader's words alone would not give this level or range.
    """

    system: SystemName
    system_name: str
    level: str | None
    level_words: str | None
    lowest_level: str
    highest_level: str
    points: int | None
    lowest_points: int | None
    highest_points: int | None
    points_by: dict[str, int | None]
    missing: tuple[str, ...]
    proposed: tuple[str, ...]
    is_level_proposed: bool = True
    longest_mm: float | None
    advice: Advice
    warnings: tuple[str, ...]
    source: str
    descriptors: Descriptors


def assess(descriptors: Descriptors, longest_mm: float | None, system: SystemName = "acr") -> Assessment:
    """Descriptors, the nodule's longest diameter in mm (None: unknown), which TI-RADS -> Assessment.

    Where descriptors are missing, every way to fill them is rated, and the result has the range of points and levels.
    InputError for a size that is not above zero, or an unknown system.
    """
    chosen = _system(system)
    if longest_mm is not None and not (math.isfinite(longest_mm) and longest_mm > 0):
        raise InputError(f"longest diameter {longest_mm} mm: give a length above zero, or none where it is not known")
    signs = descriptors.signs
    filled = list(completions(chosen.as_read(signs)))
    numbers = _levels(chosen, filled)
    by_reader = signs._replace(**dict.fromkeys(descriptors.proposed))
    totals = _totals(chosen, filled)
    lowest, highest = chosen.levels[numbers[0]], chosen.levels[numbers[-1]]
    return Assessment(
        system=system,
        system_name=chosen.name,
        level=lowest.name if lowest is highest else None,
        level_words=lowest.meaning if lowest is highest else None,
        lowest_level=lowest.name,
        highest_level=highest.name,
        points=totals[0] if len(totals) == 1 else None,
        lowest_points=totals[0] if totals else None,
        highest_points=totals[-1] if totals else None,
        points_by=chosen.points_of(signs) if chosen.points_of is not None else {},
        missing=descriptors.missing,
        proposed=descriptors.proposed,
        is_level_proposed=_levels(chosen, completions(chosen.as_read(by_reader))) != numbers,
        longest_mm=longest_mm,
        advice=_advice(chosen, numbers, longest_mm),
        warnings=contradictions(signs) + chosen.notes(signs),
        source=chosen.citation,
        descriptors=descriptors,
    )


def _levels(system: System, filled: Iterable[Signs]) -> list[int]:
    """-> every possible level, lowest first."""
    return sorted({system.level_of(one) for one in filled})


def _totals(system: System, filled: list[Signs]) -> list[int]:
    """-> every possible sum of points, fewest first; none in systems without points."""
    if system.points_of is None:
        return []
    return sorted({sum(points or 0 for points in system.points_of(one).values()) for one in filled})


def _advice(system: System, numbers: list[int], longest_mm: float | None) -> Advice:
    """Possible levels, lowest first, and the size -> Advice; its action is None unless all levels agree."""
    levels = [system.levels[number] for number in numbers]
    thresholds = "; or ".join(f"{' or '.join(names)}: {rule}" for rule, names in _names_by(levels, _rule).items())
    if longest_mm is None:
        if any(level.rule.depends_on_size for level in levels):
            return Advice(action=None, words="size unknown", thresholds=thresholds)
        return Advice(action="none", words=levels[0].rule.in_words, thresholds=thresholds)
    size_mm = round(longest_mm, DECIMALS_MM)
    at_size = f" (longest diameter {size_mm:g} mm)"
    actions = {level.rule.action(size_mm) for level in levels}
    names_by_words = _names_by(levels, lambda level: level.rule.in_words_of(level.rule.action(size_mm)))
    if len(names_by_words) == 1:
        words = next(iter(names_by_words))
    else:
        words = "; ".join(f"{what}, if {' or '.join(names)}" for what, names in names_by_words.items())
    return Advice(action=actions.pop() if len(actions) == 1 else None, words=words + at_size, thresholds=thresholds)


def _names_by(levels: list[Level], words_of: Callable[[Level], str]) -> dict[str, list[str]]:
    """Levels, a function that gives the words of a level -> {words: names of the levels with these words}."""
    names: dict[str, list[str]] = {}
    for level in levels:
        names.setdefault(words_of(level), []).append(level.name)
    return names


def _rule(level: Level) -> str:
    return level.rule.in_words


def _system(name: str) -> System:
    if name not in SYSTEMS:
        near = get_close_matches(name, SYSTEMS, n=1, cutoff=0.3)
        hint = f"; the nearest is '{near[0]}'" if near else ""
        raise InputError(f"system '{name}' is not known{hint}; known: {', '.join(SYSTEMS)}")
    return SYSTEMS[name]
