"""Paths of another computer in tables and annotation files -> the file of that name here, said; or one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from drawn_images import BOTTOM, LEFT, NUM_PX, RIGHT, SHAPE, TOP, picture, rectangle, save
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.prepare import PrepareOptions, PrepareSummary, prepare
from thyrosight.datasets.sets.cell_files import nearest, parts_of
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError

CORNERS = [(LEFT, TOP), (RIGHT - 1, TOP), (RIGHT - 1, BOTTOM - 1), (LEFT, BOTTOM - 1)]
WRITTEN = {
    "drive": "C:\\data\\img\\{}.png",
    "server": "\\\\server\\share\\img\\{}.png",
    "both slashes": "D:/data\\img/{}.png",
    "another home": "/export/nobody/data/img/{}.png",
    "URL": "file:///C:/data/img/{}.png",
    "one folder too many": "..\\elsewhere\\img\\{}.png",
}


def prepared(folder: Path) -> PrepareSummary:
    return prepare(folder, folder.parent / "out", PrepareOptions(folds=0), workers=1)


def table(folder: Path, written: str) -> None:
    rows = [f"{written.format(n)},{written.replace('img', 'masks').format(n)},{n % 2}" for n in range(3)]
    (folder / "t.csv").write_text("\n".join(["image,mask,label", *rows]))
    for n in range(3):
        save(folder / "masks" / f"{n}.png", rectangle())


def coco(folder: Path, written: str) -> None:
    points = [[number for corner in CORNERS for number in corner]]
    content = {
        "images": [{"id": n, "file_name": written.format(n)} for n in range(3)],
        "annotations": [{"id": n, "image_id": n, "category_id": 1, "segmentation": points} for n in range(3)],
        "categories": [{"id": 1, "name": "nodule"}],
    }
    (folder / "coco.json").write_text(json.dumps(content))


def labelme(folder: Path, written: str) -> None:
    for n in range(3):
        shape = {"label": "nodule", "points": CORNERS, "shape_type": "polygon"}
        content = {"shapes": [shape], "imagePath": written.format(n), "imageData": None}
        (folder / f"outline {n}.json").write_text(json.dumps(content))


def via(folder: Path, written: str) -> None:
    form = {"name": "polygon", "all_points_x": [x for x, _ in CORNERS], "all_points_y": [y for _, y in CORNERS]}
    regions = [{"shape_attributes": form, "region_attributes": {}}]
    content = {str(n): {"filename": written.format(n), "regions": regions} for n in range(3)}
    (folder / "via.json").write_text(json.dumps(content))


WRITERS: list[Callable[[Path, str], None]] = [table, coco, labelme, via]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("kind", WRITTEN)
def test_a_path_of_another_computer(tmp_path: Path, write: Callable[[Path, str], None], kind: str) -> None:
    for n in range(3):
        save(tmp_path / "set" / "img" / f"{n}.png", picture(n))
    write(tmp_path / "set", WRITTEN[kind])
    summary = prepared(tmp_path / "set" / "t.csv" if write is table else tmp_path / "set")
    cases = read_cases(summary.cases_csv)
    assert [case.image.name for case in cases] == ["0.png", "1.png", "2.png"]
    assert {int(load_mask(case, SHAPE).sum()) for case in cases} == {NUM_PX}
    said = [note for note in summary.notes if "found by their names, in other folders than written" in note]
    assert len(said) == 1
    assert "0.png' is " in said[0]


def test_a_yaml_of_another_computer_names_the_classes(tmp_path: Path) -> None:
    for n in range(2):
        save(tmp_path / "set" / "images" / f"{n}.png", picture(n))
    (tmp_path / "set" / "labels").mkdir()
    for n in range(2):
        (tmp_path / "set" / "labels" / f"{n}.txt").write_text(f"{n} 0.4 0.4 0.2 0.2\n")
    (tmp_path / "set" / "data.yaml").write_text("path: C:\\data\ntrain: C:\\data\\images\nnames: [benign, malignant]\n")
    assert [case.malignancy for case in read_cases(prepared(tmp_path / "set").cases_csv)] == [0, 1]


@pytest.mark.parametrize("folder", ["left", "other"])
def test_of_two_files_of_one_name_the_folder_decides_or_the_user(tmp_path: Path, folder: str) -> None:
    for place in ("left", "right"):
        save(tmp_path / "set" / place / "1.png", picture(len(place)))
    (tmp_path / "set" / "t.csv").write_text(f"image,label\nC:\\data\\{folder}\\1.png,1\n")
    if folder == "left":
        (case,) = read_cases(prepared(tmp_path / "set" / "t.csv").cases_csv)
        assert case.image.parent.name == "left"
    else:
        with pytest.raises(InputError, match=r"1.png' of the table is not there, and could be .*left.1.png or .*right"):
            prepared(tmp_path / "set" / "t.csv")


@pytest.mark.parametrize("first", ["C:\\data\\p1\\1.png", "p1/1.png"])
@pytest.mark.parametrize("write", ["table", "coco"])
def test_two_paths_that_would_be_one_file_are_refused(tmp_path: Path, write: str, first: str) -> None:
    """The folder of the second patient was not copied: its image is not that of the first."""
    save(tmp_path / "set" / "p1" / "1.png", picture(1))
    written = [first, "C:\\data\\p2\\1.png", "C:\\data\\p3\\1.png"]
    if write == "table":
        (tmp_path / "set" / "t.csv").write_text("image,label\n" + "".join(f"{name},1\n" for name in written))
    else:
        images = [{"id": n, "file_name": name} for n, name in enumerate(written)]
        content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "nodule"}]}
        (tmp_path / "set" / "c.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"p1.1.png' and 'C:.data.p2.1.png' would both be|listed twice"):
        prepared(tmp_path / "set" / "t.csv" if write == "table" else tmp_path / "set")


def test_parts_and_nearest() -> None:
    assert parts_of("C:\\a\\b.png") == parts_of("/a/b.png") == parts_of("file:///D:/a/./b.png") == ("a", "b.png")
    assert parts_of("\\\\server\\a\\b.png") == ("server", "a", "b.png")
    there = [Path("/x/p1/a/1.png"), Path("/x/p2/a/1.png"), Path("/x/p2/a/1.dcm")]
    assert nearest("C:\\P2\\a\\1.png", there) == [there[1]]
    assert nearest("C:\\p3\\a\\1.png", there) == there[:2]
