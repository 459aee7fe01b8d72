"""Folders of labelled ultrasound -> cases.csv: the commands prepare, audit, phantom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from thyrosight.commands.show import plain, print_json, print_table, remark, stdout_kept_for_json

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, for programs.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn.")]


def prepare(
    folder: Annotated[Path, typer.Argument(help="A set in its own layout, or a CSV with named columns.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for cases.csv, dataset.json and the masks.")],
    source: Annotated[str | None, typer.Option("--source", help="The set, where the layout does not tell.")] = None,
    folds: Annotated[int, typer.Option("--folds", min=2, help="Folds of the cross-validation.")] = 5,
    hold_out: Annotated[float, typer.Option("--hold-out", min=0.0, max=0.9, help="Part kept for the test.")] = 0.0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Labelled folder -> cases.csv, dataset.json.

    Recognises TN-SCUI2020, TN3K, DDTI, BUSI, TG3K and any CSV with named columns; finds the ultrasound field and
    the views of split screens; splits by patient or duplicate cluster, never by image.
    """
    from thyrosight.cases.prepare import prepare as prepare_cases

    with stdout_kept_for_json(as_json):
        summary = prepare_cases(folder, out, source=source, num_folds=folds, hold_out=hold_out, seed=seed)
    if as_json:
        print_json(summary)
        return
    print_table(("what", "value"), plain(summary).items())


def audit(
    cases: Annotated[Path, typer.Argument(help="cases.csv, as `prepare` writes it.")],
    as_json: Json = False,
) -> None:
    """What is wrong with a set, before training.

    Missing or unreadable files, mask faults, duplicates within and across splits, conflicting labels, groups in two
    splits, screen text left inside the crop. Exit code 1 where training on it would be invalid.
    """
    from thyrosight.cases.audit import audit as audit_cases

    with stdout_kept_for_json(as_json):
        report = audit_cases(cases)
    if as_json:
        print_json(report)
    else:
        print_table(("finding", "detail"), ((finding, "") for finding in report.findings))
    if not report.is_valid:
        remark("not valid for training: mend what is marked as an error first")
        raise typer.Exit(1)


def phantom(
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many cases to draw.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the images, masks and cases.csv.")],
    seed: Seed = 0,
    layout: Annotated[str | None, typer.Option("--layout", help="Write them in the layout of a public set.")] = None,
) -> None:
    """Synthetic ultrasound with its exact truth.

    Outline, millimetres and TI-RADS descriptors of every nodule are known, for nothing is annotated: all is drawn.
    """
    from thyrosight.phantom import write_phantoms

    typer.echo(write_phantoms(number, out, seed))
