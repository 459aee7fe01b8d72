"""The words of a set -> the term of the ACR TI-RADS lexicon (thyrosight.tirads.LEXICON), where exactly one fits."""

from __future__ import annotations

import re

from thyrosight.tirads.descriptors import LEXICON

_SAME_AS: dict[str, dict[str, str]] = {
    "composition": {
        "cystic": "cystic or almost completely cystic",
        "predominantly cystic": "mixed cystic and solid",
        "predominantly solid": "mixed cystic and solid",
        "solid": "solid or almost completely solid",
    },
    "echogenicity": {
        "hyperechogenicity": "hyperechoic or isoechoic",
        "isoechogenicity": "hyperechoic or isoechoic",
        "hyperechoic": "hyperechoic or isoechoic",
        "isoechoic": "hyperechoic or isoechoic",
        "hypoechogenicity": "hypoechoic",
        "marked hypoechogenicity": "very hypoechoic",
        "markedly hypoechoic": "very hypoechoic",
    },
    "shape": {},
    "margin": {
        "well defined smooth": "smooth",
        "ill defined": "ill-defined",
        "microlobulated": "lobulated or irregular",
        "macrolobulated": "lobulated or irregular",
        "lobulated": "lobulated or irregular",
        "irregular": "lobulated or irregular",
        "spiculated": "lobulated or irregular",
    },
    "foci": {
        "non": "none or large comet-tail artifacts",
        "none": "none or large comet-tail artifacts",
        "macrocalcification": "macrocalcifications",
        "microcalcification": "punctate echogenic foci",
        "microcalcifications": "punctate echogenic foci",
    },
}


def to_lexicon(name: str, words: str) -> str | None:
    """Descriptor name, the words of a set -> the term of the lexicon, or None where none or several could be meant.

    Not translated: "dense", and "well defined", because such a margin may be smooth or lobulated.
    """
    plain = re.sub(r"\s+", " ", words.strip().lower())
    spaced = re.sub(r"[\s\-_]+", " ", plain)
    for term in LEXICON[name]:
        if spaced == re.sub(r"[\s\-_]+", " ", term):
            return term
    return _SAME_AS[name].get(spaced)
