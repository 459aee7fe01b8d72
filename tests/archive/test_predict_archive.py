"""Runs into tables: what a row holds, resume by shard, failures as rows, other runs refused, one process or several."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dying_row_child
from scans import run, write_scans
from tables import bytes_in, rows_in
from thyrosight.archive import predict_archive as archive_room
from thyrosight.archive.schema import IMAGE_COLUMNS, NODULE_COLUMNS, mask_of, prediction_of
from thyrosight.errors import InputError
from thyrosight.inference.predictor import Predictor
from thyrosight.results.layout import read_picture, read_result

Predict = Callable[..., Any]
NAMES = [f"{index}.png" for index in range(10)]


def test_rows_are_what_the_folders_hold(predict: Predict, bundle: Path, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", *NAMES)
    summary = predict([tmp_path / "in"], tmp_path / "out")
    assert (summary.num_done, summary.num_failed, summary.num_shards, summary.exit_code) == (10, 0, 3, 0)
    run(tmp_path / "in", tmp_path / "folders", Predictor.load(bundle, threads=1))
    rows = rows_in(tmp_path / "out")
    assert [row["file"] for row in rows] == NAMES
    assert tuple(rows[0]) == tuple(IMAGE_COLUMNS)
    nodules = rows_in(tmp_path / "out", "nodules")
    assert tuple(nodules[0]) == tuple(NODULE_COLUMNS)
    for row in rows:
        kept = read_result(tmp_path / "folders" / row["case_id"])
        assert kept is not None
        assert prediction_of(row) == kept.model_copy(update={"seconds": 0.0})
        mask = read_picture(tmp_path / "folders" / row["case_id"] / "mask.png")
        assert mask is not None
        np.testing.assert_array_equal(mask_of(row["mask"]), mask[..., 0] > 0)
        own = [nodule for nodule in nodules if nodule["case_id"] == row["case_id"]]
        assert [nodule["longest_px"] for nodule in own] == [nodule.size.longest_px for nodule in kept.nodules]
        assert row["num_nodules"] == len(own)


def test_a_second_run_makes_what_is_missing_and_the_same_bytes(predict: Predict, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", *NAMES)
    predict([tmp_path / "in"], tmp_path / "out")
    whole = bytes_in(tmp_path / "out")
    (tmp_path / "out" / "images" / "part-00001.parquet").unlink()
    again = predict([tmp_path / "in"], tmp_path / "out")
    assert (again.num_done, again.num_there) == (4, 6)
    assert bytes_in(tmp_path / "out") == whole
    several = predict([tmp_path / "in" / NAMES[0], *[tmp_path / "in"] * 1], tmp_path / "two")
    assert several.num_images == 10  # each image once


def test_children_write_the_bytes_that_one_process_writes(predict: Predict, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", *(f"{index}.png" for index in range(17)))
    (tmp_path / "in" / "bad.png").write_bytes(b"no image")
    for name, threads in (("one", 1), ("two", 2)):
        assert predict([tmp_path / "in"], tmp_path / name, threads=threads).num_failed == 1
    assert bytes_in(tmp_path / "one") == bytes_in(tmp_path / "two")


def test_a_file_that_fails_is_a_row_with_its_reason(predict: Predict, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"no image")
    summary = predict([tmp_path / "in"], tmp_path / "out")
    assert (summary.num_failed, summary.exit_code) == (1, 1)
    good, bad = rows_in(tmp_path / "out")
    assert (good["status"], good["error"]) == ("done", None)
    assert bad["status"] == "failed"
    assert bad["error"].startswith("bad.png: ")
    assert str(tmp_path) not in bad["error"]
    assert bad["risk"] is bad["mask"] is bad["prediction"] is None


def test_a_dying_child_is_a_row_with_its_reason(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scans(tmp_path / "in", *(f"{index}.png" for index in range(15)), "deadly.png")
    monkeypatch.setattr(archive_room, "row_process", dying_row_child)
    assert predict([tmp_path / "in"], tmp_path / "out", threads=2).num_failed == 1
    (bad,) = [row for row in rows_in(tmp_path / "out") if row["status"] == "failed"]
    assert bad["error"].startswith("deadly.png: the process that predicted it ended twice (signal 9)")


def test_another_run_is_not_mixed_in(predict: Predict, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", *NAMES[:3])
    predict([tmp_path / "in"], tmp_path / "out")
    before = bytes_in(tmp_path / "out")
    with pytest.raises(InputError, match="another shard rows"):
        predict([tmp_path / "in"], tmp_path / "out", shard_rows=2)
    write_scans(tmp_path / "in", "more.png")
    with pytest.raises(InputError, match="another num images"):
        predict([tmp_path / "in"], tmp_path / "out")
    assert bytes_in(tmp_path / "out") == before
    (tmp_path / "out" / "manifest.json").write_text('{"kind": "of somebody else"}')
    with pytest.raises(InputError, match="not ours"):
        predict([tmp_path / "in"], tmp_path / "out", overwrite=True)


def test_the_manifest_states_the_run(predict: Predict, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", *NAMES[:5])
    predict([tmp_path / "in"], tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["status"] == "done"
    assert (manifest["num_images"], manifest["num_shards"], manifest["shard_rows"]) == (5, 2, 4)
    assert str(tmp_path) not in json.dumps(manifest)


def test_polars_and_duckdb_read_the_tables(predict: Predict, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", *NAMES)
    predict([tmp_path / "in"], tmp_path / "out")
    polars = pytest.importorskip("polars")
    images = polars.read_parquet(tmp_path / "out" / "images")
    assert images["file"].to_list() == NAMES
    duckdb = pytest.importorskip("duckdb")
    joined = f"""select count(*) from '{tmp_path}/out/images/*.parquet' i
                 join '{tmp_path}/out/nodules/*.parquet' n using (case_id) where n.number = 1 and i.risk >= 0"""
    ((number,),) = duckdb.sql(joined).fetchall()
    assert number == sum(row["num_nodules"] > 0 for row in rows_in(tmp_path / "out"))


def test_a_run_from_before_there_were_devices_goes_on(predict: Predict, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", *NAMES[:2])
    predict([tmp_path / "in"], tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_text())
    assert manifest["settings"].pop("device") == "cpu"
    path.write_text(json.dumps(manifest))
    assert predict([tmp_path / "in"], tmp_path / "out").num_there == 2
