"""Folders of images and masks: what can't be told is asked about, what is missing is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drawn_images import NUM_PX, SHAPE, picture, rectangle, save
from thyrosight.datasets.formats import folders
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.prepare import PrepareOptions, prepare
from thyrosight.datasets.sets.layout import Request
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError

NO_FOLDS = PrepareOptions(folds=0)


def test_two_folders_of_pictures_are_asked_about_and_the_answer_is_used(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "set" / "a" / f"{number}.png", picture(number))
        save(tmp_path / "set" / "b" / f"{number}.png", picture(number + 9))
    with pytest.raises(InputError, match=r"neither looks like masks; if b/ .* --source folders --column mask=b"):
        prepare(tmp_path / "set", tmp_path / "out", NO_FOLDS)
    for number in range(3):
        save(tmp_path / "set" / "a" / f"{number}.png", rectangle(1))
        save(tmp_path / "set" / "b" / f"{number}.png", rectangle())
    with pytest.raises(InputError, match="both look like masks"):
        prepare(tmp_path / "set", tmp_path / "out", NO_FOLDS)
    found = folders.read(Request(tmp_path / "set", tmp_path / "masks", {"mask": "b"}))
    assert [case.mask and case.mask.parent.name for case in found.cases] == ["b", "b", "b"]


def test_missing_and_stray_masks_are_counted_and_named(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "images" / f"{number}.png", picture(number))
    save(tmp_path / "masks" / "0.png", rectangle())
    save(tmp_path / "masks" / "77.png", rectangle())
    (tmp_path / "notes.docx").write_text("x")
    found = folders.read(Request(tmp_path, tmp_path / "out"))
    assert sum(case.mask is not None for case in found.cases) == 1
    assert found.left_out == {"mask without its image": 1}
    assert "3 images without a mask file, e.g. 1.png" in found.notes
    assert "1 masks without an image of their name, e.g. 77.png" in found.notes
    assert "files passed over: 1 .docx" in found.notes


def test_several_masks_of_one_image_are_united(tmp_path: Path) -> None:
    second = np.zeros(SHAPE, np.uint8)
    second[2:12, 2:12] = 255
    save(tmp_path / "set" / "a.png", picture(1))
    save(tmp_path / "set" / "a_mask.png", rectangle())
    save(tmp_path / "set" / "a_mask_1.png", second)
    prepare(tmp_path / "set", tmp_path / "out", NO_FOLDS)
    (case,) = read_cases(tmp_path / "out")
    assert load_mask(case, SHAPE).sum() == NUM_PX + 100


def test_the_output_folder_inside_the_set_is_no_part_of_it(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "images" / f"{number}.png", picture(number))
        save(tmp_path / "masks" / f"{number}.png", rectangle())
    for _ in range(2):
        assert prepare(tmp_path, tmp_path / "out", NO_FOLDS).num_images == 3


def test_folders_of_centres_are_no_patients(tmp_path: Path) -> None:
    for number in range(4):
        for centre in ("Lyon", "Porto"):
            save(tmp_path / "images" / centre / f"{number}.png", picture(number + 10 * len(centre)))
            save(tmp_path / "masks" / centre / f"{number}.png", rectangle())
    found = folders.read(Request(tmp_path, tmp_path / "out"))
    assert [case.group for case in found.cases] == [""] * 8
    assert "folders Lyon, Porto hold up to 4 images each: not taken for patients" in found.notes
    assert [case.case_id for case in found.cases][:2] == ["images_Lyon_0", "images_Lyon_1"]
    assert all(case.mask and case.mask.parent.name == case.image.parent.name for case in found.cases)


def test_a_label_is_chosen_in_masks_of_several(tmp_path: Path) -> None:
    mask_HW = rectangle(2)
    mask_HW[:10, :10] = 1
    save(tmp_path / "set" / "images" / "a.png", picture(1))
    save(tmp_path / "set" / "masks" / "a.png", mask_HW)
    prepare(tmp_path / "set", tmp_path / "out", PrepareOptions(folds=0, nodule_labels=("2",)))
    assert load_mask(read_cases(tmp_path / "out")[0], SHAPE).sum() == NUM_PX


def test_words_of_a_folder_that_all_files_share_tell_nothing(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / "Thyroid_Segmentation" / "train" / "images" / f"{number}.png", picture(number))
        save(tmp_path / "Thyroid_Segmentation" / "train" / "Ground Truth" / f"{number}.png", rectangle())
    found = folders.read(Request(tmp_path, tmp_path / "out"))
    assert [case.mask and case.mask.parent.name for case in found.cases] == ["Ground Truth"] * 2
    assert [(case.split, case.group) for case in found.cases] == [("train", "")] * 2


@pytest.mark.parametrize("place", ["masks", ""])
def test_masks_without_their_images_are_called_so(tmp_path: Path, place: str) -> None:
    for number in range(3):
        save(tmp_path / place / f"{number}.png", rectangle())
    with pytest.raises(InputError, match="holds masks and no images; point at the folder that holds both"):
        prepare(tmp_path, tmp_path.with_name("out"))


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (("P001_1", "P001_2", "p002-left", "Patient 3_a"), ["p001", "p001", "p002", "patient 3"]),
        (("P1_1", "P1_2", "P2_1", "P2_2"), [""] * 4),  # two may be planes or pages
        (("P1_1", "P2_2", "P3_1", "P4_2"), [""] * 4),
        (("P1_1", "P1_2", "P2_1", "IMG_2"), [""] * 4),
        (("P0001", "P0002", "P0003", "P0004"), [""] * 4),
    ],
)
def test_file_names_that_begin_with_the_patient(tmp_path: Path, names: tuple[str, ...], groups: list[str]) -> None:
    for number, name in enumerate(names):
        save(tmp_path / "images" / f"{name}.png", picture(number))
        save(tmp_path / "masks" / f"{name}.png", rectangle())
    found = folders.read(Request(tmp_path, tmp_path / "out"))
    of_image = {case.image.stem: case.group for case in found.cases}
    assert [of_image[name] for name in names] == groups
    assert any("the images of one stay together" in note for note in found.notes) == any(groups)
