"""Exports of annotation tools as people have them -> `prepare`: outlines are read right, or one line with the fix."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drawn_images import BOTTOM, LEFT, NUM_PX, RIGHT, SHAPE, TOP, picture, rectangle, save
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.prepare import PrepareOptions, PrepareSummary, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.types import Case

HEIGHT, WIDTH = SHAPE
CORNERS = [(LEFT, TOP), (RIGHT - 1, TOP), (RIGHT - 1, BOTTOM - 1), (LEFT, BOTTOM - 1)]


def prepared(folder: Path, *labels: str) -> tuple[list[Case], PrepareSummary, set[int]]:
    """-> (cases, what prepare says, areas of the masks)."""
    options = PrepareOptions(folds=0, nodule_labels=labels)
    summary = prepare(folder, folder.parent / "out", options, workers=1)
    cases = read_cases(summary.cases_csv)
    return cases, summary, {int(load_mask(case, SHAPE).sum()) for case in cases}


def pictures(folder: Path, name: str = "{}.png") -> None:
    for number in range(3):
        save(folder / name.format(number), picture(number))


def polygon() -> dict[str, Any]:
    xs, ys = [x for x, _ in CORNERS], [y for _, y in CORNERS]
    return {"name": "polygon", "all_points_x": xs, "all_points_y": ys}


def png(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("is_project", [True, False])
@pytest.mark.parametrize("is_version_1", [True, False])
def test_via(tmp_path: Path, is_project: bool, is_version_1: bool) -> None:
    pictures(tmp_path / "set")
    listed: dict[str, Any] = {}
    for number in range(3):
        region = {"shape_attributes": polygon(), "region_attributes": {"type": "malignant" if number else "benign"}}
        regions = {"0": region} if is_version_1 else [region]
        listed[f"{number}.png99"] = {"filename": f"{number}.png", "size": 99, "regions": regions}
    content = {"_via_settings": {}, "_via_img_metadata": listed} if is_project else listed
    (tmp_path / "set" / "via.json").write_text(json.dumps(content))
    cases, _, areas = prepared(tmp_path / "set")
    assert [case.malignancy for case in cases] == [0, 1, 1]
    assert areas == {NUM_PX}


def test_via_circles_boxes_and_choices(tmp_path: Path) -> None:
    pictures(tmp_path / "set")
    forms = [
        {"name": "circle", "cx": 60, "cy": 40, "r": 20},
        {"name": "ellipse", "cx": 60, "cy": 40, "rx": 20, "ry": 20, "theta": 0.3},
        {"name": "rect", "x": 10, "y": 20, "width": 30, "height": 40},
    ]
    listed = {
        str(n): {
            "filename": f"{n}.png",
            "regions": [{"shape_attributes": form, "region_attributes": {"a": {"nodule": 1}}}],
        }
        for n, form in enumerate(forms)
    }
    (tmp_path / "set" / "via.json").write_text(json.dumps(listed))
    cases, _, areas = prepared(tmp_path / "set")
    assert [len(case.boxes) for case in cases] == [0, 0, 1]
    assert all(area == 0 or abs(area - 1257) < 80 for area in areas)


def test_a_table_of_via_is_refused_by_its_name(tmp_path: Path) -> None:
    pictures(tmp_path / "set")
    (tmp_path / "set" / "via.csv").write_text("filename,file_size,region_shape_attributes\n0.png,9,x\n")
    with pytest.raises(InputError, match="a table of VIA; export the annotations as JSON"):
        prepared(tmp_path / "set")


@pytest.mark.parametrize("kind", ["polygon", "bitmap"])
def test_supervisely(tmp_path: Path, kind: str) -> None:
    home = tmp_path / "set" / "ds0"
    pictures(home, "img/{}.png")
    data = base64.b64encode(zlib.compress(png(np.full((BOTTOM - TOP, RIGHT - LEFT), 255, np.uint8)))).decode()
    shape: dict[str, Any] = {"points": {"exterior": CORNERS, "interior": []}}
    if kind == "bitmap":
        shape = {"bitmap": {"origin": [LEFT, TOP], "data": data}}
    (home / "ann").mkdir()
    for number in range(3):
        objects = [{"classTitle": "nodule", "geometryType": kind, **shape}]
        content = {"size": {"height": HEIGHT, "width": WIDTH}, "tags": [{"name": "benign"}], "objects": objects}
        (home / "ann" / f"{number}.png.json").write_text(json.dumps(content))
    cases, _, areas = prepared(tmp_path / "set")
    assert (len(cases), areas, {case.malignancy for case in cases}) == (3, {NUM_PX}, {0})


def test_supervisely_holes_are_no_nodule(tmp_path: Path) -> None:
    home = tmp_path / "set"
    save(home / "img" / "a.png", picture(1))
    (home / "ann").mkdir()
    points = {"exterior": CORNERS, "interior": [[(60, 40), (64, 40), (64, 44), (60, 44)]]}
    objects = [{"classTitle": "nodule", "geometryType": "polygon", "points": points}]
    content = {"size": {"height": HEIGHT, "width": WIDTH}, "tags": [], "objects": objects}
    (home / "ann" / "a.png.json").write_text(json.dumps(content))
    assert prepared(home)[2] == {NUM_PX - 25}


def labelme(folder: Path, name: str, image_data: str | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shape = {"label": "nodule", "points": CORNERS, "shape_type": "polygon"}
    size = {"imageHeight": HEIGHT, "imageWidth": WIDTH}
    content = {"shapes": [shape], "imagePath": f"..\\img\\{name}.png", "imageData": image_data, **size}
    (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
def test_labelme_images_that_are_in_the_json_alone(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "set"
    for number in range(6):
        labelme(
            folder / f"patient{number // 2}",
            "view" + "ab"[number % 2],
            base64.b64encode(png(picture(number), kind)).decode(),
        )
    cases, summary, areas = prepared(folder)
    assert (summary.num_images, summary.num_outlined, summary.num_groups, areas) == (6, 6, 3, {NUM_PX})
    assert [case.image.read_bytes() for case in cases] == [png(picture(number), kind) for number in range(6)]


@pytest.mark.parametrize("data", ["@@", base64.b64encode(b"no image at all").decode()])
def test_labelme_image_data_that_is_none_is_named(tmp_path: Path, data: str) -> None:
    labelme(tmp_path / "set", "a", base64.b64encode(png(picture(1))).decode())
    labelme(tmp_path / "set", "b", data)
    cases, summary, _ = prepared(tmp_path / "set")
    assert len(cases) == 1
    assert any("b.json: its image file is not there, and its imageData" in why for why in summary.left_out)


def cvat_masks(folder: Path, second: str) -> None:
    for number in range(3):
        save(folder / "JPEGImages" / f"{number}.png", picture(number))
        colours = {
            "SegmentationClass": [(250, 50, 83), (50, 183, 250)],
            "SegmentationObject": [(128, 0, 0), (0, 128, 0)],
        }
        for part, (one, other) in colours.items():
            mask = np.zeros((*SHAPE, 3), np.uint8)
            mask[rectangle() > 0] = one
            mask[70:90, 10:40] = other if second else 0
            save(folder / part / f"{number}.png", mask)
    more = f"{second}:50,183,250::\n" if second else ""
    (folder / "labelmap.txt").write_text(
        f"# label:color_rgb:parts:actions\nbackground:0,0,0::\n{more}nodule:250,50,83::\n"
    )


def test_masks_of_cvat(tmp_path: Path) -> None:
    cvat_masks(tmp_path / "set", "")
    assert prepared(tmp_path / "set")[2] == {NUM_PX}


def test_masks_of_cvat_with_other_classes_are_asked_about(tmp_path: Path) -> None:
    cvat_masks(tmp_path / "set", "carotid")
    with pytest.raises(InputError, match=r'carotid, nodule.*--mask-label "nodule=#fa3253"'):
        prepared(tmp_path / "set")
    assert prepared(tmp_path / "set", "#fa3253")[2] == {NUM_PX}


@pytest.mark.parametrize("names", [("carotid", "nodule"), ("nodule", "")])
def test_segments_of_slicer_are_told_by_their_names(tmp_path: Path, names: tuple[str, str]) -> None:
    nrrd = pytest.importorskip("nrrd")
    for number in range(3):
        save(tmp_path / "set" / f"{number}.png", picture(number))
        mask = rectangle(1 + names.index("nodule"))
        mask[70:90, 10:40] = 1 if names[1] else 0
        header = {
            f"Segment{n}_{key}": value
            for n, name in enumerate(names)
            if name
            for key, value in (("Name", name), ("LabelValue", str(n + 1)))
        }
        nrrd.write(str(tmp_path / "set" / f"{number}.seg.nrrd"), mask.T[..., None], header)
    assert prepared(tmp_path / "set")[2] == {NUM_PX}


def test_segments_of_slicer_without_a_nodule_among_them_are_asked_about(tmp_path: Path) -> None:
    nrrd = pytest.importorskip("nrrd")
    save(tmp_path / "set" / "images" / "a.png", picture(1))
    (tmp_path / "set" / "masks").mkdir()
    mask = rectangle(1)
    mask[70:90, 10:40] = 2
    header = {"Segment0_Name": "x", "Segment0_LabelValue": "1", "Segment1_Name": "y", "Segment1_LabelValue": "2"}
    nrrd.write(str(tmp_path / "set" / "masks" / "a.nrrd"), mask.T, header)
    with pytest.raises(InputError, match="which segments are nodules"):
        prepared(tmp_path / "set")


def test_versions_of_one_image_by_roboflow_stay_together(tmp_path: Path) -> None:
    for source in range(2):
        for version in range(3):
            name = f"case{source}_png.rf.{10 * source + version:032x}"
            save(tmp_path / "set" / "train" / "images" / f"{name}.jpg", picture(10 * source + version))
            (tmp_path / "set" / "train" / "labels").mkdir(exist_ok=True)
            line = "0 " + " ".join(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in CORNERS)
            (tmp_path / "set" / "train" / "labels" / f"{name}.txt").write_text(line)
    _, summary, _ = prepared(tmp_path / "set")
    assert summary.num_groups == 2


def test_turned_boxes_are_told_as_boxes(tmp_path: Path) -> None:
    pictures(tmp_path / "set", "images/{}.png")
    (tmp_path / "set" / "labels").mkdir()
    line = "0 " + " ".join(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in [(50, 20), (90, 40), (75, 70), (35, 50)])
    for number in range(3):
        (tmp_path / "set" / "labels" / f"{number}.txt").write_text(line)
    _, summary, _ = prepared(tmp_path / "set")
    assert any("3 outlines are plain rectangles" in note for note in summary.notes)


@pytest.mark.parametrize("name", ["export.ndjson", "project.json", "labels.mat"])
def test_annotations_in_a_format_that_is_not_read_are_named(tmp_path: Path, name: str) -> None:
    pictures(tmp_path / "set")
    (tmp_path / "set" / name).write_text('[{"data": {"image": "0.png"}}]')
    with pytest.raises(InputError, match=f"{name} holds the annotations, in a format that is not read"):
        prepared(tmp_path / "set")
