"""rng, settings -> Phantom: draw descriptors, anatomy, sound and screen, in this order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from thyrosight.phantom.acoustics import Scanner, compress, draw_scanner, envelope
from thyrosight.phantom.anatomy import Plan, Tissue, draw_plan, draw_tissue, gland_mask, received_db
from thyrosight.phantom.curves import Outline, smooth_noise
from thyrosight.phantom.nodule import draw_descriptors, draw_malignancy, draw_outline, paint_nodule
from thyrosight.phantom.records import (
    DrawnDescriptors,
    Grid,
    Phantom,
    PhantomNodule,
    PhantomSettings,
    View,
    make_grid,
    tirads_level,
    tirads_points,
)
from thyrosight.phantom.screen import ScreenLayout, draw_screen_layout, furnish, mark_diameter
from thyrosight.types import Box, Spacing, UInt8Array

DEFAULT = PhantomSettings()


@dataclass(frozen=True)
class PlannedNodule:
    """A nodule before it is drawn: its descriptors, its label, its mean diameter."""

    descriptors: DrawnDescriptors
    malignancy: int
    size_mm: float


def draw_phantom(rng: np.random.Generator, settings: PhantomSettings = DEFAULT) -> Phantom:
    """rng, settings -> one synthetic screen capture with exact truth."""
    layout = draw_screen_layout(rng, settings)
    planned = _plan_nodules(rng, settings)
    scanner = draw_scanner(rng)
    screen_HW = np.zeros(layout.size_hw, np.uint8)
    mask_HW, gland_HW = np.zeros(layout.size_hw, np.bool_), np.zeros(layout.size_hw, np.bool_)
    views = _draw_views(rng, len(layout.panels))
    nodules: list[PhantomNodule] = []
    for index, (panel, view) in enumerate(zip(layout.panels, views, strict=True)):
        grid = make_grid((panel.height, panel.width), layout.spacing)
        outlines, plan = _place(rng, planned, view, grid)
        tissue = draw_panel(rng, grid, plan, outlines, planned)
        screen_HW[panel.slices] = scan(rng, grid, tissue, scanner)
        gland_HW[panel.slices] = gland_mask(tissue)
        for nodule, outline in zip(planned, outlines, strict=True):
            if outline is not None:
                inside_HW = outline.relative(grid)[0] <= 1
                mask_HW[panel.slices] |= inside_HW
                gland_HW[panel.slices] |= inside_HW
                nodules.append(nodule_truth(nodule, outline, index, panel, grid))
    text = _write_on(rng, screen_HW, layout, settings, nodules)
    return Phantom(
        image_HW=screen_HW,
        mask_HW=mask_HW,
        gland_HW=gland_HW,
        nodules=tuple(nodules),
        spacing=layout.spacing,
        field=layout.field,
        panels=layout.panels,
        views=views,
        text=text,
        malignancy=int(any(nodule.malignancy for nodule in nodules)),
    )


def _write_on(
    rng: np.random.Generator,
    screen_HW: UInt8Array,
    layout: ScreenLayout,
    settings: PhantomSettings,
    nodules: list[PhantomNodule],
) -> tuple[Box, ...]:
    level = max((nodule.level for nodule in nodules), default=None)
    text = furnish(rng, screen_HW, layout, settings, level)
    if nodules and rng.random() < settings.calipers:
        nodule = nodules[0]
        printed = mark_diameter(screen_HW, longest_ends(nodule.outline_xy), layout, nodule.longest_mm)
        text = text if printed is None else (*text, printed)
    return text


def _plan_nodules(rng: np.random.Generator, settings: PhantomSettings) -> list[PlannedNodule]:
    share = rng.random()
    num = 0 if share < settings.no_nodule else 2 if share < settings.no_nodule + settings.two_nodules else 1
    planned = []
    for i in range(num):
        descriptors = draw_descriptors(rng, settings)
        size_mm = float(np.clip(rng.lognormal(np.log(13.5), 0.42), 5.0, 32.0))
        malignancy = draw_malignancy(rng, descriptors, settings)
        planned.append(PlannedNodule(descriptors, malignancy, size_mm if i == 0 else min(size_mm, 9.0)))
    return planned


def _draw_views(rng: np.random.Generator, num_panels: int) -> tuple[View, ...]:
    if num_panels == 2:
        return ("transverse", "longitudinal") if rng.random() < 0.75 else ("transverse", "transverse")
    return ("transverse",) if rng.random() < 0.6 else ("longitudinal",)


def _place(
    rng: np.random.Generator, planned: list[PlannedNodule], view: View, grid: Grid
) -> tuple[list[Outline | None], Plan]:
    """Nodules -> (outline of each in this panel, None for a second nodule that doesn't fit; a neck around them)."""
    if not planned:
        return [], draw_plan(rng, view, grid, (0.0, 0.0))
    drawn = draw_outline(rng, planned[0].descriptors, planned[0].size_mm, view)
    first, plan = place_first(rng, drawn, planned[0].descriptors, view, grid)
    placed: list[Outline | None] = [first]
    for nodule in planned[1:]:
        placed.append(_second(rng, nodule, plan, placed[0], grid, view))
    return placed, plan


def place_first(
    rng: np.random.Generator, outline: Outline, descriptors: DrawnDescriptors, view: View, grid: Grid
) -> tuple[Outline, Plan]:
    """Outline of a nodule -> (the outline, moved to its place and shrunk if too large; a neck around it)."""
    first = _shrunk(outline, grid)
    half = np.ptp(first.vertices_mm(), axis=0) / 2
    plan = draw_plan(rng, view, grid, (float(half[0]), float(half[1])))
    slack = np.maximum(np.array(plan.lobe_half_mm) - half - 0.5, 0) * 0.6
    angle, reach = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random())
    centre = np.array(plan.lobe_centre_mm) + slack * reach * np.array([np.cos(angle), np.sin(angle)])
    if descriptors.margin == "extra-thyroidal extension":
        centre[1] = plan.lobe_centre_mm[1] - plan.lobe_half_mm[1] + half[1] * rng.uniform(0.55, 0.75)
    return _kept_inside(first, centre, plan, grid), plan


