"""Folders as people of the field bring them, a third round: read right without an option, or one line with the fix."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
from PIL import Image

from drawn_images import BOTTOM, LEFT, NUM_PX, RIGHT, SHAPE, TOP, picture, rectangle, save
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.prepare import PrepareOptions, PrepareSummary, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.types import Case

CORNERS = [(LEFT, TOP), (RIGHT - 1, TOP), (RIGHT - 1, BOTTOM - 1), (LEFT, BOTTOM - 1)]
FLAT = [float(number) for corner in CORNERS for number in corner]
Make = Callable[[Path], None]


def prepared(folder: Path) -> tuple[list[Case], PrepareSummary]:
    summary = prepare(folder, folder.parent / "out", PrepareOptions(folds=0), workers=1)
    return read_cases(summary.cases_csv), summary


def put(folder: Path, images: str, masks: str, num: int = 4) -> None:
    """Names with {} for the number -> pictures, and masks of a rectangle."""
    for number in range(num):
        save(folder / images.format(number), picture(number))
        save(folder / masks.format(number), rectangle())


@pytest.mark.parametrize("suffix", ["_tumor", "_bw", " (1)", "_manual1", ".nodule", "-bin"])
def test_masks_are_told_by_their_content_whatever_they_are_called(tmp_path: Path, suffix: str) -> None:
    put(tmp_path / "set", "us{}.png", f"us{{}}{suffix}.png")
    cases, summary = prepared(tmp_path / "set")
    assert [case.image.name for case in cases] == ["us0.png", "us1.png", "us2.png", "us3.png"]
    assert all(load_mask(case, SHAPE).sum() == NUM_PX for case in cases)
    assert any("in their names, by their content" in note for note in summary.notes)


def test_a_second_view_of_the_same_name_is_no_mask(tmp_path: Path) -> None:
    put(tmp_path / "set", "us{}.png", "us{}_mask.png")
    for number in range(4):
        save(tmp_path / "set" / f"us{number}_2.png", picture(number + 9))
    cases, _ = prepared(tmp_path / "set")
    assert len(cases) == 8
    assert sum(case.mask is not None for case in cases) == 4


def test_masks_of_another_folder_with_a_word_of_their_own_find_their_images(tmp_path: Path) -> None:
    put(tmp_path / "set", "images/us{}.png", "masks/us{}_tumor.png")
    cases, _ = prepared(tmp_path / "set")
    assert [case.mask and case.mask.name for case in cases] == [f"us{number}_tumor.png" for number in range(4)]


def test_two_folders_of_any_name_inside_the_folders_of_a_split(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        put(tmp_path / "set" / split, f"a/{split}{{}}.png", f"b/{split}{{}}.png", num=2)
        for number in range(2):
            seed = ("train", "val", "test").index(split) * 10 + number
            save(tmp_path / "set" / split / "a" / f"{split}{number}.png", picture(seed))
    cases, _ = prepared(tmp_path / "set")
    assert sorted((case.split, case.image.parent.name, case.mask is not None) for case in cases) == sorted(
        (split, "a", True) for split in ("train", "val", "test") for _ in range(2)
    )


@pytest.mark.parametrize(
    ("place", "groups"),
    [
        ("pat{p}/study1/series{n}", ["pat0", "pat0", "pat1", "pat1"]),
        ("{p}/2021-03-0{n}", ["0", "0", "1", "1"]),
        ("Anna K{p}/left/1.2.840.113.{n}", ["Anna K0", "Anna K0", "Anna K1", "Anna K1"]),
        ("centre A/p{p}/visit {n}", ["centre A/p0", "centre A/p0", "centre A/p1", "centre A/p1"]),
        ("centre A/00{n}", ["centre A/000", "centre A/001", "centre A/002", "centre A/003"]),
    ],
)
def test_studies_and_views_of_one_patient_stay_together(tmp_path: Path, place: str, groups: list[str]) -> None:
    for number in range(4):
        folder = tmp_path / "set" / place.format(p=number // 2, n=number)
        save(folder / "im.png", picture(number))
        save(folder / "im_mask.png", rectangle())
    extra = ["Anna K2"] if "Anna" in place else []
    for name in extra:  # names of words count as patients from three on
        save(tmp_path / "set" / name / "left" / "im.png", picture(77))
        save(tmp_path / "set" / name / "left" / "im_mask.png", rectangle())
    cases, _ = prepared(tmp_path / "set")
    assert sorted(case.group for case in cases) == sorted(groups + extra)


@pytest.mark.parametrize(
    "pair",
    [
        "B,M",
        "benigno,maligno",
        "gutartig,bösartig",
        "良性,恶性",
        "bénin,malin",
        "negative,positive",
        "non-cancer,cancer",
        "Low_risk,High risk",
    ],
)
@pytest.mark.parametrize("with_masks", [True, False])
def test_class_folders_in_other_words_give_the_label(tmp_path: Path, pair: str, with_masks: bool) -> None:
    for number in range(4):
        folder = tmp_path / "set" / pair.split(",")[number % 2]
        save(folder / f"{number}.png", picture(number))
        if with_masks:
            save(folder / f"{number}_mask.png", rectangle())
    cases, _ = prepared(tmp_path / "set")
    assert {case.image.stem: case.malignancy for case in cases} == {"0": 0, "1": 1, "2": 0, "3": 1}


def test_numbered_folders_that_may_be_classes_are_named(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "set" / f"class{1 + number % 2}" / f"{number}.png", picture(number))
        save(tmp_path / "set" / f"class{1 + number % 2}" / f"{number}_mask.png", rectangle())
    _, summary = prepared(tmp_path / "set")
    assert any("if they are classes, no label is read" in note for note in summary.notes)


@pytest.mark.parametrize(("image", "mask"), [("image", "mask"), ("us", "nodule1"), ("bmode", "roi_reader2")])
def test_folders_of_one_image_and_its_mask(tmp_path: Path, image: str, mask: str) -> None:
    put(tmp_path / "set", f"case{{}}/{image}.png", f"case{{}}/{mask}.png")
    cases, _ = prepared(tmp_path / "set")
    assert len({case.group for case in cases}) == len(cases) == 4
    assert all(case.mask and case.mask.parent == case.image.parent for case in cases)


def test_numbers_with_and_without_zeros_are_the_same(tmp_path: Path) -> None:
    put(tmp_path / "set", "images/us{}.png", "masks/us00{}.png")
    cases, _ = prepared(tmp_path / "set")
    assert [case.mask and case.mask.name for case in cases] == [f"us00{number}.png" for number in range(4)]


def test_folders_without_masks_are_not_taken_for_each_others_masks(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "set" / ("left", "right")[number % 2] / f"{number}.png", picture(number))
    with pytest.raises(InputError, match=r"left/ and right/ are classes or patients.*call classes"):
        prepared(tmp_path / "set")


def packed(folder: Path) -> None:
    folder.mkdir()
    (folder / "set.zip").write_bytes(b"PK")


def arrays(folder: Path) -> None:
    for number in range(3):
        save(folder / "images" / f"{number}.png", picture(number))
        (folder / "masks").mkdir(exist_ok=True)
        np.save(folder / "masks" / f"{number}.npy", rectangle())


def coco(folder: Path, ids: tuple[int | str, ...] = (1, 2), more: int | str | None = None) -> None:
    for number in range(2):
        save(folder / f"{number}.png", picture(number))
    shape = {"category_id": 1, "segmentation": [FLAT], "bbox": [LEFT, TOP, 41, 31]}
    content = {
        "images": [{"id": ids[number], "file_name": f"{number}.png"} for number in range(2)],
        "annotations": [{"id": 1, "image_id": ids[0], **shape}, {"id": 2, "image_id": more or ids[1], **shape}],
        "categories": [{"id": 1, "name": "nodule"}],
    }
    (folder / "a.json").write_text(json.dumps(content))


def cvat_tracks(folder: Path) -> None:
    save(folder / "frame_000000.png", picture(0))
    track = '<track id="0" label="nodule"><polygon frame="0" points="1,1;9,1;9,9"/></track>'
    (folder / "annotations.xml").write_text(f"<annotations>{track}</annotations>")


def yolo(folder: Path, line: str) -> None:
    for number in range(2):
        save(folder / "images" / f"{number}.png", picture(number))
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "labels" / f"{number}.txt").write_text(line)
    (folder / "data.yaml").write_text("names: [nodule]")


def nnunet(folder: Path) -> None:
    for number in range(3):
        save(folder / "imagesTr" / f"n{number}_0000.png", picture(number))
        save(folder / "labelsTr" / f"n{number}.png", rectangle(255))
    (folder / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "nodule": 1}}))


def nifti(folder: Path, turned: bool = False, slices: int = 0, axis: int = -1) -> None:
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
        affine = np.diag([-1.0 if turned and name == "labels" else 1.0, 1, 1, 1])
        values = picture(0).T if name == "images" else rectangle(1).T
        values = np.stack([values] * slices, axis) if slices and name == "images" else values
        nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(values), affine), folder / name / "f.nii.gz")


def nrrd_turned(folder: Path) -> None:
    for name, sign in (("images", 1.0), ("labels", -1.0)):
        (folder / name).mkdir(parents=True)
        header = {"space dimension": 2, "space directions": np.diag([sign, 1.0]), "space origin": np.zeros(2)}
        values = picture(0).T if name == "images" else rectangle(1).T
        nrrd.write(str(folder / name / "r.nrrd"), np.ascontiguousarray(values), header)


REFUSED: dict[str, tuple[Make, str]] = {
    "packed": (packed, "images are packed in set.zip: unpack it"),
    "masks as arrays": (arrays, "masks/0.npy and 2 more like it belong to the images.*save masks as PNG.*predict"),
    "COCO, one id for two images": (lambda folder: coco(folder, (1, 1)), "a.json: 2 images have the id 1.*an id of"),
    "CVAT, tracks of a video": (cvat_tracks, 'annotations.xml: tracks.*"CVAT for images 1.1"'),
    "YOLO in pixels": (lambda folder: yolo(folder, "0 61 24 28 27"), r"0.txt: '0 61 .*shares of the image's size"),
    "YOLO with decimal commas": (lambda folder: yolo(folder, "0 0,5 0,5 0,2 0,2"), "0.txt: .*not a class and numbers"),
    "YOLO, a class without a name": (lambda folder: yolo(folder, "3 0.5 0.5 0.2 0.2"), "class 3, which data.yaml"),
    "nnU-Net, 255 for the nodule": (nnunet, "3 image that can't be used, e.g. .*label 255, which dataset.json"),
    "NIfTI, a mask that is mirrored by its header": (lambda folder: nifti(folder, True), "axes point another way"),
    "NIfTI, three slices": (lambda folder: nifti(folder, slices=3), "128 x 96 x 3 values.*export each slice"),
    "NIfTI, three slices first": (lambda folder: nifti(folder, slices=3, axis=0), "3 x 128 x 96 values"),
    "NRRD, a mask that is mirrored by its header": (nrrd_turned, "labels/r.nrrd.*axes point another way"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    make, words = REFUSED[kind]
    make(tmp_path / "set")
    with pytest.raises(InputError, match=words) as caught:
        prepared(tmp_path / "set")
    assert "\n" not in str(caught.value)


def test_coco_compares_numbers_as_text_and_names_annotations_of_no_image(tmp_path: Path) -> None:
    coco(tmp_path / "set", ("7", 8), more=99)
    text = (tmp_path / "set" / "a.json").read_text()
    (tmp_path / "set" / "a.json").write_text(text.replace('"image_id": "7"', '"image_id": 7'))
    cases, summary = prepared(tmp_path / "set")
    assert [case.mask is not None for case in cases] == [True, False]
    assert summary.left_out["annotation of an image that its JSON does not list"] == 1


def test_a_yolo_class_written_as_a_fraction_is_read(tmp_path: Path) -> None:
    yolo(tmp_path / "set", "0.0 0.5 0.5 0.25 0.25")
    cases, _ = prepared(tmp_path / "set")
    assert all(len(case.boxes) == 1 for case in cases)


def test_a_line_beside_an_outline_is_named(tmp_path: Path) -> None:
    save(tmp_path / "set" / "a.png", picture(0))
    shapes = [
        {"label": "nodule", "shape_type": "polygon", "points": CORNERS},
        {"label": "nodule", "shape_type": "linestrip", "points": [[1, 1], [9, 9], [20, 9]]},
    ]
    (tmp_path / "set" / "a.json").write_text(json.dumps({"shapes": shapes, "imagePath": "a.png"}))
    _, summary = prepared(tmp_path / "set")
    assert any("1 images have, next to outlines, things that are no area" in note for note in summary.notes)


@pytest.mark.parametrize(("orientation", "is_told"), [(1, False), (2, True), (3, True)])
def test_an_image_that_a_tag_turns_and_its_mask_not_is_named(tmp_path: Path, orientation: int, is_told: bool) -> None:
    put(tmp_path / "set", "images/{}.png", "masks/{}.png", num=2)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture(0)).save(tmp_path / "set" / "images" / "0.png", exif=exif)
    _, summary = prepared(tmp_path / "set")
    assert any("1 images are shown turned or mirrored" in note for note in summary.notes) == is_told
