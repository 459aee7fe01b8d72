"""The engine `ray`: shards as a streaming pipeline of Ray Data on this machine or a cluster, each made by an actor.

An actor holds the network, in a child process, as the local engine does: what kills the child costs an image, and not
the actor. A row of the dataset is a shard's number and its images. The actor writes the shard's files itself, so that
no row travels back; a node that is lost costs the shards that were not written, which Ray gives to another actor.
Ray reports nothing home: RAY_USAGE_STATS_ENABLED is 0 before it is imported.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any

from thyrosight.archive.predict_archive import ArchiveOptions, ShardsDone, rows_in_order, shard_done
from thyrosight.archive.predict_rows import RowSettings
from thyrosight.archive.shards import ShardPlan
from thyrosight.archive.sources import ListedImage
from thyrosight.archive.store import TableStore, is_address, open_store
from thyrosight.children import Json
from thyrosight.errors import InputError, MissingExtraError


def ray_module() -> Any:
    """-> ray, which will send nothing home. MissingExtraError where it is not installed."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        importlib.import_module("ray.data")
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtraError('this engine needs Ray; run: pip install "thyrosight[ray]"') from error


class RayEngine:
    """address: of a cluster (`auto`: the one that this machine belongs to); None starts Ray on this machine alone."""

    def __init__(self, address: str | None = None, *, with_dashboard: bool = False) -> None:
        self.address, self.with_dashboard = address, with_dashboard

    def __call__(
        self, store: TableStore, plan: ShardPlan, wanted: Sequence[int], options: ArchiveOptions, model: str
    ) -> ShardsDone:
        """Shards by the actors of Ray; they come back in any order."""
        ray = ray_module()
        if not ray.is_initialized():
            self._start(ray, options.threads)
        out = store.name if is_address(store.name) else os.path.abspath(store.name)
        settings = {"rows": _absolute(options.rows).to_json(), "out": out, "model": model}
        shards = [{"index": index, "items": [_sendable(item) for item in plan.items_of(index)]} for index in wanted]
        if not shards:
            return
        most = max(1, min(len(shards), options.threads or int(ray.cluster_resources().get("CPU", 1))))
        data = ray.data.from_items(shards, override_num_blocks=len(shards))
        done = data.map_batches(
            ShardMaker, fn_constructor_args=(settings,), batch_size=1, num_cpus=1, concurrency=(1, most)
        )
        try:
            for row in done.iter_rows():
                yield int(row["index"]), int(row["num_images"]), list(row["failures"])
        except ray.exceptions.RayError as error:
            raise InputError(f"Ray gave up ({type(error).__name__}); run the same command again to go on") from error

    def _start(self, ray: Any, threads: int | None) -> None:
        try:
            if self.address is not None:
                ray.init(address=self.address, log_to_driver=False)
            else:
                ray.init(
                    num_cpus=threads, include_dashboard=self.with_dashboard, dashboard_host="127.0.0.1",
                    _node_ip_address="127.0.0.1", log_to_driver=False,
                )  # fmt: skip
        except (ConnectionError, OSError, ValueError) as error:
            where = f"--address {self.address}" if self.address else "Ray on this machine"
            raise InputError(f"{where}: no connection ({error}); start the cluster, or leave --address out") from error


class ShardMaker:
    """The actor: {index, items} of one shard -> its files, and what became of its images."""

    def __init__(self, settings: Json) -> None:
        self._settings = RowSettings.of_json(settings["rows"])
        self._store = open_store(settings["out"])
        self._model = settings["model"]

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        index = int(batch["index"][0])
        items = [ListedImage(item["name"], item["case_id"], _place(item)) for item in batch["items"][0]]
        rows = list(rows_in_order(items, self._settings, 1))
        _, num_images, failures = shard_done(self._store, index, rows, self._model)
        return {"index": [index], "num_images": [num_images], "failures": [list(failures)]}


def _absolute(rows: RowSettings) -> RowSettings:
    """-> the same settings for an actor, whose working folder is another."""
    return rows if rows.bundle is None else rows._replace(bundle=rows.bundle.resolve())


def _sendable(item: ListedImage) -> Json:
    """ListedImage -> a record of constant shape for Arrow; paths become absolute."""
    place = item.place
    path = os.path.abspath(place["path"]) if "path" in place else ""
    return {"name": item.name, "case_id": item.case_id, "address": place.get("address", "")} | {
        "path": path,
        "member": place.get("member", ""),
    }


def _place(item: Json) -> dict[str, str]:
    return {name: item[name] for name in ("address", "path", "member") if item[name]}
