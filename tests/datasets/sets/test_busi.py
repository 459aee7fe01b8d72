"""BUSI: united masks, normals, conflicting copies; counts of the real set."""

from __future__ import annotations

from pathlib import Path

import pytest

from parts import part_path
from set_folders import (
    SHAPE,
    make_busi,
)
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.prepare import PrepareOptions, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError


def test_busi_masks_united_normals_empty_conflicts_left_out(tmp_path: Path) -> None:
    root = make_busi(tmp_path / "set")
    rows = ["file,label,group,fold,conflict"]
    for name, number in (("benign", 4), ("malignant", 3), ("normal", 2)):
        rows += [
            f"{name} ({i}).png,{name},{name}{i},{i % 2},{int(name == 'malignant' and i == 3)}"
            for i in range(1, number + 1)
        ]
    (root / "groups.csv").write_text("\n".join(rows))
    summary = prepare(root, tmp_path / "out")
    cases = {case.case_id: case for case in read_cases(tmp_path / "out")}
    assert summary.source == "busi"
    assert (summary.num_images, summary.num_low, summary.num_high, summary.num_unlabelled) == (8, 4, 2, 2)
    assert (summary.num_outlined, summary.num_empty_masks) == (6, 2)
    assert list(summary.left_out.values()) == [1]
    assert {case.target for case in cases.values()} == {"lesion"}
    assert load_mask(cases["benign_2"], SHAPE).sum() == 41 * 31 + 100, "two masks of one image united"
    assert cases["benign_1"].mask.name == "benign (1)_mask.png", "one mask: the set's own file"  # type: ignore[union-attr]
    assert not load_mask(cases["normal_1"], SHAPE).any()
    assert cases["normal_1"].mask is not None
    assert (cases["benign_3"].group, cases["benign_3"].fold) == ("benign3", 1)


def test_busi_without_groups_csv_and_without_the_masks_of_normals(tmp_path: Path) -> None:
    root = make_busi(tmp_path / "set")
    for path in root.glob("*/normal/*_mask.png"):
        path.unlink()
    summary = prepare(root / "Dataset_BUSI_with_GT", tmp_path / "out", PrepareOptions(folds=2))
    assert (summary.num_images, summary.num_empty_masks) == (9, 2)
    (root / "Dataset_BUSI_with_GT" / "benign" / "benign (1).png").unlink()
    with pytest.raises(InputError, match="a mask without its image"):
        prepare(root, tmp_path / "out")


@pytest.mark.part("busi", "tg3k")
def test_real_busi_and_tg3k_counts(tmp_path: Path) -> None:
    from thyrosight.datasets.sets import busi, tg3k
    from thyrosight.datasets.sets.layout import Request

    reading = busi.read(Request(part_path("busi"), tmp_path / "masks"))
    assert len(reading.cases) == 631 - 12
    assert sum(reading.left_out.values()) == 12
    assert all(case.mask for case in reading.cases)
    frames = tg3k.read(Request(part_path("tg3k"), tmp_path / "masks"))
    assert len(frames.cases) == 717
    assert len({case.group for case in frames.cases}) == 15
