"""The codes of all concepts in our SEG and SR, from the standard, or from our own scheme 99THYROSIGHT.

Codes of the standard come from DICOM PS3.16; comments name the context groups. Our scheme holds concepts that no group
has: the calibrated risk, the extents along the frame's axes, the TI-RADS lexicon, the flags.
"""

from __future__ import annotations

import re

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

SCHEME = "99THYROSIGHT"
SCHEME_NAME = "Thyrosight's own concepts"

MAX_MEANING = 64
"""Characters of a Code Meaning (value representation LO)."""
MAX_SHORT_CODE = 16
"""Characters of a Code Value (SH); a longer one is a Long Code Value."""

# SEG: CID 7150 category, CID 7159 type, CID 4 region; PS3.3 A.51.5.1 purpose and derivation.
ABNORMAL_STRUCTURE = Code("49755003", "SCT", "Morphologically Abnormal Structure")
NODULE = Code("27925004", "SCT", "Nodule")
THYROID = Code("69748006", "SCT", "Thyroid")
SEGMENTATION = Code("113076", "DCM", "Segmentation")
SEGMENTATION_SOURCE = Code("121322", "DCM", "Source Image for Image Processing Operation")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")

# SR: CID 100 procedure, CID 12322 finding, CID 7470 lengths, CID 7471 area.
THYROID_NODULE = Code("237495005", "SCT", "Thyroid Nodule")
IMAGING_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")
LONG_AXIS = Code("103339001", "SCT", "Long axis")
SHORT_AXIS = Code("103340004", "SCT", "Short axis")
AREA = Code("42798000", "SCT", "Area")
YES = Code("373066001", "SCT", "Yes")
NO = Code("373067005", "SCT", "No")
COMMENT = Code("121106", "DCM", "Comment")

# SR of an examination: CID 12130 and 12131 parts of the thyroid, CID 244 laterality, CID 2 modifiers, CID 7472 volumes.
RIGHT_LOBE = Code("29565003", "SCT", "Right lobe of thyroid")
LEFT_LOBE = Code("79163004", "SCT", "Left lobe of thyroid")
ISTHMUS = Code("40867004", "SCT", "Thyroid isthmus")
RIGHT = Code("24028007", "SCT", "Right")
LEFT = Code("7771000", "SCT", "Left")
SUPERIOR = Code("264217000", "SCT", "Superior")
INTERMEDIATE = Code("11896004", "SCT", "Intermediate")
INFERIOR = Code("261089000", "SCT", "Inferior")
LENGTH = Code("410668003", "SCT", "Length")
WIDTH = Code("103355008", "SCT", "Width")
DEPTH = Code("131197000", "SCT", "Depth")
ELLIPSOID_VOLUME = Code("121221", "DCM", "Volume of ellipsoid")
ELLIPSOID_METHOD = Code("126029", "DCM", "LWH method for volume of ellipsoid")
TRANSVERSE_VIEW = Code("62824007", "SCT", "Transverse")
LONGITUDINAL_VIEW = Code("38717003", "SCT", "Longitudinal")
IMAGE_VIEW = Code("111031", "DCM", "Image View")
THYROID_REPORT = Code("25010-0", "LN", "US Thyroid Report")
MILLILITRE = Code("ml", "UCUM", "milliliter")

MILLIMETRE = Code("mm", "UCUM", "mm")
SQUARE_MILLIMETRE = Code("mm2", "UCUM", "square millimeter")
PIXELS = Code("{pixels}", "UCUM", "pixels")
NO_UNITS = Code("1", "UCUM", "no units")

