"""The commands `report` and `plan`, and the tables of `predict --output parquet`: archives of many images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, NoReturn

import typer

from thyrosight.commands.options import BundleOption, Json, Prevalence, Tta
from thyrosight.commands.terminal import (
    file_progress,
    print_json,
    print_table,
    remark,
    stdout_kept_for_json,
)
from thyrosight.errors import ConfigError

if TYPE_CHECKING:
    from thyrosight.archive.predict_archive import Engine
    from thyrosight.types import Spacing


class TableWork(NamedTuple):
    """The settings of `predict --output parquet`, as given."""

    bundle: Path | None
    tta: bool
    prevalence: float | None
    frame: int | None
    every: int | None
    spacing: Spacing | None
    threads: int | None
    shard_rows: int
    overwrite: bool


def existing(name: str) -> Path:
    """A path as given -> Path; a usage error where nothing is there."""
    path = Path(name)
    if not path.exists():
        raise typer.BadParameter(f"Path {name!r} does not exist.", param_hint="'IMAGES...'")
    return path


def engine_of(name: str, address: str | None) -> Engine:
    """--engine, --address -> who makes the shards. ConfigError for another name."""
    if name == "ray":
        from thyrosight.archive.ray_engine import RayEngine, ray_module

        ray_module()  # fails before the work where it has to be installed
        return RayEngine(address)
    if name != "local":
        raise ConfigError(f"--engine {name}: choose local or ray")
    if address is not None:
        raise ConfigError("--address goes with --engine ray; add it")
    from thyrosight.archive.predict_archive import local_engine

    return local_engine


def write_tables(images: list[str], out: str, work: TableWork, engine: Engine, as_json: bool) -> NoReturn:
    """Writes the shards and prints what came of it; exit code 1 where an image failed."""
    from thyrosight.archive.predict_archive import ArchiveOptions, predict_archive
    from thyrosight.archive.predict_rows import RowSettings
    from thyrosight.inference.predict_file import ReadOptions

    reading = ReadOptions(work.frame, work.every, work.spacing)
    rows = RowSettings(work.bundle, work.tta, work.prevalence, reading)
    options = ArchiveOptions(rows, work.threads, work.shard_rows, work.overwrite)
    with stdout_kept_for_json(as_json), file_progress() as progress:
        summary = predict_archive(images, out, options, engine=engine, progress=progress)
    if as_json:
        print_json(summary)
    else:
        counts = {"predicted": summary.num_done, "there already": summary.num_there, "failed": summary.num_failed}
        line = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
        remark(f"{line or 'nothing to do'}, {summary.num_shards} shards in {summary.seconds:.1f} s")
        typer.echo(summary.out)
    raise typer.Exit(summary.exit_code)


def report(
    shards: Annotated[str, typer.Argument(help="OUT of `predict --output parquet`, or one file in its images/.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report.")],
    where: Annotated[
        str | None, typer.Option("--where", metavar="CONDITION", help="Which images, e.g. 'risk > 0.7'.")
    ] = None,
    images: Annotated[
        list[str] | None, typer.Option("--images", help="The images of the run, for overlays; give as to predict.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Refuse a selection of more images.")] = 1000,
) -> None:
    """Tables -> the usual report of a selection.

    Writes report.html, results.csv and CASE/{result.json,mask.png} of the images that fulfil the condition. Tables
    hold no pictures: with --images the overlays are drawn anew. The condition compares columns of the images table
    with numbers and texts by < <= > >= == !=, joined by and, or, not.
    """
    from thyrosight.archive.selection import write_selection

    typer.echo(write_selection(shards, where, out, images or (), limit))


def plan(
    images: Annotated[list[str], typer.Argument(help="As for predict --output parquet.", metavar="IMAGES...")],
    nodes: Annotated[int, typer.Option("--nodes", min=1, help="Machines like this one.")] = 1,
    sample: Annotated[int, typer.Option("--sample", min=1, help="How many images are measured.")] = 40,
    bundle: BundleOption = None,
    tta: Tta = False,
    prevalence: Prevalence = None,
    as_json: Json = False,
) -> None:
    """What an archive will cost.

    Predicts a sample on one core and prints, for all images found, for 1 million and for 100 million: core hours,
    hours on the nodes, memory per node, bytes of the tables.
    """
    from thyrosight.archive.plan import plan_archive
    from thyrosight.archive.predict_rows import RowSettings

    with stdout_kept_for_json(as_json):
        found = plan_archive(images, RowSettings(bundle, tta, prevalence), num_nodes=nodes, num_sampled=sample)
    if as_json:
        print_json(found)
        return
    columns = ("images", "core hours", "hours", "GiB per node", "GiB of tables")
    print_table(
        columns,
        [(f"{c.num_images:,}", c.core_hours, c.hours, c.node_gib, c.output_gib) for c in found.costs],
    )
    remark(
        f"{found.num_sampled} images measured: {found.core_ms:.0f} ms of one core per image, "
        f"{found.row_bytes:.0f} bytes per image, {found.process_mib:.0f} MiB per process; "
        f"{nodes} x {found.num_cores} cores"
    )
