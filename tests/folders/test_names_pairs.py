"""Images and masks -> which masks belong to which image, by their names alone."""

from __future__ import annotations

from pathlib import Path

from thyrosight.folders.names import Sorted, matched

FOLDER = Path("set")


def pairs(images: list[str], masks: list[str], **more: object) -> tuple[dict[str, list[str]], list[str]]:
    found = Sorted([FOLDER / name for name in images], [FOLDER / name for name in masks], "", **more)  # type: ignore[arg-type]
    by_image, strays = matched(FOLDER, found)
    return {image.relative_to(FOLDER).as_posix(): [mask.name for mask in of_it] for image, of_it in by_image.items()}, [
        mask.name for mask in strays
    ]


def test_the_same_name_and_a_number_behind_it() -> None:
    found, strays = pairs(["images/a.png", "images/b.png"], ["masks/a_1.png", "masks/a_2.png", "masks/c.png"])
    assert found == {"images/a.png": ["a_1.png", "a_2.png"], "images/b.png": []}
    assert strays == ["c.png"]


def test_what_all_names_begin_with_is_left_away() -> None:
    found, strays = pairs(["images/us_01.png", "images/us_12.png"], ["masks/seg_01.png", "masks/seg_12.png"])
    assert found == {"images/us_01.png": ["seg_01.png"], "images/us_12.png": ["seg_12.png"]}
    assert not strays


def test_in_a_folder_of_one_image_names_count_for_nothing() -> None:
    found, strays = pairs(["p1/us.png"], ["p1/x.png", "p2/x.png"], is_per_folder=True)
    assert found == {"p1/us.png": ["x.png"]}
    assert strays == ["x.png"]
