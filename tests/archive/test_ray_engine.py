"""The engine `ray`: its shards are the local engine's byte for byte, also when an actor is killed.

What an actor does is tested without Ray; the tests of Ray itself are skipped where it is not installed.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import dying_row_child
from scans import write_scans
from tables import bytes_in, rows_in
from thyrosight.archive import predict_archive as archive_room
from thyrosight.archive import ray_engine
from thyrosight.archive.predict_archive import ArchiveOptions, predict_archive
from thyrosight.archive.predict_rows import RowSettings
from thyrosight.archive.ray_engine import RayEngine, ShardMaker, ray_module
from thyrosight.archive.shards import ShardPlan
from thyrosight.archive.sources import find_items
from thyrosight.bundle.store import bundle_id, load_bundle
from thyrosight.errors import InputError, MissingExtraError

Predict = Callable[..., Any]


def test_ray_is_imported_with_its_reports_off(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    monkeypatch.setattr(
        importlib, "import_module", lambda name: seen.setdefault(name, os.environ["RAY_USAGE_STATS_ENABLED"])
    )
    ray_module()
    assert seen == {"ray.data": "0", "ray": "0"}


def test_without_ray_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install \"thyrosight\[ray\]\""):
        ray_module()


def test_a_cluster_that_does_not_answer_is_one_line() -> None:
    def init(**_: Any) -> None:
        raise ConnectionError("ray client cannot reach it\nand more")

    with pytest.raises(InputError, match=r"--address 10\.0\.0\.9:6379: no connection \(ray client cannot reach it\)"):
        RayEngine("10.0.0.9:6379")._start(SimpleNamespace(init=init), None)


def test_a_node_that_does_not_start_is_one_line() -> None:
    """Ray raises a bare Exception there; once it was an internal error."""

    def init(**_: Any) -> None:
        raise Exception("The current node timed out during startup.")

    with pytest.raises(InputError, match=r"did not start on this machine \(The current node timed.*; run the same"):
        RayEngine()._start(SimpleNamespace(init=init), 1)


def made(source: Path, out: Path, bundle: Path) -> list[dict[str, Any]]:
    """Images, a folder -> what the actor says of each shard of four images, without Ray."""
    plan = ShardPlan(find_items([str(source)]).items, 4)
    rows, model = RowSettings(bundle).to_json(), bundle_id(load_bundle(bundle).info)
    make = ShardMaker({"rows": rows, "out": str(out), "model": model})
    answers = []
    for index in range(plan.num_shards):
        items = json.dumps([ray_engine._sendable(item) for item in plan.items_of(index)])
        answers.append(json.loads(make({"index": [index], "items": [items]})["done"][0]))
    return answers


def test_an_actor_writes_the_shards_of_the_local_engine(predict: Predict, bundle: Path, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", *(f"{index}.png" for index in range(5)))
    (tmp_path / "in" / "bad.png").write_bytes(b"no image")
    predict([tmp_path / "in"], tmp_path / "local")
    first, second = made(tmp_path / "in", tmp_path / "actor", bundle)
    assert (first["num_images"], second["num_images"]) == (4, 2)
    assert [line[:9] for line in second["failures"]] == ["bad.png: "]
    assert bytes_in(tmp_path / "actor") == bytes_in(tmp_path / "local")


def test_an_image_that_ends_its_process_costs_itself_and_not_the_actor(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scans(tmp_path / "in", "a.png", "deadly.png")
    monkeypatch.setattr(archive_room, "row_process", dying_row_child)
    (answer,) = made(tmp_path / "in", tmp_path / "out", bundle)
    assert answer["num_images"] == 2
    assert [row["status"] for row in rows_in(tmp_path / "out")] == ["done", "failed"]


def test_a_place_that_refuses_is_an_answer(bundle: Path, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "nodules").write_text("a file")
    (answer,) = made(tmp_path / "in", tmp_path / "out", bundle)
    assert "can't be made a folder" in answer["refused"]


@pytest.fixture
def ray() -> Iterator[Any]:
    """Ray on this machine with two cores."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    module = ray_module()
    RayEngine()._start(module, 2)
    yield module
    module.shutdown()


def actors() -> list[int]:
    """-> the processes of actors on this machine."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and b"MapWorker" in (folder / "cmdline").read_bytes()[:60]:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds actors in /proc")
def test_a_killed_actor_costs_nothing(ray: Any, predict: Predict, bundle: Path, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", *(f"{index}.png" for index in range(23)))
    (tmp_path / "in" / "bad.png").write_bytes(b"no image")
    predict([tmp_path / "in"], tmp_path / "local")
    earlier, killed = set(actors()), []

    def kill_one(*_: Any) -> None:
        if not killed:
            killed.extend(sorted(set(actors()) - earlier)[:1])
            os.kill(killed[0], signal.SIGKILL)

    options = ArchiveOptions(RowSettings(bundle), shard_rows=4)
    summary = predict_archive(
        [str(tmp_path / "in")], str(tmp_path / "ray"), options, engine=RayEngine(), progress=kill_one
    )
    assert killed
    assert (summary.num_done, summary.num_failed, summary.num_shards) == (23, 1, 6)
    assert bytes_in(tmp_path / "ray") == bytes_in(tmp_path / "local")


@pytest.mark.slow
def test_a_lost_node_costs_nothing(predict: Predict, bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    ray_module()
    cluster_utils = importlib.import_module("ray.cluster_utils")
    write_scans(tmp_path / "in", *(f"{index}.png" for index in range(24)))
    predict([tmp_path / "in"], tmp_path / "local")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    lost = []

    def lose_it(*_: Any) -> None:
        if not lost:
            lost.append(second)
            cluster.remove_node(second, allow_graceful=False)

    options = ArchiveOptions(RowSettings(bundle), shard_rows=4)
    try:
        summary = predict_archive(
            [str(tmp_path / "in")],
            str(tmp_path / "ray"),
            options,
            engine=RayEngine(cluster.address),
            progress=lose_it,
        )
    finally:
        cluster.shutdown()
    assert lost
    assert (summary.num_done, summary.num_shards) == (24, 6)
    assert bytes_in(tmp_path / "ray") == bytes_in(tmp_path / "local")
