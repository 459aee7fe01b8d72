"""TN3K after somebody converted its images: labels and folds are found by the stem."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drawn_images import picture, rectangle, save
from thyrosight.datasets.sets import tn3k
from thyrosight.datasets.sets.layout import Request
from thyrosight.errors import InputError


@pytest.mark.parametrize("ending", ["jpg", "JPG", "png", "bmp"])
@pytest.mark.parametrize("mask", ["{}.jpg", "{}.png", "{}_mask.png"])
def test_labels_folds_and_masks_by_stem(tmp_path: Path, ending: str, mask: str) -> None:
    for index in range(4):
        save(tmp_path / "trainval-image" / f"{index:04d}.{ending}", picture(index))
        save(tmp_path / "trainval-mask" / mask.format(f"{index:04d}"), rectangle())
    (tmp_path / "label4trainval.csv").write_text("0000.jpg,1\n0001.jpg,0\n0002.jpg,1\n0003.jpg,0\n")
    for fold in range(2):
        parts = {"train": [1 - fold, 3 - fold], "val": [fold, fold + 2]}
        (tmp_path / f"tn3k-trainval-fold{fold}.json").write_text(json.dumps(parts))
    cases = tn3k.read(Request(tmp_path, tmp_path / "out")).cases
    assert [case.malignancy for case in cases] == [1, 0, 1, 0]
    assert [case.fold for case in cases] == [0, 1, 0, 1]
    assert all(case.mask for case in cases)


def test_two_labels_of_one_image_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "trainval-image" / "0000.jpg", picture(0))
    (tmp_path / "trainval-mask").mkdir()
    (tmp_path / "label4trainval.csv").write_text("0000.jpg,1\n0000.png,0\n")
    with pytest.raises(InputError, match="row 2: 0000 has both labels"):
        tn3k.read(Request(tmp_path, tmp_path / "out"))
