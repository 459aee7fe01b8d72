"""Evaluation or Comparison -> tables in the terminal, every score with its interval and n."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from thyrosight.evaluation import Evaluation
from thyrosight.scores import Estimate
from thyrosight.selective_scores import Selective

if TYPE_CHECKING:
    from thyrosight.comparison import Comparison


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Evaluation -> what was evaluated, all scores, the subgroups and what could not be read."""
    evaluated = evaluation.evaluated
    console.print(
        Text(
            f"{evaluated.model_name} on {evaluated.cases}, {evaluated.selection}: {evaluation.num_images} images of "
            f"{evaluation.num_groups} groups; {evaluation.num_outlined} with an outline, {evaluation.num_labelled} "
            f"with a risk label ({evaluation.num_high} high)",
            style="bold",
        )
    )
    for note in evaluated.notes:
        console.print(Text(f"note: {note}", style="yellow"))
    console.print(_scores_table(evaluation))
    for selective in evaluation.selective:
        console.print(Text(selective_text(selective)))
    if evaluation.subgroups:
        console.print(_subgroups_table(evaluation))
    for failure in evaluation.failures:
        console.print(Text(f"not scored: {failure.case_id}: {failure.message}", style="red"))


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Comparison -> a row a score: both models, first - second with its paired interval."""
    table = Table(title=f"{comparison.num_cases} cases of {comparison.num_groups} groups, paired", title_justify="left")
    for column in ("score", "first", "second", "first - second", "95 % interval", "share beyond 0", "n"):
        table.add_column(column, justify="left" if column == "score" else "right")
    for score in comparison.scores:
        difference = score.difference
        table.add_row(
            score.title,
            number_text(score.first),
            number_text(score.second),
            _signed(difference.value),
            f"{_signed(difference.low)} to {_signed(difference.high)}" if difference.low is not None else "-",
            "-" if difference.two_sided_share is None else f"{difference.two_sided_share:.3f}",
            str(score.n),
        )
    console.print(Text(f"first:  {comparison.first}\nsecond: {comparison.second}"))
    console.print(table)
    if comparison.num_left_out:
        console.print(Text(f"{comparison.num_left_out} cases are in one of the two only and are left out"))


def number_text(value: float | None, unit: str = "") -> str:
    """A value and its unit -> text for people: shares with three decimals, px, mm and percent with one; None a dash."""
    if value is None:
        return "-"
    return f"{value:z.1f} {unit}" if unit else f"{value:z.3f}"


def interval_text(estimate: Estimate) -> str:
    """Estimate -> `low to high`, or why there is none."""
    if estimate.low is None or estimate.high is None:
        return estimate.reason or "-"
    digits = 1 if estimate.unit else 3
    return f"{estimate.low:z.{digits}f} to {estimate.high:z.{digits}f}"


def selective_text(selective: Selective) -> str:
    """Selective -> one line: the first score of all images, of the surest 80 % and 50 %, and the AURC."""
    curve = selective.curves[0]
    parts = []
    for coverage in (1.0, 0.8, 0.5):
        place = selective.coverage.index(coverage)
        low, high = curve.low[place], curve.high[place]
        interval = "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"
        parts.append(f"{number_text(curve.values[place])}{interval} at {coverage:.0%}")
    aurc = selective.aurc
    interval = "" if aurc.low is None or aurc.high is None else f" ({interval_text(aurc)})"
    return (
        f"{selective.title}, the surest images alone: {curve.title}: {', '.join(parts)} of {aurc.n} images; "
        f"AURC {number_text(aurc.value)}{interval}, without order {selective.aurc_without_order:.3f}, "
        f"at best {selective.aurc_of_best_order:.3f}"
    )


def _scores_table(evaluation: Evaluation) -> Table:
    table = Table(title="Scores", title_justify="left")
    for column in ("score", "value", "95 % interval", "n"):
        table.add_column(column, justify="left" if column == "score" else "right")
    points = [estimate for point in evaluation.operating_points for estimate in (point.sensitivity, point.specificity)]
    for estimate in (*evaluation.scores, *evaluation.group_scores, *points):
        if estimate.value is not None:
            n = f"{estimate.n} {estimate.n_of}"
            table.add_row(estimate.title, number_text(estimate.value, estimate.unit), interval_text(estimate), n)
    return table


def _subgroups_table(evaluation: Evaluation) -> Table:
    table = Table(title="Subgroups", title_justify="left")
    for column in ("by", "subgroup", "images", "Dice", "95 % interval", "found", "AUROC", "95 % interval"):
        table.add_column(column, justify="left" if column in ("by", "subgroup") else "right")
    for subgroup in evaluation.subgroups:
        scores = {estimate.name: estimate for estimate in subgroup.scores}
        dice, auroc = scores["dice"], scores["auroc"]
        table.add_row(
            subgroup.by,
            subgroup.name,
            str(subgroup.num_images),
            number_text(dice.value),
            interval_text(dice) if dice.value is not None else "-",
            number_text(scores["nodule_sensitivity"].value),
            number_text(auroc.value),
            interval_text(auroc) if auroc.value is not None else "-",
        )
    return table


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"
