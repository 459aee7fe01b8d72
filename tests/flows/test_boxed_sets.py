"""TN5000 and BUS-BRA, tiny and made up in their own layouts -> cases.csv; boxes in the table; real counts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from checkout import REAL_DATA
from thyrosight.datasets.prepare import PrepareOptions, prepare
from thyrosight.datasets.sets import SETS, busbra, tn5000
from thyrosight.datasets.sets.layout import Request
from thyrosight.datasets.table import read_cases, write_cases
from thyrosight.errors import InputError
from thyrosight.types import Box, Case

REAL = REAL_DATA
SHAPE = (96, 128)
Nodules = list[tuple[int, Box]]


def picture(seed: int) -> np.ndarray:
    """A smooth random gray picture, of each seed another."""
    coarse = np.random.default_rng(seed).integers(40, 250, (7, 9)).astype(np.float32)
    return cv2.resize(coarse, SHAPE[::-1], interpolation=cv2.INTER_CUBIC).clip(20, 255).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def annotate(root: Path, name: str, nodules: Nodules, seed: int) -> None:
    """One file of TN5000: its image, its annotation."""
    save(root / "JPEGImages" / f"{name}.jpg", picture(seed))
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{box.x0}</xmin><ymin>{box.y0}</ymin>"
        f"<xmax>{box.x1}</xmax><ymax>{box.y1}</ymax></bndbox></object>"
        for label, box in nodules
    )
    path = root / "Annotations" / f"{name}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation><filename>{name}.jpg</filename>{objects}</annotation>")


def make_tn5000(root: Path, *, with_groups: bool = True) -> Path:
    """Five files of four pictures: 000003 is the picture of 000002 with its second nodule."""
    for number, (label, box, seed) in enumerate(
        [
            (0, Box(10, 10, 40, 30), 1),
            (1, Box(50, 20, 70, 60), 2),
            (0, Box(80, 50, 100, 70), 2),
            (1, Box(5, 5, 30, 40), 4),
            (0, Box(60, 40, 90, 80), 5),
        ],
        start=1,
    ):
        annotate(root, f"{number:06d}", [(label, box)], seed)
    sets = root / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    for split, numbers in {"train": (1, 2, 4), "val": (5,), "test": (3,)}.items():
        (sets / f"{split}.txt").write_text("".join(f"{number:06d}\n" for number in numbers))
    if with_groups:
        rows = ["image_id,malignant,group,same_picture,official_split,fold"]
        same = {3: 2}
        rows += [f"{n:06d},0,b{n // 3},{same.get(n, n):06d},train,{n // 3}" for n in range(1, 6)]
        (root / "groups.csv").write_text("\n".join(rows))
    return root


def make_busbra(root: Path, suffix: str = "png") -> Path:
    rows = ["ID,Case,Histology,Pathology,BIRADS,Device,Side"]
    for number, side, pathology in ((3, "l", "malignant"), (3, "r", "malignant"), (4, "l", "benign")):
        name = f"{number:04d}-{side}"
        save(root / "Images" / f"bus_{name}.{suffix}", picture(number + ord(side)))
        mask = np.zeros(SHAPE, np.uint8)
        mask[20:40, 30:70] = 255
        save(root / "Masks" / f"mask_{name}.png", mask)
        rows.append(f"bus_{name},{number},some,{pathology},4,GE,{side}")
    (root / "bus_data.csv").write_text("\n".join(rows))
    (root / "groups.csv").write_text("ID,Case,fold\nbus_0003-l,3,0\nbus_0003-r,3,0\nbus_0004-l,4,1\n")
    return root


def test_two_files_of_one_picture_are_one_case_with_two_boxes(tmp_path: Path) -> None:
    summary = prepare(make_tn5000(tmp_path / "set"), tmp_path / "out")
    cases = {case.case_id: case for case in read_cases(tmp_path / "out")}
    assert summary.source == "tn5000"
    assert (summary.num_images, summary.num_outlined, summary.num_high, summary.num_low) == (4, 0, 2, 2)
    assert cases["000002"].boxes == (Box(50, 20, 70, 60), Box(80, 50, 100, 70))
    assert cases["000002"].malignancy == 1, "a malignant nodule next to a benign one"
    assert cases["000001"].boxes == (Box(10, 10, 40, 30),)
    assert (cases["000004"].group, cases["000004"].fold, cases["000004"].split) == ("b1", 1, "")
    assert all(case.mask is None for case in cases.values())
    assert summary.left_out == {"further file of the same picture, its box is joined": 1}
    assert any("1 pictures hold a malignant nodule next to a benign one" in note for note in summary.notes)


def test_the_publications_split_only_where_it_is_asked_for(tmp_path: Path) -> None:
    prepare(make_tn5000(tmp_path / "set"), tmp_path / "out", PrepareOptions(folds=0, official_split=True))
    cases = {case.case_id: case for case in read_cases(tmp_path / "out")}
    assert {name: case.split for name, case in cases.items()} == {
        "000001": "train",
        "000002": "test",  # one of its two files is tested, so the picture trains nothing
        "000004": "train",
        "000005": "val",
    }


def test_without_groups_csv_neighbouring_numbers_are_a_group(tmp_path: Path) -> None:
    reading = tn5000.read(Request(make_tn5000(tmp_path / "set", with_groups=False), tmp_path / "masks"))
    assert {case.group for case in reading.cases} == {"block0"}
    assert len(reading.cases) == 5
    assert reading.join_duplicates


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation><object><name>2</name></object></annotation>", "class '2'; TN5000 has 0"),
        ("<annotation><object>", "not a readable annotation"),
        (
            "<annotation><object><name>0</name><bndbox><xmin>9</xmin><ymin>1</ymin><xmax>9</xmax><ymax>5</ymax></bndbox>"
            "</object></annotation>",
            "bndbox 9 1 9 5 is empty",
        ),
        ("<annotation><object><name>0</name></object></annotation>", "it needs four numbers"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', "declares entities"),
    ],
)
def test_a_faulty_annotation_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "000001.xml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        tn5000.read_annotation(path)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_busbra_patients_are_groups_and_outlines_are_lesions(tmp_path: Path, suffix: str) -> None:
    summary = prepare(make_busbra(tmp_path / "set", suffix), tmp_path / "out")
    cases = {case.case_id: case for case in read_cases(tmp_path / "out")}
    assert summary.source == "busbra"
    assert (summary.num_images, summary.num_outlined, summary.num_high, summary.num_low) == (3, 3, 2, 1)
    assert cases["bus_0003-l"].group == cases["bus_0003-r"].group == "3"
    assert (cases["bus_0004-l"].fold, cases["bus_0004-l"].target) == (1, "lesion")


def test_busbra_says_what_it_left_out_and_refuses_another_pathology(tmp_path: Path) -> None:
    root = make_busbra(tmp_path / "set")
    (root / "Masks" / "mask_0004-l.png").unlink()
    assert busbra.read(Request(root, tmp_path)).left_out == {"image without a mask": 1}
    table = root / "bus_data.csv"
    table.write_text(table.read_text().replace("malignant", "unsure"))
    with pytest.raises(InputError, match="bus_0003-l has pathology 'unsure'"):
        busbra.read(Request(root, tmp_path))


def test_each_layout_claims_its_own_folder(tmp_path: Path) -> None:
    for name, folder in {"tn5000": make_tn5000(tmp_path / "a"), "busbra": make_busbra(tmp_path / "b")}.items():
        claims = [layout for layout, known in SETS.items() if known.recognise(folder)]
        assert claims[0] == name, claims


def test_boxes_survive_the_table_and_a_broken_one_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(1))
    boxes = (Box(1, 2, 30, 40), Box(50, 6, 70, 80))
    write_cases([Case("a", tmp_path / "a.png", None, 1, "g", "set", boxes=boxes)], tmp_path / "cases.csv")
    text = (tmp_path / "cases.csv").read_text()
    assert "1 2 30 40;50 6 70 80" in text
    assert read_cases(tmp_path)[0].boxes == boxes
    (tmp_path / "cases.csv").write_text(text.replace("1 2 30 40", "1 2 3"))
    with pytest.raises(InputError, match="row 2: boxes '1 2 3'; write four whole numbers"):
        read_cases(tmp_path)


def test_real_counts() -> None:
    if not (REAL / "tn5000").is_dir() or not (REAL / "busbra").is_dir():
        pytest.skip(f"real data not at hand: {REAL}/tn5000 and busbra")
    reading = tn5000.read(Request(REAL / "tn5000", Path("unused")))
    assert (len(reading.cases), sum(len(case.boxes) for case in reading.cases)) == (4391, 4500)
    assert {case.fold for case in reading.cases} == {0, 1, 2, 3, 4}
    assert len(busbra.read(Request(REAL / "busbra", Path("unused"))).cases) == 1500
