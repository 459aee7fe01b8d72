"""What people give to `predict`: images with their masks, and several inputs of which one is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from drawn_images import picture, rectangle, save
from thyrosight.cli import app
from tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    for number in range(2):
        save(tmp_path / "set" / "images" / f"{number}.png", picture(number))
        save(tmp_path / "set" / "masks" / f"{number}.png", rectangle())
    return tmp_path / "set"


def predict(bundle: Path, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", "--bundle", str(bundle), *map(str, arguments)])


def cases_in(out: Path) -> list[str]:
    return sorted(path.parent.name for path in out.glob("*/result.json"))


def test_masks_are_passed_over_and_named(bundle: Path, labelled: Path, tmp_path: Path) -> None:
    result = predict(bundle, labelled, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert cases_in(tmp_path / "out") == ["images__0", "images__1"]
    assert (
        "2 masks of the images, or drawings over them, passed over: masks/0.png, masks/1.png; --masks-too predicts "
        "them as well" in result.output
    )
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (run["num_images"], run["masks"]) == (2, ["masks/0.png", "masks/1.png"])


def test_masks_too(bundle: Path, labelled: Path, tmp_path: Path) -> None:
    result = predict(bundle, labelled, "-o", tmp_path / "out", "--masks-too")
    assert cases_in(tmp_path / "out") == ["images__0", "images__1", "masks__0", "masks__1"]
    assert "passed over" not in result.output


def test_a_folder_of_masks_alone_is_one_line(bundle: Path, labelled: Path, tmp_path: Path) -> None:
    result = predict(bundle, labelled / "masks", "-o", tmp_path / "out")
    assert result.exit_code != 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("output", ["folder", "parquet"])
def test_a_wrong_name_among_several_costs_itself(bundle: Path, labelled: Path, tmp_path: Path, output: str) -> None:
    if output == "parquet":
        pytest.importorskip("pyarrow")
    (tmp_path / "empty").mkdir()
    inputs = (labelled / "images" / "0.png", tmp_path / "gone.png", tmp_path / "empty")
    result = predict(bundle, *inputs, "-o", tmp_path / "out", "--output", output)
    assert result.exit_code == 1
    assert "1 predicted, 2 failed" in result.output
    assert "gone.png: no such file" in result.output
    assert "empty: a folder, where an image is needed" in result.output


def test_nothing_at_all_is_a_usage_error(bundle: Path, tmp_path: Path) -> None:
    result = predict(bundle, tmp_path / "gone.png", tmp_path / "gone too.png", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_tables_name_what_they_pass_over(bundle: Path, labelled: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (labelled / "more.zip").write_bytes(b"PK")
    result = predict(bundle, labelled, "-o", tmp_path / "out", "--output", "parquet")
    assert "passed over, for these are no images that can be read: 1 .zip" in result.output
    assert "2 masks of the images, or drawings over them, passed over: masks/0.png, masks/1.png" in result.output
