"""Phantoms x a bundle -> docs/pictures/overview.jpg: frames beside what the model says of them. No patient is shown."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from thyrosight.inference.predictor import Predictor
from thyrosight.phantom.cohort import phantom_case
from thyrosight.phantom.records import PhantomSettings
from thyrosight.results.overlay import draw_overlay
from thyrosight.types import Frame

CASES = ((0, 1), (0, 12), (0, 3))
"""(seed, index) of the phantoms shown."""
TILE_HW = (240, 330)
GAP_PX = 6


def tile(picture_HW3: np.ndarray) -> np.ndarray:
    """A picture -> one of TILE_HW on black, its aspect ratio kept."""
    height, width = picture_HW3.shape[:2]
    scale = min(TILE_HW[0] / height, TILE_HW[1] / width)
    small = cv2.resize(picture_HW3, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    canvas = np.zeros((*TILE_HW, 3), np.uint8)
    top, left = (TILE_HW[0] - small.shape[0]) // 2, (TILE_HW[1] - small.shape[1]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


def pair(predictor: Predictor, seed: int, index: int) -> np.ndarray:
    """A phantom's number -> its frame above the overlay."""
    phantom = phantom_case(seed, index, PhantomSettings(no_nodule=0.0))
    frame = Frame(None, phantom.image_HW, None, phantom.spacing, None, "0" * 64)
    overlay_HW3 = draw_overlay(frame, predictor.predict(frame))
    gray_HW3 = np.repeat(phantom.image_HW[:, :, None], 3, axis=2)
    gap = np.full((GAP_PX, TILE_HW[1], 3), 255, np.uint8)
    return np.vstack([tile(gray_HW3[phantom.field.slices]), gap, tile(overlay_HW3)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--bundle", type=Path, help="a model bundle; the shipped model where not given")
    arguments = parser.parse_args()
    predictor = Predictor.load(arguments.bundle)
    arguments.out.mkdir(parents=True, exist_ok=True)
    columns = [pair(predictor, seed, index) for seed, index in CASES]
    gap = np.full((columns[0].shape[0], GAP_PX, 3), 255, np.uint8)
    sheet = np.hstack([part for column in columns for part in (column, gap)][:-1])
    path = arguments.out / "overview.jpg"
    cv2.imwrite(str(path), sheet[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(path)


if __name__ == "__main__":
    main()
