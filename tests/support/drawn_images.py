"""Small random pictures, and masks of a rectangle, to build the folders of labelled sets from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SHAPE = (96, 128)
TOP, BOTTOM, LEFT, RIGHT = 30, 61, 40, 81
"""The rectangle of the mask, half-open: 31 rows x 41 columns."""
NUM_PX = (BOTTOM - TOP) * (RIGHT - LEFT)


def picture(seed: int) -> np.ndarray:
    """A smooth random gray picture: two seeds never come out alike, one seed always the same."""
    coarse = np.random.default_rng(seed).integers(40, 250, (7, 9)).astype(np.float32)
    return cv2.resize(coarse, SHAPE[::-1], interpolation=cv2.INTER_CUBIC).clip(20, 255).astype(np.uint8)


def rectangle(value: int = 255) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[TOP:BOTTOM, LEFT:RIGHT] = value
    return mask


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path
