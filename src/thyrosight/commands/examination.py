"""The command `readers`: a log of readings without and with the network -> what the network changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thyrosight.commands.options import Json
from thyrosight.commands.terminal import print_json, print_table, remark

if TYPE_CHECKING:
    from thyrosight.evaluation.reader_study import ReaderStudy


def readers(
    log: Annotated[Path, typer.Argument(help="The log of readings that the page wrote (JSON lines).", exists=True)],
    cases: Annotated[Path, typer.Option("--cases", help="cases.csv with the images' masks or labels.", exists=True)],
    as_json: Json = False,
) -> None:
    """Readings without and with the network -> AUROC, Dice of both.

    Each reader's last reading without the network is compared with the last one after it was shown, per image. The 95 %
    intervals draw groups of cases. Images are found in cases.csv by their SHA-256.
    """
    from thyrosight.evaluation.reader_study import study_readers

    study = study_readers(log, cases)
    for fault in study.faults:
        remark(fault)
    if as_json:
        print_json(study)
    else:
        _print_study(study)
    if study.faults:
        raise typer.Exit(1)


def _print_study(study: ReaderStudy) -> None:
    def text(value: float | None, low: float | None, high: float | None, reason: str | None) -> str:
        if value is None:
            return f"none ({reason})"
        return f"{value:.3f}" + (f" ({low:.3f} to {high:.3f})" if low is not None else "")

    columns = ("score", "without the network", "with it", "gain", "pairs")
    rows = []
    for score in study.scores:
        both = [text(one.value, one.low, one.high, one.reason) for one in (score.without, score.with_network)]
        gain = score.gain
        rows.append((score.title, *both, text(gain.value, gain.low, gain.high, gain.reason), score.without.n))
    print_table(columns, rows)
    typer.echo("")
    print_table(("reader", "score", "without", "with"), study.by_reader)
    scale = {"suspicion": "the readers' suspicion", "tirads_points": "TI-RADS points"}[study.rated_by]
    typer.echo(
        f"\n{study.num_readers} readers, {study.num_images} images, {study.num_pairs} pairs; ranked by {scale}; "
        "intervals: 95 %, by group of cases"
    )
    for reason, num in study.left_out.items():
        typer.echo(f"left out: {num} {reason}")
