"""DICOM file -> texts in its header that may state view, side and pole; those of the image come before the series'.

Only texts about the image and its series are read. Free texts about patient and study may hold anything, also names.
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
    """File -> these texts, the most specific first; empty where the file is not DICOM or can't be read."""
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
