"""A condition selects rows, and their report is the usual one; a condition is never run as code."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scans import run, write_scans
from tables import rows_in
from thyrosight.archive.selection import condition_of, selected_rows, write_selection
from thyrosight.errors import ConfigError, InputError
from thyrosight.inference.predictor import Predictor

NAMES = [f"{index}.png" for index in range(6)]


@pytest.fixture
def shards(predict: Callable[..., Any], tmp_path: Path) -> Path:
    write_scans(tmp_path / "in", *NAMES)
    (tmp_path / "in" / "bad.png").write_bytes(b"no image")
    predict([tmp_path / "in"], tmp_path / "shards")
    return tmp_path / "shards"


def test_the_report_is_that_of_the_folder(shards: Path, bundle: Path, tmp_path: Path) -> None:
    report = write_selection(str(shards), 'status == "done"', tmp_path / "out", [str(tmp_path / "in")])
    (tmp_path / "in" / "bad.png").unlink()
    run(tmp_path / "in", tmp_path / "folders", Predictor.load(bundle, threads=1))
    assert report.read_text().count("data:image/jpeg") == len(NAMES)
    ours, theirs = (list(csv.DictReader((tmp_path / name / "results.csv").open())) for name in ("out", "folders"))
    assert [row | {"seconds": ""} for row in ours] == [row | {"seconds": ""} for row in theirs]
    for name in ("overlay.png", "mask.png"):
        assert (tmp_path / "out" / "3" / name).read_bytes() == (tmp_path / "folders" / "3" / name).read_bytes()


def test_a_condition_selects(shards: Path, tmp_path: Path) -> None:
    rows = [row for row in rows_in(shards) if row["risk"] is not None]
    middle = sorted(row["risk"] for row in rows)[3]
    chosen = [row["file"] for row in rows if row["risk"] > middle]
    assert [row["file"] for row in selected_rows(str(shards), f"risk > {middle} and num_nodules >= 0")] == chosen
    one = list(selected_rows(f"{shards}/images/part-00000.parquet", "not (frame != 0) and -1 < risk <= 1"))
    assert [row["file"] for row in one] == NAMES[:4]
    assert [row["file"] for row in selected_rows(str(shards), "status == 'failed'")] == ["bad.png"]
    report = write_selection(str(shards), None, tmp_path / "all")
    assert "bad.png" in report.read_text()


@pytest.mark.parametrize(
    "condition",
    ["", "risk", "risk = 1", "riks > 0", "risk > other", "__import__('os')", "risk.real > 1", "risk > (1).real",
     "risk in (1, 2)", "f'{risk}' == ''", "risk > 0;", "(" * 500 + ")" * 500],
)  # fmt: skip
def test_anything_else_is_refused(condition: str) -> None:
    with pytest.raises(ConfigError, match="--where"):
        condition_of(condition)


def test_nothing_selected_too_much_or_no_table_is_one_line(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image fulfils"):
        write_selection(str(shards), "risk > 2", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="more than 2"):
        write_selection(str(shards), None, tmp_path / "out", limit=2)
    with pytest.raises(InputError, match="holds no shard"):
        write_selection(str(tmp_path / "in"), None, tmp_path / "out2")
    (shards / "images" / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="can't be read"):
        list(selected_rows(str(shards), None))


def test_an_image_that_is_another_now_is_not_drawn(shards: Path, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "0.png", first_seed=7)
    with pytest.raises(InputError, match=r"0.png: is another file"):
        write_selection(str(shards), "file == '0.png'", tmp_path / "out", [str(tmp_path / "in")])
