"""A nodule's descriptors in the words of the ACR lexicon: the source of each, missing ones, contradictions.

Terms as in the scoring chart of Tessler et al., ACR Thyroid Imaging, Reporting and Data System (TI-RADS): white paper
of the ACR TI-RADS committee, J Am Coll Radiol 14 (2017) 587-595, in lower case.

Missing (None) is not `cannot be determined`. Missing means that nobody looked, and leaves the level open. `Cannot be
determined` is a reader's finding, for which the chart has a default. Shape and foci have no default, so leave them out
if they can't be determined.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import combinations, product
from typing import Literal, NamedTuple

from pydantic import Field, ValidationInfo, field_validator

from thyrosight.errors import InputError
from thyrosight.prediction import Record

CYSTIC, SPONGIFORM = "cystic or almost completely cystic", "spongiform"
MIXED, SOLID = "mixed cystic and solid", "solid or almost completely solid"
ANECHOIC, ISOECHOIC, HYPOECHOIC = "anechoic", "hyperechoic or isoechoic", "hypoechoic"
VERY_HYPOECHOIC = "very hypoechoic"
WIDER, TALLER = "wider-than-tall", "taller-than-wide"
SMOOTH, ILL_DEFINED = "smooth", "ill-defined"
IRREGULAR, EXTENSION = "lobulated or irregular", "extra-thyroidal extension"
NO_FOCI = "none or large comet-tail artifacts"
MACRO, RIM, PUNCTATE = "macrocalcifications", "peripheral (rim) calcifications", "punctate echogenic foci"

LEXICON: dict[str, tuple[str, ...]] = {
    "composition": (CYSTIC, SPONGIFORM, MIXED, SOLID),
    "echogenicity": (ANECHOIC, ISOECHOIC, HYPOECHOIC, VERY_HYPOECHOIC),
    "shape": (WIDER, TALLER),
    "margin": (SMOOTH, ILL_DEFINED, IRREGULAR, EXTENSION),
    "foci": (NO_FOCI, MACRO, RIM, PUNCTATE),
}
UNDETERMINED = "cannot be determined"
HAS_DEFAULT = ("composition", "echogenicity", "margin")
"""The categories in which `cannot be determined` is a finding with points."""
SCORED_FOCI = (MACRO, RIM, PUNCTATE)
SAME_AS = {
    "microcalcification": PUNCTATE,
    "microcalcifications": PUNCTATE,
    "marked hypoechogenicity": VERY_HYPOECHOIC,
    "markedly hypoechoic": VERY_HYPOECHOIC,
}
"""Words of other lexicons that by their letters would match a wrong term -> the right term."""

Source = Literal["reader", "measured", "network"]


class Signs(NamedTuple):
    """The five descriptors in the lexicon's words, without sources; None is missing, foci may be several."""

    composition: str | None
    echogenicity: str | None
    shape: str | None
    margin: str | None
    foci: tuple[str, ...] | None


class Evidence(Record):
    """The basis of a proposal: the measure's name, its number, and the rule that turned it into a word."""

    measure: str
    value: float
    rule: str


