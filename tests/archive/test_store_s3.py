"""An S3 server on this machine as source and as place for tables: the bytes that a folder gives, and clear refusals."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scans import write_scans
from tables import bytes_in
from thyrosight.archive.selection import write_selection
from thyrosight.archive.sources import find_items, read_place
from thyrosight.errors import InputError

s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
pytest.importorskip("moto.server", reason="moto[server] is not installed")

Predict = Callable[..., Any]
NAMES = ["a/1.png", "a/10.png", "b/2.png"]


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    """-> s3fs on a server of moto's, which `s3://` means for as long as the module's tests run."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    earlier = dict(os.environ)
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    os.environ.pop("AWS_PROFILE", None)
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    system.mkdir("hospital")
    try:
        yield system
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        server.stop()
        os.environ.clear()
        os.environ.update(earlier)


def tables_in(store: Any, place: str) -> dict[str, bytes]:
    return {path.removeprefix(f"{place}/"): store.cat(path) for path in store.find(place) if path.endswith(".parquet")}


def test_s3_gives_and_takes_what_a_folder_does(store: Any, predict: Predict, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", *NAMES)
    for name in NAMES:
        store.put(str(tmp_path / "in" / name), f"hospital/scans/{name}")
    store.pipe("hospital/scans/notes.txt", b"none")
    found = find_items(["s3://hospital/scans"])
    assert [item.name for item in found.items] == NAMES
    assert found.passed_over == {".txt": 1}
    assert read_place(found.items[0].place) == (tmp_path / "in" / NAMES[0]).read_bytes()

    predict([tmp_path / "in"], tmp_path / "out", shard_rows=2)
    summary = predict(["s3://hospital/scans"], "s3://hospital/tables", shard_rows=2)
    assert (summary.num_done, summary.num_shards, summary.out) == (3, 2, "s3://hospital/tables")
    assert tables_in(store, "hospital/tables") == bytes_in(tmp_path / "out")
    store.rm("hospital/tables/images/part-00001.parquet")
    again = predict(["s3://hospital/scans"], "s3://hospital/tables", shard_rows=2)
    assert (again.num_done, again.num_there) == (1, 2)
    assert tables_in(store, "hospital/tables") == bytes_in(tmp_path / "out")

    write_selection("s3://hospital/tables", None, tmp_path / "all", ["s3://hospital/scans"])
    assert len(list((tmp_path / "all").glob("*/overlay.png"))) == 3


def test_what_a_store_refuses_is_one_line(store: Any, predict: Predict, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="s3://nowhere/scans: "):
        find_items(["s3://nowhere/scans"])
    write_scans(tmp_path / "in", "a.png")
    with pytest.raises(InputError, match=r"s3://nowhere/tables.*: the store refuses"):
        predict([tmp_path / "in"], "s3://nowhere/tables")
    store.pipe("hospital/gone/a.png", (tmp_path / "in" / "a.png").read_bytes())
    (item,) = find_items(["s3://hospital/gone"]).items
    store.rm("hospital/gone/a.png")
    with pytest.raises(InputError, match=r"s3://hospital/gone/a\.png: no such file"):
        read_place(item.place)
