"""DICOM file -> the words in its header that may state view, side and pole: of the image first, then of its series.

It reads labels of the image and the series, never of the patient or the study, because their free texts may hold
anything.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from pydicom import dcmread

CODED = ("ViewCodeSequence", "AnatomicRegionSequence", "PrimaryAnatomicStructureSequence")
TEXTS = ("ImageComments", "ImageLaterality", "Laterality", "SeriesDescription", "ProtocolName", "BodyPartExamined")
SIDE_WORDS = {"L": "left", "R": "right"}
MAX_LENGTH = 200


def view_words(path: Path) -> tuple[str, ...]:
    """File -> its texts, the most specific first; none where it is no DICOM file or can't be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=[*CODED, *TEXTS])
            found = [
                str(item.get("CodeMeaning") or "")
                for name in CODED
                for item in header.get(name) or ()
                if item is not None
            ]
            found += [str(header.get(name) or "") for name in TEXTS]
        except Exception:  # no DICOM file, or a header that breaks inside the reader
            return ()
    return tuple(SIDE_WORDS.get(text, text)[:MAX_LENGTH] for text in found if text)
