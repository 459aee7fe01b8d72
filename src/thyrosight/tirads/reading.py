"""Nodule, a person's words -> its TI-RADS assessment; a person's reading of a frame <-> reading.json of a case."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from thyrosight.files import raise_disk_fault, write_atomic
from thyrosight.prediction import Nodule, Record
from thyrosight.tirads.assessment import Assessment, SystemName, assess
from thyrosight.tirads.descriptors import LEXICON, Descriptors, override
from thyrosight.tirads.proposals import MeasuredSigns, propose

READING_NAME = "reading.json"


class RatedNodule(Record):
    """A nodule that a person described: its number in the corrected result, and the TI-RADS of the description."""

    number: int = Field(ge=1)
    assessment: Assessment
    uid: str | None = Field(default=None, description="identifies the nodule in every result")
    note: str = ""
    outline_by: str = Field(default="", description="who drew its outline, in words")


class Reading(Record):
    """A person's words on a frame whose result holds that person's outlines."""

    who: str = ""
    note: str = ""
    nodules: tuple[RatedNodule, ...] = ()
    calipers: tuple[str, ...] = Field(default=(), description="lengths that the person measured, in words")

    def rated(self, number: int) -> RatedNodule | None:
        """Number of a nodule -> the person's words on it; None where there are none."""
        return next((rated for rated in self.nodules if rated.number == number), None)

    def assessment(self, number: int) -> Assessment | None:
        """Number of a nodule -> its assessment; None where the person gave no words for it."""
        found = self.rated(number)
        return found.assessment if found else None


def descriptors_of(words: Mapping[str, Any]) -> Descriptors:
    """{name of descriptor: a person's word} -> Descriptors. Words that are None are left out.

    ValueError for a name or a word outside the lexicon.
    """
    given = {name: word for name, word in words.items() if word is not None and word != []}
    if unknown := sorted(given.keys() - LEXICON.keys()):
        raise ValueError(f"{unknown[0]} is no descriptor; known: {', '.join(LEXICON)}")
    return Descriptors.model_validate(given)


def assess_nodule(nodule: Nodule, words: Mapping[str, Any] | None = None, system: SystemName = "acr") -> Assessment:
    """Nodule, a person's words -> its assessment; measures propose the descriptors that the person left out."""
    descriptors = override(propose(signs_of(nodule)), descriptors_of(words or {}))
    return assess(descriptors, nodule.size.longest_mm, system)


def level_words(assessment: Assessment) -> str | None:
    """-> the level, or the range of levels that is possible; None where neither is known."""
    if assessment.level is not None:
        return assessment.level
    lowest, highest = assessment.lowest_level, assessment.highest_level
    return f"{lowest} to {highest}" if lowest and highest else None


def signs_of(nodule: Nodule) -> MeasuredSigns:
    """-> the nodule's measures in the form that `propose` takes."""
    signs = nodule.signs
    if signs is None:
        return MeasuredSigns(taller_than_wide=nodule.size.taller_than_wide)
    return MeasuredSigns(
        taller_than_wide=nodule.size.taller_than_wide,
        echogenicity_ratio=signs.echogenicity_ratio,
        cystic_share=signs.cystic_share,
        num_foci=signs.num_foci,
    )


def in_words(assessment: Assessment) -> str:
    """Assessment -> one line for people: level, the reader's words, proposals, open descriptors, advice."""
    one = assessment
    level = one.level or f"{one.lowest_level} to {one.highest_level}"
    points = "" if one.points is None else f", {one.points} point{'' if one.points == 1 else 's'}"
    words = {name: getattr(one.descriptors, name) for name in LEXICON if name not in one.missing}
    texts = {name: f"{name} {word if isinstance(word, str) else ', '.join(word)}" for name, word in words.items()}
    read = [texts[name] for name in words if name not in one.proposed]
    proposed = [texts[name] for name in words if name in one.proposed]
    parts = [f"{one.system_name}: {level}{points}"]
    parts += [f"read: {'; '.join(read)}"] if read else []
    parts += [f"proposed by measures, unread: {'; '.join(proposed)}"] if proposed else []
    parts += [f"open: {', '.join(one.missing)}"] if one.missing else []
    parts += [f"advice: {one.advice.words}"] if read else []
    return ". ".join([part[0].upper() + part[1:] for part in parts]) + "."


def write_reading(case_folder: Path, reading: Reading) -> None:
    """Case folder, a person's reading -> reading.json in the folder."""
    write_atomic(case_folder / READING_NAME, reading.model_dump_json(indent=2) + "\n")


def read_reading(case_folder: Path) -> Reading | None:
    """Case folder -> the person's reading in it; None where it holds no reading, or an unreadable one."""
    try:
        return Reading.model_validate_json((case_folder / READING_NAME).read_bytes())
    except (OSError, ValueError) as error:
        raise_disk_fault(error)
        return None
