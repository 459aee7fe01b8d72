"""Descriptors of a nodule -> its TI-RADS level and advice: ACR 2017, EU 2017, Korea 2021; proposals from measurements.

`assess` rates descriptors. `propose` turns measures into descriptors, marked as proposals; `override` replaces them by
a reader's words. No function here reads an image, and no result is advice to a patient.
"""

from __future__ import annotations

from thyrosight.tirads.assessment import Advice, Assessment, SystemName, assess
from thyrosight.tirads.descriptors import LEXICON, UNDETERMINED, Descriptors, Evidence, Source, override, term_of
from thyrosight.tirads.proposals import Limits, MeasuredSigns, propose

__all__ = [
    "LEXICON",
    "UNDETERMINED",
    "Advice",
    "Assessment",
    "Descriptors",
    "Evidence",
    "Limits",
    "MeasuredSigns",
    "Source",
    "SystemName",
    "assess",
    "override",
    "propose",
    "term_of",
]
