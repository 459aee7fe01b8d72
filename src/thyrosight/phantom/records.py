"""The records of a phantom: settings in; image, outlines, millimetres and descriptors out.

Legend: `_HW` arrays, `_xy` points (column, row) in pixels with pixel centres at whole numbers, `_mm` millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import ConfigError
from thyrosight.types import BoolArray, Box, FloatArray, Spacing, UInt8Array

View = Literal["transverse", "longitudinal"]


PROBABILITIES = (
    "no_nodule",
    "two_nodules",
    "split_screen",
    "screen",
    "burned_label",
    "calipers",
    "text_in_field",
    "suspicious",
    "label_noise",
)


@dataclass(frozen=True)
class PhantomSettings:
    """How a cohort of phantoms is drawn. Fractions are probabilities per image.

    size_hw: the whole screen in pixels. depth_mm: range of the depth of the field. pixel_aspect: column_mm / row_mm.
    screen: the field is part of a larger black screen with text, gray bar and ruler (else it is the whole image).
    balanced: the share `suspicious` of the nodules has at least `malignant_points` TI-RADS points and is malignant, the
    others are benign; each label is inverted with probability `label_noise`. Without `balanced`, descriptors are as
    frequent as in a clinic, and malignancy follows the published risk of the nodule's level. ConfigError for a value
    outside its range.
    """

    size_hw: tuple[int, int] = (360, 560)
    depth_mm: tuple[float, float] = (33.0, 50.0)
    pixel_aspect: float = 1.0
    no_nodule: float = 0.05
    two_nodules: float = 0.12
    split_screen: float = 0.25
    screen: float = 0.8
    burned_label: float = 0.1
    calipers: float = 0.1
    text_in_field: float = 0.05
    balanced: bool = True
    suspicious: float = 0.5
    malignant_points: int = 6
    label_noise: float = 0.08

    def __post_init__(self) -> None:
        height, width = self.size_hw
        if height < 128 or width < 128:
            raise ConfigError(f"size_hw {height} x {width}: a phantom needs at least 128 x 128 pixels")
        low, high = self.depth_mm
        if not 20 <= low <= high <= 80:
            raise ConfigError(f"depth_mm {low}..{high}: the depth of a neck scan is between 20 and 80")
        if not 0.25 <= self.pixel_aspect <= 4:
            raise ConfigError(f"pixel_aspect {self.pixel_aspect}: column_mm / row_mm is between 0.25 and 4")
        if not 1 <= self.malignant_points <= 8:
            raise ConfigError(f"malignant_points {self.malignant_points}: nodules of both kinds need 1..8")
        for name in PROBABILITIES:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} {getattr(self, name)}: a probability is between 0 and 1")


@dataclass(frozen=True)
class DrawnDescriptors:
    """One nodule in the words of the ACR TI-RADS lexicon; it may have several foci."""

    composition: str
    echogenicity: str
    shape: str
    margin: str
    foci: tuple[str, ...]

    def as_dict(self) -> dict[str, str]:
        """-> {descriptor: word}; the scoring chart has fewer words, so several of these become one there.

        Several foci are joined by `; `.
        """
        return {
            "composition": self.composition,
            "echogenicity": self.echogenicity,
            "shape": self.shape,
            "margin": self.margin,
            "foci": "; ".join(self.foci),
        }

    def as_chart(self, points: int) -> dict[str, str]:
        """-> the descriptor columns of cases.csv: terms of the scoring chart (Tessler 2017); tirads is the level."""
        return {
            **{name: CHART_TERMS.get(text, text) for name, text in self.as_dict().items() if name != "foci"},
            "foci": "; ".join(CHART_TERMS.get(focus, focus) for focus in self.foci),
            "tirads": str(tirads_level(points)),
        }


@dataclass(frozen=True)
class PhantomNodule:
    """The truth of one nodule in one view: outline_xy (N, 2) in pixels of the image.

    The sizes are measured on this curve.
    """

    panel: int
    descriptors: DrawnDescriptors
    points: int
    level: int
    malignancy: int
    outline_xy: NDArray[np.float64]
    outline_mm_xy: NDArray[np.float64]
    area_mm2: float
    longest_mm: float
    perpendicular_mm: float
    anteroposterior_mm: float
    transverse_mm: float


@dataclass(frozen=True)
class Phantom:
    """One synthetic screen capture with its truth.

    image_HW uint8; mask_HW and gland_HW bool; the gland includes its nodules. malignancy: 1 where a nodule is
    malignant, else 0 (also in an image without a nodule). text: the box of every text on the screen.
    """

    image_HW: UInt8Array
    mask_HW: BoolArray
    gland_HW: BoolArray
    nodules: tuple[PhantomNodule, ...]
    spacing: Spacing
    field: Box
    panels: tuple[Box, ...]
    views: tuple[View, ...]
    text: tuple[Box, ...]
    malignancy: int


@dataclass(frozen=True)
class Grid:
    """Pixel centres of one panel in millimetres: x from the panel's middle, y from the skin. x_HW, y_HW float32."""

    x_HW: FloatArray
    y_HW: FloatArray
    spacing: Spacing

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.x_HW.shape
        return height, width

    @property
    def width_mm(self) -> float:
        return self.shape[1] * self.spacing.column_mm

    @property
    def depth_mm(self) -> float:
        return self.shape[0] * self.spacing.row_mm


