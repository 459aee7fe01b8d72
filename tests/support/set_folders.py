"""Small folders in the layouts of the public sets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from thyrosight.types import Case

SHAPE = (96, 128)
SQUARE = [(40, 30), (80, 30), (80, 60), (40, 60)]
"""Corners _xy of the outline that the DDTI tests use: filled with its border it has 41 x 31 pixels."""


def picture(seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A smooth random gray picture: two seeds never come out alike, one seed always the same."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 250, (7, 9)).astype(np.float32)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC).clip(20, 255).astype(np.uint8)


def blob(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[30:61, 40:81] = 255
    return mask


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def make_tn_scui(root: Path, numbers: list[tuple[int, int]], num_test: int = 2) -> Path:
    rows = ["ID,CATE"]
    for number, cate in numbers:
        save(root / "image" / f"{number}.PNG", picture(number))
        save(root / "mask" / f"{number}.PNG", blob())
        rows.append(f"{number}.PNG,{cate}")
    for number in range(num_test):
        save(root / "test" / f"test_{number}.PNG", picture(9000 + number))
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    return root


def make_tn3k(root: Path, num: int = 10, num_folds: int = 5) -> Path:
    for part, offset, count in (("trainval", 0, num), ("test", 500, 4)):
        lines = []
        for index in range(count):
            save(root / f"{part}-image" / f"{index:04d}.jpg", picture(offset + index))
            save(root / f"{part}-mask" / f"{index:04d}.jpg", blob())
            lines.append(f"{index:04d}.jpg,{index % 2}")
        (root / f"label4{part}.csv").write_text("\n".join(lines))
    for fold in range(num_folds):
        val = list(range(fold, num, 5))
        content = {"train": [i for i in range(num) if i not in val], "val": val}
        (root / f"tn3k-trainval-fold{fold}.json").write_text(json.dumps(content))
    return root


def svg(*shapes: tuple[list[tuple[int, int]], str]) -> str:
    return json.dumps(
        [
            {"points": [{"x": x, "y": y} for x, y in points], "annotation": {}, "regionType": kind}
            for points, kind in shapes
        ]
    )


def make_ddti_case(folder: Path, number: int, svgs: list[str], **tags: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    marks = "".join(f"<mark><image>{i}</image><svg>{text}</svg></mark>" for i, text in enumerate(svgs, start=1))
    fields = "".join(f"<{name}>{text}</{name}>" for name, text in tags.items())
    (folder / f"{number}.xml").write_text(f"<case><number>{number}</number>{fields}{marks}</case>")
    for index in range(1, len(svgs) + 1):
        save(folder / f"{number}_{index}.jpg", picture(100 * number + index))


def make_ddti(folder: Path) -> Path:
    whole = svg((SQUARE, "freehand"))
    cut = svg((SQUARE, "freehand"), (SQUARE, "freehand"))[:-60]
    make_ddti_case(
        folder,
        1,
        [whole],
        tirads="4b",
        composition="solid",
        margins="ill- defined",
        calcifications="microcalcification",
    )
    make_ddti_case(folder, 2, [whole, ""], tirads="4a", margins="well defined", composition="dense")
    make_ddti_case(folder, 3, [cut], tirads="5")
    make_ddti_case(folder, 4, [svg((SQUARE, "freehand"), ([(1, 1), (100, 80)], "arrow"))], tirads="")
    make_ddti_case(folder, 5, [svg(([(1, 1), (100, 80), (50, 5)], "arrow"))])
    return folder


def make_busi(root: Path) -> Path:
    home = root / "Dataset_BUSI_with_GT"
    first, second = blob(), np.zeros(SHAPE, np.uint8)
    second[5:15, 5:15] = 255
    for seed, (name, number) in enumerate((("benign", 4), ("malignant", 3), ("normal", 2))):
        for index in range(1, number + 1):
            save(home / name / f"{name} ({index}).png", picture(100 * seed + index))
            save(home / name / f"{name} ({index})_mask.png", first if name != "normal" else np.zeros(SHAPE, np.uint8))
    save(home / "benign" / "benign (2)_mask_1.png", second)
    return root


def make_tg3k(root: Path) -> Path:
    rows = ["frame,video"]
    for frame in range(6):
        save(root / "image" / f"{frame:04d}.jpg", picture(frame))
        save(root / "mask" / f"{frame:04d}.png", blob())
        rows.append(f"{frame:04d},{frame // 2}")
    (root / "videos.csv").write_text("\n".join(rows))
    return root


def case_of(folder: Path, **changes: object) -> Case:
    base = Case("a", folder / "a.png", folder / "a_mask.png", 1, "g1", "mine", "train", 2, 0.05, 0.06)
    return replace(base, **changes)  # type: ignore[arg-type]
