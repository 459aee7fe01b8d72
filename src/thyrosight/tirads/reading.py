"""A nodule, a person's words on it -> its TI-RADS; what a person says of a frame <-> reading.json beside a result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from thyrosight.files import write_atomic
from thyrosight.prediction import Nodule, Record
from thyrosight.tirads.assessment import Assessment, SystemName, assess
from thyrosight.tirads.descriptors import LEXICON, Descriptors, override
from thyrosight.tirads.proposals import MeasuredSigns, propose

READING_NAME = "reading.json"


class RatedNodule(Record):
    """A nodule that a person described: its number in the result beside this reading, the TI-RADS that follows."""

    number: int = Field(ge=1)
    assessment: Assessment


class Reading(Record):
    """What a person said of a frame whose result holds that person's outlines."""

    who: str = ""
    note: str = ""
    nodules: tuple[RatedNodule, ...] = ()

    def assessment(self, number: int) -> Assessment | None:
        """-> that of a nodule; None where the person said nothing of it."""
        return next((rated.assessment for rated in self.nodules if rated.number == number), None)


def described(words: Mapping[str, Any]) -> Descriptors:
    """A person's words by name of descriptor, those that are None left out -> Descriptors.

    ValueError for a name or a word that is none of the lexicon's.
    """
    given = {name: word for name, word in words.items() if word is not None and word != []}
    if unknown := sorted(given.keys() - LEXICON.keys()):
        raise ValueError(f"{unknown[0]} is no descriptor; known: {', '.join(LEXICON)}")
    return Descriptors.model_validate(given)


def rated(nodule: Nodule, words: Mapping[str, Any] | None = None, system: SystemName = "acr") -> Assessment:
    """A nodule, a person's words on it -> its assessment: what was measured proposes what the person left out."""
    descriptors = override(propose(signs_of(nodule)), described(words or {}))
    return assess(descriptors, nodule.size.longest_mm, system)


def signs_of(nodule: Nodule) -> MeasuredSigns:
    """-> what was measured of the nodule, as TI-RADS proposals take it."""
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
    """Assessment -> a line for people: level, what a reader said, what measures propose, what is open, the advice."""
    one = assessment
    level = one.level or f"{one.lowest_level} to {one.highest_level}"
    points = "" if one.points is None else f", {one.points} point{'' if one.points == 1 else 's'}"
    words = {name: getattr(one.descriptors, name) for name in LEXICON if name not in one.missing}
    said = {name: f"{name} {word if isinstance(word, str) else ', '.join(word)}" for name, word in words.items()}
    read = [said[name] for name in words if name not in one.proposed]
    proposed = [said[name] for name in words if name in one.proposed]
    parts = [f"{one.system_name}: {level}{points}"]
    parts += [f"read: {'; '.join(read)}"] if read else []
    parts += [f"proposed by measures, unread: {'; '.join(proposed)}"] if proposed else []
    parts += [f"open: {', '.join(one.missing)}"] if one.missing else []
    parts += [f"advice: {one.advice.words}"] if read else []
    return ". ".join([part[0].upper() + part[1:] for part in parts]) + "."


def write_reading(case_folder: Path, reading: Reading) -> None:
    """Case folder, what a person said -> reading.json in it."""
    write_atomic(case_folder / READING_NAME, reading.model_dump_json(indent=2) + "\n")


def read_reading(case_folder: Path) -> Reading | None:
    """Case folder -> what a person said of it; None where nobody has, or it can't be read."""
    try:
        return Reading.model_validate_json((case_folder / READING_NAME).read_bytes())
    except (OSError, ValueError):
        return None