def _shrunk(outline: Outline, grid: Grid) -> Outline:
    """Outline -> the same, made smaller where it is too large for the panel."""
    width, height = np.ptp(outline.vertices_mm(), axis=0)
    scale = min(1.0, 0.66 * grid.width_mm / width, 0.5 * grid.depth_mm / height)
    return replace(outline, half_mm=(outline.half_mm[0] * scale, outline.half_mm[1] * scale))


def _kept_inside(outline: Outline, centre_mm: NDArray[np.float64], plan: Plan, grid: Grid) -> Outline:
    """Outline -> moved below the fat, and at least 1 mm away from the sides and the bottom of the panel."""
    at = replace(outline, centre_mm=(float(centre_mm[0]), float(centre_mm[1]))).vertices_mm()
    edge = grid.width_mm / 2 - 1.0
    x = centre_mm[0] + max(0.0, -edge - at[:, 0].min()) - max(0.0, at[:, 0].max() - edge)
    top, bottom = plan.fat_mm + 0.6, grid.depth_mm - 1.0
    y = centre_mm[1] - max(0.0, at[:, 1].max() - bottom)
    y += max(0.0, top - (at[:, 1].min() + y - centre_mm[1]))
    return replace(outline, centre_mm=(float(x), float(y)))


def _second(
    rng: np.random.Generator, nodule: PlannedNodule, plan: Plan, first: Outline | None, grid: Grid, view: View
) -> Outline | None:
    """-> the outline of a second nodule in the lobe, at least 1.5 mm from the first; None after 40 tries."""
    outline = draw_outline(rng, nodule.descriptors, nodule.size_mm, view)
    half = np.ptp(outline.vertices_mm(), axis=0) / 2
    taken = None if first is None else first.vertices_mm()
    for _ in range(40):
        centre = np.array(plan.lobe_centre_mm) + np.array(plan.lobe_half_mm) * rng.uniform(-0.85, 0.85, 2)
        moved = _kept_inside(outline, centre, plan, grid)
        if np.abs(np.array(moved.centre_mm) - np.array(plan.lobe_centre_mm) > np.array(plan.lobe_half_mm)).any():
            continue
        if taken is None or np.hypot(*(taken - moved.centre_mm).T).min() > half.max() + 1.5:
            inside_first = first is not None and _covers(first, moved.centre_mm)
            if not inside_first:
                return moved
    return None


