"""Sets in several parts: tables and lists per split or class, masks of several makers -> `prepare` reads or asks."""

from __future__ import annotations

import json
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
    with pytest.raises(InputError, match=r"brush/task-10-by-1-tag-0\.png is a mask.*mask the name of its image"):
        prepared(folder)


@pytest.mark.parametrize("suffix", ["_flip", "_rot90", "-hflip", "_aug_3", "_rotated_270", "_brightness 2"])
def test_what_augmentation_made_of_an_image_stays_with_it(tmp_path: Path, suffix: str) -> None:
    folder = put(tmp_path / "set", "images/us{}.png")
    for number in range(4):
        save(folder / "images" / f"us{number}{suffix}.png", picture(number + 20))
        save(folder / "masks" / f"us{number}{suffix}.png", rectangle())
    cases, summary = prepared(folder)
    assert len(cases) == 8
    assert summary.num_groups == 4
    assert all(cases[f"us{n}.png"].group == cases[f"us{n}{suffix}.png"].group for n in range(4))
    assert any("versions of 4 sources by their names" in note for note in summary.notes)


def test_nnunet_regions_are_named_by_the_smallest(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for number in range(3):
        labels = np.where(gland() > 0, 1, 0).astype(np.uint8)
        labels[rectangle() > 0] = 2
        save(folder / "imagesTr" / f"n{number}_0000.png", picture(number))
        save(folder / "labelsTr" / f"n{number}.png", labels)
    regions = {"background": 0, "nodule": 2, "thyroid": [1, 2]}
    text(folder / "dataset.json", json.dumps({"labels": regions, "channel_names": {"0": "US"}}))
    cases, summary = prepared(folder)
    assert len(cases) == 3
    assert all(load_mask(case, SHAPE).sum() == NUM_PX for case in cases.values())
    assert any("categories not used: thyroid" in note for note in summary.notes)


@pytest.mark.parametrize("write", ["images/us%20{}.png", "/data/upload/1/us%20{}.png"])
def test_names_of_a_web_address_in_coco(tmp_path: Path, write: str) -> None:
    folder = put(tmp_path / "set", "images/us {}.png", "")
    corners = [float(n) for n in (40, 30, 80, 30, 80, 60, 40, 60)]
    entries = [{"id": n, "file_name": write.format(n), "width": SHAPE[1], "height": SHAPE[0]} for n in range(4)]
    shapes = [{"id": n, "image_id": n, "category_id": 1, "segmentation": [corners]} for n in range(4)]
    content = {"images": entries, "categories": [{"id": 1, "name": "nodule"}], "annotations": shapes}
    text(folder / "result.json", json.dumps(content))
    cases, _ = prepared(folder)
    assert all(load_mask(case, SHAPE).sum() == NUM_PX for case in cases.values())
    entries[0]["file_name"] = "other.png"
    text(folder / "result.json", json.dumps(content))
    assert any("without its image, e.g. other.png" in reason for reason in prepared(folder)[1].left_out)


def test_names_of_files_that_say_the_class_give_the_label(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for number, name in enumerate(("benign (1)", "malignant (1)", "malignant12", "normal 3")):
        save(folder / f"{name}.png", picture(number))
        save(folder / f"{name}_mask.png", rectangle())
    cases, summary = prepared(folder)
    assert [case.malignancy for case in cases.values()] == [0, 1, 1, None]
    assert any("3 file names say benign or malignant: that is taken for the label" in note for note in summary.notes)


def test_names_of_files_that_say_one_class_alone_are_no_label(tmp_path: Path) -> None:
    cases, _ = prepared(put(tmp_path / "set", "images/malignant{}.png", "masks/malignant{}.png"))
    assert {case.malignancy for case in cases.values()} == {None}


@pytest.mark.parametrize(
    ("image", "mask"), [("{}_image.png", "{}_label.png"), ("img_{}.png", "msk_{}.png"), ("{}_img.png", "{}_gt.png")]
)
def test_images_that_have_a_word_of_their_own_in_one_folder_with_masks(tmp_path: Path, image: str, mask: str) -> None:
    _, summary = prepared(put(tmp_path / "set", image, mask))
    assert (summary.num_images, summary.num_outlined) == (4, 4)


def test_annotations_and_masks_side_by_side_are_asked_about(tmp_path: Path) -> None:
    folder = put(tmp_path / "set")
    shape = {"label": "nodule", "shape_type": "rectangle", "points": [[1, 1], [20, 20]]}
    for number in range(4):
        content = {"version": "5", "shapes": [shape], "imagePath": f"{number}.png", "imageData": None}
        content |= {"imageHeight": SHAPE[0], "imageWidth": SHAPE[1]}
        text(folder / "images" / f"{number}.json", json.dumps(content))
    with pytest.raises(InputError, match=r"annotations \(labelme\) and masks.*--source labelme, or .*--source folders"):
        prepared(folder)
    assert prepare(folder, tmp_path / "b", PrepareOptions(source="folders", folds=0), workers=1).num_outlined == 4


@pytest.mark.parametrize("names", ["{}.png", "us{}"])
def test_a_table_without_a_header_next_to_the_images_is_refused(tmp_path: Path, names: str) -> None:
    folder = put(tmp_path / "set", "images/us{}.png" if "us" in names else "images/{}.png", "")
    text(folder / "labels.csv", "".join(f"{names.format(number)},{number % 2}\n" for number in range(4)))
    with pytest.raises(InputError, match=r"labels\.csv: its first line is no header, it names the "):
        prepared(folder)


def test_several_views_of_a_patient_and_a_mask_are_no_guess_at_folders(tmp_path: Path) -> None:
    """Once the guess was that the last patient holds the masks of the first."""
    folder = tmp_path / "set"
    for number in range(4):
        save(folder / f"P{number}" / "bmode.png", picture(number))
        save(folder / f"P{number}" / "doppler.png", picture(number + 9))
        save(folder / f"P{number}" / "mask.png", rectangle())
    with pytest.raises(InputError, match=r"\(bmode, doppler, mask\).*call the mask of NAME\.png NAME_mask\.png"):
        prepared(folder)


def test_masks_that_are_boxes_are_told(tmp_path: Path) -> None:
    _, summary = prepared(put(tmp_path / "set"))
    assert any("4 masks are plain rectangles, e.g. 0.png: if these are boxes" in note for note in summary.notes)


@pytest.mark.parametrize("image", ["images/P{}_{}.png", "images/p{}-left-{}.png", "images/P{}/view{}.png"])
def test_a_table_with_a_row_per_patient_holds_for_all_images_of_the_patient(tmp_path: Path, image: str) -> None:
    folder = tmp_path / "set"
    for number in range(6):
        name = image.format(number // 2, number % 2)
        save(folder / name, picture(number))
        save(folder / name.replace("images", "masks"), rectangle())
    text(folder / "clinical.csv", "Patient ID,Age,Diagnosis\nP0,40,benign\nP1,50,malignant\nP2,60,benign\n")
    summary = prepare(folder, tmp_path / "out", PrepareOptions(folds=0), workers=1)
    cases = sorted(read_cases(summary.cases_csv), key=lambda case: case.image)
    assert [case.malignancy for case in cases] == [0, 0, 1, 1, 0, 0]
    assert [case.group for case in cases] == ["P0", "P0", "P1", "P1", "P2", "P2"]
    assert any("one row per patient, which holds for all images" in note for note in summary.notes)


def test_a_table_of_nodules_that_names_patients_alone_is_not_used(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "images/P{}_1.png", "masks/P{}_1.png")
    text(folder / "clinical.csv", "patient,diagnosis\nP0,benign\nP0,malignant\nP1,benign\nP2,malignant\n")
    cases, summary = prepared(folder)
    assert {case.malignancy for case in cases.values()} == {None}
    assert any("tables not used, because no column names the images: clinical.csv" in note for note in summary.notes)


@pytest.mark.parametrize(("other", "row"), [("sample_submission.csv", "2.png,0"), ("a_predictions.csv", "1.png,0")])
def test_the_table_of_a_model_gives_no_labels(tmp_path: Path, other: str, row: str) -> None:
    folder = put(tmp_path / "set")
    text(folder / "labels.csv", "image,label\n0.png,0\n1.png,1\n")
    text(folder / other, f"image,label\n{row}\n")
    cases, summary = prepared(folder)
    assert [case.malignancy for case in cases.values()] == [0, 1, None, None]
    assert any(f"tables of predictions by their names, not used: {other}" in note for note in summary.notes)


def test_two_tables_of_different_labels_are_asked_about(tmp_path: Path) -> None:
    folder = put(tmp_path / "set")
    text(folder / "a.csv", "image,label\n0.png,0\n1.png,1\n")
    text(folder / "b.csv", "image,label\n0.png,0\n1.png,0\n")
    with pytest.raises(InputError, match=r"a\.csv and .*b\.csv: '1\.png' is benign in one and malignant in the other"):
        prepared(folder)


def test_lists_of_names_with_blanks(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "images/us {}.png", "masks/us {}.png")
    text(folder / "train.txt", "us 0.png\nus 1.png\n")
    text(folder / "val.txt", "us 2.png\nus 3.png\n")
    cases, _ = prepared(folder)
    assert [case.split for case in cases.values()] == ["train", "train", "val", "val"]


def test_masks_next_to_a_table_without_them_are_told(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "{}.png", "{}_mask.png")
    table = text(folder / "t.csv", "image,label\n0.png,0\n1.png,1\n2.png,0\n3.png,1\n")
    _, summary = prepared(table)
    assert summary.num_outlined == 0
    assert any("masks next to the images are not in the table" in note for note in summary.notes)
    assert prepare(folder, tmp_path / "b", PrepareOptions(folds=0), workers=1).num_outlined == 4


def test_classes_in_names_of_files_where_the_category_is_a_nodule(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for number, name in enumerate(("benign_1", "malignant_2")):
        save(folder / "images" / f"{name}.png", picture(number))
        text(folder / "labels" / f"{name}.txt", "0 0.3 0.3 0.6 0.3 0.6 0.6 0.3 0.6\n")
    text(folder / "classes.txt", "nodule\n")
    cases, _ = prepared(folder)
    assert [case.malignancy for case in cases.values()] == [0, 1]
