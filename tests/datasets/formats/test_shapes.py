"""Categories choose the nodule; shapes that don't fit their image are named; a faulty file costs itself alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drawn_images import BOTTOM, LEFT, NUM_PX, RIGHT, SHAPE, TOP, picture, save
from thyrosight.datasets.formats import FORMATS, labelme
from thyrosight.datasets.formats.coco import unpacked
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.sets.layout import DataSet, Request
from thyrosight.errors import InputError

CORNERS = [[LEFT, TOP], [RIGHT - 1, TOP], [RIGHT - 1, BOTTOM - 1], [LEFT, BOTTOM - 1]]


def read(folder: Path, *labels: str, height: int = SHAPE[0], **request: tuple[str, ...]) -> DataSet:
    for number in range(2):
        save(folder / f"{number}.png", picture(number))
        shapes = [
            {"label": name, "points": CORNERS if not k else [[1, 1], [9, 1], [9, 9]]} for k, name in enumerate(labels)
        ]
        size = {"imageHeight": height if number else SHAPE[0], "imageWidth": SHAPE[1]}
        (folder / f"{number}.json").write_text(json.dumps({"shapes": shapes, "imagePath": f"{number}.png", **size}))
    return labelme.read(Request(folder, folder / "out", **request))  # type: ignore[arg-type]


def sizes(found: DataSet) -> list[int]:
    return [int(load_mask(case, SHAPE).sum()) for case in found.cases]


def test_categories_that_no_name_tells_are_asked_about(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'which categories are nodules\? There: A \(2\), B \(2\).*"nodule=A"'):
        read(tmp_path, "A", "B")
    assert sizes(read(tmp_path, "A", "B", nodule_labels=("a",))) == [NUM_PX, NUM_PX]
    with pytest.raises(InputError, match=r"no category c; there: A \(2\), B \(2\)"):
        read(tmp_path, "A", "B", nodule_labels=("c",))


def test_other_organs_are_named_and_not_drawn(tmp_path: Path) -> None:
    found = read(tmp_path, "malignant nodule", "trachea")
    assert sizes(found) == [NUM_PX, NUM_PX]
    assert [case.malignancy for case in found.cases] == [1, 1]
    assert "categories not used: trachea (2)" in found.notes


def test_a_class_that_is_denied_is_no_label(tmp_path: Path) -> None:
    assert [case.malignancy for case in read(tmp_path, "non-malignant nodule").cases] == [None, None]


def test_both_classes_in_one_image_give_no_label(tmp_path: Path) -> None:
    found = read(tmp_path, "benign", "malignant")
    assert [case.malignancy for case in found.cases] == [None, None]
    assert "2 images are both benign and malignant and get no label, e.g. 0.png" in found.notes


def test_shapes_of_another_size_are_left_out_and_named(tmp_path: Path) -> None:
    found = read(tmp_path, "nodule", height=480)
    assert len(found.cases) == 1
    (why,) = found.left_out
    assert why.endswith("e.g. 1.png: annotated at 128 x 480 pixels, the image has 128 x 96")


BOX = (LEFT, TOP, RIGHT, BOTTOM)
XML = "<annotation><object><name>nodule</name><bndbox>{}</bndbox></object></annotation>"
OF_ONE_IMAGE = {
    "labelme": (
        "JSON",
        ".json",
        '{"shapes": [{"label": "nodule", "points": [[9, 9], [40, 9], [40, 40]]}], "imagePath": "NAME.png"}',
        '{"shapes": 5, "imagePath": "NAME.png"}',
    ),
    "voc": (
        "XML",
        ".xml",
        XML.format("".join(f"<{n}>{v}</{n}>" for n, v in zip(("xmin", "ymin", "xmax", "ymax"), BOX, strict=True))),
        XML.format("<xmin>few</xmin>"),
    ),
    "yolo": ("label file", ".txt", "0 0.5 0.5 0.2 0.2", "0 0.5 0.5 half"),
}


@pytest.mark.parametrize("name", OF_ONE_IMAGE)
def test_a_file_per_image_each_one_is_counted_once(tmp_path: Path, name: str) -> None:
    kind, ending, sound, faulty = OF_ONE_IMAGE[name]
    for stem in ("1", "2", "alone", "bad"):
        save(tmp_path / f"{stem}.png", picture(len(stem)))
    for stem, text in (("1", sound), ("2", sound), ("bad", faulty), ("gone", sound)):
        (tmp_path / f"{stem}{ending}").write_text(text.replace("NAME", stem))
    found = FORMATS[name].read(Request(tmp_path, tmp_path / "out"))
    assert [case.image.stem for case in found.cases] == ["1", "2"]
    missing, unread = found.left_out
    assert missing == f"{kind} without its image"
    assert unread.startswith(f"{kind} that can't be read, e.g. bad{ending}: ")
    assert list(found.left_out.values()) == [1, 1]
    assert f"1 images that have no {kind} were passed over" in found.notes


@pytest.mark.parametrize(
    ("text", "counts"),
    [("52203", [5, 2, 2, 2, 5]), ("0", [0]), ("P1", [32]), ("", []), ("PPR0", [2 << 10])],
)
def test_packed_run_lengths(text: str, counts: list[int]) -> None:
    """By hand: 5 bits per character, lowest first; bit 5 says that more follow, bit 4 of the last is the sign."""
    assert unpacked(text) == counts
