"""TN-SCUI with masks under the names that its users give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawn_images import picture, rectangle, save
from thyrosight.datasets.sets import tn_scui
from thyrosight.datasets.sets.layout import Request
from thyrosight.folders.names import image_name_of


@pytest.mark.parametrize(
    "pattern", ["{}.PNG", "{}_mask.PNG", "{}_Mask.png", "mask_{}.png", "{}-seg.bmp", "{}_mask_1.png"]
)
def test_masks_are_found_by_the_name_of_their_image(tmp_path: Path, pattern: str) -> None:
    for number in (2, 5, 1971):
        save(tmp_path / "image" / f"{number}.PNG", picture(number))
        if number != 5:
            save(tmp_path / "mask" / pattern.format(number), rectangle())
    (tmp_path / "train.csv").write_text("ID,CATE\n2.PNG,0\n5.PNG,1\n1971.PNG,1\n")
    assert tn_scui.recognise(tmp_path)
    found = tn_scui.read(Request(tmp_path, tmp_path / "out"))
    masks = {case.case_id: case.mask and case.mask.name for case in found.cases}
    assert masks == {"2": pattern.format(2), "5": None, "1971": pattern.format(1971)}
    assert "1 images without a mask file, e.g. 5.PNG" in found.notes


@pytest.mark.parametrize(
    ("mask", "image"),
    [
        ("12_mask", "12"), ("12-seg", "12"), ("12_segmentation", "12"), ("12 mask", "12"), ("mask_12", "12"),
        ("12_mask_2", "12"), ("benign (4)_mask", "benign (4)"), ("12", "12"), ("seg12", "seg12"), ("12_GT", "12"),
        ("a_seg_mask", "a"), ("1.2.840.113_mask", "1.2.840.113"), ("damask", "damask"),
    ],
)  # fmt: skip
def test_the_image_of_a_mask_by_its_name(mask: str, image: str) -> None:
    assert image_name_of(mask) == image
