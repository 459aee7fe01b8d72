"""Examinations of drawn nodules for tests: predictions without an image, views that state what they show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from thyrosight.examination.records import (
    ExaminedNodule,
    Gland,
    Lobe,
    Pole,
    Section,
    Side,
    ThyroidExam,
    View,
    ViewImage,
)
from thyrosight.measurement.outlines import outlines
from thyrosight.measurement.size import measure
from thyrosight.prediction import (
    ImageIdentity,
    ModelIdentity,
    Nodule,
    NoduleSigns,
    PixelBox,
    Prediction,
    RiskShare,
    SpacingMm,
)
from thyrosight.tirads.descriptors import Descriptors
from thyrosight.types import Spacing

SIZE_HW = (300, 400)
MM = 0.1
SHARE = RiskShare(
    assumed=0.1,
    calibrated_at=0.35,
    risk_when_calibrated=0.4,
    likelihood_ratio=1.2,
    sentence="This risk assumes that 10 % of the nodules are malignant.",
)


def nodule_of(width_mm: float, height_mm: float, number: int = 1, *, mm: float = MM, **changes: Any) -> Nodule:
    """Extents of an upright ellipse in mm -> the nodule with this outline, in the middle of the image."""
    rows, columns = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    half_x, half_y = width_mm / mm / 2, height_mm / mm / 2
    mask_HW = ((columns - 199.5) / half_x) ** 2 + ((rows - 149.5) / half_y) ** 2 <= 1
    values: dict[str, Any] = {
        "number": number,
        "panel_index": 0,
        "outline_xy": tuple((int(x), int(y)) for x, y in outlines(mask_HW)[0]),
        "size": measure(mask_HW, Spacing(mm, mm)).rounded(),
        "mean_probability": 0.9,
        "risk": 0.25,
        "risk_interval": (0.125, 0.5),
        "risk_interval_reason": None,
        "signs": signs_of_nodule(),
    }
    return Nodule(**(values | changes))


def signs_of_nodule(echogenicity: float = 0.8, cystic_share: float = 0.02, num_foci: int = 0) -> NoduleSigns:
    """-> signs of a solid, hypoechoic nodule."""
    return NoduleSigns(
        perimeter_px=100,
        perimeter_mm=10,
        compactness=0.9,
        solidity=0.98,
        bending_energy=1.1,
        irregularity=0.1,
        shape_reason=None,
        echogenicity_ratio=echogenicity,
        echogenicity_difference=-20,
        surrounding_gray=100,
        echogenicity_reason=None,
        cystic_share=cystic_share,
        num_foci=num_foci,
        foci=(),
        inside_reason=None,
    )


def prediction_of(key: str, nodules: Sequence[Nodule], **changes: Any) -> Prediction:
    """Nodules of one image -> the prediction that holds them."""
    whole = PixelBox(x0=0, y0=0, x1=SIZE_HW[1], y1=SIZE_HW[0])
    values: dict[str, Any] = {
        "image": ImageIdentity(
            name=f"{key}.png",
            sha256=key.encode().hex().ljust(64, "0")[:64],
            width_px=SIZE_HW[1],
            height_px=SIZE_HW[0],
            frame_index=0,
            num_frames=1,
            spacing=SpacingMm(row_mm=MM, column_mm=MM),
            spacing_reason=None,
        ),
        "field_of_view": whole,
        "panels": (whole,),
        "nodules": tuple(nodules),
        "risk": 0.25 if nodules else None,
        "risk_meaning": "pathology of the nodule",
        "risk_reason": None,
        "operating_points": (),
        "flags": (),
        "model": ModelIdentity(name="drawn", id="0a1b2c"),
        "with_tta": False,
        "software_version": "thyrosight 0.1.0",
        "seconds": 0.1,
        "risk_share": SHARE,
    }
    return Prediction(**(values | changes))


def view_image(
    key: str, nodules: Sequence[Nodule], view: View | None, side: Side | None = None, pole: Pole | None = None
) -> ViewImage:
    """-> an image that shows the nodules."""
    said_by = None if view is side is pole is None else "file"
    return ViewImage(key=key, prediction=prediction_of(key, nodules), view=view, side=side, pole=pole, said_by=said_by)


def examined(
    dimensions_mm: Sequence[tuple[float, float, float]],
    *,
    places: Sequence[tuple[Side | None, Pole | None]] | None = None,
    day: int = 1,
    **changes: Any,
) -> ThyroidExam:
    """(length, width, depth) per nodule in mm -> an examination with a transverse and a longitudinal view of each."""
    places = places or [("right", "middle")] * len(dimensions_mm)
    images, nodules = [], []
    for number, ((length, width, depth), (side, pole)) in enumerate(zip(dimensions_mm, places, strict=True), 1):
        across, along = nodule_of(width, depth), nodule_of(length, depth)
        keys = f"{number} trans", f"{number} long"
        images += [
            view_image(keys[0], [across], "transverse", side, pole),
            view_image(keys[1], [along], "longitudinal", side, pole),
        ]
        sections = tuple(
            Section(image=key, nodule=nodule, outlined_by="MANUAL")
            for key, nodule in zip(keys, (across, along), strict=True)
        )
        nodules.append(
            ExaminedNodule(
                uid=f"2.25.{day}{number}", number=number, side=side, pole=pole, sections=sections, paired_by="reader"
            )
        )
    values: dict[str, Any] = {
        "uid": f"2.25.{day}",
        "date": f"2026-01-{day:02d}",
        "images": tuple(images),
        "nodules": tuple(nodules),
    }
    return ThyroidExam(**(values | changes))


def ellipsoid_ml(length_mm: float, width_mm: float, depth_mm: float) -> float:
    """Three diameters -> volume of the ellipsoid."""
    return math.pi / 6 * length_mm * width_mm * depth_mm / 1000


READ = Descriptors(
    composition="solid or almost completely solid",
    echogenicity="very hypoechoic",
    shape="taller-than-wide",
    margin="lobulated or irregular",
    foci=("punctate echogenic foci",),
)


def full_examination(**changes: Any) -> ThyroidExam:
    """Two nodules, the first read in all five descriptors; the second untouched network outlines."""
    one = examined([(20, 12, 14), (9, 8, 7)], places=[("right", "upper"), ("left", "lower")], day=20)
    first = one.nodules[0].model_copy(update={"descriptors": READ, "note": "close to the capsule"})
    sections = tuple(section.model_copy(update={"outlined_by": "AUTOMATIC"}) for section in one.nodules[1].sections)
    second = one.nodules[1].model_copy(
        update={"sections": sections, "paired_by": "program", "pairing_reason": "depths"}
    )
    values: dict[str, Any] = {
        "nodules": (first, second),
        "patient": "Case 17",
        "indication": "palpable nodule",
        "technique": "linear probe, 12 MHz",
        "comparison": "outside report of 2024",
        "gland": Gland(
            right=Lobe(length_mm=52, width_mm=20, depth_mm=18, echotexture="homogeneous"),
            left=Lobe(length_mm=48, width_mm=18, depth_mm=16),
            isthmus_mm=3.2,
        ),
        "lymph_nodes": "no suspicious cervical lymph node",
        "remarks": "trachea in the midline",
        "impression": "Suspicious nodule on the right.",
        "reader": "Dr. B. Reader",
        "signed": "2026-01-20T10:00:00Z",
    }
    return one.model_copy(update=values | changes)
