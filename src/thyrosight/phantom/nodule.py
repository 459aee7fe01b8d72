"""Descriptors -> a nodule in the Tissue: outline, inside, margin, echogenic foci, and their shadows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from thyrosight.phantom.anatomy import FLUID_DB, Tissue, blend, edge_loss, interface
from thyrosight.phantom.curves import Outline, inside, smooth_noise
from thyrosight.phantom.records import (
    LEVEL_RISK,
    DrawnDescriptors,
    Grid,
    PhantomSettings,
    View,
    tirads_level,
    tirads_points,
)
from thyrosight.types import FloatArray

ECHO_DB = {"anechoic": FLUID_DB, "hyperechoic": 3.0, "isoechoic": -0.3, "hypoechoic": -6.5, "very hypoechoic": -12.5}
FLUID = ("cystic", "almost completely cystic")

Weights = dict[str, float]
HARMLESS: dict[str, Weights] = {
    "composition": {
        "cystic": 0.12,
        "almost completely cystic": 0.1,
        "spongiform": 0.14,
        "mixed cystic and solid": 0.28,
        "solid": 0.36,
    },
    "echogenicity": {"hyperechoic": 0.18, "isoechoic": 0.47, "hypoechoic": 0.33, "very hypoechoic": 0.02},
    "shape": {"wider-than-tall": 0.95, "taller-than-wide": 0.05},
    "margin": {"smooth": 0.76, "ill-defined": 0.18, "lobulated or irregular": 0.06},
    "foci": {
        "none": 0.82,
        "macrocalcifications": 0.1,
        "peripheral calcifications": 0.05,
        "punctate echogenic foci": 0.03,
    },
}
SUSPICIOUS: dict[str, Weights] = {
    "composition": {"mixed cystic and solid": 0.08, "solid": 0.92},
    "echogenicity": {"hyperechoic": 0.03, "isoechoic": 0.15, "hypoechoic": 0.57, "very hypoechoic": 0.25},
    "shape": {"wider-than-tall": 0.6, "taller-than-wide": 0.4},
    "margin": {"smooth": 0.25, "ill-defined": 0.2, "lobulated or irregular": 0.43, "extra-thyroidal extension": 0.12},
    "foci": {
        "none": 0.35,
        "macrocalcifications": 0.13,
        "peripheral calcifications": 0.07,
        "punctate echogenic foci": 0.45,
    },
}


def draw_descriptors(rng: np.random.Generator, settings: PhantomSettings) -> DrawnDescriptors:
    """rng, settings -> the descriptors of one nodule.

    With settings.balanced, a share settings.suspicious of the nodules gets settings.malignant_points points or more.
    """
    if not settings.balanced:
        return _draw_together(rng, SUSPICIOUS if rng.random() < 0.12 else HARMLESS)
    wanted = rng.random() < settings.suspicious
    while True:
        descriptors = _draw_together(rng, SUSPICIOUS if rng.random() < (0.8 if wanted else 0.2) else HARMLESS)
        if (tirads_points(descriptors) >= settings.malignant_points) == wanted:
            return descriptors


def _draw_together(rng: np.random.Generator, table: dict[str, Weights]) -> DrawnDescriptors:
    """{category: {term: its chance}} -> descriptors that agree.

    A cyst is anechoic, and comet tails need fluid or a spongiform inside.
    """
    picked = {name: _pick(rng, weights) for name, weights in table.items()}
    foci: tuple[str, ...] = (picked["foci"],)
    if picked["composition"] in (*FLUID, "spongiform"):
        tails = rng.random() < (0.45 if picked["composition"] != "spongiform" else 0.25)
        foci = ("large comet-tail artifacts",) if tails else ("none",)
        picked["shape"] = "wider-than-tall"
        picked["margin"] = "smooth"
        if picked["composition"] in FLUID:
            picked["echogenicity"] = "anechoic"
        else:
            picked["echogenicity"] = "isoechoic"
    elif foci[0] == "punctate echogenic foci" and rng.random() < 0.2:
        foci = ("macrocalcifications", "punctate echogenic foci")
    return DrawnDescriptors(picked["composition"], picked["echogenicity"], picked["shape"], picked["margin"], foci)


def draw_malignancy(rng: np.random.Generator, descriptors: DrawnDescriptors, settings: PhantomSettings) -> int:
    """Descriptors -> 0 or 1: if settings.balanced, from their points with label noise.

    Without `balanced`, from the risk of their level.
    """
    points = tirads_points(descriptors)
    if settings.balanced:
        return int((points >= settings.malignant_points) != (rng.random() < settings.label_noise))
    return int(rng.random() < LEVEL_RISK[tirads_level(points)])


def draw_outline(rng: np.random.Generator, descriptors: DrawnDescriptors, size_mm: float, view: View) -> Outline:
    """Descriptors, mean diameter in mm -> an outline around (0, 0), taller or wider as the descriptors state."""
    taller = descriptors.shape == "taller-than-wide"
    for _ in range(50):
        ratio = rng.uniform(1.12, 1.5) if taller else rng.uniform(0.5 if view == "longitudinal" else 0.58, 0.92)
        orders: tuple[int, ...] = (2, 3, 4)
        waves = tuple(rng.normal(0, 0.025, 3))
        if descriptors.margin in ("lobulated or irregular", "extra-thyroidal extension"):
            orders = (2, 3, 4, 5, 6, 7, 9, 11, 13)
            fine = 1.0 if rng.random() < 0.5 else 0.35
            spread = np.array([0.03, 0.05, 0.055, 0.05, 0.045, 0.04, 0.025 * fine, 0.022 * fine, 0.018 * fine])
            waves = tuple(rng.normal(0, 1, 9) * spread)
        outline = Outline(
            centre_mm=(0.0, 0.0),
            half_mm=(size_mm / 2 / np.sqrt(ratio), size_mm / 2 * np.sqrt(ratio)),
            turn=float(rng.normal(0, 0.12)),
            orders=orders,
            waves=tuple(float(np.clip(wave, -0.09, 0.09)) for wave in waves),
            phases=tuple(float(phase) for phase in rng.uniform(0, 2 * np.pi, len(orders))),
        )
        width, height = np.ptp(outline.vertices_mm(), axis=0)
        if (height > 1.05 * width) if taller else (height < 0.95 * width):
            return outline
    raise AssertionError("no outline with the asked shape in 50 draws")


def paint_nodule(
    rng: np.random.Generator, grid: Grid, outline: Outline, descriptors: DrawnDescriptors, tissue: Tissue
) -> Tissue:
    """Tissue, outline, descriptors -> Tissue with the nodule in it."""
    distance_HW = outline.distance_mm(grid)
    soft_mm = {"ill-defined": 1.6, "smooth": 0.25}.get(descriptors.margin, 0.35)
    ragged_HW = distance_HW
    if descriptors.margin == "ill-defined":
        ragged_HW = distance_HW + 0.35 * smooth_noise(rng, grid, 1.2, 1.6)
    share_HW = inside(ragged_HW, soft_mm)
    level_HW, fluid_HW = _inside(rng, grid, outline, descriptors, distance_HW)
    echo_HW = blend(tissue.echo_db_HW, level_HW, share_HW)
    reflector_HW = tissue.reflector_HW * (1 - share_HW)
    loss_HW = tissue.loss_db_mm_HW - np.float32(0.55) * fluid_HW * share_HW
    if descriptors.echogenicity in ("hypoechoic", "very hypoechoic"):
        loss_HW = loss_HW + np.float32(rng.uniform(0, 0.25)) * share_HW
    if descriptors.margin == "smooth":
        halo = rng.random() < 0.45 and descriptors.composition not in FLUID
        rim_HW = np.exp(-np.square((distance_HW + 0.35) / np.float32(0.35)))
        echo_HW = echo_HW - (np.float32(rng.uniform(3, 8)) * rim_HW if halo else 0)
        loss_HW = loss_HW + edge_loss(grid, distance_HW, rng.uniform(0.5, 3.0))
    if descriptors.composition in FLUID:
        wall_HW = interface(distance_HW - np.float32(0.15), grid, 0.22, 2.0)
        echo_HW = echo_HW + 6 * wall_HW
        reflector_HW = reflector_HW + 0.9 * wall_HW
    painted = replace(
        tissue,
        echo_db_HW=echo_HW.astype(np.float32),
        reflector_HW=reflector_HW.astype(np.float32),
        loss_db_mm_HW=loss_HW.astype(np.float32),
    )
    for focus in descriptors.foci:
        painted = FOCI[focus](rng, grid, outline, distance_HW, painted)
    return painted


def _inside(
    rng: np.random.Generator, grid: Grid, outline: Outline, descriptors: DrawnDescriptors, distance_HW: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """-> (level in dB inside the nodule, share of fluid 0..1), `_HW`."""
    relative_HW, _ = outline.relative(grid)
    size_mm = float(np.sqrt(outline.half_mm[0] * outline.half_mm[1]))
    solid_db = ECHO_DB["isoechoic" if descriptors.composition in FLUID else descriptors.echogenicity]
    uneven_HW = smooth_noise(rng, grid, size_mm * 0.35, size_mm * 0.45) * np.float32(rng.uniform(0.3, 1.3))
    level_HW = np.float32(solid_db + rng.uniform(-0.7, 0.7)) + uneven_HW + 0.5 * smooth_noise(rng, grid, 0.8, 1.2)
    fluid_HW: FloatArray = np.zeros(grid.shape, np.float32)
    if descriptors.composition == "spongiform":
        cells_HW = smooth_noise(rng, grid, 0.5, 0.7) + 0.4 * smooth_noise(rng, grid, 2.0, 2.5)
        wet_HW = np.clip((cells_HW + 0.2) * 2, 0, 1) * inside(distance_HW + 0.6, 0.6)
        fluid_HW = np.asarray(wet_HW * rng.uniform(0.4, 0.75), np.float32)
        level_HW = level_HW + 2.5
    elif descriptors.composition == "mixed cystic and solid":
        pools_HW = smooth_noise(rng, grid, size_mm * 0.5, size_mm * 0.6) + 0.15 * smooth_noise(rng, grid, 0.8, 1.0)
        eccentric_HW = (grid.x_HW - np.float32(outline.centre_mm[0])) / np.float32(size_mm)
        pools_HW = pools_HW + np.float32(rng.normal(0, 0.6)) * eccentric_HW
        within = relative_HW < 0.9
        cut = float(np.quantile(pools_HW[within], 1 - rng.uniform(0.25, 0.5))) if within.any() else 0.0
        fluid_HW = np.clip((pools_HW - cut) * 3, 0, 1) * inside(distance_HW + 0.8, 0.5)
    elif descriptors.composition == "almost completely cystic":
        fluid_HW = 1 - _septa_and_bud(rng, grid, outline, size_mm)
    elif descriptors.composition == "cystic":
        fluid_HW = np.ones(grid.shape, np.float32)
    fluid_db = FLUID_DB + (rng.uniform(2, 13) if descriptors.composition != "cystic" else rng.uniform(-2, 6))
    return blend(level_HW.astype(np.float32), fluid_db, fluid_HW.astype(np.float32)), fluid_HW.astype(np.float32)


def _septa_and_bud(rng: np.random.Generator, grid: Grid, outline: Outline, size_mm: float) -> FloatArray:
    """-> solid share 0..1 in an almost completely cystic nodule: a thin septum, a bud on the wall."""
    bend_HW = smooth_noise(rng, grid, size_mm, size_mm)
    turn = rng.uniform(0, np.pi)
    across_HW = (grid.x_HW - np.float32(outline.centre_mm[0])) * np.float32(np.cos(turn)) + (
        grid.y_HW - np.float32(outline.centre_mm[1])
    ) * np.float32(np.sin(turn))
    septum_HW = np.exp(-np.square((across_HW + 0.15 * size_mm * bend_HW) / np.float32(0.3)))
    angle = rng.uniform(0, 2 * np.pi)
    at = (
        outline.centre_mm[0] + outline.half_mm[0] * 0.92 * np.cos(angle),
        outline.centre_mm[1] + outline.half_mm[1] * 0.92 * np.sin(angle),
    )
    far_HW = np.hypot(grid.x_HW - np.float32(at[0]), grid.y_HW - np.float32(at[1]))
    bud_HW = inside((far_HW - np.float32(size_mm * rng.uniform(0.15, 0.3))).astype(np.float32), 0.6)
    return np.asarray(np.maximum(septum_HW * np.float32(rng.random() < 0.7) * 0.8, bud_HW), np.float32)


def _no_foci(rng: np.random.Generator, grid: Grid, outline: Outline, distance_HW: FloatArray, tissue: Tissue) -> Tissue:
    return tissue


def _punctate(
    rng: np.random.Generator, grid: Grid, outline: Outline, distance_HW: FloatArray, tissue: Tissue
) -> Tissue:
    """Bright points under 1 mm, without a shadow."""
    echo_HW, reflector_HW = tissue.echo_db_HW.copy(), tissue.reflector_HW.copy()
    for x, y in _places(rng, outline, int(rng.integers(6, 22)), 0.8):
        size = rng.uniform(0.1, 0.22)
        near_HW = np.exp(-np.square((grid.x_HW - x) / (1.6 * size)) - np.square((grid.y_HW - y) / size))
        echo_HW += near_HW.astype(np.float32) * np.float32(rng.uniform(7, 15))
        reflector_HW += near_HW.astype(np.float32) * np.float32(rng.uniform(0.8, 2.5))
    return replace(tissue, echo_db_HW=echo_HW, reflector_HW=reflector_HW)


def _macro(rng: np.random.Generator, grid: Grid, outline: Outline, distance_HW: FloatArray, tissue: Tissue) -> Tissue:
    """One to three clumps of 1.5 to 5 mm, bright in front, with a shadow behind."""
    crumbs_HW = smooth_noise(rng, grid, 0.6, 0.8)
    for x, y in _places(rng, outline, int(rng.integers(1, 4)), 0.6):
        half = float(np.clip(rng.uniform(0.8, 2.6), 0, 0.6 * min(outline.half_mm)))
        thick = min(half, rng.uniform(0.4, 0.9))
        bow_HW = (grid.y_HW - y) - np.square((grid.x_HW - x) / np.float32(half)) * np.float32(rng.uniform(0, 0.6))
        far_HW = np.hypot((grid.x_HW - x) / np.float32(half), bow_HW / np.float32(thick)) + 0.3 * crumbs_HW
        tissue = _calcified(tissue, np.asarray(np.clip((1.1 - far_HW) * 2.5, 0, 1), np.float32), 14.0)
    return tissue


def _rim(rng: np.random.Generator, grid: Grid, outline: Outline, distance_HW: FloatArray, tissue: Tissue) -> Tissue:
    """A shell of calcium along most of the margin, with gaps and a shadow behind."""
    _, angle_HW = outline.relative(grid)
    gaps_HW = np.cos(2 * angle_HW + np.float32(rng.uniform(0, 6.3))) + np.cos(
        3 * angle_HW + np.float32(rng.uniform(0, 6.3))
    )
    there_HW = np.clip((gaps_HW + np.float32(rng.uniform(0.6, 1.4))) * 2, 0, 1)
    shell_HW = np.exp(-np.square((distance_HW + 0.3) / np.float32(0.3))) * there_HW
    return _calcified(tissue, shell_HW.astype(np.float32), 7.0)


def _calcified(tissue: Tissue, share_HW: FloatArray, loss_db_mm: float) -> Tissue:
    return replace(
        tissue,
        echo_db_HW=(blend(tissue.echo_db_HW, 11.0, share_HW)).astype(np.float32),
        reflector_HW=(tissue.reflector_HW + 1.2 * share_HW).astype(np.float32),
        loss_db_mm_HW=(tissue.loss_db_mm_HW + np.float32(loss_db_mm) * share_HW).astype(np.float32),
    )


def _comets(rng: np.random.Generator, grid: Grid, outline: Outline, distance_HW: FloatArray, tissue: Tissue) -> Tissue:
    """Bright points in colloid, each with a tail over 1 mm that tapers and fades with depth."""
    echo_HW = tissue.echo_db_HW
    for x, y in _places(rng, outline, int(rng.integers(1, 5)), 0.55):
        tail = rng.uniform(1.5, 3.5)
        down_HW = grid.y_HW - np.float32(y)
        narrow_HW = np.float32(0.4) * np.clip(1 - down_HW / np.float32(tail), 0.15, 1)
        beat_HW = 0.6 + 0.4 * np.cos(down_HW * np.float32(2 * np.pi / 0.45))
        fade_HW = np.clip(1 - down_HW / np.float32(tail), 0, 1) * (down_HW > -0.25) * beat_HW
        share_HW = np.exp(-np.square((grid.x_HW - np.float32(x)) / narrow_HW)) * fade_HW
        echo_HW = blend(echo_HW, 8.0, np.clip(share_HW, 0, 1).astype(np.float32))
    return replace(tissue, echo_db_HW=echo_HW)


FOCI = {
    "none": _no_foci,
    "large comet-tail artifacts": _comets,
    "macrocalcifications": _macro,
    "peripheral calcifications": _rim,
    "punctate echogenic foci": _punctate,
}


def _places(rng: np.random.Generator, outline: Outline, num: int, reach: float) -> list[tuple[np.float32, np.float32]]:
    """-> points (x, y) in mm spread over the inner `reach` of the outline's ellipse."""
    angle, radius = rng.uniform(0, 2 * np.pi, num), reach * np.sqrt(rng.uniform(0, 1, num))
    u, v = outline.half_mm[0] * radius * np.cos(angle), outline.half_mm[1] * radius * np.sin(angle)
    c, s = np.cos(outline.turn), np.sin(outline.turn)
    x, y = outline.centre_mm[0] + c * u - s * v, outline.centre_mm[1] + s * u + c * v
    return [(np.float32(a), np.float32(b)) for a, b in zip(x, y, strict=True)]


def _pick(rng: np.random.Generator, weights: Weights) -> str:
    names = list(weights)
    share = np.array([weights[name] for name in names])
    return str(rng.choice(names, p=share / share.sum()))
