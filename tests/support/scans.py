"""Drawn scans in files, and runs of predict_folder over them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from thyrosight.results.predict_folder import FileProgress, FolderOptions, RunSummary, predict_folder


def run(sources: Any, out: Path, bundle: Any, progress: FileProgress | None = None, **options: Any) -> RunSummary:
    return predict_folder(sources, out, bundle=bundle, options=FolderOptions(**options), progress=progress)


def scan(seed: int = 0, gray: int = 28, size_hw: tuple[int, int] = (96, 128)) -> np.ndarray:
    """-> bright speckle with one dark disc; every seed is another image."""
    image_HW = np.random.default_rng(seed).normal(150, 10, size_hw).clip(110, 255).astype(np.uint8)
    cv2.circle(image_HW, (40 + 3 * (seed % 10), 48), 18, gray, -1)
    return image_HW


def write_scans(folder: Path, *names: str, first_seed: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names, first_seed):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scan(seed)).save(folder / name)


def rows_of(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((out / "results.csv").read_text(encoding="utf-8"))))
