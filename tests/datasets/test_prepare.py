"""Layouts of the public sets, tiny and random -> cases.csv; the real sets where at hand; masks in every coding."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from set_folders import (
    make_busi,
    make_ddti,
    make_tg3k,
    make_tn3k,
    make_tn_scui,
    picture,
    save,
)
from thyrosight.datasets.prepare import PrepareOptions, prepare
from thyrosight.datasets.sets import SETS
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.files import natural_key


def test_natural_order_counts() -> None:
    assert sorted(["10.png", "9.png", "a2", "a10", "1_2"], key=natural_key) == ["1_2", "9.png", "10.png", "a2", "a10"]


def test_a_prepared_folder_is_taken_again_and_can_be_refolded(tmp_path: Path) -> None:
    prepare(make_tg3k(tmp_path / "set"), tmp_path / "one", PrepareOptions(folds=3))
    summary = prepare(tmp_path / "one", tmp_path / "two")
    assert summary.source == "tg3k"
    assert read_cases(tmp_path / "one") == read_cases(tmp_path / "two"), "folds as given"
    prepare(tmp_path / "one", tmp_path / "three", PrepareOptions(folds=2, refold=True))
    assert {case.fold for case in read_cases(tmp_path / "three")} == {0, 1}


# prepare as a whole -------------------------------------------------------------------------------------------------


def test_layouts_don_t_claim_each_others_folders(tmp_path: Path) -> None:
    made = {
        "ddti": make_ddti(tmp_path / "ddti"),
        "busi": make_busi(tmp_path / "busi"),
        "tn_scui": make_tn_scui(tmp_path / "scui", [(1, 0), (2, 1)]),
        "tn3k": make_tn3k(tmp_path / "tn3k", num=2, num_folds=0),
        "tg3k": make_tg3k(tmp_path / "tg3k"),
    }
    for name, folder in made.items():
        claims = [name for name, known in SETS.items() if known.recognise(folder)]
        assert claims[0] == name, claims


def test_unknown_layout_source_and_folder_are_told(tmp_path: Path) -> None:
    save(tmp_path / "set" / "a.png", picture(1))
    with pytest.raises(InputError, match=r"not a layout that is known .*columns image, mask"):
        prepare(tmp_path / "set", tmp_path / "out")
    with pytest.raises(InputError, match="unknown source 'nn'; known: cases, ddti"):
        prepare(tmp_path / "set", tmp_path / "out", PrepareOptions(source="nn"))
    with pytest.raises(InputError, match="no such folder"):
        prepare(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "out").exists(), "nothing is written where nothing was read"


def test_dataset_json_counts_and_names_the_files_wherever_they_lie(tmp_path: Path) -> None:
    prepare(make_busi(tmp_path / "a"), tmp_path / "out_a", PrepareOptions(folds=2))
    prepare(make_busi(tmp_path / "deep" / "er" / "b"), tmp_path / "out_b", PrepareOptions(folds=2))
    first, second = (json.loads((tmp_path / name / "dataset.json").read_text()) for name in ("out_a", "out_b"))
    assert first == second
    assert first["class_balance"] == {"1": 3, "0": 4, "none": 2}
    assert first["counts"]["outlined"] == 7
    assert first["sizes"]["most_common_width_x_height"] == {"128 x 96": 9}
    save(tmp_path / "a" / "Dataset_BUSI_with_GT" / "benign" / "benign (1).png", picture(77))
    prepare(tmp_path / "a", tmp_path / "out_a", PrepareOptions(folds=2))
    changed = json.loads((tmp_path / "out_a" / "dataset.json").read_text())
    assert changed["files"]["image"]["sha256"] != first["files"]["image"]["sha256"]
    assert changed["files"]["mask"]["sha256"] == first["files"]["mask"]["sha256"]


def test_an_unreadable_image_is_left_out_and_counted_and_progress_told(tmp_path: Path) -> None:
    root = make_tg3k(tmp_path / "set")
    (root / "image" / "0003.jpg").write_text("no image")
    seen: list[tuple[int, int]] = []
    options = PrepareOptions(folds=2)
    summary = prepare(root, tmp_path / "out", options, progress=lambda done, total: seen.append((done, total)))
    assert summary.num_images == 5
    (why,) = summary.left_out
    assert "unreadable image" in why
    assert "0003.jpg" in why
    assert seen == [(done, 6) for done in range(1, 7)]
    for name in ("cases.csv", "dataset.json"):
        assert str(tmp_path) not in (tmp_path / "out" / name).read_text(), "nothing says where the set lies"
