"""Annotation files -> read by pycocotools and by our own readers: the same masks, pixel by pixel."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from examinations import SIZE_HW, full_examination
from result_objects import disc
from thyrosight.datasets.formats import coco, cvat
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.sets.layout import KnownSet, Request
from thyrosight.measurement.outlines import fill_outlines, outlines
from thyrosight.results.annotations.coco_json import coco_json, run_lengths_of
from thyrosight.results.annotations.cvat_xml import cvat_xml
from thyrosight.results.annotations.label_studio import label_studio_json
from thyrosight.results.annotations.outlined_images import (
    OutlinedImage,
    OutlinedNodule,
    images_of_examination,
    images_of_predictions,
)

IMAGES = images_of_examination(full_examination())


def hole_free_shapes(num: int) -> list[OutlinedImage]:
    """-> images with random outlines, at the border too, one of them a single pixel."""
    rng = np.random.default_rng(7)
    found = []
    for k in range(num):
        points = rng.integers((0, 0), (60, 40), (int(rng.integers(3, 9)), 2))
        drawn = [tuple((int(x), int(y)) for x, y in points), ((59, 39),)]
        nodules = tuple(OutlinedNodule(outline_xy, "MANUAL", 1.0) for outline_xy in drawn)
        found.append(OutlinedImage(f"image {k}.png", 60, 40, nodules, ""))
    return found


def read_by_us(folder: Path, known: KnownSet, images: list[OutlinedImage]) -> None:
    """Asserts that our reader of the format sees the union of each image's masks."""
    for image in images:
        cv2.imwrite(str(folder / image.name), np.full((image.height_px, image.width_px), 80, np.uint8))
    out = folder.parent / f"{folder.name}-masks"
    data_set = known.read(Request(folder=folder, masks=out))  # type: ignore[call-arg]
    cases = {case.image.name: case for case in data_set.cases}
    for image in images:
        union_HW = np.logical_or.reduce([image.mask_HW(nodule) for nodule in image.nodules])
        assert (load_mask(cases[image.name], union_HW.shape) == union_HW).all()


@pytest.mark.parametrize("images", [IMAGES, hole_free_shapes(40)], ids=["examination", "random"])
def test_pycocotools_reads_the_same_masks(images: list[OutlinedImage], tmp_path: Path) -> None:
    tools = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    path = tmp_path / "coco.json"
    path.write_text(coco_json(images), encoding="utf-8")
    read = tools.COCO(str(path))
    wanted = [(image, nodule) for image in images for nodule in image.nodules]
    assert len(read.anns) == len(wanted)
    for annotation, (image, nodule) in zip(read.anns.values(), wanted, strict=True):
        mask_HW = image.mask_HW(nodule)
        assert (read.annToMask(annotation).astype(bool) == mask_HW).all()
        assert annotation["area"] == mask_HW.sum()
        x, y, width, height = annotation["bbox"]
        assert mask_HW[y : y + height, x : x + width].sum() == mask_HW.sum()
        assert read.imgs[annotation["image_id"]]["file_name"] == image.name


def test_runs_start_outside() -> None:
    assert run_lengths_of(np.array([False, True, True, False])) == [1, 2, 1]
    assert run_lengths_of(np.array([True, False])) == [0, 1, 1]
    assert run_lengths_of(np.array([True, True])) == [0, 2]
    assert run_lengths_of(np.array([False])) == [1]


def test_label_studio_has_readers_and_networks_outlines_apart() -> None:
    tasks = json.loads(label_studio_json(IMAGES, "/data/local-files/?d=x/"))
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=x/1 trans.png"
    assert "predictions" not in tasks[0]
    assert "annotations" not in tasks[2]
    assert tasks[2]["predictions"][0]["model_version"] == "drawn (0a1b2c)"
    (polygon,) = tasks[0]["annotations"][0]["result"]
    points_xy = np.array(polygon["value"]["points"]) / 100 * (SIZE_HW[1], SIZE_HW[0]) - 0.5
    assert (fill_outlines([points_xy], SIZE_HW) == IMAGES[0].mask_HW(IMAGES[0].nodules[0])).all()


def test_an_image_without_a_nodule_is_listed() -> None:
    empty = images_of_predictions([full_examination().images[0].prediction.model_copy(update={"nodules": ()})])
    assert json.loads(coco_json(empty))["images"][0]["width"] == SIZE_HW[1]
    assert '<image id="0"' in cvat_xml(empty)
    assert json.loads(label_studio_json(empty))[0]["annotations"] == [{"result": []}]


@pytest.mark.parametrize("kind", ["coco", "cvat"])
def test_our_own_readers_see_the_same_masks(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    discs = [disc((40, 60), 12 + 6 * k, 15 + 3 * k, 5 + k) for k in range(6)]
    nodules = [OutlinedNodule(tuple((int(x), int(y)) for x, y in outlines(one)[0]), "MANUAL", 1.0) for one in discs]
    images = [OutlinedImage(f"image {k}.png", 60, 40, (one,), "") for k, one in enumerate(nodules)]
    if kind == "coco":
        (folder / "annotations.json").write_text(coco_json(images), encoding="utf-8")
        read_by_us(folder, coco.SET, images)
    else:
        (folder / "annotations.xml").write_text(cvat_xml(images), encoding="utf-8")
        read_by_us(folder, cvat.SET, images)


def test_hostile_names_stay_text_in_xml() -> None:
    evil = 'a"<b>&\x00\ud800.png'
    image = OutlinedImage(evil, 30, 20, (OutlinedNodule(((1, 1), (5, 5)), "MANUAL", 1.0, (("<x>", "</mask>"),)),), "")
    text = cvat_xml([image])
    from defusedxml.ElementTree import fromstring

    (found,) = list(fromstring(text.encode()).iter("image"))
    assert found.get("name") == 'a"<b>&??.png'
    assert next(found.iter("attribute")).text == "</mask>"
