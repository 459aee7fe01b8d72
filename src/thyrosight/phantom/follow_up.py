"""rng -> one nodule in two views at two times: screens with exact truth, and a known growth.

The nodule is an ellipsoid with a wavy surface. Transverse and longitudinal view both cut it through its centre, so they
show the same depth. Between the two times its volume grows by a given factor, more in some directions than in others.
Neck, scanner and probe are drawn anew for each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from thyrosight.phantom.acoustics import draw_scanner
from thyrosight.phantom.curves import Outline
from thyrosight.phantom.draw import PlannedNodule, draw_panel, nodule_truth, place_first, scan
from thyrosight.phantom.nodule import draw_descriptors
from thyrosight.phantom.records import DrawnDescriptors, Phantom, PhantomSettings, View, make_grid
from thyrosight.phantom.screen import draw_screen_layout, furnish
from thyrosight.types import UInt8Array

SETTINGS = PhantomSettings(
    depth_mm=(45.0, 52.0), split_screen=0.0, burned_label=0.0, calipers=0.0, text_in_field=0.0, no_nodule=0.0
)
VIEWS: tuple[View, View] = ("transverse", "longitudinal")


@dataclass(frozen=True)
class PhantomVisit:
    """One point in time: one screen per view, all of the same nodule, and its true diameters in mm."""

    views: dict[View, Phantom]
    length_mm: float
    width_mm: float
    depth_mm: float


@dataclass(frozen=True)
class NoduleShape:
    """The shape of a nodule: half axes in mm (length, width, depth), descriptors, the waves of both sections."""

    half_mm: tuple[float, float, float]
    descriptors: DrawnDescriptors
    sections: dict[View, Outline]


def draw_shape(rng: np.random.Generator, settings: PhantomSettings = SETTINGS) -> NoduleShape:
    """rng -> a nodule of 7 to 16 mm width whose descriptors fit its shape."""
    descriptors = draw_descriptors(rng, settings)
    width = float(rng.uniform(7, 16))
    ratio = rng.uniform(1.1, 1.3) if descriptors.shape == "taller-than-wide" else rng.uniform(0.6, 0.92)
    half = (width / 2 * float(rng.uniform(0.95, 1.5)), width / 2, width / 2 * float(ratio))
    sections = {}
    for view, across in zip(VIEWS, (half[1], half[0]), strict=True):
        waves = tuple(float(wave) for wave in np.clip(rng.normal(0, 0.02, 3), -0.06, 0.06))
        phases = tuple(float(phase) for phase in rng.uniform(0, 2 * np.pi, 3))
        sections[view] = Outline((0.0, 0.0), (across, half[2]), float(rng.normal(0, 0.08)), (2, 3, 4), waves, phases)
    return NoduleShape(half, descriptors, sections)


def grown_shape(rng: np.random.Generator, shape: NoduleShape, volume_ratio: float) -> NoduleShape:
    """Shape, factor of its volume -> the later shape.

    No axis gets shorter while the volume grows, or longer while it shrinks.
    """
    shares = rng.dirichlet((4.0, 4.0, 4.0))
    factors = volume_ratio**shares
    half = tuple(float(one * factor) for one, factor in zip(shape.half_mm, factors, strict=True))
    across = {"transverse": half[1], "longitudinal": half[0]}
    sections = {view: replace(one, half_mm=(across[view], half[2])) for view, one in shape.sections.items()}
    return NoduleShape((half[0], half[1], half[2]), shape.descriptors, sections)


def draw_visit(rng: np.random.Generator, shape: NoduleShape, settings: PhantomSettings = SETTINGS) -> PhantomVisit:
    """Shape -> the screens of both views, and its true diameters as ACR TI-RADS measures them."""
    views = {view: draw_section(rng, shape, view, settings) for view in VIEWS}
    across, along = views["transverse"].nodules[0], views["longitudinal"].nodules[0]
    is_upright = across.anteroposterior_mm > across.transverse_mm
    longest, other = across.longest_mm, across.perpendicular_mm
    return PhantomVisit(
        views,
        length_mm=along.transverse_mm,
        width_mm=other if is_upright else longest,
        depth_mm=longest if is_upright else other,
    )


def draw_section(
    rng: np.random.Generator, shape: NoduleShape, view: View, settings: PhantomSettings = SETTINGS
) -> Phantom:
    """Shape, view -> a screen with one panel that shows it."""
    layout = draw_screen_layout(rng, settings)
    panel = layout.panels[0]
    grid = make_grid((panel.height, panel.width), layout.spacing)
    outline, plan = place_first(rng, shape.sections[view], shape.descriptors, view, grid)
    planned = PlannedNodule(shape.descriptors, 0, 2 * shape.half_mm[1])
    tissue = draw_panel(rng, grid, plan, [outline], [planned])
    screen_HW: UInt8Array = np.zeros(layout.size_hw, np.uint8)
    screen_HW[panel.slices] = scan(rng, grid, tissue, draw_scanner(rng))
    mask_HW = np.zeros(layout.size_hw, np.bool_)
    mask_HW[panel.slices] = outline.relative(grid)[0] <= 1
    text = furnish(rng, screen_HW, layout, settings, level=None)
    return Phantom(
        image_HW=screen_HW,
        mask_HW=mask_HW,
        gland_HW=mask_HW,
        nodules=(nodule_truth(planned, outline, 0, panel, grid),),
        spacing=layout.spacing,
        field=layout.field,
        panels=layout.panels,
        views=(view,),
        text=text,
        malignancy=0,
    )
