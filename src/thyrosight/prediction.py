"""The records of a prediction: frozen pydantic models; command line, Python and web share their JSON.

Legend: `_xy` points (column, row) of pixel centres in the source image as decoded (EXIF orientation applied);
`_px` source pixels; `_mm` millimetres, None where the file does not state them (mm_reason). Boxes are half-open.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from thyrosight.types import Box

SCHEMA_VERSION = 1

PointXY = tuple[float, float]
Probability = float

FlagCode = Literal[
    "no_nodule",
    "several_nodules",
    "touches_border",
    "several_panels",
    "colour_overlay",
    "text_in_field",
    "small_field",
    "small_image",
    "low_contrast",
    "low_probability",
    "no_risk",
    "no_outline",
    "unlike_training",
    "not_declared_ultrasound",
    "not_b_mode",
]


class Record(BaseModel):
    """Base of the records: frozen, no unknown field, no NaN and no infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SpacingMm(Record):
    """Millimetres from one row (column) centre to the next."""

    row_mm: float = Field(gt=0)
    column_mm: float = Field(gt=0)


class PixelBox(Record):
    """A half-open rectangle in source pixels: columns x0..x1-1, rows y0..y1-1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @classmethod
    def of(cls, box: Box) -> PixelBox:
        return cls(x0=box.x0, y0=box.y0, x1=box.x1, y1=box.y1)

    @property
    def box(self) -> Box:
        return Box(self.x0, self.y0, self.x1, self.y1)


class ImageIdentity(Record):
    """Which image it was: the file's name without its folder (None for an array), its content and its geometry."""

    name: str | None
    sha256: str = Field(description="of the file's bytes; of the pixels where an array was given")
    width_px: int = Field(ge=1)
    height_px: int = Field(ge=1)
    frame_index: int = Field(ge=0)
    num_frames: int = Field(ge=1)
    spacing: SpacingMm | None
    spacing_reason: str | None = Field(description="why there is no spacing, or where it was taken from")


class ModelIdentity(Record):
    """Which network it was: the bundle's name and a short hash over everything that the bundle declares."""

    name: str
    id: str


class NoduleSize(Record):
    """Extents of one nodule; the frame's own axes: anteroposterior is vertical, transverse is horizontal."""

    area_px: int = Field(ge=1)
    area_mm2: float | None
    longest_px: float
    longest_mm: float | None
    longest_ends_xy: tuple[PointXY, PointXY]
    perpendicular_px: float
    perpendicular_mm: float | None
    perpendicular_ends_xy: tuple[PointXY, PointXY]
    anteroposterior_px: float
    anteroposterior_mm: float | None
    transverse_px: float
    transverse_mm: float | None
    mm_reason: str | None
    taller_than_wide: bool = Field(description="anteroposterior > transverse; a sign on transverse views only")

    def rounded(self) -> NoduleSize:
        """-> the same, rounded to thousandths of pixels and millimetres; an outline is less precise than that."""
        return NoduleSize(**{name: _rounded(value) for name, value in self.model_dump().items()})


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_rounded(item) for item in value)
    return round(value, 3) if isinstance(value, float) else value


class EchogenicFocus(Record):
    """A small bright spot inside a nodule: a candidate for an echogenic focus, which speckle can be as well."""

    centre_xy: PointXY
    diameter_px: float = Field(description="of the disc of equal area")
    diameter_mm: float | None


