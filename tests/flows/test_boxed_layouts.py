"""Boxes of VOC, YOLO, COCO, LabelMe and CVAT become Case.boxes, in the pixels of the image; faulty ones are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from set_folders import picture, save
from thyrosight.datasets.prepare import PrepareOptions, PrepareSummary, prepare
from thyrosight.datasets.table import is_labelled, read_cases
from thyrosight.types import Box, Case

HEIGHT, WIDTH = 96, 128
BOX, SECOND = Box(30, 20, 70, 60), Box(80, 10, 110, 40)
"""In each image but the last, which has two boxes."""
WORDS = ("benign", "malignant", "malignant")


def boxes_of(number: int) -> list[Box]:
    return [BOX, SECOND] if number == 2 else [BOX]


def voc(folder: Path) -> None:
    (folder / "Annotations").mkdir(parents=True)
    for number, word in enumerate(WORDS):
        save(folder / "JPEGImages" / f"{number}.jpg", picture(number))
        things = "".join(
            f"<object><name>{word}</name><bndbox><xmin>{box.x0}</xmin><ymin>{box.y0}</ymin><xmax>{box.x1}</xmax>"
            f"<ymax>{box.y1}</ymax></bndbox></object>"
            for box in boxes_of(number)
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>1</depth></size>"
        (folder / "Annotations" / f"{number}.xml").write_text(f"<annotation>{size}{things}</annotation>")


def yolo(folder: Path) -> None:
    (folder / "labels").mkdir(parents=True)
    for number, word in enumerate(WORDS):
        save(folder / "images" / f"{number}.jpg", picture(number))
        lines = [
            f"{int(word == 'malignant')} {(box.x0 + box.x1) / 2 / WIDTH} {(box.y0 + box.y1) / 2 / HEIGHT} "
            f"{box.width / WIDTH} {box.height / HEIGHT}"
            for box in boxes_of(number)
        ]
        (folder / "labels" / f"{number}.txt").write_text("\n".join(lines) + "\n")
    (folder / "data.yaml").write_text("nc: 2\nnames: ['benign', 'malignant']\n")


def coco(folder: Path) -> None:
    images = [{"id": k, "file_name": f"{k}.jpg", "height": HEIGHT, "width": WIDTH} for k in range(3)]
    annotations = [
        {
            "id": 10 * number + place,
            "image_id": number,
            "category_id": 1 + (word == "malignant"),
            "bbox": [box.x0, box.y0, box.width, box.height],
            "segmentation": [],
        }
        for number, word in enumerate(WORDS)
        for place, box in enumerate(boxes_of(number))
    ]
    categories = [{"id": 1, "name": "benign nodule"}, {"id": 2, "name": "malignant nodule"}]
    for number in range(3):
        save(folder / f"{number}.jpg", picture(number))
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))


def labelme(folder: Path) -> None:
    for number, word in enumerate(WORDS):
        save(folder / f"{number}.png", picture(number))
        shapes = [
            {"label": word, "shape_type": "rectangle", "points": [[box.x1, box.y0], [box.x0, box.y1]]}
            for box in boxes_of(number)
        ]
        content = {"shapes": shapes, "imagePath": f"{number}.png", "imageHeight": HEIGHT, "imageWidth": WIDTH}
        (folder / f"{number}.json").write_text(json.dumps(content))


def cvat(folder: Path) -> None:
    parts = []
    for number, word in enumerate(WORDS):
        save(folder / f"{number}.png", picture(number))
        things = "".join(
            f'<box label="{word}" xtl="{box.x0}" ytl="{box.y0}" xbr="{box.x1}" ybr="{box.y1}"/>'
            for box in boxes_of(number)
        )
        parts.append(f'<image id="{number}" name="{number}.png" width="{WIDTH}" height="{HEIGHT}">{things}</image>')
    (folder / "annotations.xml").write_text(f"<annotations>{''.join(parts)}</annotations>")


LAYOUTS = {"voc": voc, "yolo": yolo, "coco": coco, "labelme": labelme, "cvat": cvat}


def prepared(folder: Path, out: Path) -> tuple[PrepareSummary, list[Case]]:
    summary = prepare(folder, out, PrepareOptions(folds=0), workers=1)
    return summary, read_cases(out)


@pytest.mark.parametrize("name", LAYOUTS)
def test_boxes_and_labels_come_in(tmp_path: Path, name: str) -> None:
    LAYOUTS[name](tmp_path / "set")
    summary, cases = prepared(tmp_path / "set", tmp_path / "out")
    assert summary.source == name
    assert [case.boxes for case in cases] == [(BOX,), (BOX,), (BOX, SECOND)]
    assert [case.malignancy for case in cases] == [0, 1, 1]
    assert [case.mask for case in cases] == [None] * 3
    assert all(map(is_labelled, cases))
    assert any("3 images have boxes" in note and "loss.box_weight" in note for note in summary.notes)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_table_of_labels_next_to_them_costs_no_box(tmp_path: Path, name: str) -> None:
    LAYOUTS[name](tmp_path / "set")
    _, before = prepared(tmp_path / "set", tmp_path / "before")
    rows = "".join(f"{case.image.name},p{number // 2}\n" for number, case in enumerate(before))
    (tmp_path / "set" / "patients.csv").write_text("image,patient\n" + rows)
    _, after = prepared(tmp_path / "set", tmp_path / "after")
    assert [case.boxes for case in after] == [case.boxes for case in before]
    assert all(case.group.startswith("p") for case in after)


def test_an_outline_next_to_a_box_counts_as_a_box(tmp_path: Path) -> None:
    """A mask of one of two nodules would teach that the other is background."""
    coco(tmp_path / "set")
    path = tmp_path / "set" / "annotations.json"
    content = json.loads(path.read_text())
    corners = [float(n) for x, y in ((BOX.x0, BOX.y0), (BOX.x1 - 1, BOX.y0), (BOX.x1 - 1, BOX.y1 - 1)) for n in (x, y)]
    for annotation in content["annotations"]:
        if annotation["bbox"][0] == BOX.x0:
            annotation["segmentation"] = [[*corners, float(BOX.x0), float(BOX.y1 - 1)]]
    path.write_text(json.dumps(content))
    summary, cases = prepared(tmp_path / "set", tmp_path / "out")
    assert [bool(case.mask) for case in cases] == [True, True, False]
    assert [case.boxes for case in cases] == [(), (), (BOX, SECOND)]
    assert any("1 images have outlines of some nodules and boxes of others" in note for note in summary.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("<xmax>70<", "<xmax>700<"), "beyond the image of 128 x 96"),
        (lambda text: text.replace("<xmax>70<", "<xmax>30<"), "a box without an area"),
        (lambda text: text.replace("<xmax>70<", "<xmax>nan<"), "not finite"),
        (lambda text: text.replace("<xmax>70<", "<xmax><"), "it needs four numbers"),
        (lambda text: text.replace("<width>128<", "<width>256<"), "annotated at 256 x 96 pixels"),
    ],
)
def test_a_box_that_can_not_be_is_named(tmp_path: Path, change: Callable[[str], str], message: str) -> None:
    voc(tmp_path / "set")
    path = tmp_path / "set" / "Annotations" / "0.xml"
    path.write_text(change(path.read_text()))
    summary, cases = prepared(tmp_path / "set", tmp_path / "out")
    assert [case.case_id for case in cases] == ["1", "2"]
    assert any(message in reason for reason in summary.left_out)


def test_a_box_that_a_tool_rounded_over_the_border_is_cut(tmp_path: Path) -> None:
    yolo(tmp_path / "set")
    (tmp_path / "set" / "labels" / "0.txt").write_text(f"0 {16 / WIDTH} 0.5 {33 / WIDTH} 1.0\n")
    _, cases = prepared(tmp_path / "set", tmp_path / "out")
    assert cases[0].boxes == (Box(0, 0, 32, HEIGHT),)


def test_the_number_of_images_stays_the_same(tmp_path: Path) -> None:
    """An empty label file of YOLO still says that nothing is there."""
    yolo(tmp_path / "set")
    (tmp_path / "set" / "labels" / "0.txt").write_text("")
    _, cases = prepared(tmp_path / "set", tmp_path / "out")
    assert cases[0].boxes == ()
    assert cases[0].mask is not None
    assert not np.asarray(Image.open(cases[0].mask)).any()
