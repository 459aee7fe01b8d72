"""Sources -> OUT/images/*.parquet, OUT/nodules/*.parquet, OUT/manifest.json: rows instead of a folder per image.

The engine `local` uses the cores of this machine, the engine `ray` a cluster. Both write the same bytes.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from thyrosight.archive import predict_rows as row_process
from thyrosight.archive.predict_rows import RowSettings, in_one_line, predict_rows
from thyrosight.archive.schema import FAILED, FORMAT_VERSION, Row, failed_rows, pyarrow
from thyrosight.archive.shards import (
    DEFAULT_SHARD_ROWS,
    KIND,
    ShardPlan,
    done_shards,
    images_sha256,
    open_manifest,
    part_name,
    write_manifest,
    write_shard,
)
from thyrosight.archive.sources import ListedImage, Listing, find_items
from thyrosight.archive.store import TableStore, open_store
from thyrosight.bundle.store import bundle_id, load_bundle
from thyrosight.children import replies
from thyrosight.environment import software_version, utc_now
from thyrosight.errors import InputError
from thyrosight.inference.prevalence import ShareOfMalignant
from thyrosight.results.case_ids import suffix_of_frame
from thyrosight.results.predict_folder import PROCESS_DIED, FileProgress, num_processes

ShardsDone = Generator[tuple[int, int, Sequence[str]], None, None]
"""(number of the shard, images in it, lines of the images that failed), in any order."""


DEFAULT_ROWS = RowSettings()


@dataclass(frozen=True)
class ArchiveOptions:
    """How an archive is predicted. threads: cores of this machine that are used. shard_rows: images per shard.

    masks_too: predict masks of images, and drawings over them, as if they were images.
    """

    rows: RowSettings = DEFAULT_ROWS
    threads: int | None = None
    shard_rows: int = DEFAULT_SHARD_ROWS
    overwrite: bool = False
    masks_too: bool = False


@dataclass(frozen=True)
class ArchiveSummary:
    """The result of a run. num_there: images in shards that were done before; num_failed counts new failures."""

    out: str
    num_images: int
    num_done: int
    num_there: int
    num_failed: int
    num_shards: int
    passed_over: dict[str, int]
    seconds: float
    masks: tuple[str, ...] = ()
    """Masks of the images, and drawings over them, that were not predicted: their names within the run."""

    @property
    def exit_code(self) -> int:
        return 1 if self.num_failed else 0


Engine = Callable[[TableStore, ShardPlan, Sequence[int], ArchiveOptions, str], ShardsDone]
"""(store, plan, shards to do, options, the model) -> each shard when it is done."""


def predict_archive(
    sources: Sequence[str],
    out: str,
    options: ArchiveOptions,
    *,
    engine: Engine | None = None,
    progress: FileProgress | None = None,
) -> ArchiveSummary:
    """Files, folders, archives, lists and addresses -> tables in `out`, which is a folder or an address.

    Shards that are done are left as they are, unless options.overwrite. A file that fails is a row with its reason.
    InputError where `out` holds another run.
    """
    started = time.perf_counter()
    pyarrow()
    options = replace(options, rows=options.rows.with_own_device())
    suffix = suffix_of_frame(options.rows.reading.frame_index)
    store, found = open_store(out), find_items(list(sources), suffix=suffix, masks_too=options.masks_too)
    plan = ShardPlan(found.items, options.shard_rows)
    manifest = _manifest(found, plan, options)
    open_manifest(store, manifest, overwrite=options.overwrite)
    done = set() if options.overwrite else done_shards(store)
    wanted = [index for index in range(plan.num_shards) if part_name(index) not in done]
    num_there = len(plan.items) - sum(len(plan.items_of(index)) for index in wanted)
    num_done = num_failed = 0
    with closing((engine or local_engine)(store, plan, wanted, options, manifest["model"]["id"])) as shards:
        for index, num_images, failures in shards:
            num_done, num_failed = num_done + num_images - len(failures), num_failed + len(failures)
            if progress is not None:
                for line in failures:
                    progress(num_there + num_done + num_failed, len(plan.items), part_name(index), line)
                progress(num_there + num_done + num_failed, len(plan.items), part_name(index), None)
    write_manifest(store, manifest | {"status": "done", "num_shards": plan.num_shards})
    counts = (len(plan.items), num_done, num_there, num_failed, plan.num_shards)
    seconds = round(time.perf_counter() - started, 3)
    return ArchiveSummary(store.name, *counts, dict(found.passed_over), seconds, tuple(found.masks))


def local_engine(
    store: TableStore, plan: ShardPlan, wanted: Sequence[int], options: ArchiveOptions, model: str
) -> ShardsDone:
    """The engine `local`: child processes predict the images of a shard, and this process writes its files."""
    items = (item for index in wanted for item in plan.items_of(index))
    number = num_processes(sum(len(plan.items_of(index)) for index in wanted), options.threads)
    with closing(rows_in_order(items, options.rows, number)) as rows:
        for index in wanted:
            of_shard = list(itertools.islice(rows, len(plan.items_of(index))))
            yield shard_done(store, index, of_shard, model)


def shard_done(store: TableStore, index: int, rows: Sequence[Row], model: str) -> tuple[int, int, Sequence[str]]:
    """Writes the files of a shard -> (its number, its images, lines of the images that failed).

    InputError, and no files, where the system was short of open files or memory for one of its images.
    """
    for row in rows:
        if row.get("is_shortage"):
            raise InputError(f"{row['image']['error']}; its shard was not written: run the same command again")
    write_shard(store, index, rows, model)
    failures = [row["image"]["error"] for row in rows if row["image"]["status"] == FAILED]
    return index, len(rows), failures


def rows_in_order(items: Iterable[ListedImage], settings: RowSettings, number: int) -> Generator[Row, None, None]:
    """Images -> their rows, in order: by child processes, or by this one where `number` is 1."""
    if number > 1:
        yield from rows_of_children(items, settings, number)
        return
    predictor = settings.predictor(threads=None)
    for item in items:
        yield predict_rows(predictor, item, settings.reading)


def rows_of_children(items: Iterable[ListedImage], settings: RowSettings, number: int) -> Generator[Row, None, None]:
    """Images -> their rows, in order; an image that ends its child process twice is a failed row."""
    to_send, to_name = itertools.tee(items)
    requests = (item._asdict() for item in to_send)
    with closing(replies(row_process, settings.to_json(), requests, number)) as answers:
        for item, reply in zip(to_name, answers, strict=True):
            if "died" in reply:
                line = in_one_line(f"{item.name}: {PROCESS_DIED.format(how=reply['died'])}", item)
                yield failed_rows(item.case_id, item.name, line)
            else:
                yield reply


def _manifest(found: Listing, plan: ShardPlan, options: ArchiveOptions) -> dict[str, Any]:
    bundle = load_bundle(options.rows.bundle)
    share = ShareOfMalignant.of(bundle.info, options.rows.prevalence)
    settings = {name: value for name, value in options.rows.to_json().items() if name != "bundle"}
    return {
        "kind": KIND,
        "format_version": FORMAT_VERSION,
        "model": {"name": bundle.info.name, "id": bundle_id(bundle.info)},
        "settings": settings | {"prevalence": share.asked_for},
        "shard_rows": plan.shard_rows,
        "num_images": len(plan.items),
        "images_sha256": images_sha256(plan.items),
        "passed_over": dict(found.passed_over),
        "masks": found.masks,
        "software": software_version(),
        "started": utc_now(),
        "status": "running",
    }