class NoduleSigns(Record):
    """What can be measured of a nodule's margin and inside; None where it can't be, with the reason.

    Formulas and their sources are in shape.py and tissue.py. Gray levels are those of the screen, 0 to 255, whose
    relation to echo strength is the scanner's own.
    """

    perimeter_px: float | None
    perimeter_mm: float | None = Field(description="None also where the nodule's size has no millimetres")
    compactness: float | None = Field(description="4 pi area / perimeter^2: 1 for a disc, less for all else")
    solidity: float | None = Field(description="area over that of the convex hull: 1 where nothing is dented")
    bending_energy: float | None = Field(description="mean squared curvature on the scale of a circle: 1 for a disc")
    irregularity: float | None = Field(description="bending energy above that of the ellipse alike: 0 for an ellipse")
    shape_reason: str | None
    echogenicity_ratio: float | None = Field(description="median gray of the nodule's tissue over its surroundings'")
    echogenicity_difference: float | None = Field(description="the same as a difference, in gray levels")
    surrounding_gray: float | None = Field(description="median gray of the tissue around the nodule")
    echogenicity_reason: str | None
    cystic_share: float | None = Field(ge=0, le=1, description="share of the nodule's area that is next to echo-free")
    num_foci: int | None = Field(ge=0, description="echogenic-foci candidates; provisional")
    foci: tuple[EchogenicFocus, ...] = Field(description="the candidates, the brightest first")
    inside_reason: str | None = Field(description="why there is no cystic share and no foci")


class Nodule(Record):
    """One outlined nodule. Its mask is the filled outline, border pixels included."""

    number: int = Field(ge=1, description="1 is the largest")
    panel_index: int = Field(ge=0, description="which of the prediction's panels it lies in")
    outline_xy: tuple[tuple[int, int], ...]
    size: NoduleSize
    mean_probability: Probability = Field(ge=0, le=1, description="mean mask probability inside the outline")
    risk: Probability | None = Field(ge=0, le=1)
    risk_interval: tuple[Probability, Probability] | None
    risk_interval_reason: str | None
    signs: NoduleSigns | None = Field(default=None, description="None in results of versions that didn't measure them")


class RiskShare(Record):
    """The share of malignant nodules that every risk of this result assumes."""

    assumed: Probability = Field(gt=0, lt=1, description="as the risks here stand")
    calibrated_at: Probability = Field(gt=0, lt=1, description="among the nodules that the model was calibrated on")
    risk_when_calibrated: Probability | None = Field(ge=0, le=1, description="the image's risk before it was restated")
    likelihood_ratio: float | None = Field(description="how much likelier this picture is of a malignant nodule")
    sentence: str


class OperatingPointResult(Record):
    """On which side of one of the model's operating points the image's risk lies."""

    name: str
    threshold: Probability
    is_above: bool
    meaning: str


class Flag(Record):
    """Something to know before this result is relied on."""

    code: FlagCode
    message: str


class Prediction(Record):
    """Everything that the program found in one frame, in pixels of the source image."""

    schema_version: Literal[1] = 1
    image: ImageIdentity
    field_of_view: PixelBox
    panels: tuple[PixelBox, ...]
    nodules: tuple[Nodule, ...]
    risk: Probability | None = Field(ge=0, le=1, description="calibrated risk of malignancy of the image")
    risk_meaning: str
    risk_reason: str | None = Field(description="why there is no risk")
    operating_points: tuple[OperatingPointResult, ...]
    flags: tuple[Flag, ...]
    model: ModelIdentity
    with_tta: bool
    software_version: str
    seconds: float = Field(ge=0)
    risk_share: RiskShare | None = Field(
        default=None, description="None where the model does not say at which share it was calibrated, or has no risk"
    )

    def to_json(self) -> str:
        """-> indented JSON text with each outline on one line; `Prediction.model_validate_json` reads it back."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False)
        number = r"-?\d[\d.eE+-]*"
        text = re.sub(rf"\[\n\s+({number}),\n\s+({number})\n\s+\]", r"[\1, \2]", text)  # JSON strings hold no raw \n
        return re.sub(r"\],\n\s+\[", "], [", text) + "\n"


def json_schema() -> str:
    """-> the JSON Schema (draft 2020-12) of a Prediction, indented, keys sorted.

    For tests: tests/golden/prediction.schema.json holds it, so that a change of the contract is noticed.
    """
    return json.dumps(Prediction.model_json_schema(), indent=2, sort_keys=True) + "\n"
