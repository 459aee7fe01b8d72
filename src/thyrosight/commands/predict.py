"""The commands `predict`, `demo`, `select`, `plan`: images -> a results folder or tables. They load no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, NoReturn

import typer

from thyrosight.commands.options import (
    BundleOption,
    Device,
    Json,
    MmPerPixel,
    Prevalence,
    Threads,
    Tta,
    refuse_without_effect,
    spacing_given,
)
from thyrosight.commands.terminal import file_progress, print_json, print_table, remark, stdout_kept_for_json
from thyrosight.errors import ConfigError, InputError

if TYPE_CHECKING:
    from thyrosight.archive.predict_archive import Engine
    from thyrosight.results.predict_case import FolderOptions
    from thyrosight.results.predict_folder import RunSummary
    from thyrosight.types import Spacing

MAX_ROWS_SHOWN = 20
SHARD_ROWS = 1000
OF_TABLES = "--engine, --address and --shard-rows"
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Predict images again that have results already.")]
Frame = Annotated[
    int | None, typer.Option("--frame", min=0, help="Read this frame of files with several; the first is 0.")
]
Submission = Annotated[bool, typer.Option("--submission", help="Write the files of the TN-SCUI challenge instead.")]
Pdf = Annotated[bool, typer.Option("--pdf", help="Write the report as report.pdf too; needs thyrosight[pdf].")]
Output = Annotated[
    str, typer.Option("--output", metavar="folder|parquet", help="A folder per image, or tables of all images.")
]
ShardRows = Annotated[int, typer.Option("--shard-rows", min=1, help="Images per shard of the tables.")]
EngineName = Annotated[
    str, typer.Option("--engine", metavar="local|ray", help="What makes the tables: this machine's cores, or Ray.")
]
MasksToo = Annotated[
    bool, typer.Option("--masks-too", help="Predict masks of the images, and drawings over them, as well.")
]
Address = Annotated[
    str | None, typer.Option("--address", help="Address of a Ray cluster; `auto`: that of this machine.")
]


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
    device: str
    masks_too: bool


def predict(
    images: Annotated[list[str], typer.Argument(help="Images and folders of images.", metavar="IMAGES...")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="PATH", help="Folder for the results.")],
    bundle: BundleOption = None,
    tta: Tta = False,
    prevalence: Prevalence = None,
    overwrite: Overwrite = False,
    threads: Threads = None,
    frame: Frame = None,
    every: Annotated[int | None, typer.Option("--every", min=1, help="Read each n-th frame of a clip.")] = None,
    mm_per_pixel: MmPerPixel = None,
    submission: Submission = False,
    pdf: Pdf = False,
    output: Output = "folder",
    shard_rows: ShardRows = SHARD_ROWS,
    engine: EngineName = "local",
    address: Address = None,
    device: Device = "cpu",
    masks_too: MasksToo = False,
    as_json: Json = False,
) -> None:
    """Images -> outlines, measurements, risk.

    Writes CASE/{mask.png,overlay.png,result.json}, results.csv and report.html into the folder. Results that are there
    already stay. A file that fails costs one line on stderr; all others are predicted, and the exit code is 1.
    Masks of the images next to them (masks/a.png, a_mask.png), and drawings over them, are passed over and counted.
    In a clip (DICOM or video of several frames) every frame is predicted. CASE/clip.json holds all frames; the other
    files show the frame with the largest nodule. --submission writes mask/, submission.csv and probability.csv instead.

    --output parquet writes tables instead, in shards, with no file per image. Images may then be zip and tar files, a
    CSV with a column `image`, a DICOMDIR and addresses such as s3://bucket/scans too, and --out may be an address.
    """
    if (pdf or output != "folder") and submission:
        raise ConfigError("--submission with --pdf or --output: a submission has neither; leave one out")
    if frame is not None and every is not None:
        raise ConfigError("--frame and --every: choose one frame or every n-th, not both")
    spacing = spacing_given(mm_per_pixel) if mm_per_pixel is not None else None
    if submission:
        given = {"--frame": frame, "--every": every, "--mm-per-pixel": spacing, "--prevalence": prevalence}
        given |= {"--overwrite": overwrite or None, "--masks-too": masks_too or None}
        refuse_without_effect(given, "with --submission")
    if output == "parquet":
        if pdf:
            raise ConfigError("--output parquet with --pdf: tables have no report; see `thyrosight select`")
        tables = TableWork(
            bundle, tta, prevalence, frame, every, spacing, threads, shard_rows, overwrite, device, masks_too
        )
        write_tables(images, out, tables, engine_of(engine, address, device), as_json)
    if output != "folder" or engine != "local" or address is not None or shard_rows != SHARD_ROWS:
        raise ConfigError(f"--output {output}: choose folder or parquet; {OF_TABLES} go with parquet")
    paths, folder = existing(images), Path(out)
    if submission:
        _write_submission(paths, folder, bundle, threads, tta, device, as_json)
    from thyrosight.results.predict_case import FolderOptions

    options = FolderOptions(tta, threads, overwrite, frame, every, spacing, prevalence, device, masks_too)
    _predict_folder(paths, folder, bundle, options, pdf, as_json)


def _predict_folder(
    images: list[Path], out: Path, bundle: Path | None, options: FolderOptions, pdf: bool, as_json: bool
) -> NoReturn:
    """Writes the results folder and prints a summary; exit code 1 where an image failed."""
    from thyrosight.results.pages import pdf_writer, write_pdf
    from thyrosight.results.predict_folder import predict_folder

    if pdf:
        pdf_writer()  # fails before the work, not after it, where something has to be installed
    with stdout_kept_for_json(as_json), file_progress() as progress:
        summary = predict_folder(images, out, bundle=bundle, options=options, progress=progress)
    if pdf:
        write_pdf(summary.report)
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary, out)
    raise typer.Exit(summary.exit_code)


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the sample cases and their results.")],
    bundle: BundleOption = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many cases to draw.")] = 8,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the cases.")] = 0,
) -> None:
    """The shipped model on sample cases.

    Draws synthetic cases, so no data is needed, and predicts them. The last line is the path of the HTML report.
    """
    typer.echo(run_demo(out, bundle, number, seed))


def _write_submission(
    images: list[Path], out: Path, bundle: Path | None, threads: int | None, tta: bool, device: str, as_json: bool
) -> NoReturn:
    """Writes the challenge's files and prints their path; exit code 1 where an image failed."""
    from thyrosight.inference.predictor import Predictor
    from thyrosight.results.submission import write_submission

    predictor = Predictor.load(bundle, threads=threads, tta=tta, device=device)
    with stdout_kept_for_json(as_json):
        summary = write_submission(predictor, images, out)
    if as_json:
        print_json(summary)
    else:
        for failure in summary.failures:
            remark(f"{failure.file}: {failure.message}")
        remark(f"{summary.num_done} predicted, {summary.num_failed} failed")
        remark_on_masks(summary.masks, "")
        typer.echo(summary.out / "submission.csv")
    raise typer.Exit(1 if summary.num_failed else 0)


