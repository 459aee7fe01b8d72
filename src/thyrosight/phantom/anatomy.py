"""rng, plan -> Tissue of the neck around a nodule: skin, fat, muscles, gland, carotid, trachea, spine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from thyrosight.phantom.curves import Outline, along, bent, ellipse_distance, inside, smooth_noise, smooth_union, wander
from thyrosight.phantom.records import Grid, View
from thyrosight.types import BoolArray, FloatArray

FLUID_DB = -32.0
MUSCLE_DB = -9.5
FAT_DB = -6.0
DEEP_DB = -3.5


@dataclass(frozen=True)
class Tissue:
    """Acoustic properties of the neck, `_HW`.

    Echogenicity in dB relative to thyroid; attenuation that time gain does not correct (dB/mm, two-way); coherent
    reflector amplitude (1: a thyroid scatterer); signed distance to the gland in mm (negative inside).
    """

    echo_db_HW: FloatArray
    loss_db_mm_HW: FloatArray
    reflector_HW: FloatArray
    gland_mm_HW: FloatArray


@dataclass(frozen=True)
class Plan:
    """Positions and sizes in one panel, in mm: x from the middle, y from the skin. side +1: carotid on the right."""

    view: View
    side: int
    skin_mm: float
    fat_mm: float
    muscle_mm: float
    lobe_centre_mm: tuple[float, float]
    lobe_half_mm: tuple[float, float]


def draw_plan(rng: np.random.Generator, view: View, grid: Grid, nodule_half_mm: tuple[float, float]) -> Plan:
    """rng, view, half axes of the nodule -> a plan that fits the panel; its lobe has room for the nodule."""
    skin = rng.uniform(0.8, 1.6)
    fat = skin + rng.uniform(1.0, 4.5)
    muscle = fat + rng.uniform(2.2, 5.5)
    if view == "transverse":
        half = (
            max(rng.uniform(7.5, 11.0), nodule_half_mm[0] + rng.uniform(1.0, 3.5)),
            max(rng.uniform(6.0, 9.0), nodule_half_mm[1] + rng.uniform(0.8, 2.5)),
        )
    else:
        half = (
            max(rng.uniform(17.0, 28.0), nodule_half_mm[0] + rng.uniform(2.0, 8.0)),
            max(rng.uniform(5.5, 8.5), nodule_half_mm[1] + rng.uniform(0.8, 2.5)),
        )
    centre_x = float(rng.normal(0, 0.06) * grid.width_mm)
    centre_y = min(muscle + half[1] * rng.uniform(0.9, 1.05), max(grid.depth_mm * 0.62, half[1] + fat))
    return Plan(view, int(rng.choice([-1, 1])), skin, fat, muscle, (centre_x, centre_y), half)


def draw_tissue(rng: np.random.Generator, grid: Grid, plan: Plan, outlines: Sequence[Outline]) -> Tissue:
    """Plan, outlines of the nodules inside the gland -> Tissue of the neck without the nodules.

    The gland's capsule bulges over each nodule.
    """
    relief_W = wander(rng, grid, 0.5, grid.width_mm * 0.9)
    tissue = _deep(rng, grid, plan, relief_W)
    tissue = _muscles(rng, grid, plan, relief_W, tissue)
    if plan.view == "transverse":
        tissue = _spine(rng, grid, plan, tissue)
        gland_HW, tissue = _neck_transverse(rng, grid, plan, outlines, tissue)
    else:
        tissue = _spine(rng, grid, plan, tissue)
        lobe_HW = _long_lobe(rng, bent(rng, grid, 0.35, 5.0), plan)
        gland_HW = _swollen(lobe_HW, grid, outlines)
        tissue = _gland(rng, grid, gland_HW, tissue)
    return _surface(rng, grid, plan, relief_W, replace(tissue, gland_mm_HW=gland_HW))


def blend(base_HW: FloatArray, value_HW: FloatArray | float, share_HW: FloatArray) -> FloatArray:
    """-> base where share is 0, value where share is 1, a mean in between."""
    return np.asarray(base_HW + (np.asarray(value_HW, np.float32) - base_HW) * share_HW, np.float32)


def interface(distance_HW: FloatArray, grid: Grid, thick_mm: float, sharpness: float = 3.0) -> FloatArray:
    """Signed distance -> brightness 0..1 of the surface at distance 0.

    It is largest where the surface is perpendicular to the beam (cosine law).
    """
    down_HW = np.gradient(distance_HW, axis=0) / np.float32(grid.spacing.row_mm)
    facing_HW = np.abs(np.clip(down_HW, -1, 1)) ** np.float32(sharpness)
    return np.asarray(np.exp(-np.square(distance_HW / np.float32(thick_mm))) * facing_HW, np.float32)


def _deep(rng: np.random.Generator, grid: Grid, plan: Plan, relief_W: FloatArray) -> Tissue:
    """Fills the neck with loose tissue: streaky, medium gray, patched."""
    streaks_HW = along(smooth_noise(rng, grid, 0.6, 3.5), relief_W * 2, grid)
    patches_HW = smooth_noise(rng, grid, 3.0, 6.0)
    echo_HW = np.float32(DEEP_DB) + 2.2 * streaks_HW + 3.2 * patches_HW
    bright_HW = np.maximum(streaks_HW + 0.4 * patches_HW - 1.1, 0) * 6
    zero_HW = np.zeros(grid.shape, np.float32)
    far_HW = np.full(grid.shape, 99, np.float32)
    return Tissue((echo_HW + bright_HW).astype(np.float32), zero_HW, zero_HW.copy(), far_HW)


def _muscles(rng: np.random.Generator, grid: Grid, plan: Plan, relief_W: FloatArray, tissue: Tissue) -> Tissue:
    """Strap muscles between the fat and the gland: dark, with bright fibres; fasciae as bright lines."""
    top_W = plan.fat_mm + relief_W
    belly_W = np.float32(plan.muscle_mm) + relief_W + wander(rng, grid, 0.8, grid.width_mm * 0.7)
    belly_W = np.maximum(belly_W, top_W + 1.2)
    seam_W = top_W + (belly_W - top_W) * np.float32(rng.uniform(0.35, 0.65)) + wander(rng, grid, 0.4, grid.width_mm)
    fibres_HW = along(smooth_noise(rng, grid, 0.35, 4.5 if plan.view == "longitudinal" else 2.0), belly_W, grid)
    slab_HW = np.maximum(top_W - grid.y_HW, grid.y_HW - belly_W).astype(np.float32)
    slab_HW = slab_HW + 0.25 * smooth_noise(rng, grid, 1.0, 3.0)
    level_HW = np.float32(MUSCLE_DB + rng.uniform(-2, 1)) + 1.6 * fibres_HW + 5 * np.maximum(fibres_HW - 1.3, 0)
    echo_HW = blend(tissue.echo_db_HW, level_HW, inside(slab_HW, 0.4))
    reflector_HW = tissue.reflector_HW
    for line_W, strength in ((top_W, 2.2), (top_W + rng.uniform(0.5, 1.2), 1.6), (seam_W, 1.2), (belly_W, 1.5)):
        line_HW = (grid.y_HW - line_W + 0.15 * smooth_noise(rng, grid, 30.0, 2.5)).astype(np.float32)
        near_HW = interface(line_HW, grid, rng.uniform(0.12, 0.3), 6.0) * broken(rng, grid, 0.6)
        haze_HW = np.exp(-np.square(line_HW / np.float32(0.8))) * np.clip(fibres_HW + 0.5, 0, 2)
        echo_HW = echo_HW + np.float32(strength) * (4.5 * np.clip(near_HW, 0, 1.5) + 1.6 * haze_HW)
        reflector_HW = reflector_HW + near_HW * np.float32(strength * 0.4)
    return replace(tissue, echo_db_HW=echo_HW.astype(np.float32), reflector_HW=reflector_HW.astype(np.float32))


def broken(rng: np.random.Generator, grid: Grid, level: float) -> FloatArray:
    """-> strength 0..2 of a line along its length, `_HW`: about `level` on average, with gaps and bright spots."""
    slow_HW, fast_HW = smooth_noise(rng, grid, 4.0, 6.0), smooth_noise(rng, grid, 2.0, 1.6)
    return np.asarray(np.clip(level + 0.5 * slow_HW + 0.4 * fast_HW, 0, 2), np.float32)


def _surface(rng: np.random.Generator, grid: Grid, plan: Plan, relief_W: FloatArray, tissue: Tissue) -> Tissue:
    """Skin and subcutaneous fat over everything else."""
    fat_HW = (grid.y_HW - plan.fat_mm - relief_W).astype(np.float32)
    septa_HW = along(smooth_noise(rng, grid, 0.45, 6.0), relief_W, grid)
    fine_HW = along(smooth_noise(rng, grid, 0.25, 3.0), relief_W, grid)
    fat_db_HW = FAT_DB + 1.5 * septa_HW + 7 * np.maximum(septa_HW - 0.6, 0) + 1.5 * fine_HW
    echo_HW = blend(tissue.echo_db_HW, fat_db_HW, inside(fat_HW, 0.3))
    skin_HW = grid.y_HW - np.float32(plan.skin_mm) + 0.08 * smooth_noise(rng, grid, 20.0, 6.0)
    layers_HW = smooth_noise(rng, grid, 0.22, 12.0)
    echo_HW = blend(echo_HW, 1.0 + 3 * layers_HW, inside(skin_HW, 0.3))
    line_HW = np.exp(-np.square(skin_HW / np.float32(0.2)))
    dark_HW = np.exp(-np.square((skin_HW - 0.7) / np.float32(0.5)))
    echo_HW = echo_HW + 4 * line_HW - np.float32(rng.uniform(0, 9)) * dark_HW
    gland_HW = np.maximum(tissue.gland_mm_HW, -fat_HW)
    return replace(tissue, echo_db_HW=echo_HW.astype(np.float32), gland_mm_HW=gland_HW)


def _long_lobe(rng: np.random.Generator, grid: Grid, plan: Plan) -> FloatArray:
    """Longitudinal lobe: a spindle; one pole is often outside the panel."""
    centre = (plan.lobe_centre_mm[0] + float(rng.normal(0, 3)), plan.lobe_centre_mm[1])
    tilt_HW = grid.x_HW * np.float32(rng.normal(0, 0.05))
    tilted = Grid(grid.x_HW, (grid.y_HW - tilt_HW).astype(np.float32), grid.spacing)
    return ellipse_distance(tilted, centre, plan.lobe_half_mm)


def _swollen(gland_HW: FloatArray, grid: Grid, outlines: Sequence[Outline]) -> FloatArray:
    """Gland, outlines of the nodules inside -> the gland, whose capsule bulges over them."""
    for outline in outlines:
        gland_HW = smooth_union(gland_HW, outline.distance_mm(grid) - np.float32(0.9), 3.0)
    return gland_HW


def _gland(rng: np.random.Generator, grid: Grid, gland_HW: FloatArray, tissue: Tissue) -> Tissue:
    """Thyroid parenchyma: even, medium bright, a few small vessels; a thin bright capsule."""
    uneven = rng.uniform(0.6, 1.8)
    level_HW = uneven * smooth_noise(rng, grid, 3.0, 4.0) + rng.uniform(0.3, 1.0) * smooth_noise(rng, grid, 0.9, 1.4)
    for _ in range(rng.integers(0, 7)):
        at = (rng.uniform(-0.4, 0.4) * grid.width_mm, rng.uniform(0.2, 0.7) * grid.depth_mm)
        size = rng.uniform(0.3, 0.9)
        vessel_HW = ellipse_distance(grid, at, (size * rng.uniform(1, 2.5), size))
        level_HW = level_HW - np.float32(rng.uniform(5, 14)) * inside(vessel_HW, 0.5)
    echo_HW = blend(tissue.echo_db_HW, level_HW, inside(gland_HW, 0.35))
    capsule_HW = interface(gland_HW, grid, rng.uniform(0.13, 0.28), 3.0) * broken(rng, grid, 0.55)
    clear_HW = inside(gland_HW, 0.35)
    return replace(
        tissue,
        echo_db_HW=(echo_HW + 7 * capsule_HW).astype(np.float32),
        reflector_HW=(tissue.reflector_HW * (1 - clear_HW) + 0.8 * capsule_HW).astype(np.float32),
        loss_db_mm_HW=tissue.loss_db_mm_HW,
    )


def _neck_transverse(
    rng: np.random.Generator, grid: Grid, plan: Plan, outlines: Sequence[Outline], tissue: Tissue
) -> tuple[FloatArray, Tissue]:
    """Draws lobe, isthmus, the trachea on one side and vessels on the other -> (distance to the gland, Tissue)."""
    (x, y), (half_x, half_y) = plan.lobe_centre_mm, plan.lobe_half_mm
    true_grid, grid = grid, bent(rng, grid, 0.4, 4.0)
    windpipe = rng.uniform(7.5, 10.0)
    middle = (x - plan.side * (half_x + windpipe * rng.uniform(0.93, 1.05)), y + rng.uniform(-1.0, 3.0))
    windpipe_HW = ellipse_distance(grid, middle, (windpipe, windpipe * rng.uniform(0.9, 1.0)))
    thin = rng.uniform(0.8, 2.0)
    isthmus_HW = np.maximum(np.abs(windpipe_HW - thin) - thin, grid.y_HW - np.float32(middle[1] - 0.45 * windpipe))
    lobe_HW = ellipse_distance(grid, (x, y), (half_x, half_y))
    gland_HW = smooth_union(lobe_HW, isthmus_HW.astype(np.float32), 4.0)
    artery = rng.uniform(2.6, 4.0)
    artery_at = (x + plan.side * (half_x + artery + rng.uniform(0.3, 2.5)), y + rng.uniform(-3.0, 4.0))
    artery_HW = ellipse_distance(grid, artery_at, (artery * rng.uniform(0.95, 1.1), artery * rng.uniform(0.92, 1.0)))
    gland_HW = np.maximum(gland_HW, 0.9 - artery_HW)
    gland_HW = np.maximum(_swollen(gland_HW, true_grid, outlines), 0.2 - windpipe_HW).astype(np.float32)
    tissue = _gland(rng, grid, gland_HW, tissue)
    blood_db = rng.uniform(-30, -17)
    tissue = _vessel(grid, artery_HW, replace(tissue, gland_mm_HW=gland_HW), 0.9, blood_db)
    if rng.random() < 0.7:
        vein_at = (
            artery_at[0] + plan.side * artery * rng.uniform(1.0, 2.2),
            artery_at[1] - artery * rng.uniform(1.2, 2),
        )
        vein_HW = ellipse_distance(grid, vein_at, (artery * rng.uniform(1.0, 1.9), artery * rng.uniform(0.35, 0.9)))
        vein_HW = np.maximum(vein_HW, 0.3 - artery_HW)
        tissue = _vessel(grid, vein_HW.astype(np.float32), tissue, 0.25, blood_db)
    tissue = _side_muscle(rng, grid, plan, tissue)
    return gland_HW, _windpipe(rng, grid, windpipe_HW, middle, tissue)


def _side_muscle(rng: np.random.Generator, grid: Grid, plan: Plan, tissue: Tissue) -> Tissue:
    """Sternocleidomastoid in cross section: a dark lens with bright specks under the fat, over the vessels."""
    half = (rng.uniform(9, 17), rng.uniform(2.0, 3.8))
    at = (plan.side * grid.width_mm * rng.uniform(0.25, 0.5), plan.fat_mm + half[1] * rng.uniform(0.9, 1.2))
    tilted = replace(
        grid, y_HW=grid.y_HW - plan.side * np.float32(rng.uniform(0, 0.15)) * (grid.x_HW - np.float32(at[0]))
    )
    lens_HW = np.maximum(ellipse_distance(tilted, at, half), 0.3 - tissue.gland_mm_HW).astype(np.float32)
    specks_HW = smooth_noise(rng, grid, 0.35, 1.3)
    level_HW = np.float32(MUSCLE_DB + rng.uniform(-3, 0)) + specks_HW + 5 * np.maximum(specks_HW - 1.4, 0)
    sheath_HW = interface(lens_HW, grid, 0.22, 4.0) * broken(rng, grid, 0.7)
    return replace(
        tissue,
        echo_db_HW=(blend(tissue.echo_db_HW, level_HW, inside(lens_HW, 0.4)) + 9 * sheath_HW).astype(np.float32),
        reflector_HW=(tissue.reflector_HW * (1 - inside(lens_HW, 0.3)) + 0.5 * sheath_HW).astype(np.float32),
    )


def _vessel(grid: Grid, vessel_HW: FloatArray, tissue: Tissue, wall: float, blood_db: float) -> Tissue:
    """A vessel: dark blood, a wall that is bright across the beam, enhancement behind, shadows at the edges."""
    echo_HW = blend(tissue.echo_db_HW, blood_db, inside(vessel_HW + 0.2, 1.0))
    lumen_HW = inside(vessel_HW, 0.3)
    wall_HW = interface(vessel_HW - np.float32(0.2), grid, 0.2, 2.5) * np.float32(wall)
    return replace(
        tissue,
        echo_db_HW=(echo_HW + 6 * wall_HW * (1 - lumen_HW)).astype(np.float32),
        reflector_HW=(tissue.reflector_HW * (1 - lumen_HW) + 0.9 * wall_HW).astype(np.float32),
        loss_db_mm_HW=(tissue.loss_db_mm_HW - 0.75 * lumen_HW + edge_loss(grid, vessel_HW, 3.0)).astype(np.float32),
    )


def edge_loss(grid: Grid, round_HW: FloatArray, strength_db: float) -> FloatArray:
    """Refraction at a round body -> loss in dB/mm at its sides, which casts a thin shadow behind each side."""
    across_HW = np.gradient(round_HW, axis=1) / np.float32(grid.spacing.column_mm)
    flank_HW = np.clip(np.abs(across_HW), 0, 1) ** 8 * np.exp(-np.square(round_HW / np.float32(0.35)))
    return np.asarray(flank_HW * np.float32(strength_db), np.float32)


def _windpipe(
    rng: np.random.Generator, grid: Grid, windpipe_HW: FloatArray, middle_mm: tuple[float, float], tissue: Tissue
) -> Tissue:
    """Trachea: a dark ring of cartilage, a bright front of air, fading reverberations, and only artefacts behind."""
    ring = rng.uniform(1.2, 2.0)
    air_HW = windpipe_HW + np.float32(ring)
    echo_HW = blend(tissue.echo_db_HW, -11.0, inside(windpipe_HW, 0.4))
    depth_HW = np.maximum(-air_HW, 0)
    gap = rng.uniform(1.6, 3.2)
    rings_HW = np.cos(depth_HW * np.float32(2 * np.pi / gap)) ** 4 * np.exp(-depth_HW / np.float32(rng.uniform(2, 5)))
    within_HW = inside(air_HW, 0.3)
    upper_HW = (grid.y_HW < np.float32(middle_mm[1])).astype(np.float32)
    echo_HW = blend(echo_HW, -26 + 16 * rings_HW * upper_HW, within_HW)
    front_HW = interface(air_HW, grid, 0.3, 1.5) * upper_HW
    front_HW = front_HW * broken(rng, grid, 0.8)
    below_HW = np.maximum.accumulate(within_HW, axis=0)
    below_HW = cv2.GaussianBlur(below_HW, (0, 0), 0.8 / grid.spacing.column_mm, sigmaY=0.3)
    dust_HW = 3 * smooth_noise(rng, grid, 0.7, 4.0)
    echo_HW = blend(echo_HW + 9 * front_HW, np.float32(rng.uniform(-26, -17)) + dust_HW, below_HW * (1 - within_HW))
    keep_HW = 1 - below_HW
    return replace(
        tissue,
        echo_db_HW=echo_HW.astype(np.float32),
        reflector_HW=(tissue.reflector_HW * keep_HW + 1.2 * front_HW).astype(np.float32),
    )


def _spine(rng: np.random.Generator, grid: Grid, plan: Plan, tissue: Tissue) -> Tissue:
    """Long neck muscle behind the lobe, then the bright front of the vertebrae with its shadow."""
    floor = plan.lobe_centre_mm[1] + plan.lobe_half_mm[1]
    relief_W = wander(rng, grid, 0.8, grid.width_mm * 1.2)
    top_W = np.float32(floor + rng.uniform(0.5, 2.5)) + relief_W
    bone_W = top_W + np.float32(rng.uniform(4.0, 8.0)) + wander(rng, grid, 0.5, 30.0)
    fibres_HW = along(smooth_noise(rng, grid, 0.5, 3.5), top_W, grid)
    slab_HW = np.maximum(top_W - grid.y_HW, grid.y_HW - bone_W).astype(np.float32)
    echo_HW = blend(tissue.echo_db_HW, MUSCLE_DB + 1.8 * fibres_HW, inside(slab_HW, 0.8) * np.float32(0.85))
    under_HW = inside((bone_W - grid.y_HW).astype(np.float32), 0.8)
    echo_HW = echo_HW - np.float32(rng.uniform(2, 10)) * under_HW
    flakes_HW = np.maximum(along(smooth_noise(rng, grid, 0.4, 2.2), bone_W, grid) + 0.2, 0)
    thick = rng.uniform(0.7, 1.5)
    front_HW = np.exp(-np.square((grid.y_HW - bone_W) / np.float32(thick))) * flakes_HW * broken(rng, grid, 0.45)
    fascia_HW = np.exp(-np.square((grid.y_HW - top_W) / np.float32(0.7))) * flakes_HW * broken(rng, grid, 0.5)
    return replace(
        tissue,
        echo_db_HW=(echo_HW + 9 * front_HW + 7 * fascia_HW).astype(np.float32),
        reflector_HW=(tissue.reflector_HW + 0.4 * front_HW + 0.3 * fascia_HW).astype(np.float32),
    )


def received_db(tissue: Tissue, grid: Grid, far_mm: float, far_loss_db_mm: float) -> FloatArray:
    """Tissue -> received level in dB: echogenicity minus the loss on the way, averaged over the width of the beam."""
    path_HW = np.cumsum(tissue.loss_db_mm_HW, axis=0, dtype=np.float32) * np.float32(grid.spacing.row_mm)
    path_HW = cv2.GaussianBlur(np.clip(path_HW, -9, 24), (0, 0), 0.4 / grid.spacing.column_mm, sigmaY=0.3)
    far_HW = np.maximum(grid.y_HW - np.float32(far_mm), 0) * np.float32(far_loss_db_mm)
    return np.asarray(tissue.echo_db_HW - path_HW - far_HW, np.float32)


def gland_mask(tissue: Tissue) -> BoolArray:
    """Tissue -> the gland's mask (pixel centres inside)."""
    return np.asarray(tissue.gland_mm_HW <= 0, np.bool_)
