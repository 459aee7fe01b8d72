"""Images -> results, and what a bundle says of itself: predict, info, demo. None loads torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thyrosight.commands.options import BundleOption, Json, Threads, Tta, spacing_given
from thyrosight.commands.terminal import file_progress, print_json, print_table, remark, stdout_kept_for_json
from thyrosight.errors import ConfigError, InputError

if TYPE_CHECKING:
    from thyrosight.results.predict_folder import RunSummary

MAX_ROWS_SHOWN = 20


def predict(
    images: Annotated[list[Path], typer.Argument(help="Images and folders of images.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    bundle: BundleOption = None,
    tta: Tta = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do again what is already there.")] = False,
    threads: Threads = None,
    frame: Annotated[int | None, typer.Option("--frame", min=0, help="Which frame of a file with several.")] = None,
    every: Annotated[int | None, typer.Option("--every", min=1, help="Of a clip, each n-th frame.")] = None,
    mm_per_pixel: Annotated[
        str | None, typer.Option("--mm-per-pixel", metavar="ROW[,COLUMN]", help="Millimetres, whatever the files say.")
    ] = None,
    submission: Annotated[bool, typer.Option("--submission", help="The TN-SCUI challenge's files alone.")] = False,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Print the report to report.pdf too; needs thyrosight[pdf].")
    ] = False,
    as_json: Json = False,
) -> None:
    """Images -> outlines, measurements, risk.

    Writes CASE/{mask.png,overlay.png,result.json}, results.csv and report.html into the folder. What is there already
    is kept. A file that fails is one line and the rest is done all the same; the exit code is then 1.
    A clip (DICOM or video of several frames) is read whole: CASE/clip.json has all frames, the others the one to show.
    With --submission it writes mask/, submission.csv and probability.csv instead.
    """
    if pdf and submission:
        raise ConfigError("--pdf and --submission: the challenge's files have no report to print")
    if submission:
        _write_submission(images, out, bundle, tta, threads, as_json)
        return
    if frame is not None and every is not None:
        raise ConfigError("--frame and --every: choose one frame or every n-th, not both")
    spacing = spacing_given(mm_per_pixel) if mm_per_pixel is not None else None
    from thyrosight.results.pages import pdf_writer, write_pdf
    from thyrosight.results.predict_folder import FolderOptions, predict_folder

    if pdf:
        pdf_writer()  # or it says what to install, before the work
    options = FolderOptions(tta, threads, overwrite, frame, every, spacing)
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
    seed: Annotated[int, typer.Option("--seed", help="Seed of the cases.")] = 0,
) -> None:
    """The shipped model on sample cases.

    The cases are phantoms drawn on the spot; the last line printed is the path of the HTML report.
    """
    typer.echo(run_demo(out, bundle, number, seed))


def _write_submission(
    images: list[Path], out: Path, bundle: Path | None, tta: bool, threads: int | None, as_json: bool
) -> None:
    """The challenge's files, and what they are, on stdout; exit code 1 where an image is missing from them."""
    from thyrosight.inference.predictor import Predictor
    from thyrosight.results.submission import write_submission

    with stdout_kept_for_json(as_json):
        summary = write_submission(Predictor.load(bundle, threads=threads, tta=tta), images, out)
    if as_json:
        print_json(summary)
    else:
        for failure in summary.failures:
            remark(f"{failure.file}: {failure.message}")
        remark(f"{summary.num_done} predicted, {summary.num_failed} failed")
        typer.echo(summary.out / "submission.csv")
    raise typer.Exit(1 if summary.num_failed else 0)


def _print_summary(summary: RunSummary, out: Path) -> None:
    _print_results(out / "results.csv")
    counts = {"predicted": summary.num_done, "there already": summary.num_skipped, "failed": summary.num_failed}
    told = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    remark(f"{told or 'nothing to do'} in {summary.seconds:.1f} s")
    typer.echo(summary.report)


def _print_results(results_csv: Path) -> None:
    """The first rows of results.csv as a table: what was found and how large it is."""
    import csv

    with results_csv.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    shown = []
    for row in rows[:MAX_ROWS_SHOWN]:
        in_mm = bool(row["longest_mm"])
        longest = f"{float(row['longest_mm']):.1f} mm" if in_mm else f"{float(row['longest_px'] or 0):.0f} px"
        risk = f"{float(row['risk']):.2f}" if row["risk"] else None
        shown.append((row["case_id"], row["num_nodules"], longest if row["longest_px"] else None, risk, row["flags"]))
    print_table(("case", "nodules", "longest", "risk", "flags"), shown)
    if len(rows) > len(shown):
        typer.echo(f"... and {len(rows) - len(shown)} more in {results_csv}")


def run_demo(out: Path, bundle: Path | None = None, num_cases: int = 8, seed: int = 0) -> Path:
    """Folder, bundle (None: the shipped one) -> the path of OUT/results/report.html, made new each time.

    The sample cases in OUT/cases are synthetic: no patient, and the truth is in OUT/cases/truth.json. InputError where
    the model could not be run on one of them.
    """
    from thyrosight.phantom.cohort import write_phantoms
    from thyrosight.results.predict_folder import FolderOptions, predict_folder

    cases_csv = write_phantoms(num_cases, out / "cases", seed)
    options = FolderOptions(overwrite=True)
    with file_progress() as progress:
        summary = predict_folder(
            [cases_csv.parent / "image"], out / "results", bundle=bundle, options=options, progress=progress
        )
    if summary.failures:
        raise InputError(f"{summary.failures[0].file}: {summary.failures[0].message}")
    return summary.report