def _print_summary(summary: RunSummary, out: Path) -> None:
    _print_results(out / "results.csv")
    counts = {"predicted": summary.num_done, "there already": summary.num_skipped, "failed": summary.num_failed}
    line = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    remark(f"{line or 'nothing to do'} in {summary.seconds:.1f} s")
    _print_passed_over(summary.passed_over)
    remark_on_masks(summary.masks)
    typer.echo(summary.report)


def _print_passed_over(passed_over: dict[str, int]) -> None:
    from thyrosight.frames.find_images import FoundImages

    if passed_over:
        words = FoundImages([], passed_over).passed_over_in_words
        remark(f"passed over, for these are no images that can be read: {words}")


def remark_on_masks(masks: Sequence[str], mend: str = "; --masks-too predicts them as well") -> None:
    """Names of masks that were passed over -> a line that counts and names them; nothing without any."""
    if masks:
        named = ", ".join(masks[:3]) + (" ..." if len(masks) > 3 else "")
        remark(f"{len(masks)} masks of the images, or drawings over them, passed over: {named}{mend}")


def _print_results(results_csv: Path) -> None:
    """Prints the first rows of results.csv as a table: nodules, their size and their risk."""
    import csv

    with results_csv.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    table = []
    for row in rows[:MAX_ROWS_SHOWN]:
        in_mm = bool(row["longest_mm"])
        longest = f"{float(row['longest_mm']):.1f} mm" if in_mm else f"{float(row['longest_px'] or 0):.0f} px"
        risk = f"{float(row['risk']):.2f}" if row["risk"] else None
        table.append((row["case_id"], row["num_nodules"], longest if row["longest_px"] else None, risk, row["flags"]))
    print_table(("case", "nodules", "longest", "risk", "flags"), table)
    if len(rows) > len(table):
        typer.echo(f"... and {len(rows) - len(table)} more in {results_csv}")