def _covers(outline: Outline, point_mm: tuple[float, float]) -> bool:
    x, y = (np.full((1, 1), value, np.float32) for value in point_mm)
    return bool(outline.relative(Grid(x, y, Spacing(1.0, 1.0)))[0][0, 0] <= 1)


def draw_panel(
    rng: np.random.Generator, grid: Grid, plan: Plan, outlines: list[Outline | None], planned: list[PlannedNodule]
) -> Tissue:
    """Neck and outlines of its nodules -> the tissue with the nodules in it."""
    pairs = [(o, f) for o, f in zip(outlines, planned, strict=True) if o is not None]
    contained = [o for o, f in pairs if f.descriptors.margin != "extra-thyroidal extension"]
    tissue = draw_tissue(rng, grid, plan, contained)
    for outline, nodule in pairs:
        tissue = paint_nodule(rng, grid, outline, nodule.descriptors, tissue)
    return tissue


def scan(rng: np.random.Generator, grid: Grid, tissue: Tissue, scanner: Scanner) -> UInt8Array:
    """Tissue -> gray image, with patches of poor contact and darker edges of the aperture."""
    echo_HW = received_db(tissue, grid, scanner.far_mm, scanner.far_loss_db_mm)
    contact_W = np.maximum(smooth_noise(rng, grid, grid.depth_mm, 4.0)[0] - 1.2, 0) * np.float32(rng.uniform(0, 8))
    side_W = np.abs(grid.x_HW[0]) / np.float32(grid.width_mm / 2)
    echo_HW = echo_HW + np.float32(rng.uniform(0.4, 1.5)) * smooth_noise(rng, grid, 2.0, 3.0)
    echo_HW = echo_HW - contact_W - np.float32(rng.uniform(0, 5)) * np.clip((side_W - 0.8) / 0.2, 0, 1)
    lost_HW = np.exp((echo_HW - tissue.echo_db_HW) * np.float32(np.log(10) / 20))
    return compress(envelope(echo_HW, tissue.reflector_HW * lost_HW, grid, scanner, rng), scanner)


def nodule_truth(nodule: PlannedNodule, outline: Outline, index: int, panel: Box, grid: Grid) -> PhantomNodule:
    """Planned nodule, outline -> its truth; its pixels and sizes are computed from the outline."""
    curve_mm = outline.vertices_mm()
    width = grid.shape[1]
    pixel_mm = np.array([grid.spacing.column_mm, grid.spacing.row_mm])
    corner_xy = np.array([panel.x0 + (width - 1) / 2, panel.y0 - 0.5])
    outline_xy = curve_mm / pixel_mm + corner_xy
    longest, perpendicular = diameters(curve_mm)
    transverse, anteroposterior = np.ptp(curve_mm, axis=0)
    points = tirads_points(nodule.descriptors)
    return PhantomNodule(
        panel=index,
        descriptors=nodule.descriptors,
        points=points,
        level=tirads_level(points),
        malignancy=nodule.malignancy,
        outline_xy=outline_xy,
        outline_mm_xy=outline_xy * pixel_mm,
        area_mm2=polygon_area(curve_mm),
        longest_mm=longest,
        perpendicular_mm=perpendicular,
        anteroposterior_mm=float(anteroposterior),
        transverse_mm=float(transverse),
    )


def polygon_area(points_xy: NDArray[np.float64]) -> float:
    """Closed polygon (N, 2) -> its area by the shoelace formula, in the points' unit squared."""
    x, y = points_xy[:, 0], points_xy[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def diameters(points_xy: NDArray[np.float64]) -> tuple[float, float]:
    """Outline (N, 2) -> (largest distance between two of its points, extent perpendicular to that line)."""
    a, b = longest_ends(points_xy)
    along = (b - a) / np.hypot(*(b - a))
    across = points_xy @ np.array([-along[1], along[0]])
    return float(np.hypot(*(b - a))), float(np.ptp(across))


def longest_ends(points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """-> (2, 2): the two points that are furthest apart."""
    apart = np.square(points_xy[:, None] - points_xy[None]).sum(axis=2)
    i, j = np.unravel_index(int(apart.argmax()), apart.shape)
    return points_xy[[i, j]]
