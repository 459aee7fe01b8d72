"""EU-TIRADS 2017: a pattern, raised by any one sign of high risk; read from the ACR lexicon's words.

Russ et al., European Thyroid Association guidelines for ultrasound malignancy risk stratification of thyroid nodules in
adults: the EU-TIRADS, Eur Thyroid J 6 (2017) 225-237.

    2  benign             a cyst without solid tissue; a nodule that is spongiform throughout      no FNA
    3  low risk           oval, smooth, iso- or hyperechoic, no sign of high risk              FNA above 20 mm
    4  intermediate risk  oval, smooth, mildly hypoechoic, partly cystic or not, no such sign  FNA above 15 mm
    5  high risk          any of: not oval, irregular margin, microcalcifications,
                          marked hypoechogenicity of a solid nodule                            FNA above 10 mm

Level 1 is a thyroid without a nodule. How the ACR's words are read, where the two lexicons differ:

- Not oval is taller-than-wide: the ACR has no word for other shapes. Irregular is lobulated or irregular, and
  extra-thyroidal extension. Ill-defined is no sign. Microcalcifications are punctate echogenic foci.
- A cyst or a spongiform nodule stays 2: its pattern is to suffice, and the sign beside it is a contradiction that the
  reader is told. The guideline itself does not speak of that case.
- Spongiform, yet hypoechoic: 2 by the table, though the text speaks of isoechoic septa; the reader is told.
- Cystic, yet with the echogenicity of tissue: a mixed nodule. Anechoic, yet mixed or solid: echogenicity unknown.
- Cannot be determined has no default here: it is as good as missing.
- The paper sets no follow-up by category or size, but for level 5 up to 10 mm: active surveillance, or FNA as the
  patient chooses, where no lymph node is suspicious. The European guidelines of 2023 on the management of nodules
  (Durante et al., Eur Thyroid J 12 (2023) e230067) are no part of this system.
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
    """Descriptors in the ACR's words -> the same as a pattern system takes them; what it can't use becomes None."""
    composition, echogenicity = signs.composition, signs.echogenicity
    if echogenicity == ANECHOIC and composition is not None and not is_consistent(composition, echogenicity):
        echogenicity = None
    if composition == CYSTIC and echogenicity is not None and not is_consistent(composition, echogenicity):
        composition = MIXED
    return Signs(_known(composition), _known(echogenicity), signs.shape, _known(signs.margin), signs.foci)


def _known(word: str | None) -> str | None:
    return None if word == UNDETERMINED else word


def is_hypoechoic(signs: Signs) -> bool:
    """Whether the tissue is hypoechoic, mildly or markedly."""
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
    """Descriptors, perhaps with gaps -> what the ACR's words leave open here."""
    if signs.composition == SPONGIFORM:
        told = "EU-TIRADS 2 asks for a nodule that is spongiform throughout; where it is in part, EU-TIRADS 3"
        return (told, "EU-TIRADS 2 speaks of isoechoic septa") if is_hypoechoic(signs) else (told,)
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