def run_demo(out: Path, bundle: Path | None = None, num_cases: int = 8, seed: int = 0) -> Path:
    """Folder, bundle (None: the shipped one) -> the path of OUT/results/report.html, written anew each time.

    The sample cases in OUT/cases are synthetic; OUT/cases/truth.json holds their truth. InputError where one fails.
    """
    from thyrosight.phantom.cohort import write_phantoms
    from thyrosight.results.predict_case import FolderOptions
    from thyrosight.results.predict_folder import predict_folder

    cases_csv = write_phantoms(num_cases, out / "cases", seed)
    options = FolderOptions(overwrite=True)
    with file_progress() as progress:
        summary = predict_folder(
            [cases_csv.parent / "image"], out / "results", bundle=bundle, options=options, progress=progress
        )
    if summary.failures:
        raise InputError(f"{summary.failures[0].file}: {summary.failures[0].message}")
    return summary.report


def existing(names: list[str]) -> list[Path]:
    """Paths as given -> Paths; a usage error where nothing is at any of them. One that is missing fails by itself."""
    paths = list(map(Path, names))
    if not any(path.exists() for path in paths):
        raise typer.BadParameter(f"Path {names[0]!r} does not exist.", param_hint="'IMAGES...'")
    return paths


def engine_of(name: str, address: str | None, device: str) -> Engine:
    """--engine, --address, --device -> the engine that makes the shards. ConfigError for an unknown name."""
    if name == "ray":
        if device != "cpu":
            raise ConfigError(f"--engine ray with --device {device}: Ray's actors use the CPU; leave --device out")
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
    """Writes the shards and prints a summary; exit code 1 where an image failed."""
    from thyrosight.archive.predict_archive import ArchiveOptions, predict_archive
    from thyrosight.archive.predict_rows import RowSettings
    from thyrosight.inference.predict_file import ReadOptions

    reading = ReadOptions(work.frame, work.every, work.spacing)
    rows = RowSettings(work.bundle, work.tta, work.prevalence, reading, work.device)
    options = ArchiveOptions(rows, work.threads, work.shard_rows, work.overwrite, work.masks_too)
    with stdout_kept_for_json(as_json), file_progress() as progress:
        summary = predict_archive(images, out, options, engine=engine, progress=progress)
    if as_json:
        print_json(summary)
    else:
        counts = {"predicted": summary.num_done, "there already": summary.num_there, "failed": summary.num_failed}
        line = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
        remark(f"{line or 'nothing to do'}, {summary.num_shards} shards in {summary.seconds:.1f} s")
        _print_passed_over(summary.passed_over)
        remark_on_masks(summary.masks)
        typer.echo(summary.out)
    raise typer.Exit(summary.exit_code)


def select(
    shards: Annotated[str, typer.Argument(help="OUT of `predict --output parquet`, or one file in its images/.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report.")],
    where: Annotated[
        str | None, typer.Option("--where", metavar="CONDITION", help="Which images, e.g. 'risk > 0.7'.")
    ] = None,
    images: Annotated[
        list[str] | None, typer.Option("--images", help="The images of the run, for overlays; as given to predict.")
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
    nodes: Annotated[int, typer.Option("--nodes", min=1, help="Number of machines like this one.")] = 1,
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
