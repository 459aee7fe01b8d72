"""The commands that make and check cases.csv: prepare, audit, phantom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thyrosight.commands.terminal import (
    plain,
    print_facts,
    print_json,
    progress_bar,
    remark,
    stdout_console,
    stdout_kept_for_json,
)
from thyrosight.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from thyrosight.datasets.audits.records import AuditReport
    from thyrosight.datasets.prepare import PrepareSummary

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, for programs.")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Images read at the same time.")]
Malignant = Annotated[
    str | None,
    typer.Option(
        "--malignant", metavar="COLUMN>=VALUE", help="For a CSV: which values are malignant, e.g. tirads>=4b."
    ),
]
MaskLabels = Annotated[
    list[str] | None,
    typer.Option("--mask-label", metavar="nodule=VALUE", help="The label or category of nodules; repeat."),
]
Source = Annotated[str | None, typer.Option("--source", help="The set, if its layout is not recognised.")]
HoldOut = Annotated[
    float, typer.Option("--hold-out", min=0.0, max=0.9, help="Share of the images that becomes the test split.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="ROLE=NAME", help="A column of your CSV: patient=PatID; or mask=FOLDER."),
]
Refold = Annotated[
    bool,
    typer.Option("--refold", help="Join near-duplicates and make new folds, even where the set gives its own."),
]
KeepLeaks = Annotated[
    bool, typer.Option("--keep-leaks", help="Keep training images that share a group with a test image.")
]
KeepPartial = Annotated[
    bool, typer.Option("--keep-partial", help="Use masks even where some of their outlines are lost in the file.")
]
MAX_PAIRS_SHOWN = 20
MAX_NAMED = 4
"""Case ids that the table names per finding; the JSON has all of them."""

OfficialSplit = Annotated[
    bool, typer.Option("--official-split", help="Take the publication's split instead of folds (TN5000).")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of all random draws.")]


def prepare(
    folder: Annotated[Path, typer.Argument(help="A folder with a labelled set, or a CSV.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for cases.csv, dataset.json and the masks.")],
    source: Source = None,
    folds: Annotated[
        int, typer.Option("--folds", min=0, help="Folds of the cross-validation; 0 for a set that is only trained on.")
    ] = 5,
    hold_out: HoldOut = 0.0,
    seed: Seed = 0,
    columns: Columns = None,
    refold: Refold = False,
    keep_leaks: KeepLeaks = False,
    keep_partial: KeepPartial = False,
    official_split: OfficialSplit = False,
    malignant: Malignant = None,
    mask_labels: MaskLabels = None,
    workers: Workers = 2,
    as_json: Json = False,
) -> None:
    """Labelled folder -> cases.csv, contact_sheet.png.

    Recognises public sets, images and masks in folders, the formats of annotation tools, and any CSV.
    Finds the ultrasound field and the views of split screens. Splits by patient or duplicate cluster, never by image.
    """
    from thyrosight.datasets.prepare import PrepareOptions
    from thyrosight.datasets.prepare import prepare as prepare_cases

    options = PrepareOptions(
        source=source,
        folds=folds,
        hold_out=hold_out,
        seed=seed,
        columns=columns_named(columns or []),
        refold=refold,
        keep_leaks=keep_leaks,
        keep_partial=keep_partial,
        official_split=official_split,
        malignant=malignant,
        nodule_labels=labels_of_nodules(mask_labels or []),
    )
    with stdout_kept_for_json(as_json), progress_bar("reading images") as progress:
        summary = prepare_cases(folder, out, options, workers=workers, progress=progress)
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary)


def _print_summary(summary: PrepareSummary) -> None:
    """PrepareSummary -> its numbers on stdout, its notes on stderr."""
    table = plain(summary)
    notes = table.pop("notes")
    print_facts(table)
    for note in notes:
        remark(f"note: {note}")


def audit(
    cases: Annotated[Path, typer.Argument(help="cases.csv, as `prepare` writes it.", exists=True)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for audit.json, pairs.csv and pairs.png, to look at.")
    ] = None,
    workers: Workers = 2,
    as_json: Json = False,
) -> None:
    """Find what is wrong with a set before training.

    Finds missing, unreadable or blank files, mask faults, pictures that are there twice within and across splits
    (copied, cropped, mirrored, marked), conflicting labels, groups in two splits, and screen text inside the crop. Exit
    code 1 if training on the set would be invalid: `train` refuses it then.
    """
    from thyrosight.datasets.audit import audit as audit_table
    from thyrosight.datasets.audits.audit_folder import refuse_other_audit, write_audit
    from thyrosight.datasets.table import read_cases

    if out is not None:
        refuse_other_audit(out, cases)
    with stdout_kept_for_json(as_json), progress_bar("looking at images") as progress:
        report = audit_table(cases, workers=workers, progress=progress)
    files = write_audit(report, read_cases(cases), out) if out is not None else []
    if as_json:
        print_json(report)
    else:
        print_audit(report, stdout_console(markup=True))
        for path in files:
            remark(f"wrote {path}")
    raise typer.Exit(0 if report.is_valid else 1)


def phantom(
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many cases to draw.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the images, masks and cases.csv.")],
    seed: Seed = 0,
    layout: Annotated[str | None, typer.Option("--layout", help="Write them in the layout of this public set.")] = None,
) -> None:
    """Draw synthetic ultrasound with its exact truth.

    Outline, millimetres and TI-RADS descriptors of every nodule are known, because the program draws them.
    Prints the path of cases.csv, or of the folder if --layout is given.
    """
    if layout is not None:
        from thyrosight.phantom.layouts import write_layout

        typer.echo(write_layout(layout, out, number, seed))
        return
    from thyrosight.phantom.cohort import write_phantoms

    with progress_bar("drawing") as progress:
        cases_csv = write_phantoms(number, out, seed, progress=progress)
    typer.echo(cases_csv)


def labels_of_nodules(texts: list[str]) -> tuple[str, ...]:
    """--mask-label nodule=VALUE[,VALUE], as given -> the values."""
    found: list[str] = []
    for text in texts:
        name, separator, values = text.partition("=")
        if name.strip() != "nodule" or not separator or not values.strip():
            raise ConfigError(f"--mask-label {text}: write nodule=VALUE, for example nodule=2 or nodule=#ff0000")
        found += [value.strip().lower() for value in values.split(",") if value.strip()]
    return tuple(found)


def columns_named(texts: list[str]) -> dict[str, str]:
    """Values of --column, each ROLE=NAME -> {role: name of the column}."""
    named = {}
    for text in texts:
        role, separator, column = text.partition("=")
        if not (role and separator and column):
            raise ConfigError(f"--column {text}: write ROLE=NAME, for example --column patient=PatID")
        named[role.strip()] = column.strip()
    return named


def print_audit(report: AuditReport, console: Console) -> None:
    """AuditReport -> a table of its findings; the last line is the verdict."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("", "finding", "cases", "for example", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    styles = {"error": "bold red", "warning": "yellow", "note": "dim"}
    for finding in report.findings:
        named = ", ".join(finding.case_ids[:MAX_NAMED]) + (" …" if len(finding.case_ids) > MAX_NAMED else "")
        number = str(len(finding.case_ids)) if finding.case_ids else ""
        table.add_row(
            f"[{styles[finding.severity]}]{finding.severity}[/]", escape(finding.message), number, escape(named)
        )
    console.print(table)
    for pair in report.pairs[:MAX_PAIRS_SHOWN]:
        where = "apart, " if pair.is_apart else ""
        labels = ", labels 0 and 1" if pair.labels_differ else ""
        console.print(escape(f"pair: {pair.first} and {pair.second}: {where}{pair.kind}{labels}"))
    if len(report.pairs) > MAX_PAIRS_SHOWN:
        more = len(report.pairs) - MAX_PAIRS_SHOWN
        console.print(f"and {more} pairs more: --out FOLDER writes all of them, and pictures to look at")
    verdict = "valid for training" if report.is_valid else "NOT valid for training: fix the errors first"
    console.print(escape(f"{report.num_cases} images in {report.num_groups} groups: {verdict}"))
