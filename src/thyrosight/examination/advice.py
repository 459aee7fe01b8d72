"""Nodule of an examination -> its TI-RADS; all nodules -> the strictest advice, by the system that the reader chose.

A descriptor that the reader gave replaces one that the measures propose. The shape (taller-than-wide) is proposed from
a transverse view alone, because the longitudinal view can't show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from thyrosight.examination.records import ExaminedNodule, Section, ThyroidExam
from thyrosight.examination.sizes import NoduleDimensions
from thyrosight.tirads.assessment import Assessment, assess
from thyrosight.tirads.descriptors import Descriptors, override
from thyrosight.tirads.proposals import MeasuredSigns, propose
from thyrosight.tirads.reading import signs_of
from thyrosight.tirads.system import Action

STRICTEST_FIRST: tuple[Action, ...] = ("fna", "follow-up", "none")
ACR_MAX_FNA = 2
"""At most this many nodules are biopsied, those with the most points (Tessler 2017)."""


def nodule_assessment(nodule: ExaminedNodule, examination: ThyroidExam, dimensions: NoduleDimensions) -> Assessment:
    """Nodule, its dimensions -> Assessment.

    Where the reader gave no descriptor, one is proposed and marked as proposed.
    """
    descriptors = override(proposed_descriptors(nodule, examination), nodule.descriptors or Descriptors())
    return assess(descriptors, dimensions.longest_mm, examination.system)


def proposed_descriptors(nodule: ExaminedNodule, examination: ThyroidExam) -> Descriptors:
    """Nodule -> the descriptors that the measures of its leading section propose; none without an outline.

    Taller than wide is proposed from a transverse section alone.
    """
    section = leading_section(nodule, examination)
    if section is None:
        return Descriptors()
    signs = signs_of(section.nodule)
    if examination.image(section.image).view != "transverse":
        signs = MeasuredSigns.model_validate(signs.model_dump() | {"taller_than_wide": None})
    return propose(signs)


def leading_section(nodule: ExaminedNodule, examination: ThyroidExam) -> Section | None:
    """Nodule -> its largest transverse section, or its largest section if none is transverse.

    None without an outline.
    """
    across = [one for one in nodule.sections if examination.image(one.image).view == "transverse"]
    return max(across or nodule.sections, key=lambda one: one.nodule.size.area_px, default=None)


class StrictestAdvice(NamedTuple):
    """action: the strictest advice of all nodules; None where no nodule's advice is known.

    numbers: the nodules with this advice. open_numbers: nodules whose advice is open, because the size or a descriptor
    is missing. unread_numbers: nodules of `numbers` whose level rests on proposals. note: a remark of the TI-RADS
    system.
    """

    action: Action | None
    numbers: tuple[int, ...]
    open_numbers: tuple[int, ...]
    unread_numbers: tuple[int, ...]
    note: str


def strictest_advice(rated: Sequence[tuple[int, Assessment]]) -> StrictestAdvice:
    """(number, Assessment) of all nodules -> the strictest advice."""
    open_numbers = tuple(number for number, one in rated if one.advice.action is None)
    known = [(number, one) for number, one in rated if one.advice.action is not None]
    action = next((action for action in STRICTEST_FIRST if any(one.advice.action == action for _, one in known)), None)
    chosen = [(number, one) for number, one in known if one.advice.action == action]
    note = ""
    if action == "fna" and len(chosen) > ACR_MAX_FNA and chosen[0][1].system == "acr":
        by_points = sorted(chosen, key=lambda pair: -(pair[1].highest_points or 0))
        numbers = " and ".join(str(number) for number, _ in by_points[:ACR_MAX_FNA])
        note = f"ACR TI-RADS advises to biopsy at most two nodules, those with the most points: {numbers}"
    return StrictestAdvice(
        action=action,
        numbers=tuple(number for number, _ in chosen),
        open_numbers=open_numbers,
        unread_numbers=tuple(number for number, one in chosen if one.proposed),
        note=note,
    )
