"""The records of an examination: its images, its nodules over the views, the gland, the reader's words.

An examination is one patient on one day. Its JSON is the contract of the report, the page and the API:
`ThyroidExam.model_validate_json` reads it, `to_json` writes it. The network's result stays whole in the `prediction` of
each image; the reader's findings are in `nodules`, `gland` and the texts. An absent value is None, never a guess.
Legend: `_mm` millimetres; directions: length is craniocaudal, width is across the neck, depth is anteroposterior.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, model_validator

from thyrosight.prediction import Nodule, Prediction, Record
from thyrosight.tirads.assessment import SystemName
from thyrosight.tirads.descriptors import Descriptors

View = Literal["transverse", "longitudinal"]
Side = Literal["right", "left", "isthmus"]
Pole = Literal["upper", "middle", "lower"]
SaidBy = Literal["reader", "file"]
PairedBy = Literal["reader", "program"]
OutlinedBy = Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]
"""Who drew an outline, in words of DICOM: the software; the software, then changed by a person; a person."""

Millimetres = Annotated[float, Field(gt=0, le=300)]
Text = Annotated[str, Field(max_length=10_000)]
Line = Annotated[str, Field(max_length=1_000)]
Uid = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64)]

MAX_IMAGES, MAX_NODULES, MAX_SECTIONS = 500, 64, 32


class ViewImage(Record):
    """One image of the examination and the network's result for it.

    key: its name within the examination, unique. view, side, pole: None where neither reader nor file states them.
    file, picture: the source image and a picture with the outlines, relative to the examination's JSON.
    """

    key: Line = Field(min_length=1)
    prediction: Prediction
    view: View | None = None
    side: Side | None = None
    pole: Pole | None = None
    said_by: SaidBy | None = Field(default=None, description="who stated view, side and pole")
    said_in: Line = Field(default="", description="the words in the file that state them")
    file: Line | None = None
    picture: Line | None = None


class Section(Record):
    """One nodule in one image: its outline with all measures, and who drew the outline."""

    image: Line = Field(description="key of the image")
    nodule: Nodule
    outlined_by: OutlinedBy = "AUTOMATIC"


class CaliperSizes(Record):
    """Diameters that the reader measured. A diameter that is given here replaces the one from the outlines."""

    length_mm: Millimetres | None = None
    width_mm: Millimetres | None = None
    depth_mm: Millimetres | None = None


class ExaminedNodule(Record):
    """One nodule of the patient. Its uid is the same in all versions and examinations; the report shows its number.

    sections: its outlines, at most one per image. paired_by: who stated that they are one nodule; None for one section.
    descriptors: the reader's words alone; proposals are computed from the sections when they are needed.
    """

    uid: Uid
    number: int = Field(ge=1, le=MAX_NODULES)
    side: Side | None = None
    pole: Pole | None = None
    place_note: Line = ""
    sections: tuple[Section, ...] = Field(default=(), max_length=MAX_SECTIONS)
    paired_by: PairedBy | None = None
    pairing_reason: Line = ""
    calipers: CaliperSizes = CaliperSizes()
    descriptors: Descriptors | None = None
    note: Text = ""

    @model_validator(mode="after")
    def _is_measured_and_once_per_image(self) -> ExaminedNodule:
        images = Counter(section.image for section in self.sections)
        twice = [image for image, num in images.items() if num > 1]
        if twice:
            raise ValueError(f"nodule {self.number} has two outlines in image '{twice[0]}'; keep one")
        if self.descriptors is not None and self.descriptors.proposed:
            raise ValueError(f"nodule {self.number}: descriptors hold a proposal; give the reader's words alone")
        return self


class Lobe(Record):
    """A lobe as the reader measured it."""

    length_mm: Millimetres | None = None
    width_mm: Millimetres | None = None
    depth_mm: Millimetres | None = None
    echotexture: Line = ""


class Gland(Record):
    """Lobes and isthmus; isthmus_mm is its anteroposterior thickness."""

    right: Lobe = Lobe()
    left: Lobe = Lobe()
    isthmus_mm: Millimetres | None = None


class ThyroidExam(Record):
    """One patient on one day. patient: a label that the user chose; nothing of it is read from a file.

    reader and signed are empty until a person signs. system: the TI-RADS that rates and advises.
    """

    schema_version: Literal[1] = 1
    uid: Uid
    date: Line | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$", description="of the ultrasound")
    patient: Line = ""
    indication: Text = ""
    technique: Text = ""
    comparison: Text = Field(default="", description="the earlier examinations, in the reader's words")
    gland: Gland = Gland()
    images: tuple[ViewImage, ...] = Field(default=(), max_length=MAX_IMAGES)
    nodules: tuple[ExaminedNodule, ...] = Field(default=(), max_length=MAX_NODULES)
    lymph_nodes: Text = ""
    remarks: Text = ""
    impression: Text = Field(default="", description="the reader's own words; the advice by the system follows them")
    system: SystemName = "acr"
    reader: Line = ""
    signed: Line | None = Field(default=None, description="when the reader signed, ISO 8601; None: not signed")

    @model_validator(mode="after")
    def _fits_together(self) -> ThyroidExam:
        for what, names in (
            ("image", [image.key for image in self.images]),
            ("number of a nodule", [nodule.number for nodule in self.nodules]),
            ("uid of a nodule", [nodule.uid for nodule in self.nodules]),
        ):
            twice = [name for name, num in Counter(names).items() if num > 1]
            if twice:
                raise ValueError(f"{what} '{twice[0]}' is there twice; each is one")
        known = {image.key for image in self.images}
        lost = [section.image for nodule in self.nodules for section in nodule.sections if section.image not in known]
        if lost:
            raise ValueError(f"a nodule is outlined in image '{lost[0]}', which the examination does not hold")
        if self.signed is not None and not self.reader.strip():
            raise ValueError("it is signed by nobody; give the reader's name, or leave `signed` out")
        return self

    def image(self, key: str) -> ViewImage:
        """Key of one of the examination's images -> this image. KeyError where no image has this key."""
        return {image.key: image for image in self.images}[key]

    def to_json(self) -> str:
        """-> indented JSON text, which `ThyroidExam.model_validate_json` reads back."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def place_in_words(side: Side | None, pole: Pole | None, note: str = "") -> str:
    """-> `right lobe, upper third`, `isthmus`, or `place not stated`."""
    words = {"right": "right lobe", "left": "left lobe", "isthmus": "isthmus"}.get(side or "", "")
    thirds = {"upper": "upper third", "middle": "middle third", "lower": "lower third"}
    parts = [part for part in (words, thirds.get(pole or "", ""), note) if part]
    return ", ".join(parts) or "place not stated"
