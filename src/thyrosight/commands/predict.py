"""Images -> results, and what a bundle says of itself: predict, info, demo. None loads torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thyrosight.commands.show import (
    plain,
    print_facts,
    print_json,
    print_table,
    remark,
    stdout_kept_for_json,
)
from thyrosight.errors import ConfigError

if TYPE_CHECKING:
    from thyrosight.bundle import Bundle
    from thyrosight.predict_folder import RunSummary
    from thyrosight.types import Spacing

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, for programs.")]
BundleOption = Annotated[
    Path | None, typer.Option("--bundle", help="A model bundle; the shipped model where not given.", exists=True)
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads; a few where not given.")]
Tta = Annotated[bool, typer.Option("--tta", help="Average over the image, its mirror image and a closer view: slower.")]

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
    from thyrosight.predict_folder import predict_folder
    from thyrosight.report_pdf import pdf_writer, write_pdf

    if pdf:
        pdf_writer()  # or it says what to install, before the work
    with stdout_kept_for_json(as_json):
        summary = predict_folder(
            images,
            out,
            bundle=bundle,
            tta=tta,
            overwrite=overwrite,
            threads=threads,
            frame_index=frame,
            every=every,
            spacing=spacing,
        )
    if pdf:
        write_pdf(summary.report)
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary, out)
    raise typer.Exit(summary.exit_code)


def info(
    bundle: Annotated[
        Path | None, typer.Argument(help="A model bundle; the shipped one where not given.", exists=True)
    ] = None,
    as_json: Json = False,
) -> None:
    """What a bundle is, and what runs here.

    Verifies the bundle, then shows its network, what it learned from, its scores, and the versions installed.
    """
    from thyrosight import __version__
    from thyrosight.bundle import load_bundle

    installed = {"thyrosight": __version__} | installed_versions()
    if as_json:
        loaded = load_bundle(bundle)
        print_json({"installed": installed, "path": loaded.path, "bundle": loaded.info})
        return
    print_facts({"installed": " ".join(f"{name} {version}" for name, version in installed.items())})
    typer.echo()
    _print_bundle(load_bundle(bundle))


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the sample cases and their results.")],
    bundle: BundleOption = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many cases to draw.")] = 8,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the cases.")] = 0,
) -> None:
    """The shipped model on sample cases.

    The cases are phantoms drawn on the spot; the last line printed is the path of the HTML report.
    """
    from thyrosight.demo import run_demo

    typer.echo(run_demo(out, bundle, number, seed))


def installed_versions() -> dict[str, str]:
    """-> versions of Python and of the libraries that prediction rests on; torch's where it is installed."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for name in ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "pydantic", "torch"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def spacing_given(text: str) -> Spacing:
    """--mm-per-pixel as given, one number or row,column -> Spacing; ConfigError where that can't be."""
    from thyrosight.dicom_spacing import checked_spacing

    try:
        row_mm, column_mm = [float(part) for part in text.split(",")] * (1 if "," in text else 2)
    except ValueError:
        raise ConfigError(f"--mm-per-pixel {text}: give one number or row,column, e.g. 0.06 or 0.06,0.05") from None
    spacing, reason = checked_spacing(row_mm, column_mm, "--mm-per-pixel")
    if spacing is None:
        raise ConfigError(f"{reason}; give millimetres, e.g. 0.06")
    return spacing


def _write_submission(
    images: list[Path], out: Path, bundle: Path | None, tta: bool, threads: int | None, as_json: bool
) -> None:
    """The challenge's files, and what they are, on stdout; exit code 1 where an image is missing from them."""
    from thyrosight.predict import Predictor
    from thyrosight.submission import write_submission

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


def _print_bundle(loaded: Bundle) -> None:
    from thyrosight.card import familiarity_line

    facts = plain(loaded.info)
    tables = {name: facts.pop(name) for name in ("training_sets", "scores", "operating_points")}
    for part in tables["training_sets"]:
        for name in ("label_meaning", "left_out", "notes", "origin"):
            part.pop(name)
    for part in tables["operating_points"]:
        for name in ("sensitivity", "specificity"):  # its meaning says them in words
            part.pop(name)
    for name in ("files", "sha256", "format_version", "recipe", "subgroups", "robustness", "failures"):
        facts.pop(name)
    facts["familiarity"] = familiarity_line(loaded.info)
    print_facts({"bundle": str(loaded.path)} | facts)
    for name, rows in tables.items():
        typer.echo(f"\n{name.replace('_', ' ')}")
        if rows:
            print_table(list(rows[0]), [[_short(value) for value in row.values()] for row in rows])
        else:
            typer.echo("-")


def _short(value: Any) -> Any:
    """A SHA-256 -> its first digits; anything else as it is."""
    is_hash = isinstance(value, str) and len(value) == 64 and value.isalnum()
    return value[:12] if is_hash else value
