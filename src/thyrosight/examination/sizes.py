"""A nodule's sections and the reader's calipers -> three diameters and a volume, each with its 95 % interval.

Two readers who outline one image differ. On DDTI two radiologists outlined 170 nodules of 105 patients. The logarithm
of the ratio of their diameters has a standard deviation of 0.135 (longest) and 0.139 (perpendicular), and both
logarithms correlate by 0.56 (`studies/reader_sizes.py`, docs/results.md). The error of one reader is that deviation
divided by sqrt(2).

Legend: `_mm` millimetres, `sd_log` standard deviation of the natural logarithm of a length.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from thyrosight.examination.records import ExaminedNodule, Gland, Lobe, Section, ThyroidExam, View
from thyrosight.measurement.size import ellipsoid_volume_mm3
from thyrosight.prediction import Record

Direction = Literal["length", "width", "depth"]
DIRECTIONS: tuple[Direction, ...] = ("length", "width", "depth")
Z95 = 1.96


class SizeError(Record):
    """How far a measured diameter is from the true one: log(measured / true) has mean bias_log and sd sd_log.

    within_outline: correlation of the errors of two diameters of one outline. between_outlines: correlation of the
    errors of two outlines of one nodule. Where a nodule is hard to see, both are wrong in the same direction. source:
    where these numbers come from.
    """

    bias_log: float = 0.0
    sd_log: float = Field(gt=0)
    within_outline: float = Field(ge=0, le=1)
    between_outlines: float = Field(default=0.0, ge=0, le=1)
    source: str

    def interval(self, mm: float) -> tuple[float, float]:
        """A length in mm that is corrected for bias_log -> (low, high) in mm, the 95 % interval of the true length."""
        return mm * math.exp(-Z95 * self.sd_log), mm * math.exp(Z95 * self.sd_log)


READER_ERROR = SizeError(
    sd_log=0.097,
    within_outline=0.56,
    source="two radiologists on 170 nodules of DDTI, one reader's share of their difference",
)
NETWORK_ERROR = SizeError(
    sd_log=0.14,
    within_outline=0.56,
    between_outlines=0.28,
    source="out-of-fold outlines on DDTI against a radiologist's, without the radiologist's own share; "
    "the correlation of two views is from phantoms",
)


class Diameter(Record):
    """One diameter: millimetres, 95 % interval, what it was measured on, and by whom."""

    direction: Direction
    mm: float = Field(gt=0)
    low_mm: float = Field(gt=0)
    high_mm: float = Field(gt=0)
    by: Literal["reader", "network"]
    image: str | None = Field(description="key of the image whose outline it was measured on; None for calipers")
    sd_log: float


class NoduleDimensions(Record):
    """Diameters of a nodule, three at most; its longest known length; its volume as an ellipsoid.

    There is a volume only if all three diameters are known. Where one is missing, `reason` says why.
    """

    diameters: tuple[Diameter, ...]
    longest_mm: float | None
    volume_ml: float | None
    volume_low_ml: float | None
    volume_high_ml: float | None
    volume_sd_log: float | None
    reason: str | None = Field(description="why a diameter or the volume is missing")

    def diameter(self, direction: Direction) -> Diameter | None:
        """-> the diameter in this direction; None where it is not known."""
        return next((one for one in self.diameters if one.direction == direction), None)


Errors = tuple[SizeError, SizeError]
"""(error of a reader's outlines and calipers, error of the network's outlines)."""
ERRORS: Errors = (READER_ERROR, NETWORK_ERROR)


def nodule_dimensions(nodule: ExaminedNodule, examination: ThyroidExam, errors: Errors = ERRORS) -> NoduleDimensions:
    """Nodule of an examination -> its three diameters and volume (pi / 6 a b c).

    As in ACR TI-RADS (Tessler 2017): the transverse view gives width and depth (its longest diameter and the one at
    right angles), the longitudinal view gives the length. Where several sections are of one view, the largest is used.
    Without a transverse view, depth comes from the longitudinal view. A caliper replaces an outline.
    """
    sections: dict[View, Section] = {}
    for view in ("transverse", "longitudinal"):
        of_view = [one for one in nodule.sections if examination.image(one.image).view == view]
        if of_view:
            sections[view] = max(of_view, key=_area)
    found = {name: one for name in DIRECTIONS if (one := _diameter(name, nodule, sections, errors)) is not None}
    diameters = tuple(found[name] for name in DIRECTIONS if name in found)
    longest_mm = max([one.mm for one in diameters] + _section_lengths(nodule, sections), default=None)
    reason = None
    if len(diameters) < 3:
        reason = _reason(nodule, examination, sections, [name for name in DIRECTIONS if name not in found])
        return NoduleDimensions(
            diameters=diameters,
            longest_mm=longest_mm,
            volume_ml=None,
            volume_low_ml=None,
            volume_high_ml=None,
            volume_sd_log=None,
            reason=reason,
        )
    volume_ml = ellipsoid_volume_mm3(*(one.mm for one in diameters)) / 1000
    sd_log = _volume_sd(diameters, errors)
    corrected_ml = volume_ml * math.exp(-sum(errors[one.by == "network"].bias_log for one in diameters))
    return NoduleDimensions(
        diameters=diameters,
        longest_mm=longest_mm,
        volume_ml=volume_ml,
        volume_low_ml=corrected_ml * math.exp(-Z95 * sd_log),
        volume_high_ml=corrected_ml * math.exp(Z95 * sd_log),
        volume_sd_log=sd_log,
        reason=None,
    )


def lobe_volume_ml(lobe: Lobe) -> float | None:
    """Lobe -> its volume as an ellipsoid (pi / 6 a b c); None where a diameter is missing."""
    if lobe.length_mm is None or lobe.width_mm is None or lobe.depth_mm is None:
        return None
    return ellipsoid_volume_mm3(lobe.length_mm, lobe.width_mm, lobe.depth_mm) / 1000


def gland_volume_ml(gland: Gland) -> float | None:
    """Gland -> the sum of both lobes, without the isthmus, as usual; None where a lobe is not measured."""
    right, left = lobe_volume_ml(gland.right), lobe_volume_ml(gland.left)
    return None if right is None or left is None else right + left


def _diameter(
    direction: Direction, nodule: ExaminedNodule, sections: dict[View, Section], errors: Errors
) -> Diameter | None:
    by_hand = getattr(nodule.calipers, f"{direction}_mm")
    if by_hand is not None:
        return _with_error(direction, by_hand, None, errors[0])
    transverse, longitudinal = sections.get("transverse"), sections.get("longitudinal")
    if direction == "length":
        return _of_outline(direction, longitudinal, "transverse_mm", errors)  # horizontal in a longitudinal view
    if transverse is not None:
        size = transverse.nodule.size
        is_longest_upright = size.longest_mm is not None and _is_upright(transverse)
        name = "longest_mm" if (direction == "depth") == is_longest_upright else "perpendicular_mm"
        return _of_outline(direction, transverse, name, errors)
    return _of_outline(direction, longitudinal, "anteroposterior_mm", errors) if direction == "depth" else None


def _is_upright(section: Section) -> bool:
    """Whether the longest diameter is closer to vertical than to horizontal, in millimetres."""
    size = section.nodule.size
    (x0, y0), (x1, y1) = size.longest_ends_xy
    across, down = size.transverse_mm, size.anteroposterior_mm
    step_x = 1.0 if across is None else across / size.transverse_px
    step_y = 1.0 if down is None else down / size.anteroposterior_px
    return abs(y1 - y0) * step_y > abs(x1 - x0) * step_x


def _of_outline(direction: Direction, section: Section | None, name: str, errors: Errors) -> Diameter | None:
    mm = None if section is None else getattr(section.nodule.size, name)
    if section is None or mm is None:
        return None
    return _with_error(direction, mm, section, errors[section.outlined_by == "AUTOMATIC"])


def _with_error(direction: Direction, mm: float, section: Section | None, error: SizeError) -> Diameter:
    low, high = error.interval(mm * math.exp(-error.bias_log))
    return Diameter(
        direction=direction,
        mm=mm,
        low_mm=low,
        high_mm=high,
        by="network" if section is not None and section.outlined_by == "AUTOMATIC" else "reader",
        image=None if section is None else section.image,
        sd_log=error.sd_log,
    )


def _volume_sd(diameters: tuple[Diameter, ...], errors: Errors) -> float:
    """Three diameters -> sd of the volume's logarithm.

    Errors of diameters from outlines are correlated; errors of calipers are not.
    """
    variance = 0.0
    for one in diameters:
        for other in diameters:
            variance += _correlation(one, other, errors) * one.sd_log * other.sd_log
    return math.sqrt(variance)


def _correlation(one: Diameter, other: Diameter, errors: Errors) -> float:
    if one is other:
        return 1.0
    if one.image is None or other.image is None or one.by != other.by:
        return 0.0
    error = errors[one.by == "network"]
    return error.within_outline if one.image == other.image else error.between_outlines


def _area(section: Section) -> int:
    return section.nodule.size.area_px


def _section_lengths(nodule: ExaminedNodule, sections: dict[View, Section]) -> list[float]:
    """Nodule, {view: its section} -> longest diameters in mm of the sections without a reader's caliper.

    Where no view is known, these are all sections, or no section if the reader measured any diameter.
    """
    by_hand = nodule.calipers
    if not sections:
        counted = [] if any(by_hand.model_dump().values()) else list(nodule.sections)
    else:
        is_replaced = {
            "transverse": by_hand.width_mm is not None or by_hand.depth_mm is not None,
            "longitudinal": by_hand.length_mm is not None,
        }
        counted = [section for view, section in sections.items() if not is_replaced[view]]
    return [mm for one in counted if (mm := one.nodule.size.longest_mm) is not None]


def _reason(
    nodule: ExaminedNodule, examination: ThyroidExam, sections: dict[View, Section], missing: list[Direction]
) -> str:
    unknown = [one.image for one in nodule.sections if examination.image(one.image).view is None]
    no_mm = next((one.nodule.size.mm_reason for one in sections.values() if one.nodule.size.mm_reason), None)
    what = f"no {' and '.join(missing)}"
    if no_mm is not None:
        return f"{what}: {no_mm}"
    if unknown:
        return f"{what}: nobody said which view image '{unknown[0]}' shows"
    view = "longitudinal" if "length" in missing else "transverse"
    return f"{what}: no {view} view is outlined"
