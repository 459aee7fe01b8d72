"""The commands that disturb images and score again: stress, pool-stress; and their table in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thyrosight.commands.options import EvenIfSeen, Json, Threads, Tta, bundle_given
from thyrosight.commands.terminal import print_json, progress_bar, stdout_console, stdout_kept_for_json
from thyrosight.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from thyrosight.evaluation.estimates import Estimate
    from thyrosight.evaluation.stress.stress_scores import StressTest

COLUMNS = (
    "perturbation",
    "strength",
    "meaning",
    "Dice",
    "drop",
    "95 % interval",
    "n",
    "AUROC",
    "drop",
    "n",
    "|d risk|",
)


def stress(
    bundle: Annotated[
        Path, typer.Argument(help="A model bundle, or `shipped`.", parser=bundle_given, metavar="bundle")
    ],
    cases: Annotated[Path, typer.Option("--cases", help="cases.csv with masks or labels.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for stress.csv, stress.json, per_case.")],
    split: Annotated[str | None, typer.Option("--split", help="Only the rows of this split, e.g. test.")] = None,
    fold: Annotated[int | None, typer.Option("--fold", min=0, help="Only the rows of this fold.")] = None,
    perturbations: Annotated[
        list[str] | None, typer.Option("--perturbation", help="Only this perturbation; repeat for more.")
    ] = None,
    strengths: Annotated[str, typer.Option("--strengths", metavar="1,2,..", help="Which strengths.")] = "1,2,3,4,5",
    even_if_seen: EvenIfSeen = False,
    threads: Threads = None,
    tta: Tta = False,
    as_json: Json = False,
) -> None:
    """Measure how much disturbed images lower the scores.

    Predicts every case as it is, and with changed gain, gamma, speckle, blur, JPEG, depth, a shadow, and drawn calipers
    and text, each at strengths 1 to 5; 1 and 2 occur daily. Exit code 1 if a case could not be scored.
    """
    from thyrosight.datasets.table import RowChoice
    from thyrosight.evaluation.stress.stress import StressPlan, disturbances
    from thyrosight.evaluation.stress.stress import stress as stress_model
    from thyrosight.inference.predictor import Predictor

    plan = StressPlan(disturbances(perturbations or (), strength_numbers(strengths)))
    with stdout_kept_for_json(as_json), progress_bar("stressing") as progress:
        predictor = Predictor.load(bundle, threads=threads, tta=tta)
        chosen = RowChoice(split, fold)
        test = stress_model(predictor, cases, out, chosen, plan=plan, even_if_seen=even_if_seen, progress=progress)
    _print_stress(test, out, as_json)


def pool_stress(
    parts: Annotated[list[Path], typer.Argument(help="Folder of the stress test of each fold.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pooled stress test.")],
    as_json: Json = False,
) -> None:
    """Stress tests of folds -> one of all cases.

    Each fold has to be tested with the model that has not seen it. A case that is in two folds is an error.
    """
    from thyrosight.evaluation.stress.stress import pool_stress as pool_folds

    with stdout_kept_for_json(as_json):
        test = pool_folds(parts, out)
    _print_stress(test, out, as_json)


def strength_numbers(text: str) -> tuple[int, ...]:
    """Value of --strengths -> its numbers; ConfigError where one is not a number."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--strengths {text}: write numbers separated by commas, e.g. 1,2") from None


def _print_stress(test: StressTest, out: Path, as_json: bool) -> None:
    """Print one row per disturbance and the headlines; exit code 1 if a case could not be scored."""
    if as_json:
        print_json(test)
    else:
        print_stress(test, stdout_console())
        typer.echo(out / "stress.csv")
    raise typer.Exit(1 if test.failures else 0)


def print_stress(test: StressTest, console: Console) -> None:
    """StressTest -> what was disturbed, one row per disturbance, the cases without a score, and the headlines."""
    from rich.text import Text

    from thyrosight.evaluation.report import number_text

    stressed = test.stressed
    console.print(
        Text(
            f"{stressed.model_name} on {stressed.cases}, {stressed.selection}: {test.num_images} images of "
            f"{test.num_groups} groups; clean: Dice {with_interval(test.dice)}, AUROC {with_interval(test.auroc)}, "
            f"risks of standard deviation {number_text(test.risk_sd)}",
            style="bold",
        )
    )
    for note in stressed.notes:
        console.print(Text(f"note: {note}", style="yellow"))
    console.print(_table(test))
    if idle := sorted({row.perturbation for row in test.rows if test.num_images and not row.num_images}):
        console.print(
            Text(f"nothing to disturb by {', '.join(idle)}: no case has an outline to draw it on", style="yellow")
        )
    for failure in test.failures:
        console.print(Text(f"not scored: {failure.case_id}: {failure.message}", style="red"))
    for line in headlines(test):
        console.print(Text(line))


def headlines(test: StressTest) -> list[str]:
    """StressTest -> its two headlines in words; a headline whose disturbance was not tried is left out."""
    lines = []
    worst = test.worst_daily
    if worst is not None:
        lines.append(
            f"worst mean Dice drop at strengths 1-2: {with_interval(worst.dice_drop)}, {worst.perturbation} "
            f"{worst.strength}"
        )
    daily, overall = test.caliper_risk_change_daily, test.caliper_risk_change
    changes = [
        f"{with_interval(part)} {where}" for part, where in ((daily, "at strengths 1-2"), (overall, "over all")) if part
    ]
    if changes:
        lines.append(f"mean |change of risk| with calipers drawn on: {'; '.join(changes)}")
    return lines


def with_interval(estimate: Estimate) -> str:
    """Estimate -> `value (low to high)`."""
    from thyrosight.evaluation.report import interval_text, number_text

    return f"{number_text(estimate.value)} ({interval_text(estimate)})"


def _table(test: StressTest) -> Table:
    from rich.table import Table

    from thyrosight.evaluation.report import interval_text, number_text

    table = Table(title="Disturbed: clean - disturbed, on the same images", title_justify="left")
    for index, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if index in (0, 2) else "right")
    before = ""
    for row in test.rows:
        table.add_row(
            row.perturbation if row.perturbation != before else "",
            str(row.strength),
            row.meaning,
            number_text(row.dice.value),
            _signed(row.dice_drop),
            interval_text(row.dice_drop),
            str(row.dice.n),
            number_text(row.auroc.value),
            _signed(row.auroc_drop),
            str(row.auroc.n),
            number_text(row.risk_change.value),
        )
        before = row.perturbation
    return table


def _signed(estimate: Estimate) -> str:
    return "-" if estimate.value is None else f"{estimate.value:+.3f}"
