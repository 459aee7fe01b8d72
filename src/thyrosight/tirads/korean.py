"""K-TIRADS 2021: descriptors in the ACR lexicon's words -> level, from composition, echogenicity and three signs.

Ha et al., 2021 Korean Thyroid Imaging Reporting and Data System and imaging-based management of thyroid nodules, Korean
J Radiol 22 (2021) 2094-2123, table 5. Sizes and levels differ from those of 2016 (Shin et al., Korean J Radiol 17:370).

    2  benign                  iso- or hyperechoic spongiform; partially cystic, with comet tails
                               of foci within the cyst; pure cyst                                no FNA as a rule
    3  low suspicion           partially cystic, or iso- or hyperechoic, no suspicious sign      FNA above 20 mm
    4  intermediate suspicion  solid and hypoechoic, no suspicious sign; partially cystic, or
                               iso- or hyperechoic, with any; entirely calcified                 FNA above 10 to 15 mm
    5  high suspicion          solid and hypoechoic, with any suspicious sign                    FNA above 10 mm

Level 1 is a thyroid without a nodule. The signs: punctate echogenic foci, nonparallel orientation (taller-than-wide),
irregular margin. Where the two lexicons differ, the ACR's words are read like this:

- `None or large comet-tail artifacts` does not state the comet tails of level 2: it counts as none, with a remark.
- Level 2 stays 2 with a suspicious sign (in 2016 it became 4).
- Extra-thyroidal extension counts as an irregular margin; the paper rates it separately.
- Hypoechoic spongiform nodules are not in the table; they count as partially cystic. Very hypoechoic is hypoechoic.
- Entirely calcified: macro- or rim calcifications, and composition and echogenicity that cannot be determined. Any
  other `cannot be determined` counts as missing.
- Between 10 and 15 mm, level 4 leaves FNA open on purpose: above 15 mm unless a risk factor needs it sooner.
- FNA at any size where a metastatic lymph node or gross extension is suspected. The descriptors do not state these.
"""

from __future__ import annotations

from thyrosight.tirads.descriptors import (
    CYSTIC,
    EXTENSION,
    IRREGULAR,
    MACRO,
    MIXED,
    NO_FOCI,
    PUNCTATE,
    RIM,
    SOLID,
    SPONGIFORM,
    TALLER,
    UNDETERMINED,
    Signs,
)
from thyrosight.tirads.eu import as_pattern, is_hypoechoic
from thyrosight.tirads.system import Level, SizeRule, System

LEVELS = {
    2: Level("K-TIRADS 2", "benign", SizeRule("no FNA as a rule, at any size", otherwise="no FNA as a rule")),
    3: Level(
        "K-TIRADS 3",
        "low suspicion",
        SizeRule(
            "FNA above 20 mm; else follow-up after 1, 3 and 5 years",
            fna_mm=20,
            is_met_at_limit=False,
            follow_up_mm=0,
            follow_up="after 1, 3 and 5 years",
        ),
    ),
    4: Level(
        "K-TIRADS 4",
        "intermediate suspicion",
        SizeRule(
            "FNA above 15 mm, and above 10 mm where risk factors ask for it; else follow-up after 1, 3 and 5 years",
            fna_mm=15,
            is_met_at_limit=False,
            follow_up_mm=0,
            follow_up="after 1, 3 and 5 years; FNA above 10 mm where risk factors ask for it",
        ),
    ),
    5: Level(
        "K-TIRADS 5",
        "high suspicion",
        SizeRule(
            "FNA above 10 mm; else follow-up every 6 months for 1 to 2 years, then every year",
            fna_mm=10,
            is_met_at_limit=False,
            follow_up_mm=0,
            follow_up="every 6 months for 1 to 2 years, then every year",
        ),
    ),
}


def as_read(signs: Signs) -> Signs:
    """Descriptors in the ACR's words -> the words that K-TIRADS uses.

    In an entirely calcified nodule, composition and echogenicity stay `cannot be determined`: `level_of` needs this.
    """
    if is_entirely_calcified(signs):
        return signs._replace(margin=None if signs.margin == UNDETERMINED else signs.margin)
    return as_pattern(signs)


def is_entirely_calcified(signs: Signs) -> bool:
    """Whether calcification hides all of the tissue."""
    is_hidden = signs.composition == UNDETERMINED and signs.echogenicity == UNDETERMINED
    return is_hidden and any(focus in (MACRO, RIM) for focus in signs.foci or ())


def level_of(signs: Signs) -> int:
    """Descriptors without gaps, as read -> level 2 to 5."""
    if signs.composition == UNDETERMINED:
        return 4
    if signs.composition == CYSTIC or (signs.composition == SPONGIFORM and not is_hypoechoic(signs)):
        return 2
    is_suspicious = signs.shape == TALLER or signs.margin in (IRREGULAR, EXTENSION) or PUNCTATE in (signs.foci or ())
    is_solid_and_hypoechoic = signs.composition == SOLID and is_hypoechoic(signs)
    return 3 + is_suspicious + is_solid_and_hypoechoic


def notes(signs: Signs) -> tuple[str, ...]:
    """Descriptors, perhaps with gaps -> remarks on what the ACR's words leave open in this system."""
    if is_entirely_calcified(signs):
        return ("composition and echogenicity hidden by calcification: taken as an entirely calcified nodule",)
    if signs.composition == MIXED and NO_FOCI in (signs.foci or ()):
        return ("K-TIRADS 2 where foci within the cyst have comet tails; the lexicon's word does not tell",)
    return ()


KOREAN = System(
    name="K-TIRADS 2021",
    citation="Ha et al., Korean J Radiol 22 (2021) 2094-2123, doi:10.3348/kjr.2021.0713",
    levels=LEVELS,
    level_of=level_of,
    as_read=as_read,
    notes=notes,
)
