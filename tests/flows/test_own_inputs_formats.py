"""Files of annotation tools as people export them, a second round: outlines are drawn right, or it is said why not."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from thyrosight.datasets.prepare import PrepareOptions, PrepareSummary, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError

SIZE = (80, 120)
BLOB_XY = [(60 + 25 * math.cos(k / 8), 40 + 18 * math.sin(k / 8)) for k in range(50)]
AREA_PX = math.pi * 25 * 18


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    for number in range(3):
        pixels_HW = np.random.default_rng(number).integers(60, 190, SIZE).astype(np.uint8)
        Image.fromarray(pixels_HW).save(folder / "images" / f"{number}.png")
    return folder


def prepared(folder: Path) -> tuple[PrepareSummary, list[int | None]]:
    """-> (what prepare says, pixels of each image's mask or None)."""
    summary = prepare(folder, folder.parent / "out", PrepareOptions(folds=0), workers=1)
    cases = sorted(read_cases(summary.cases_csv), key=lambda case: case.image.name)
    masks = [None if case.mask is None else np.count_nonzero(np.asarray(Image.open(case.mask))) for case in cases]
    return summary, masks


def coco(folder: Path, outlines: list[Any], category: str = "nodule", **image: Any) -> None:
    """A COCO file with an outline per image (polygons or run lengths)."""
    images = [{"id": k, "file_name": f"{k}.png"} | image for k in range(3)]
    annotations = [
        {"id": k, "image_id": k, "category_id": 1, "segmentation": one, "bbox": [1, 1, 9, 9]}
        for k, one in enumerate(outlines)
    ]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": category}]}
    (folder / "coco.json").write_text(json.dumps(content))


FLAT = [number for point in BLOB_XY for number in point]


def test_a_polygon_has_its_area(folder: Path) -> None:
    coco(folder, [[FLAT]] * 3)
    _, masks = prepared(folder)
    assert all(mask == pytest.approx(AREA_PX, rel=0.05) for mask in masks)


@pytest.mark.parametrize(
    ("outline", "told"),
    [
        ([[number / 120 for number in FLAT]], "write their points in pixels"),
        ([[number * 3 for number in FLAT]], "beyond the image; annotate the image at its own size"),
        ([[number + 200 for number in FLAT]], "beyond the image"),
        ({"size": [120, 80], "counts": [9600]}, "run lengths of 80 x 120 pixels, the image has 120 x 80"),
        ({"size": [80, 120], "counts": [10, 20]}, "run lengths fill 30 pixels"),
    ],
)
def test_outlines_that_do_not_fit_their_image_are_named(folder: Path, outline: Any, told: str) -> None:
    coco(folder, [[FLAT], outline, [FLAT]])
    summary, masks = prepared(folder)
    assert len(masks) == 2, "the case with the fault is left out"
    assert told in " ".join(summary.left_out)
    assert "1.png" in " ".join(summary.left_out)


def test_a_size_that_is_not_the_images_is_named(folder: Path) -> None:
    coco(folder, [[FLAT]] * 3, width=240, height=160)
    with pytest.raises(InputError, match="annotated at 240 x 160 pixels, the image has 120 x 80"):
        prepared(folder)


def test_outlines_that_are_boxes_are_told(folder: Path) -> None:
    coco(folder, [[FLAT], [[20, 20, 80, 20, 80, 60, 20, 60]], [FLAT]])
    summary, masks = prepared(folder)
    assert masks[1] == 61 * 41
    assert any("1 outlines are plain rectangles" in note for note in summary.notes)


def test_a_category_that_says_no_nodule_is_none(folder: Path) -> None:
    content = {
        "images": [{"id": k, "file_name": f"{k}.png"} for k in range(3)],
        "annotations": [
            {"id": k, "image_id": k, "category_id": 1 + k % 2, "segmentation": [FLAT], "bbox": []} for k in range(3)
        ],
        "categories": [{"id": 1, "name": "nodule"}, {"id": 2, "name": "no nodule"}],
    }
    (folder / "coco.json").write_text(json.dumps(content))
    summary, masks = prepared(folder)
    assert [mask is None for mask in masks] == [False, True, False]
    assert any("categories not used: no nodule (1)" in note for note in summary.notes)


def yolo(folder: Path, lines: list[str], names: str) -> None:
    (folder / "labels").mkdir()
    for number, line in enumerate(lines):
        (folder / "labels" / f"{number}.txt").write_text(line + "\n")
    (folder / "data.yaml").write_text(names)


SHARES = " ".join(f"{x / 120:.5f} {y / 80:.5f}" for x, y in BLOB_XY)


@pytest.mark.parametrize(
    "names",
    [
        "names:\n  1: benign\n  3: malignant\n",
        "names: {1: benign, 3: 'malignant'}\n",
        "names: [a, benign, b, malignant]",
    ],
)
def test_classes_have_the_numbers_that_their_file_gives(folder: Path, names: str) -> None:
    yolo(folder, [f"3 {SHARES}", f"1 {SHARES}", f"3 {SHARES}"], names)
    summary, masks = prepared(folder)
    assert (summary.num_high, summary.num_low) == (2, 1)
    assert all(mask == pytest.approx(AREA_PX, rel=0.05) for mask in masks)


def labelme(folder: Path, kind: str, points: list[Any]) -> None:
    for number in range(3):
        shape = {"label": "nodule", "shape_type": "polygon", "points": BLOB_XY}
        if number == 1:
            shape |= {"shape_type": kind, "points": points}
        content = {"shapes": [shape], "imagePath": f"{number}.png", "imageHeight": SIZE[0], "imageWidth": SIZE[1]}
        (folder / "images" / f"{number}.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("linestrip", BLOB_XY[:20]),
        ("line", BLOB_XY[:2]),
        ("point", BLOB_XY[:1]),
        ("rectangle", [(20, 20), (80, 60)]),
        ("polygon", BLOB_XY[:2]),
    ],
)
def test_what_is_no_area_in_labelme_leaves_the_mask_open(folder: Path, kind: str, points: list[Any]) -> None:
    labelme(folder, kind, points)
    summary, masks = prepared(folder)
    assert [mask is None for mask in masks] == [False, True, False]
    assert kind == "rectangle" or any("without an outline" in note for note in summary.notes), "a rectangle is a box"
