"""The engine `ray`: a streaming pipeline of Ray Data on this machine or a cluster, whose actors make the shards.

A row of the dataset is a shard's number and its images. The actor predicts them in a child process, as the local engine
does, so an image that kills the child does not kill the actor. The actor writes the shard's files itself, so that no
row travels back. Where a node is lost, some of its shards are not written yet: Ray gives these to another actor. Ray
reports no usage, because RAY_USAGE_STATS_ENABLED is set to 0 before the import of ray.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
from collections.abc import Sequence
from typing import Any

from thyrosight.archive.predict_archive import ArchiveOptions, ShardsDone, rows_of_children, shard_done
from thyrosight.archive.predict_rows import RowSettings
from thyrosight.archive.shards import ShardPlan
from thyrosight.archive.sources import ListedImage
from thyrosight.archive.store import TableStore, is_address, open_store
from thyrosight.children import Json
from thyrosight.errors import InputError, MissingExtraError, ThyrosightError
from thyrosight.inference.onnx_runtime import default_threads


def ray_module() -> Any:
    """-> the module ray, set to report no usage. MissingExtraError where it is not installed."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        importlib.import_module("ray.data")
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtraError('this engine needs Ray; run: pip install "thyrosight[ray]"') from error


class RayEngine:
    """The engine `ray`.

    address: the address of the cluster (`auto`: the one that this machine belongs to); None starts Ray on this machine
    alone.
    """

    def __init__(self, address: str | None = None, *, with_dashboard: bool = False) -> None:
        self.address, self.with_dashboard = address, with_dashboard

    def __call__(
        self, store: TableStore, plan: ShardPlan, wanted: Sequence[int], options: ArchiveOptions, model: str
    ) -> ShardsDone:
        """Yields the shards that Ray's actors have made, in any order."""
        if not wanted:
            return
        ray = ray_module()
        is_own = not ray.is_initialized()
        if is_own:
            self._start(ray, options.threads)
        try:
            for row in _pipeline(ray, store, plan, wanted, options, model).iter_rows():
                done = json.loads(row["done"])
                if "refused" in done:
                    raise InputError(done["refused"])
                yield done["index"], done["num_images"], done["failures"]
        except ThyrosightError:
            raise
        except Exception as error:  # where a part of Ray dies, it raises a dozen types, bare Exception among them
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            raise InputError(f"Ray gave up ({reason}); run the same command again to go on") from error
        finally:
            if is_own:
                ray.shutdown()

    def _start(self, ray: Any, threads: int | None) -> None:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if self.address is not None:
                ray.init(address=self.address, **quiet)
            else:
                cores = threads or default_threads()
                here = {"dashboard_host": "127.0.0.1", "_node_ip_address": "127.0.0.1"}
                ray.init(num_cpus=cores, include_dashboard=self.with_dashboard, **here, **quiet)
        except Exception as error:  # as above; a node that does not start is a bare Exception
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            if self.address is None:
                raise InputError(f"Ray did not start on this machine ({reason}); run the same command again") from error
            raise InputError(
                f"--address {self.address}: no connection ({reason}); start the cluster, or leave --address out"
            ) from error


def _pipeline(
    ray: Any, store: TableStore, plan: ShardPlan, wanted: Sequence[int], options: ArchiveOptions, model: str
) -> Any:
    """-> the dataset of finished shards. Nothing runs before it is iterated.

    Each actor has one shard at a time, so that no shard waits behind another one. There are --threads actors, or one
    per core that the cluster has now. At the end there are fewer, so that the actors of a lost node find a core
    elsewhere.
    """
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # the command shows its own
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    out = store.name if is_address(store.name) else os.path.abspath(store.name)
    settings = {"rows": _absolute(options.rows).to_json(), "out": out, "model": model}
    shards = [
        {"index": index, "items": json.dumps([_sendable(item) for item in plan.items_of(index)])} for index in wanted
    ]
    most = max(1, min(len(shards), options.threads or int(ray.cluster_resources().get("CPU", 1))))
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=most, initial_size=most, max_tasks_in_flight_per_actor=1)
    data = ray.data.from_items(shards, override_num_blocks=len(shards))
    return data.map_batches(ShardMaker, fn_constructor_args=(settings,), batch_size=1, num_cpus=1, compute=pool)


class ShardMaker:
    """The actor, one per worker process: writes the files of one shard, and reports its images and failures."""

    def __init__(self, settings: Json) -> None:
        self._settings = RowSettings.of_json(settings["rows"])
        self._store = open_store(settings["out"])
        self._model = settings["model"]

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Columns of one row -> {"done": JSON}: what the shard holds, or why it was refused."""
        index, records = int(batch["index"][0]), json.loads(batch["items"][0])
        items = [ListedImage(record["name"], record["case_id"], record["place"]) for record in records]
        try:
            rows = list(rows_of_children(items, self._settings, 1))
            _, num_images, failures = shard_done(self._store, index, rows, self._model)
        except ThyrosightError as error:  # one line; the same for every shard, so nothing is tried again
            return {"done": [json.dumps({"refused": str(error)})]}
        return {"done": [json.dumps({"index": index, "num_images": num_images, "failures": list(failures)})]}


def _absolute(rows: RowSettings) -> RowSettings:
    """-> the same settings with the absolute path of the bundle, because an actor has another working folder."""
    return rows if rows.bundle is None else rows._replace(bundle=rows.bundle.resolve())


def _sendable(item: ListedImage) -> Json:
    """ListedImage -> JSON with an absolute path."""
    place = item.place
    return item._asdict() | {"place": place | {"path": os.path.abspath(place["path"])} if "path" in place else place}
