"""Measured numbers -> proposed descriptors, each with its number and its rule.

A proposal is a starting point for a reader, never a reading. The limits below are provisional: they come partly from
one reader's words on one set (docs/experiments.md 21), and another set may need others. Numbers can't show the margin,
a spongiform inside, macro- and rim calcifications, comet tails, or the absence of foci, so these are never proposed.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from thyrosight.prediction import Record
from thyrosight.tirads.descriptors import (
    ANECHOIC,
    CYSTIC,
    HYPOECHOIC,
    ISOECHOIC,
    MIXED,
    PUNCTATE,
    SOLID,
    TALLER,
    VERY_HYPOECHOIC,
    WIDER,
    Descriptors,
    Evidence,
    Source,
)


class MeasuredSigns(Record):
    """Measures of one nodule; None: not measured.

    taller_than_wide: anteroposterior extent above transverse extent; it is meaningful on transverse views only.
    echogenicity_ratio: gray of the nodule's tissue over gray of the tissue around it, on the screen's gray scale.
    cystic_share: share of the nodule's area that is cystic. num_foci: echogenic spots that may be foci.
    """

    taller_than_wide: bool | None = Field(default=None, strict=True)
    echogenicity_ratio: float | None = Field(default=None, strict=True, ge=0)
    cystic_share: float | None = Field(default=None, strict=True, ge=0, le=1)
    num_foci: int | None = Field(default=None, strict=True, ge=0)


class Limits(Record):
    """The limits between words of the lexicon. They are provisional: pass your own where you know better.

    very_hypoechoic_below: a ratio to the thyroid. The lexicon compares with strap muscle, which is not measured.
    mixed_from, cystic_from: share of the area without echoes. Walls and septa of a cyst have echoes; shadows have none.
    foci_from: with fewer spots nothing is proposed, because speckle makes spots too. `none` is never proposed: a reader
    may see foci that were not found, and their points would be lost.
    """

    very_hypoechoic_below: float = Field(default=0.65, gt=0)
    hypoechoic_below: float = Field(default=0.93, gt=0)
    mixed_from: float = Field(default=0.08, gt=0, le=1)
    cystic_from: float = Field(default=0.6, gt=0, le=1)
    foci_from: int = Field(default=3, ge=1)

    @model_validator(mode="after")
    def _rise(self) -> Limits:
        if self.very_hypoechoic_below > self.hypoechoic_below or self.mixed_from > self.cystic_from:
            raise ValueError("limits must rise: very_hypoechoic_below, hypoechoic_below; mixed_from, cystic_from")
        return self


LIMITS = Limits()
Proposal = tuple[str, Evidence]


def propose(signs: MeasuredSigns, limits: Limits = LIMITS) -> Descriptors:
    """Measured signs -> Descriptors with source `measured` and evidence; a sign that was not measured stays missing."""
    composition = _composition(signs, limits)
    found = {
        "composition": composition,
        "echogenicity": _echogenicity(signs, limits, composition),
        "shape": _shape(signs),
        "foci": _foci(signs, limits),
    }
    there = {name: proposal for name, proposal in found.items() if proposal is not None}
    words = {name: (word,) if name == "foci" else word for name, (word, _) in there.items()}
    sources: dict[str, Source] = dict.fromkeys(there, "measured")
    return Descriptors.model_validate(
        words | {"sources": sources, "evidence": {name: evidence for name, (_, evidence) in there.items()}}
    )


def _composition(signs: MeasuredSigns, limits: Limits) -> Proposal | None:
    share = signs.cystic_share
    if share is None:
        return None
    word, rule = SOLID, f"below {limits.mixed_from:g}"
    if share >= limits.cystic_from:
        word, rule = CYSTIC, f"{limits.cystic_from:g} or more"
    elif share >= limits.mixed_from:
        word, rule = MIXED, f"{limits.mixed_from:g} or more; a share can't tell spongiform"
    return word, Evidence(measure="cystic_share", value=share, rule=rule)


def _echogenicity(signs: MeasuredSigns, limits: Limits, composition: Proposal | None) -> Proposal | None:
    """-> the proposal; a nodule proposed as cystic has no tissue to compare and is anechoic. None without a measure."""
    if composition is not None and composition[0] == CYSTIC:
        return ANECHOIC, composition[1]
    ratio = signs.echogenicity_ratio
    if ratio is None:
        return None
    word, rule = ISOECHOIC, f"{limits.hypoechoic_below:g} or more"
    if ratio < limits.very_hypoechoic_below:
        word, rule = VERY_HYPOECHOIC, f"below {limits.very_hypoechoic_below:g}; not held against strap muscle"
    elif ratio < limits.hypoechoic_below:
        word, rule = HYPOECHOIC, f"below {limits.hypoechoic_below:g}"
    return word, Evidence(measure="echogenicity_ratio", value=ratio, rule=rule)


def _shape(signs: MeasuredSigns) -> Proposal | None:
    if signs.taller_than_wide is None:
        return None
    rule = "anteroposterior extent against transverse; on a transverse view alone"
    evidence = Evidence(measure="taller_than_wide", value=float(signs.taller_than_wide), rule=rule)
    return TALLER if signs.taller_than_wide else WIDER, evidence


def _foci(signs: MeasuredSigns, limits: Limits) -> Proposal | None:
    number = signs.num_foci
    if number is None or number < limits.foci_from:
        return None
    return PUNCTATE, Evidence(measure="num_foci", value=float(number), rule=f"{limits.foci_from} or more")
