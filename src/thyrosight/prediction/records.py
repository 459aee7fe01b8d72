"""The records of a prediction: frozen pydantic models; command line, Python and web share their JSON.

Legend: `_xy` points (column, row) of pixel centres in the source image as decoded (EXIF orientation applied);
`_px` source pixels; `_mm` millimetres, None where the file does not state them (mm_reason). Boxes are half-open.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from thyrosight.errors import InputError
from thyrosight.prediction.drawing import draw_numbered_outlines, drawing_ground, risk_colour
from thyrosight.prediction.notebook import NOTEBOOK_COLUMNS, data_url, html_table
from thyrosight.types import BoolArray, Box, UInt8Array

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

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

    x0: int = Field(strict=True)
    y0: int = Field(strict=True)
    x1: int = Field(strict=True)
    y1: int = Field(strict=True)

    @classmethod
    def of(cls, box: Box) -> PixelBox:
        return cls(x0=int(box.x0), y0=int(box.y0), x1=int(box.x1), y1=int(box.y1))

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
    """Extents of one nodule along the axes of the frame: anteroposterior is vertical, transverse is horizontal."""

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
    """A small bright spot inside a nodule. It may be an echogenic focus, or only speckle."""

    centre_xy: PointXY
    diameter_px: float = Field(description="of the disc of equal area")
    diameter_mm: float | None


class NoduleSigns(Record):
    """Measures of a nodule's margin and inside. A measure is None where it can't be made; a reason then states why.

    Formulas and their sources are in shape.py and tissue.py. Gray levels are those of the screen, 0 to 255. Each
    scanner relates them to echo strength in its own way.
    """

    perimeter_px: float | None
    perimeter_mm: float | None = Field(description="None also where the nodule's size has no millimetres")
    compactness: float | None = Field(description="4 pi area / perimeter^2: 1 for a disc, less for all else")
    solidity: float | None = Field(description="area over that of the convex hull: 1 where nothing is dented")
    bending_energy: float | None = Field(description="mean squared curvature on the scale of a circle: 1 for a disc")
    irregularity: float | None = Field(
        description="bending energy over that of a like ellipse, minus 1: 0 for an ellipse"
    )
    shape_reason: str | None
    echogenicity_ratio: float | None = Field(description="median gray of the nodule's tissue over its surroundings'")
    echogenicity_difference: float | None = Field(description="the same as a difference, in gray levels")
    surrounding_gray: float | None = Field(description="median gray of the tissue around the nodule")
    echogenicity_reason: str | None
    cystic_share: float | None = Field(ge=0, le=1, description="share of the nodule's area that is nearly echo-free")
    num_foci: int | None = Field(ge=0, description="echogenic-foci candidates; provisional")
    foci: tuple[EchogenicFocus, ...] = Field(description="the candidates, the brightest first")
    inside_reason: str | None = Field(description="why there is no cystic share and no foci")


class Nodule(Record):
    """One outlined nodule. Its mask is the filled outline, border pixels included."""

    number: int = Field(ge=1, description="1 is the largest; of a clip, the number of its track")
    uid: str | None = Field(
        default=None, description="identifies the nodule in every result; None in results of earlier versions"
    )
    panel_index: int = Field(ge=0, description="index of the prediction's panel that holds it")
    outline_xy: tuple[tuple[int, int], ...]
    size: NoduleSize
    mean_probability: Probability = Field(ge=0, le=1, description="mean mask probability inside the outline")
    risk: Probability | None = Field(ge=0, le=1)
    risk_interval: tuple[Probability, Probability] | None
    risk_interval_reason: str | None
    risk_reason: str | None = Field(default=None, description="why the nodule has no risk of its own")
    signs: NoduleSigns | None = Field(default=None, description="None in results of versions that didn't measure them")


class RiskShare(Record):
    """The share of malignant nodules that every risk of this result assumes."""

    assumed: Probability = Field(gt=0, lt=1, description="the share that the risks here assume")
    calibrated_at: Probability = Field(gt=0, lt=1, description="among the nodules that the model was calibrated on")
    risk_when_calibrated: Probability | None = Field(ge=0, le=1, description="the image's risk before it was restated")
    likelihood_ratio: float | None = Field(description="how much likelier such a picture is for a malignant nodule")
    sentence: str


class OperatingPointResult(Record):
    """One operating point of the model, and whether the image's risk is at or above it."""

    name: str
    threshold: Probability
    is_above: bool
    meaning: str


class Flag(Record):
    """Something to know before this result is relied on."""

    code: FlagCode
    message: str


