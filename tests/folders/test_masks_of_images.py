"""Masks next to images are told from them: by names, and by what can be read as a mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from drawn_images import SHAPE, picture, rectangle, save
from thyrosight.errors import InputError
from thyrosight.folders.masks_of_images import masks_of_images
from thyrosight.frames.find_images import find_images

LAYOUTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "two folders": (("images/{}.png",), ("masks/{}.png",)),
    "two folders of any name": (("A/{}.png",), ("B/{}.png",)),
    "splits": (("train/images/{}.png", "test/images/{}.png"), ("train/labels/{}.png", "test/labels/{}.png")),
    "beside": (("{}.png",), ("{}_mask.png",)),
    "beside, with another word": (("{}.png",), ("{}_tumor.png",)),
    "beside, with another ending": (("{}.jpg",), ("{}.png",)),
    "two masks of each": (("{}.png",), ("{}_mask.png", "{}_mask_1.png")),
    "masks of a second reader": (("images/{}.png",), ("masks/{}.png", "predictions/{}.png")),
    "a folder per case": (("case{}/us.png",), ("case{}/nodule.png",)),
}


def written(folder: Path, layout: str) -> tuple[list[Path], list[Path]]:
    images, masks = LAYOUTS[layout]
    pictures = [save(folder / name.format(k), picture(k + 9 * n)) for n, name in enumerate(images) for k in range(3)]
    return pictures, [save(folder / name.format(k), rectangle()) for name in masks for k in range(3)]


def masks_in(sources: Sequence[Path]) -> set[Path]:
    return set(masks_of_images(sources, find_images(sources).images))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_masks_of_a_layout(tmp_path: Path, layout: str) -> None:
    _, masks = written(tmp_path, layout)
    assert masks_in([tmp_path]) == set(masks)


def test_files_as_a_shell_names_them(tmp_path: Path) -> None:
    _, masks = written(tmp_path / "files", "beside")
    assert masks_in(sorted((tmp_path / "files").iterdir())) == set(masks)
    _, masks = written(tmp_path / "folders", "two folders")
    assert masks_in(sorted((tmp_path / "folders").iterdir())) == set(masks)


def test_a_mask_alone_is_what_the_user_names(tmp_path: Path) -> None:
    mask = save(tmp_path / "a_mask.png", rectangle())
    assert masks_in([mask]) == set()
    assert masks_in([mask, tmp_path / "gone.png"]) == set()


def test_a_folder_of_masks_alone_is_refused(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "masks" / f"{number}.png", rectangle() if number else np.zeros(SHAPE, np.uint8))
    with pytest.raises(InputError, match=r"masks: holds masks and no images, e\.g\. 0\.png; give .* --masks-too"):
        masks_in([tmp_path / "masks"])


def test_pictures_in_a_folder_called_masks_are_images(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "images" / f"{number}.png", picture(number))
        save(tmp_path / "roi" / f"{number}.png", picture(number + 9))
    empty = save(tmp_path / "roi" / "3.png", np.zeros(SHAPE, np.uint8))
    assert masks_in([tmp_path]) == {empty}


def test_lines_and_empty_masks_are_masks_where_names_say_so(tmp_path: Path) -> None:
    line = np.zeros(SHAPE, np.uint8)
    line[30, 20:90] = 255
    for number in range(3):
        save(tmp_path / "images" / f"{number}.png", picture(number))
    masks = {save(tmp_path / "masks" / "0.png", line), save(tmp_path / "masks" / "1.png", np.zeros(SHAPE, np.uint8))}
    assert masks_in([tmp_path]) == masks


def test_drawings_over_images_are_passed_over(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / f"{number}.png", picture(number))
    drawn = save(tmp_path / "1_overlay.png", picture(8))
    assert masks_in([tmp_path]) == {drawn}


def test_patients_with_images_of_one_name_are_no_masks(tmp_path: Path) -> None:
    for number, patient in enumerate(("p1", "p2")):
        for view in range(3):
            save(tmp_path / patient / f"{view}.png", picture(10 * number + view))
    assert masks_in([tmp_path]) == set()
