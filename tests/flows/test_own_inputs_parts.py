"""Sets in several parts: tables and lists per split or class, masks of several makers -> `prepare` reads or asks."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from drawn_images import NUM_PX, SHAPE, picture, rectangle, save
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.prepare import PrepareOptions, PrepareSummary, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.types import Case


def prepared(folder: Path, **columns: str) -> tuple[dict[str, Case], PrepareSummary]:
    """-> ({file name of the image: its case}, what `prepare` said)."""
    summary = prepare(folder, folder.parent / "out", PrepareOptions(folds=0, columns=columns), workers=1)
    return {case.image.name: case for case in read_cases(summary.cases_csv)}, summary


def put(folder: Path, images: str = "images/{}.png", masks: str = "masks/{}.png", num: int = 4) -> Path:
    for number in range(num):
        save(folder / images.format(number), picture(number))
        if masks:
            save(folder / masks.format(number), rectangle())
    return folder


def gland() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[15:85, 10:120] = 255
    return mask


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, newline="")
    return path


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("train.csv", "test.csv"),
        ("labels_train.csv", "labels_test.csv"),
        ("train/metadata.csv", "test/metadata.csv"),
        ("csv/Training.csv", "csv/Testing.csv"),
    ],
)
def test_a_table_per_split(tmp_path: Path, first: str, second: str) -> None:
    folder = put(tmp_path / "set")
    text(folder / first, "image,label\n0.png,0\n1.png,1\n")
    text(folder / second, "image,label\n2.png,0\n3.png,1\n")
    cases, summary = prepared(folder)
    assert [(case.malignancy, case.split) for case in cases.values()] == [
        (0, "train"),
        (1, "train"),
        (0, "test"),
        (1, "test"),
    ]
    assert sum("by its name" in note for note in summary.notes) == 2


def test_a_table_per_split_next_to_the_images(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "{}.png", "m{}.png")
    text(folder / "train.csv", "image,mask,label\n0.png,m0.png,0\n1.png,m1.png,1\n")
    text(folder / "val.csv", "image,mask,label\n2.png,m2.png,0\n")
    text(folder / "test.csv", "image,mask,label\n3.png,m3.png,1\n")
    cases, summary = prepared(folder)
    assert [(case.malignancy, case.split) for case in cases.values()] == [
        (1, "test"),
        (0, "train"),
        (1, "train"),
        (0, "val"),
    ]
    assert summary.num_outlined == 4


def test_a_list_per_class_gives_the_labels(tmp_path: Path) -> None:
    folder = put(tmp_path / "set")
    text(folder / "benign.csv", "image\n0.png\n2.png\n")
    text(folder / "malignant.csv", "image\n1.png\n3.png\n")
    cases, _ = prepared(folder)
    assert [case.malignancy for case in cases.values()] == [0, 1, 0, 1]


def test_a_row_that_says_another_class_than_its_table_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path / "set")
    text(folder / "benign.csv", "image,label\n0.png,0\n1.png,1\n")
    text(folder / "malignant.csv", "image,label\n2.png,1\n3.png,1\n")
    with pytest.raises(InputError, match=r"benign\.csv row 3: its label is not the one that the name"):
        prepared(folder)


def test_labels_of_all_next_to_a_table_per_split(tmp_path: Path) -> None:
    folder = put(tmp_path / "set")
    text(folder / "labels.csv", "image,label\n0.png,0\n1.png,1\n2.png,0\n3.png,1\n")
    text(folder / "splits" / "train.csv", "image\n0.png\n1.png\n")
    text(folder / "splits" / "test.csv", "image\n2.png\n3.png\n")
    cases, _ = prepared(folder)
    assert [(case.malignancy, case.split) for case in cases.values()] == [
        (0, "train"),
        (1, "train"),
        (0, "test"),
        (1, "test"),
    ]


def test_an_image_in_the_tables_of_two_splits_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path / "set")
    text(folder / "train.csv", "image,label\n0.png,0\n1.png,1\n")
    text(folder / "test.csv", "image,label\n1.png,1\n3.png,1\n")
    with pytest.raises(InputError, match=r"1\.png is in 2 rows of different splits \(test, train\)"):
        prepared(folder)


def test_an_image_in_rows_of_two_splits_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "{}.png", "")
    text(folder / "t.csv", "image,label,split\n0.png,0,train\n1.png,1,test\n0.png,0,test\n")
    with pytest.raises(InputError, match=r"0\.png is in 2 rows of different splits \(test, train\)"):
        prepared(folder / "t.csv")


@pytest.mark.parametrize("place", ["{}.txt", "ImageSets/Segmentation/{}.txt", "lists/{}_list.txt"])
def test_lists_of_images_give_the_split(tmp_path: Path, place: str) -> None:
    folder = put(tmp_path / "set")
    text(folder / place.format("train"), "0.png\r\n1.png\r\n")
    text(folder / place.format("test"), "images/2.png masks/2.png\r\n3\r\n")
    cases, summary = prepared(folder)
    assert [case.split for case in cases.values()] == ["train", "train", "test", "test"]
    assert any("splits: as the lists" in note for note in summary.notes)
    assert not any("passed over" in note for note in summary.notes)


def test_lists_that_contradict_are_named_and_not_used(tmp_path: Path) -> None:
    folder = put(tmp_path / "set")
    for fold, test in enumerate(("0", "1")):
        text(folder / f"fold{fold}" / "train.txt", "\n".join(sorted({"0", "1", "2", "3"} - {test})))
        text(folder / f"fold{fold}" / "test.txt", test)
    cases, summary = prepared(folder)
    assert {case.split for case in cases.values()} == {""}
    assert any("several splits, e.g. " in note for note in summary.notes)


def test_masks_of_a_model_in_a_folder_of_their_own_are_no_images(tmp_path: Path) -> None:
    folder = put(tmp_path / "set")
    put(folder, "predictions/{}.png", "")
    for number in range(4):
        save(folder / "predictions" / f"{number}.png", gland())
    cases, summary = prepared(folder)
    assert len(cases) == summary.num_outlined == summary.num_images == 4
    assert all(load_mask(case, SHAPE).sum() == NUM_PX for case in cases.values())
    assert any("4 further masks were passed over; to take those: --column mask=predictions" in n for n in summary.notes)


@pytest.mark.parametrize(("reader", "rows"), [("masks_reader1", 31), ("masks_reader2", 35)])
def test_masks_of_two_readers_are_not_united(tmp_path: Path, reader: str, rows: int) -> None:
    folder = put(tmp_path / "set", masks="masks_reader1/{}.png")
    larger = rectangle()
    larger[26:30] = larger[30]
    for number in range(4):
        save(folder / "masks_reader2" / f"{number}.png", larger)
    with pytest.raises(InputError, match=r"lies on masks_reader1/0\.png.*--column mask=masks_reader2"):
        prepared(folder)
    cases, summary = prepared(folder, mask=reader)
    assert len(cases) == summary.num_outlined == 4
    assert {int(load_mask(case, SHAPE).sum()) for case in cases.values()} == {rows * 41}


@pytest.mark.parametrize(
    ("nodule", "organ"), [("masks/nodule/{}.png", "masks/gland/{}.png"), ("{}_nodule.png", "{}_thyroid.png")]
)
def test_a_mask_of_the_gland_is_not_united_with_that_of_the_nodule(tmp_path: Path, nodule: str, organ: str) -> None:
    folder = put(tmp_path / "set", "images/{}.png" if "/" in nodule else "{}.png", nodule)
    for number in range(4):
        save(folder / organ.format(number), gland())
    cases, summary = prepared(folder)
    assert len(cases) == 4
    assert all(load_mask(case, SHAPE).sum() == NUM_PX for case in cases.values())
    assert any("4 masks of no nodule by their names were passed over" in note for note in summary.notes)


def test_one_image_with_two_readers_among_many_is_left_out_and_named(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "{}.png", "{}_mask.png")
    save(folder / "2_mask_2.png", gland())
    cases, summary = prepared(folder)
    assert list(cases) == ["0.png", "1.png", "3.png"]
    assert any("2_mask_2.png: lies on 2_mask.png" in reason for reason in summary.left_out)


def test_names_that_macos_stores_apart_find_their_masks(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for number in range(3):
        name = f"Kn\u00f6tchen\u00e9{number}.png"
        save(folder / "Im\u00e1genes" / "images" / unicodedata.normalize("NFC", name), picture(number))
        save(folder / "Im\u00e1genes" / "masks" / unicodedata.normalize("NFD", name), rectangle())
    _, summary = prepared(folder)
    assert (summary.num_images, summary.num_outlined) == (3, 3)


def test_two_folders_of_any_name_below_a_common_one(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "data/vol/{}.png", "data/ann/{}.png")
    _, summary = prepared(folder)
    assert (summary.num_images, summary.num_outlined) == (4, 4)


def test_masks_whose_names_tell_no_image_are_named(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "images/us{}.png", "brush/task-1{}-by-1-tag-0.png")
    with pytest.raises(InputError, match=r"brush/task-10-by-1-tag-0\.png is a mask.*rename each mask as its image"):
        prepared(folder)
