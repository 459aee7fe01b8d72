"""Images or labelled cases -> results: the commands evaluate, compare, predict, info, demo. None loads torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from thyrosight.commands.show import plain, print_json, print_table, stdout_kept_for_json

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, for programs.")]
Bundle = Annotated[
    Path | None, typer.Option("--bundle", help="A model bundle; the shipped model where not given.", exists=True)
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads; all cores where not given.")]
Tta = Annotated[bool, typer.Option("--tta", help="Average over the image and its mirror image: slower, steadier.")]


def predict(
    images: Annotated[list[Path], typer.Argument(help="Images and folders of images.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    bundle: Bundle = None,
    tta: Tta = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do again what is already there.")] = False,
    threads: Threads = None,
    frame: Annotated[int | None, typer.Option("--frame", min=0, help="Which frame of a file with several.")] = None,
    submission: Annotated[bool, typer.Option("--submission", help="Also write the TN-SCUI challenge's files.")] = False,
    as_json: Json = False,
) -> None:
    """Images -> outlines, measurements, risk.

    Writes CASE/{mask.png,overlay.png,result.json}, results.csv and report.html into the folder. What is there already
    is kept. A file that fails is one line and the rest is done all the same; the exit code is then 1.
    """
    from thyrosight.predict_folder import predict_folder

    with stdout_kept_for_json(as_json):
        summary = predict_folder(
            images, out, bundle=bundle, tta=tta, overwrite=overwrite, threads=threads, frame_index=frame or 0
        )
    if as_json:
        print_json(summary)
    raise typer.Exit(1 if summary.num_failed else 0)


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="A model bundle.", exists=True)],
    cases: Annotated[Path, typer.Option("--cases", help="cases.csv with masks or labels.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for report.html, per_case.csv, evaluation.json.")],
    split: Annotated[str | None, typer.Option("--split", help="Only the rows of this split, e.g. test.")] = None,
    fold: Annotated[int | None, typer.Option("--fold", min=0, help="Only the rows of this fold.")] = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Labelled cases -> scores with intervals.

    Grouped bootstrap 95 % intervals, subgroups, and report.html with curves and galleries.
    """
    from thyrosight.evaluate import evaluate as evaluate_bundle

    with stdout_kept_for_json(as_json):
        evaluation = evaluate_bundle(bundle, cases, out, split=split, fold=fold, threads=threads)
    if as_json:
        print_json(evaluation)


def compare(
    first: Annotated[Path, typer.Argument(help="per_case.csv of one evaluation.", exists=True, dir_okay=False)],
    second: Annotated[Path, typer.Argument(help="per_case.csv of another, of the same cases.", exists=True)],
    as_json: Json = False,
) -> None:
    """Two evaluations -> paired differences.

    Both have to hold the same cases; the intervals are those of a grouped bootstrap of the paired differences.
    """
    from thyrosight.evaluate import compare as compare_cases

    with stdout_kept_for_json(as_json):
        comparison = compare_cases(first, second)
    if as_json:
        print_json(comparison)


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

    loaded = load_bundle(bundle)
    versions = installed_versions()
    if as_json:
        print_json({"thyrosight": __version__, "installed": versions, "path": loaded.path, "bundle": loaded.info})
        return
    rows = plain(loaded.info)
    print_table(
        ("bundle", str(loaded.path)), ((key, value) for key, value in rows.items() if not isinstance(value, list))
    )


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the sample cases and their results.")],
    bundle: Bundle = None,
) -> None:
    """The shipped model on sample cases.

    The cases are phantoms drawn on the spot; the last line printed is the path of the HTML report.
    """
    from thyrosight.demo import run_demo

    typer.echo(run_demo(out, bundle))


def installed_versions() -> dict[str, str]:
    """-> versions of Python and of the libraries that prediction rests on."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for name in ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "pydantic", "torch"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions
