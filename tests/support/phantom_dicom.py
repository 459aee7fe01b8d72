"""Phantom nodules with their exact truth -> DICOM files as scanners write them, and masks of the same size.

Outlines, screens and clutter are the phantom's own; the tissue is plain speckle, because only geometry is tested here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import JPEGBaseline8Bit, RLELossless

import dicom_files as files
from thyrosight.phantom.draw import PlannedNodule, longest_ends, nodule_truth
from thyrosight.phantom.nodule import draw_descriptors, draw_outline
from thyrosight.phantom.records import PhantomNodule, PhantomSettings, make_grid
from thyrosight.phantom.screen import draw_screen_layout, furnish, mark_diameter
from thyrosight.types import Box, Spacing

SIZE_HW = (720, 960)
LARGEST_SHARE = 0.8
KINDS = ("gray", "inverted", "rgb", "ybr", "big endian", "deflated", "rle", "jpeg")
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class PhantomScreen:
    """One screen: its picture, the panels with their spacing, and per panel one nodule as (whole mask, truth)."""

    image_HW: Array
    panels: tuple[tuple[Box, Spacing], ...]
    nodules: tuple[tuple[Array, PhantomNodule], ...]
    has_screen: bool


def draw_screen(rng: np.random.Generator) -> PhantomScreen:
    """rng -> a screen of one view or two, of 30 to 60 mm; two views may have different depths."""
    settings = PhantomSettings(size_hw=SIZE_HW, depth_mm=(30, 60), pixel_aspect=float(rng.uniform(0.75, 1.35)))
    layout = draw_screen_layout(rng, settings)
    image_HW = np.zeros(SIZE_HW, np.uint8)
    panels, nodules = [], []
    for index, panel in enumerate(layout.panels):
        zoom = 1.0 if index == 0 else float(rng.choice([1.0, 0.7]))
        spacing = Spacing(layout.spacing.row_mm * zoom, layout.spacing.column_mm * zoom)
        mask_HW, truth = _nodule(rng, panel, index, spacing)
        image_HW[panel.slices] = _speckle(rng, mask_HW[panel.slices])
        panels.append((panel, spacing))
        nodules.append((mask_HW, truth))
    furnish(rng, image_HW, layout, settings, level=None)
    if rng.random() < 0.5:
        mark_diameter(image_HW, longest_ends(nodules[0][1].outline_xy), layout, nodules[0][1].longest_mm)
    return PhantomScreen(image_HW, tuple(panels), tuple(nodules), layout.has_screen)


def _nodule(rng: np.random.Generator, panel: Box, index: int, spacing: Spacing) -> tuple[Array, PhantomNodule]:
    """Panel, its spacing -> a nodule of 5 to 32 mm inside it: mask of the screen, truth by the curve itself."""
    grid = make_grid((panel.height, panel.width), spacing)
    descriptors = draw_descriptors(rng, PhantomSettings())
    size_mm = float(np.clip(rng.lognormal(np.log(13.5), 0.42), 5.0, 32.0))
    outline = draw_outline(rng, descriptors, size_mm, "transverse")
    width_mm, height_mm = np.ptp(outline.vertices_mm(), axis=0)
    shrink = min(1.0, LARGEST_SHARE * grid.width_mm / width_mm, LARGEST_SHARE * grid.depth_mm / height_mm)
    outline = replace(outline, half_mm=(outline.half_mm[0] * shrink, outline.half_mm[1] * shrink))
    low, high = outline.vertices_mm().min(axis=0), outline.vertices_mm().max(axis=0)
    room_mm = np.array([grid.width_mm, grid.depth_mm]) - (high - low) - 2
    corner_mm = np.array([-grid.width_mm / 2, 0]) + 1 + rng.random(2) * room_mm
    x, y = (float(value) for value in corner_mm - low)
    outline = replace(outline, centre_mm=(x, y))
    mask_HW = np.zeros(SIZE_HW, bool)
    mask_HW[panel.slices] = outline.relative(grid)[0] <= 1
    return mask_HW, nodule_truth(PlannedNodule(descriptors, 0, size_mm), outline, index, panel, grid)


def _speckle(rng: np.random.Generator, mask_HW: Array) -> Array:
    tissue = cv2.blur(rng.rayleigh(105.0, mask_HW.shape), (3, 2)) * np.where(mask_HW, 0.2, 1.0)
    return np.clip(tissue + 6, 0, 255).astype(np.uint8)


def regions_of(screen: PhantomScreen) -> list[Dataset]:
    """Screen -> its ultrasound regions in cm, and on a screen the gray bar's, which measures nothing."""
    found = [
        files.region(
            RegionLocationMinX0=box.x0, RegionLocationMinY0=box.y0,
            RegionLocationMaxX1=box.x1 - 1, RegionLocationMaxY1=box.y1 - 1,
            PhysicalDeltaX=spacing.column_mm / 10, PhysicalDeltaY=spacing.row_mm / 10,
        )
        for box, spacing in screen.panels
    ]  # fmt: skip
    bar = files.region(
        RegionDataType=0xD, RegionSpatialFormat=0, PhysicalUnitsXDirection=0, PhysicalUnitsYDirection=0,
        RegionLocationMinX0=14, RegionLocationMinY0=324, RegionLocationMaxX1=33, RegionLocationMaxY1=518,
        PhysicalDeltaX=1.0, PhysicalDeltaY=1.0,
    )  # fmt: skip
    return [*found, bar] if screen.has_screen else found


def write_dicom(path: Path, screen: PhantomScreen, kind: str = "gray", regions: list[Dataset] | None = None) -> Path:
    """Path, screen, one of KINDS, regions (None: the screen's own) -> the file; all but jpeg keep every gray level."""
    regions = regions_of(screen) if regions is None else regions
    more: dict[str, Any] = {"SequenceOfUltrasoundRegions": regions} if regions else {}
    image_HW, size_hw = screen.image_HW, screen.image_HW.shape
    if kind in ("rgb", "ybr"):
        rgb_HW3 = np.repeat(image_HW[..., None], 3, axis=2)
        stored = rgb_HW3 if kind == "rgb" else files.to_ybr(rgb_HW3)
        data = files.native(stored, "RGB" if kind == "rgb" else "YBR_FULL", **more)
    elif kind == "rle":
        header = files.dataset(size_hw, **more)
        options = {"rows": size_hw[0], "columns": size_hw[1], "number_of_frames": 1, "bits_allocated": 8}
        options |= {"bits_stored": 8, "pixel_representation": 0, "samples_per_pixel": 1}
        options |= {"photometric_interpretation": "MONOCHROME2"}
        frame = RLELosslessEncoder.encode(image_HW.tobytes(), **options)
        data = files.compressed([frame], RLELossless, header)
    elif kind == "jpeg":
        data = files.compressed([files.jpeg(image_HW)], JPEGBaseline8Bit, files.dataset(size_hw, **more))
    elif kind == "inverted":
        data = files.native(255 - image_HW, "MONOCHROME1", **more)
    else:
        data = files.native(image_HW, syntax=files.NATIVE.get(kind, files.NATIVE["explicit"]), **more)
    path.write_bytes(data)
    return path


def write_labels(path: Path, screen: PhantomScreen) -> Path:
    """Path, screen -> the label image of its nodules: 1 in the first panel, 2 in the second."""
    labels_HW = np.zeros(SIZE_HW, np.uint8)
    for label, (mask_HW, _) in enumerate(screen.nodules, start=1):
        labels_HW[mask_HW] = label
    Image.fromarray(labels_HW).save(path, compress_level=1)
    return path