class Descriptors(Record):
    """One nodule's descriptors; `sources` states who gave each descriptor, `evidence` what it is based on.

    A word without a source is the reader's. Where a nodule has no foci, the word is `none or large comet-tail
    artifacts`; an empty list counts as missing.
    """

    composition: str | None = None
    echogenicity: str | None = None
    shape: str | None = None
    margin: str | None = None
    foci: tuple[str, ...] | None = None
    sources: dict[str, Source] = Field(default_factory=dict, validate_default=True)
    evidence: dict[str, Evidence] = Field(default_factory=dict, validate_default=True)

    @field_validator("composition", "echogenicity", "shape", "margin")
    @classmethod
    def _is_a_term(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and text not in choices(str(info.field_name)):
            raise ValueError(unknown_word(str(info.field_name), text))
        return text

    @field_validator("foci")
    @classmethod
    def _are_terms(cls, foci: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for text in foci or ():
            if text not in LEXICON["foci"]:
                raise ValueError(unknown_word("foci", text))
        return tuple(term for term in LEXICON["foci"] if term in (foci or ())) or None

    @field_validator("sources")
    @classmethod
    def _sources_of_what_is_there(cls, sources: dict[str, Source], info: ValidationInfo) -> dict[str, Source]:
        there = [name for name in LEXICON if info.data.get(name) is not None]
        _refuse_others("sources", sources, there)
        return {name: sources.get(name, "reader") for name in there}

    @field_validator("evidence")
    @classmethod
    def _evidence_of_what_is_there(cls, evidence: dict[str, Evidence], info: ValidationInfo) -> dict[str, Evidence]:
        _refuse_others("evidence", evidence, [name for name in LEXICON if info.data.get(name) is not None])
        return evidence

    @property
    def signs(self) -> Signs:
        """The words without their sources."""
        return Signs(self.composition, self.echogenicity, self.shape, self.margin, self.foci)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the missing descriptors."""
        return tuple(name for name, words in zip(LEXICON, self.signs, strict=True) if words is None)

    @property
    def proposed(self) -> tuple[str, ...]:
        """Names of the descriptors that no reader gave or confirmed."""
        return tuple(name for name, source in self.sources.items() if source != "reader")


def override(proposed: Descriptors, given: Descriptors) -> Descriptors:
    """Proposals, a person's words -> the person's word where there is one, else the proposal, with their sources.

    A person confirms a proposal by giving the same word: its source is then the reader, without evidence.
    """
    chosen = {name: given if getattr(given, name) is not None else proposed for name in LEXICON}
    return Descriptors(
        **{name: getattr(side, name) for name, side in chosen.items()},
        sources={name: side.sources[name] for name, side in chosen.items() if name in side.sources},
        evidence={name: side.evidence[name] for name, side in chosen.items() if name in side.evidence},
    )


def choices(name: str) -> tuple[str, ...]:
    """Name of a descriptor -> its possible words."""
    return LEXICON[name] + ((UNDETERMINED,) if name in HAS_DEFAULT else ())


def term_of(name: str, text: str) -> str:
    """Name of a descriptor, word as typed -> the lexicon's term; InputError with the nearest term and all choices.

    Case, spaces and hyphens don't matter. The first letters are enough (`solid`, `macro`), or a part of at least three
    letters (`rim`, `isoechoic`), where it matches one term only.
    """
    others = {other: term for other, term in SAME_AS.items() if term in LEXICON[name]}
    plain = re.sub(r"[^a-z]", "", text.lower())
    for other, term in others.items():
        if plain == other.replace(" ", ""):
            return term
    terms = {re.sub(r"[^a-z]", "", term): term for term in choices(name)}
    if plain in terms:
        return terms[plain]
    starting = [term for key, term in terms.items() if key.startswith(plain)]
    holding = [term for key, term in terms.items() if plain in key]
    for fitting in (starting, holding):
        if len(plain) >= 3 and len(fitting) == 1:
            return fitting[0]
    raise InputError(unknown_word(name, text))


def unknown_word(name: str, text: str) -> str:
    """A word outside the lexicon -> the error's text: the nearest term and all choices."""
    others = {other: term for other, term in SAME_AS.items() if term in LEXICON[name]}
    near = get_close_matches(text.lower(), (*choices(name), *others), n=1, cutoff=0.5)
    hint = f"; the nearest is '{others.get(near[0], near[0])}'" if near else ""
    fitting = [term for term in choices(name) if text.strip() and text.strip().lower() in term]
    if len(fitting) > 1:
        hint = f"; it fits {', '.join(fitting)}"
    return f"{name} '{text}' is no one term of the lexicon{hint}; known: {'; '.join(choices(name))}"


def is_consistent(composition: str | None, echogenicity: str | None) -> bool:
    """Whether both words fit together.

    Only cystic and spongiform nodules are anechoic. A cystic nodule is anechoic, or its echogenicity is undetermined.
    """
    if echogenicity == ANECHOIC:
        return composition in (CYSTIC, SPONGIFORM)
    return composition != CYSTIC or echogenicity == UNDETERMINED


def completions(signs: Signs) -> Iterator[Signs]:
    """Descriptors with gaps -> every consistent way to fill the gaps; without a gap, the descriptors themselves.

    `Cannot be determined` fills no gap. A reader's words stay, consistent or not.
    """
    options = [LEXICON[name] if words is None else (words,) for name, words in zip(LEXICON, signs[:4], strict=False)]
    every_foci = [some for number in range(4) for some in combinations(SCORED_FOCI, number)]
    is_open = signs.composition is None or signs.echogenicity is None
    for composition, echogenicity, shape, margin in product(*options):
        if is_open and not is_consistent(composition, echogenicity):
            continue
        for foci in every_foci if signs.foci is None else [signs.foci]:
            yield Signs(composition, echogenicity, shape, margin, foci)


def contradictions(signs: Signs) -> tuple[str, ...]:
    """Descriptors -> warnings for the reader: contradictions, and findings that need attention."""
    composition, echogenicity = signs.composition, signs.echogenicity
    found = []
    suspicious = [word for word in (signs.shape, signs.margin) if word in (TALLER, IRREGULAR, EXTENSION)]
    suspicious += [focus for focus in signs.foci or () if focus in SCORED_FOCI]
    if composition in (CYSTIC, SPONGIFORM) and suspicious:
        found.append(f"{composition}, yet {', '.join(suspicious)}: look at the composition again")
    if composition == CYSTIC and echogenicity in (ISOECHOIC, HYPOECHOIC, VERY_HYPOECHOIC):
        found.append(f"{composition}, yet {echogenicity}: a nodule without tissue is anechoic; with some, it is mixed")
    if echogenicity == ANECHOIC and composition in (MIXED, SOLID, UNDETERMINED):
        found.append(f"anechoic, yet {composition}: echogenicity is that of the solid tissue")
    if signs.margin == EXTENSION:
        found.append("extra-thyroidal extension: obvious invasion is malignancy until proven otherwise")
    return tuple(found)


def _refuse_others(what: str, given: Iterable[str], there: list[str]) -> None:
    others = [name for name in given if name not in there]
    if others:
        raise ValueError(f"{what} of {', '.join(others)}, which is not given; given: {', '.join(there) or 'nothing'}")
