"""The record of a TI-RADS: levels with their size rules, and the function from complete descriptors to a level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from thyrosight.tirads.descriptors import Signs

Action = Literal["fna", "follow-up", "none"]


@dataclass(frozen=True)
class SizeRule:
    """The advice by longest diameter. fna_mm None: no FNA; follow_up_mm None: no follow-up; 0: at any size.

    is_met_at_limit: whether FNA is advised at fna_mm itself (ACR), or only above it (EU, Korea). in_words: the whole
    rule as text.
    """

    in_words: str
    fna_mm: float | None = None
    is_met_at_limit: bool = True
    follow_up_mm: float | None = None
    follow_up: str = ""
    otherwise: str = "neither FNA nor follow-up"

    def action(self, longest_mm: float) -> Action:
        """Longest diameter in mm -> the advised action."""
        if self.fna_mm is not None and (
            longest_mm > self.fna_mm or (self.is_met_at_limit and longest_mm == self.fna_mm)
        ):
            return "fna"
        if self.follow_up_mm is not None and longest_mm >= self.follow_up_mm:
            return "follow-up"
        return "none"

    @property
    def depends_on_size(self) -> bool:
        """Whether the advice differs between sizes."""
        return self.fna_mm is not None

    def in_words_of(self, action: Action) -> str:
        """One of the rule's actions -> its words."""
        return {"fna": "FNA", "follow-up": f"follow-up {self.follow_up}", "none": self.otherwise}[action]


@dataclass(frozen=True)
class Level:
    """One level: name as in reports, meaning, size rule."""

    name: str
    meaning: str
    rule: SizeRule


@dataclass(frozen=True)
class System:
    """One TI-RADS.

    level_of takes descriptors without gaps, after as_read has translated them into the terms of this system.

    points_of: {category: points, None where it is missing}, for the system with points. notes: remarks for the reader.
    """

    name: str
    citation: str
    levels: Mapping[int, Level]
    level_of: Callable[[Signs], int]
    as_read: Callable[[Signs], Signs]
    notes: Callable[[Signs], tuple[str, ...]]
    points_of: Callable[[Signs], dict[str, int | None]] | None = None