# Codes of our scheme.
ANTEROPOSTERIOR = Code("anteroposterior", SCHEME, "Anteroposterior extent (vertical in the frame)")
TRANSVERSE = Code("transverse", SCHEME, "Transverse extent (horizontal in the frame)")
TALLER_THAN_WIDE = Code("taller_than_wide", SCHEME, "Taller than wide (counts on transverse views only)")
MEAN_PROBABILITY = Code("mean_probability", SCHEME, "Mean mask probability inside the outline")
RISK = Code("risk", SCHEME, "Calibrated risk of malignancy")
FRAME_RISK = Code("frame_risk", SCHEME, "Calibrated risk of malignancy of the whole frame")
RISK_LOW = Code("risk_low", SCHEME, "Risk of malignancy, lower end of its 95 % interval")
RISK_HIGH = Code("risk_high", SCHEME, "Risk of malignancy, upper end of its 95 % interval")
OPERATING_POINT = Code("operating_point", SCHEME, "Risk against the model's operating point")
NODULE_SEARCH = Code("nodule_search", SCHEME, "Outcome of the software's search for nodules")
NO_NODULE_FOUND = Code("not_found", SCHEME, "No nodule found by the software")
OUTLINE_ORIGIN = Code("outline_origin", SCHEME, "Who drew the outline")
PROPOSED = Code("proposed", SCHEME, "Proposed by the software, confirmed by no reader")
FLAG = Code("flag", SCHEME, "To know before this result is relied on")
GROWTH = Code("growth", SCHEME, "Growth since the earlier examination")
GROWTH_ANSWERS = {
    "grown": Code("grown", SCHEME, "Grown"),
    "not grown": Code("not_grown", SCHEME, "Not grown"),
    "not judged": Code("not_judged", SCHEME, "Not judged"),
}
TIRADS_POINTS = Code("tirads_points", SCHEME, "TI-RADS points")
TIRADS_LEVEL = Code("tirads_level", SCHEME, "TI-RADS level")

OUTLINE_ORIGINS = {
    "AUTOMATIC": Code("automatic", SCHEME, "Drawn by the software"),
    "SEMIAUTOMATIC": Code("semiautomatic", SCHEME, "Drawn by the software, corrected by a person"),
    "MANUAL": Code("manual", SCHEME, "Drawn by a person"),
}
LEXICON = ("composition", "echogenicity", "shape", "margin", "foci")
"""The TI-RADS descriptors, in the order of the points table."""

SHORT_TERMS = {
    "cystic or almost completely cystic": "cystic",
    "mixed cystic and solid": "mixed",
    "solid or almost completely solid": "solid",
    "hyperechoic or isoechoic": "isoechoic",
    "lobulated or irregular": "irregular",
    "extra-thyroidal extension": "extension",
    "cannot be determined": "undetermined",
    "none or large comet-tail artifacts": "no_foci",
    "macrocalcifications": "macro",
    "peripheral (rim) calcifications": "rim",
    "punctate echogenic foci": "punctate",
}
"""Short codes for long terms of the lexicon: a Code Value has 16 characters, and few programs read Long Code Value."""


def own_code(value: str, meaning: str | None = None) -> Code:
    """Value in our scheme, its meaning -> its code. Without a meaning, the words of the value become the meaning."""
    return Code(value, SCHEME, (meaning or value.replace("_", " "))[:MAX_MEANING])


def lexicon_code(descriptor: str) -> Code:
    """composition, echogenicity, shape, margin or foci -> the code of this concept."""
    return own_code(descriptor, f"TI-RADS {'echogenic foci' if descriptor == 'foci' else descriptor}")


def term_code(term: str) -> Code:
    """A term of the TI-RADS lexicon -> its code."""
    return own_code(SHORT_TERMS.get(term, re.sub(r"[^a-z0-9]+", "_", term.lower())), term)


def code_item(code: Code) -> Dataset:
    """Code -> an item of a code sequence."""
    item = Dataset()
    if len(code.value) > MAX_SHORT_CODE:
        item.LongCodeValue = code.value
    else:
        item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def scheme_item() -> Dataset:
    """-> the item of Coding Scheme Identification Sequence that describes 99THYROSIGHT."""
    item = Dataset()
    item.CodingSchemeDesignator = SCHEME
    item.CodingSchemeName = SCHEME_NAME
    return item
