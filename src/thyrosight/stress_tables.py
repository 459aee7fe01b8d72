"""StressTest -> tables in the terminal: a row a disturbance, every drop with its interval and n, and the headlines."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from thyrosight.evaluation_tables import interval_text, number_text
from thyrosight.scores import Estimate
from thyrosight.stress_scores import StressTest

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


def print_stress(test: StressTest, console: Console) -> None:
    """StressTest -> what was disturbed, a row a disturbance, what could not be read, and the headlines."""
    stressed = test.stressed
    console.print(
        Text(
            f"{stressed.model_name} on {stressed.cases}, {stressed.selection}: {test.num_images} images of "
            f"{test.num_groups} groups; clean: Dice {with_interval(test.dice)}, AUROC {with_interval(test.auroc)}, "
            f"risks of standard deviation {number_text(test.risk_sd)}",
            style="bold",
        )
    )
    console.print(_table(test))
    for failure in test.failures:
        console.print(Text(f"not scored: {failure.case_id}: {failure.message}", style="red"))
    for line in headlines(test):
        console.print(Text(line))


def headlines(test: StressTest) -> list[str]:
    """StressTest -> its two headlines in words, as far as they were tried."""
    lines = []
    worst = test.worst_daily
    if worst is not None:
        lines.append(
            f"worst mean Dice drop at strengths 1-2: {with_interval(worst.dice_drop)}, {worst.perturbation} "
            f"{worst.strength}"
        )
    daily, overall = test.caliper_risk_change_daily, test.caliper_risk_change
    told = [
        f"{with_interval(part)} {where}" for part, where in ((daily, "at strengths 1-2"), (overall, "over all")) if part
    ]
    if told:
        lines.append(f"mean |change of risk| with calipers drawn on: {'; '.join(told)}")
    return lines


def with_interval(estimate: Estimate) -> str:
    """Estimate -> `value (low to high)`."""
    return f"{number_text(estimate.value)} ({interval_text(estimate)})"


def _table(test: StressTest) -> Table:
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