def make_grid(shape_hw: tuple[int, int], spacing: Spacing) -> Grid:
    """(rows, columns), spacing -> Grid; the centres of its first row are half a pixel below the skin."""
    height, width = shape_hw
    x_W = (np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)) * np.float32(spacing.column_mm)
    y_H = (np.arange(height, dtype=np.float32) + np.float32(0.5)) * np.float32(spacing.row_mm)
    x_HW, y_HW = np.meshgrid(x_W, y_H)
    return Grid(x_HW, y_HW, spacing)


COMPOSITION_POINTS = {
    "cystic": 0,
    "almost completely cystic": 0,
    "spongiform": 0,
    "mixed cystic and solid": 1,
    "solid": 2,
}
ECHOGENICITY_POINTS = {"anechoic": 0, "hyperechoic": 1, "isoechoic": 1, "hypoechoic": 2, "very hypoechoic": 3}
SHAPE_POINTS = {"wider-than-tall": 0, "taller-than-wide": 3}
MARGIN_POINTS = {"smooth": 0, "ill-defined": 0, "lobulated or irregular": 2, "extra-thyroidal extension": 3}
FOCI_POINTS = {
    "none": 0,
    "large comet-tail artifacts": 0,
    "macrocalcifications": 1,
    "peripheral calcifications": 2,
    "punctate echogenic foci": 3,
}
CHART_TERMS = {
    "cystic": "cystic or almost completely cystic",
    "almost completely cystic": "cystic or almost completely cystic",
    "solid": "solid or almost completely solid",
    "hyperechoic": "hyperechoic or isoechoic",
    "isoechoic": "hyperechoic or isoechoic",
    "none": "none or large comet-tail artifacts",
    "large comet-tail artifacts": "none or large comet-tail artifacts",
    "peripheral calcifications": "peripheral (rim) calcifications",
}
LEVEL_RISK = {1: 0.003, 2: 0.015, 3: 0.048, 4: 0.091, 5: 0.35}
"""Risk of malignancy by level: Middleton et al., AJR 208 (2017) 1331-1341, 3422 nodules."""


def tirads_points(descriptors: DrawnDescriptors) -> int:
    """Descriptors -> points of ACR TI-RADS (Tessler et al., JACR 14 (2017) 587-595).

    Foci add up. Edge case of the paper: a spongiform nodule gets no points from the other categories.
    """
    if descriptors.composition == "spongiform":
        return 0
    return (
        COMPOSITION_POINTS[descriptors.composition]
        + ECHOGENICITY_POINTS[descriptors.echogenicity]
        + SHAPE_POINTS[descriptors.shape]
        + MARGIN_POINTS[descriptors.margin]
        + sum(FOCI_POINTS[focus] for focus in descriptors.foci)
    )


def tirads_level(points: int) -> int:
    """Points -> level 1..5 (Tessler 2017: 0, 2, 3, 4-6, 7 or more).

    The paper has no level for one point; here it is level 2.
    """
    if points >= 7:
        return 5
    return {0: 1, 1: 2, 2: 2, 3: 3}.get(points, 4)
