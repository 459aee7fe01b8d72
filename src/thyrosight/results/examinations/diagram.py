"""Examination -> an SVG of the gland from the front, the patient's right on the left, with numbered nodules.

A nodule is drawn in the third of the lobe that the reader or the file stated. Within the third its place is chosen so
that nodules do not cover each other. Circles are as large as the longest diameter, on the scale of a lobe of 50 mm, but
never smaller than MIN_RADIUS or larger than MAX_RADIUS. A nodule whose side is not stated is drawn below the gland.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup, escape

from thyrosight.examination.records import ExaminedNodule, ThyroidExam, place_in_words
from thyrosight.examination.sizes import nodule_dimensions

WIDTH, HEIGHT = 420, 330
PX_PER_MM = 4.4
LOBE_X = {"right": 122.0, "left": 298.0, "isthmus": 210.0}
POLE_Y = {"upper": 84.0, "middle": 150.0, "lower": 216.0}
ISTHMUS_Y = 178.0
MIN_RADIUS, MAX_RADIUS = 10.0, 46.0
UNKNOWN_MM = 8.0
LOBE = "M {x} 34 C {a} 40 {b} 100 {c} 168 C {d} 230 {e} 266 {x} 270 C {f} 266 {g} 226 {h} 168 C {i} 100 {j} 40 {x} 34 Z"


@dataclass(frozen=True)
class Spot:
    """A nodule in the diagram: centre and radius in the SVG's units; is_sure: side and pole were stated."""

    number: int
    x: float
    y: float
    radius: float
    is_sure: bool
    title: str


def gland_diagram(examination: ThyroidExam) -> Markup:
    """Examination -> SVG text that is safe inside HTML."""
    spots = place_spots(examination)
    titles = "; ".join(spot.title for spot in spots) or "no nodule"
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape("Diagram of the gland: " + titles)}" '
        'xmlns="http://www.w3.org/2000/svg" class="gland">',
        *_gland(),
        *(str(_spot(spot)) for spot in spots),
        "</svg>",
    ]
    return Markup("\n".join(parts))


def place_spots(examination: ThyroidExam) -> list[Spot]:
    """Examination -> the places of its nodules in the diagram; the largest is placed first."""
    sized = [(one, nodule_dimensions(one, examination).longest_mm) for one in examination.nodules]
    placed: list[Spot] = []
    aside = [one for one, _ in sized if one.side is None]
    for one, longest_mm in sorted(sized, key=lambda pair: -(pair[1] or 0)):
        radius = min(MAX_RADIUS, max(MIN_RADIUS, (longest_mm or UNKNOWN_MM) / 2 * PX_PER_MM))
        if one.side is None:
            place = aside.index(one)
            spot = Spot(one.number, 40.0 + 34 * (place % 11), 310.0, MIN_RADIUS, False, _title(one, longest_mm))
        else:
            x, y = _free_place(one, radius, placed)
            is_sure = one.pole is not None or one.side == "isthmus"
            spot = Spot(one.number, x, y, radius, is_sure, _title(one, longest_mm))
        placed.append(spot)
    return sorted(placed, key=lambda spot: spot.number)


def _title(one: ExaminedNodule, longest_mm: float | None) -> str:
    size = "size not known" if longest_mm is None else f"{longest_mm:.0f} mm"
    return f"nodule {one.number}, {place_in_words(one.side, one.pole)}, {size}"


def _free_place(one: ExaminedNodule, radius: float, placed: list[Spot]) -> tuple[float, float]:
    """-> the place nearest to the middle of the third where the circle covers no other.

    Where every place covers another circle, the place that covers least.
    """
    middle_x = LOBE_X[one.side or "right"]
    middle_y = ISTHMUS_Y if one.side == "isthmus" and one.pole is None else POLE_Y[one.pole or "middle"]
    best, best_cost = (middle_x, middle_y), math.inf
    for ring in range(7):
        for step in range(max(1, 6 * ring)):
            angle = 2 * math.pi * step / max(1, 6 * ring)
            x, y = middle_x + 6 * ring * math.cos(angle), middle_y + 6 * ring * math.sin(angle)
            covered = sum(
                max(0.0, radius + other.radius + 2 - math.hypot(x - other.x, y - other.y)) for other in placed
            )
            cost = covered * 100 + ring
            if cost < best_cost:
                best, best_cost = (x, y), cost
    return best


def _gland() -> Iterator[str]:
    """-> SVG of lobes, isthmus and trachea, and the letters of both sides."""
    for x, turn in ((LOBE_X["right"], 1), (LOBE_X["left"], -1)):
        names = ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
        shifts = (-44, -60, -58, -56, -40, 34, 54, 56, 46, 22)
        points = {name: f"{x + turn * shift:g}" for name, shift in zip(names, shifts, strict=True)}
        yield f'<path d="{LOBE.format(x=f"{x:g}", **points)}" fill="#f3e3dc" stroke="#8a5a4a" stroke-width="1.5"/>'
    yield '<rect x="188" y="20" width="44" height="268" rx="16" fill="none" stroke="#b9bec7" stroke-dasharray="4 4"/>'
    yield '<rect x="168" y="158" width="84" height="40" rx="12" fill="#f3e3dc" stroke="#8a5a4a" stroke-width="1.5"/>'
    for x, text in ((40, "R"), (380, "L")):
        yield f'<text x="{x}" y="40" font-size="20" font-weight="700" text-anchor="middle" fill="#3b4250">{text}</text>'
    yield '<text x="210" y="16" font-size="11" text-anchor="middle" fill="#5c6370">trachea</text>'


def _spot(spot: Spot) -> Markup:
    dashes = "" if spot.is_sure else ' stroke-dasharray="4 3"'
    size = 15 if spot.radius >= 12 else 12
    return Markup(
        '<g><title>{title}</title><circle cx="{x}" cy="{y}" r="{radius}" fill="#ffffff" fill-opacity="0.85" '
        'stroke="#16181d" stroke-width="2"{dashes}/><text x="{x}" y="{base}" font-size="{size}" font-weight="700" '
        'text-anchor="middle" fill="#16181d">{number}</text></g>'
    ).format(
        title=spot.title,
        x=f"{spot.x:.1f}",
        y=f"{spot.y:.1f}",
        radius=f"{spot.radius:.1f}",
        dashes=Markup(dashes),
        base=f"{spot.y + size * 0.36:.1f}",
        size=size,
        number=spot.number,
    )
