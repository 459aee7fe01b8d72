"""Sources -> what predicting them will cost: a sample is predicted on one core and measured."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from thyrosight.archive.predict_rows import RowSettings, predict_rows
from thyrosight.archive.schema import FAILED
from thyrosight.archive.shards import DEFAULT_SHARD_ROWS, write_shard
from thyrosight.archive.sources import find_items
from thyrosight.archive.store import open_store
from thyrosight.errors import InputError
from thyrosight.inference.onnx_runtime import default_threads

SIZES = (1_000_000, 100_000_000)
NUM_WARM = 2
"""Images before the clock starts: the first ones load libraries."""
BYTES_PER_ITEM = 700
"""Memory per image of the process that lists the images (its name, case id and place); an estimate."""


@dataclass(frozen=True)
class Cost:
    """What the prediction of num_images images costs.

    hours: how long the prediction lasts, with all cores of all nodes at work. node_gib: memory that one node needs for
    the list of images and one process per core.
    """

    num_images: int
    core_hours: float
    hours: float
    node_gib: float
    output_gib: float


@dataclass(frozen=True)
class ArchivePlan:
    """What the sample measured, and the costs that follow for the images found and for each number in SIZES."""

    num_found: int
    num_sampled: int
    num_failed: int
    core_ms: float
    row_bytes: float
    process_mib: float
    num_cores: int
    costs: tuple[Cost, ...]


def plan_archive(
    sources: list[str], settings: RowSettings, *, num_nodes: int = 1, num_sampled: int = 40
) -> ArchivePlan:
    """Sources as predict takes them -> ArchivePlan. The sample is spread evenly.

    The processor time of this process is measured, so other work on the machine disturbs the result little. InputError
    where there are no images, or where none of the sample can be predicted.
    """
    items = find_items(sources).items
    step = max(1, len(items) // num_sampled)
    sampled = items[::step][:num_sampled]
    predictor = settings.predictor(threads=1)
    for item in sampled[:NUM_WARM]:
        predict_rows(predictor, item, settings.reading)
    started = time.process_time()
    rows = [predict_rows(predictor, item, settings.reading) for item in sampled]
    core_seconds = (time.process_time() - started) / len(rows)
    num_failed = sum(row["image"]["status"] == FAILED for row in rows)
    if num_failed == len(rows):
        raise InputError(f"none of {len(rows)} sampled images can be predicted: {rows[0]['image']['error']}")
    with tempfile.TemporaryDirectory() as folder:
        write_shard(open_store(folder), 0, rows, predictor.model.id)
        row_bytes = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet")) / len(rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    process_mib = peak / (2**20 if sys.platform == "darwin" else 2**10)
    num_cores = default_threads()
    costs = tuple(
        _cost(number, core_seconds, row_bytes, process_mib, num_cores, num_nodes) for number in (len(items), *SIZES)
    )
    return ArchivePlan(len(items), len(rows), num_failed, 1000 * core_seconds, row_bytes, process_mib, num_cores, costs)


def _cost(
    num_images: int, core_seconds: float, row_bytes: float, process_mib: float, num_cores: int, num_nodes: int
) -> Cost:
    core_hours = num_images * core_seconds / 3600
    listed_gib = num_images * BYTES_PER_ITEM / 2**30
    # Rows in memory, as text and not compressed, take about 20 times as much as in the file.
    shard_gib = DEFAULT_SHARD_ROWS * row_bytes * 20 / 2**30
    return Cost(
        num_images,
        core_hours,
        core_hours / (num_cores * num_nodes),
        num_cores * process_mib / 2**10 + listed_gib + shard_gib,
        num_images * row_bytes / 2**30,
    )
