"""EU-TIRADS 2017: descriptors in the ACR lexicon's words -> level, from the pattern and any sign of high risk.

Russ et al., European Thyroid Association guidelines for ultrasound malignancy risk stratification of thyroid nodules in
adults: the EU-TIRADS, Eur Thyroid J 6 (2017) 225-237.

    2  benign             a cyst without solid tissue; a nodule that is spongiform throughout      no FNA
    3  low risk           oval, smooth, iso- or hyperechoic, no sign of high risk              FNA above 20 mm
    4  intermediate risk  oval, smooth, mildly hypoechoic, partly cystic or not, no such sign  FNA above 15 mm
    5  high risk          any of: not oval, irregular margin, microcalcifications,
                          marked hypoechogenicity of a solid nodule                            FNA above 10 mm

Level 1 is a thyroid without a nodule. Where the two lexicons differ, the ACR's words are read like this:

- Not oval is taller-than-wide: the ACR has no word for other shapes. Irregular is lobulated or irregular, and
  extra-thyroidal extension. Ill-defined is not a sign of high risk. Microcalcifications are punctate echogenic foci.
- A cyst or a spongiform nodule with a sign of high risk stays 2, because the pattern decides; the reader gets a warning
  about the contradiction. The guideline does not treat this case.
- Spongiform and hypoechoic: 2 by the table, though the text describes isoechoic septa; the reader gets a warning.
- Cystic with the echogenicity of tissue: a mixed nodule. Anechoic, but mixed or solid: echogenicity unknown.
- Cannot be determined has no default here: it counts as missing.
- The paper sets no follow-up by category or size, except for level 5 up to 10 mm without a suspicious lymph node:
  active surveillance, or FNA if the patient prefers it. The European guidelines of 2023 on the management of nodules
  (Durante et al., Eur Thyroid J 12 (2023) e230067) are not part of this system.
"""

from __future__ import annotations

from thyrosight.tirads.descriptors import (
    ANECHOIC,
    CYSTIC,
    EXTENSION,
    HYPOECHOIC,
    IRREGULAR,
    MIXED,
    PUNCTATE,
    SOLID,
    SPONGIFORM,
    TALLER,
    UNDETERMINED,
    VERY_HYPOECHOIC,
    Signs,
    is_consistent,
)
from thyrosight.tirads.system import Level, SizeRule, System

NO_SCHEDULE = "no FNA at this size; EU-TIRADS sets no follow-up by category"
LEVELS = {
    2: Level("EU-TIRADS 2", "benign", SizeRule("no FNA, at any size", otherwise="no FNA")),
    3: Level(
        "EU-TIRADS 3",
        "low risk",
        SizeRule("FNA above 20 mm", fna_mm=20, is_met_at_limit=False, otherwise=NO_SCHEDULE),
    ),
    4: Level(
        "EU-TIRADS 4",
        "intermediate risk",
        SizeRule("FNA above 15 mm", fna_mm=15, is_met_at_limit=False, otherwise=NO_SCHEDULE),
    ),
    5: Level(
        "EU-TIRADS 5",
        "high risk",
        SizeRule(
            "FNA above 10 mm; up to 10 mm active surveillance, or FNA as the patient chooses, "
            "where no lymph node is suspicious",
            fna_mm=10,
            is_met_at_limit=False,
            follow_up_mm=0,
            follow_up="as active surveillance, or FNA as the patient chooses, where no lymph node is suspicious",
        ),
    ),
}


def as_pattern(signs: Signs) -> Signs:
    """Descriptors in the ACR's words -> the words by which EU-TIRADS and K-TIRADS choose a level.

    These two know patterns of descriptors instead of points. `cannot be determined` becomes None. Where composition
    and echogenicity contradict each other, anechoic becomes None, and a cystic nodule with echoes counts as mixed.
    """
    composition, echogenicity = signs.composition, signs.echogenicity
    if echogenicity == ANECHOIC and composition is not None and not is_consistent(composition, echogenicity):
        echogenicity = None
    if composition == CYSTIC and echogenicity is not None and not is_consistent(composition, echogenicity):
        composition = MIXED
    return Signs(_known(composition), _known(echogenicity), signs.shape, _known(signs.margin), signs.foci)


def _known(word: str | None) -> str | None:
    return None if word == UNDETERMINED else word


def is_hypoechoic(signs: Signs) -> bool:
    """Whether the tissue is mildly or markedly hypoechoic."""
    return signs.echogenicity in (HYPOECHOIC, VERY_HYPOECHOIC)


def level_of(signs: Signs) -> int:
    """Descriptors without gaps, as a pattern -> level 2 to 5."""
    if signs.composition in (CYSTIC, SPONGIFORM):
        return 2
    has_high_risk_sign = (
        signs.shape == TALLER
        or signs.margin in (IRREGULAR, EXTENSION)
        or PUNCTATE in (signs.foci or ())
        or (signs.echogenicity == VERY_HYPOECHOIC and signs.composition == SOLID)
    )
    if has_high_risk_sign:
        return 5
    return 4 if is_hypoechoic(signs) else 3


def notes(signs: Signs) -> tuple[str, ...]:
    """Descriptors, perhaps with gaps -> remarks on what the ACR's words leave open in this system."""
    if signs.composition == SPONGIFORM:
        remark = "EU-TIRADS 2 asks for a nodule that is spongiform throughout; where it is in part, EU-TIRADS 3"
        return (remark, "EU-TIRADS 2 speaks of isoechoic septa") if is_hypoechoic(signs) else (remark,)
    if signs.composition == CYSTIC:
        return ("EU-TIRADS 2 asks for a cyst without solid tissue; in doubt, EU-TIRADS 3",)
    return ()


EU = System(
    name="EU-TIRADS 2017",
    citation="Russ et al., Eur Thyroid J 6 (2017) 225-237, doi:10.1159/000478927",
    levels=LEVELS,
    level_of=level_of,
    as_read=as_pattern,
    notes=notes,
)