class Prediction(Record):
    """Everything that the program found in one frame, in pixels of the source image.

    Two predictions are equal where all fields are. In a notebook it shows its picture and its table.
    """

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
        default=None, description="None where the model does not state at which share it was calibrated, or has no risk"
    )

    _picture: Callable[[], UInt8Array] | None = PrivateAttr(default=None)
    """Function that gives the image for people, RGB _HW3 in the source's pixels; None where the image is not at
    hand."""

    def with_picture(self, picture: Callable[[], UInt8Array]) -> Prediction:
        """-> the same prediction, which can draw itself on what `picture` returns: RGB _HW3 in the source's pixels."""
        copy = self.model_copy()
        copy._picture = picture
        return copy

    @property
    def mask(self) -> BoolArray:
        """All nodules united: bool array (height, width) in the source image's own pixels."""
        import cv2
        import numpy as np

        filled_HW = np.zeros((self.image.height_px, self.image.width_px), np.uint8)
        for nodule in self.nodules:  # one call each: one call for all would leave overlaps empty
            cv2.fillPoly(filled_HW, [np.array(nodule.outline_xy, np.int32)], 1)
        return filled_HW.astype(np.bool_)

    def overlay(self, image: UInt8Array | PillowImage | None = None) -> PillowImage:
        """-> the image with the outline and number of each nodule, as a Pillow image of the source's own size.

        A risk at or above the first operating point is amber, a lower one cyan. Only the ultrasound field is
        shown, and burned-in text in the field is painted over with its surroundings. A prediction that was read from
        JSON holds no image. So pass the image, as a uint8 array or Pillow image of the same size; it is shown
        unchanged. InputError where there is no image, or where it has another size.
        """
        from PIL import Image

        if image is not None:
            picture_HW3 = drawing_ground(image, (self.image.width_px, self.image.height_px))
        elif self._picture is not None:
            picture_HW3 = self._picture().copy()
        else:
            raise InputError("this prediction holds no image; give it: overlay(image)")
        threshold = risk_threshold(self)
        draw_numbered_outlines(
            picture_HW3, [(one.number, one.outline_xy, risk_colour(one.risk, threshold)) for one in self.nodules]
        )
        return Image.fromarray(picture_HW3)

    def table(self) -> list[dict[str, Any]]:
        """-> one row per nodule, the largest first, for pandas.DataFrame; no row where there is no nodule.

        Columns: image, frame, nodule, risk and its interval, mean probability, all sizes (px, mm or None with
        mm_reason), the measured signs, then risk and flags of the whole image, and the model's name.
        """
        return [self._row(nodule) for nodule in self.nodules]

    def _row(self, nodule: Nodule) -> dict[str, Any]:
        low, high = nodule.risk_interval or (None, None)
        sizes = {name: value for name, value in nodule.size.model_dump().items() if not name.endswith("_xy")}
        signs = nodule.signs.model_dump(exclude={"foci"}) if nodule.signs is not None else {}
        return {
            "image": self.image.name,
            "frame": self.image.frame_index,
            "nodule": nodule.number,
            "risk": nodule.risk,
            "risk_low": low,
            "risk_high": high,
            "mean_probability": nodule.mean_probability,
            **sizes,
            **{name: value for name, value in signs.items() if not name.endswith("_reason")},
            "image_risk": self.risk,
            "flags": ";".join(flag.code for flag in self.flags),
            "model": self.model.name,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prediction) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((self.image.sha256, self.image.frame_index, self.model.id))

    def __repr__(self) -> str:
        count = {0: "no nodule", 1: "1 nodule"}.get(len(self.nodules), f"{len(self.nodules)} nodules")
        risk = "no risk" if self.risk is None else f"risk {self.risk:.2f}"
        size = f"{self.image.width_px} x {self.image.height_px}"
        return f"<Prediction of {self.image.name or 'an array'} ({size}): {count}, {risk}, by {self.model.name}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """-> HTML for a notebook: the picture where there is one, the nodules, the meaning of the risk, the flags."""
        parts = [f"<p><b>{html.escape(repr(self).strip('<>'))}</b></p>"]
        if self._picture is not None:
            parts.append(f'<img alt="outlines of the nodules" src="{data_url(self.overlay())}">')
        if self.nodules:
            parts.append(html_table(self.table(), NOTEBOOK_COLUMNS))
        meaning = self.risk_meaning if self.risk is not None else self.risk_reason or ""
        parts.append(f"<p>{html.escape(meaning)}. Research use only.</p>")
        parts += [f"<p>{html.escape(flag.message)}</p>" for flag in self.flags]
        return "\n".join(parts)

    def to_json(self) -> str:
        """-> indented JSON text with each outline on one line; `Prediction.model_validate_json` reads it back."""
        content = self.model_dump(mode="json")
        content["nodules"] = [one | {"outline_xy": f"@{index}"} for index, one in enumerate(content["nodules"])]
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        pair = r"\[\n\s+(-?\d[\d.eE+-]*),\n\s+(-?\d[\d.eE+-]*)\n\s+\]"  # JSON strings hold no raw \n
        text = re.sub(r"\],\n\s+\[", "], [", re.sub(pair, r"[\1, \2]", text)) + "\n"
        for index, one in enumerate(self.nodules):
            points = "[\n        " + ", ".join(f"[{x}, {y}]" for x, y in one.outline_xy) + "\n      ]"
            text = text.replace(f'"outline_xy": "@{index}"', f'"outline_xy": {points if one.outline_xy else "[]"}', 1)
        return text


def risk_threshold(prediction: Prediction) -> float:
    """-> the risk from which a nodule is drawn as high: the model's first operating point, 0.5 without one."""
    return prediction.operating_points[0].threshold if prediction.operating_points else 0.5


def json_schema() -> str:
    """-> the JSON Schema (draft 2020-12) of a Prediction, indented, keys sorted.

    For tests: tests/golden/prediction.schema.json holds it, so that a change of the contract is noticed.
    """
    return json.dumps(Prediction.model_json_schema(), indent=2, sort_keys=True) + "\n"
