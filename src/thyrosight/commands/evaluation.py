"""The commands that score labelled cases: evaluate, score, pool, calibrate, compare; their tables in the terminal."""

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

    from thyrosight.evaluation.compare import Comparison
    from thyrosight.evaluation.selective_scores import Selective
    from thyrosight.evaluation.summary import Evaluation


def evaluate(
    bundle: Annotated[
        Path,
        typer.Argument(
            help="A model bundle, `shipped`, or a folder with one bundle per fold.",
            parser=bundle_given,
            metavar="bundle",
        ),
    ],
    cases: Annotated[Path, typer.Option("--cases", help="cases.csv with masks or labels.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for report.html, per_case.csv, evaluation.json.")],
    split: Annotated[str | None, typer.Option("--split", help="Only the rows of this split, e.g. test.")] = None,
    fold: Annotated[int | None, typer.Option("--fold", min=0, help="Only the rows of this fold.")] = None,
    across_folds: Annotated[
        bool, typer.Option("--across-folds", help="Mask rule and calibration of each fold from the other folds.")
    ] = False,
    even_if_seen: EvenIfSeen = False,
    threads: Threads = None,
    tta: Tta = False,
    as_json: Json = False,
) -> None:
    """Labelled cases -> scores with intervals.

    Gives 95 % intervals by a grouped bootstrap, subgroups, and report.html with curves and galleries. Images that the
    bundle has seen in training are left out and named. In a folder with one bundle per fold, each bundle is scored on
    the fold that it has not seen, and all folds are pooled. Exit code 1 if a case has no score.
    """
    from functools import partial

    from thyrosight.bundle.store import fold_bundles
    from thyrosight.datasets.table import RowChoice
    from thyrosight.evaluation.evaluate import evaluate as evaluate_model
    from thyrosight.evaluation.evaluate_folds import evaluate_folds
    from thyrosight.inference.predictor import Predictor

    with stdout_kept_for_json(as_json), progress_bar("evaluating") as progress:
        if split is None and fold is None and fold_bundles(bundle):
            predictor_of = partial(Predictor, threads=threads, tta=tta)
            evaluation = evaluate_folds(
                bundle,
                cases,
                out,
                across_folds=across_folds,
                even_if_seen=even_if_seen,
                predictor_of=predictor_of,
                progress=progress,
            )
            out = out / "pooled"
        elif across_folds:
            raise ConfigError(f"{bundle}: --across-folds takes all folds of a folder of `cross-validate` or `ensemble`")
        else:
            predictor = Predictor.load(bundle, threads=threads, tta=tta)
            chosen = RowChoice(split, fold)
            evaluation = evaluate_model(predictor, cases, out, chosen, even_if_seen=even_if_seen, progress=progress)
    _print_evaluation(evaluation, out, as_json)


def score(
    cases: Annotated[Path, typer.Option("--cases", help="cases.csv with masks or labels.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for report.html, per_case.csv, evaluation.json.")],
    masks: Annotated[
        Path | None, typer.Argument(help="Folder of masks: PNG, TIFF, NIfTI, named as the cases.", exists=True)
    ] = None,
    risks: Annotated[
        Path | None, typer.Option("--risks", help="CSV with the columns case_id and risk.", exists=True, dir_okay=False)
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the program in the report; default: the folder.")] = "",
    mask_labels: Annotated[
        list[str] | None, typer.Option("--mask-label", metavar="nodule=VALUE", help="The value of nodules; repeat.")
    ] = None,
    missing_is_empty: Annotated[
        bool, typer.Option("--missing-is-empty", help="Where a case has no mask file, nothing was found in it.")
    ] = False,
    split: Annotated[str | None, typer.Option("--split", help="Only the rows of this split, e.g. test.")] = None,
    fold: Annotated[int | None, typer.Option("--fold", min=0, help="Only the rows of this fold.")] = None,
    as_json: Json = False,
) -> None:
    """Masks and risks of another program -> scores.

    Scores them as `evaluate` scores a bundle, for example the output folder of nnU-Net; `compare` compares the two. A
    case without a mask is named and has no score. Exit code 1 if a case has no score.
    """
    from thyrosight.commands.datasets import labels_of_nodules
    from thyrosight.datasets.table import RowChoice
    from thyrosight.evaluation.others.score_masks import OtherResults, score_masks

    labels = frozenset(labels_of_nodules(mask_labels or []))
    results = OtherResults(masks, risks, name, labels, missing_is_empty)
    with stdout_kept_for_json(as_json), progress_bar("scoring") as progress:
        evaluation = score_masks(results, cases, out, RowChoice(split, fold), progress=progress)
    _print_evaluation(evaluation, out, as_json)


def pool(
    parts: Annotated[
        list[Path],
        typer.Argument(help="per_case.csv of each fold, or its folder; or one table of --export.", exists=True),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pooled evaluation.")],
    across_folds: Annotated[
        bool, typer.Option("--across-folds", help="Calibrate the risk of each fold on the other folds first.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--export", help="Compact CSV of all rows, from which `pool` gives the same scores.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Evaluations of folds -> one of all cases.

    Each fold has to be evaluated by the model that has not seen it. A case that is in two folds is an error. The file
    of --export holds case names, groups and numbers only.
    """
    from thyrosight.evaluation.evaluate_folds import pool as pool_folds

    with stdout_kept_for_json(as_json):
        evaluation = pool_folds(parts, out, across_folds=across_folds, keep=export)
    _print_evaluation(evaluation, out, as_json)


def calibrate(
    bundle: Annotated[
        Path, typer.Argument(help="The bundle of `train --fold all`.", parser=bundle_given, metavar="bundle")
    ],
    per_case: Annotated[
        Path,
        typer.Option("--from", help="per_case.csv of one fold, or pooled by `evaluate --across-folds`.", exists=True),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The bundle to write: a folder, or a .zip.")],
    scores: Annotated[
        Path | None, typer.Option("--scores", help="evaluation.json to quote; default: the one next to --from.")
    ] = None,
    stress: Annotated[
        Path | None, typer.Option("--stress", help="stress.json of `pool-stress`, for the model card.", exists=True)
    ] = None,
) -> None:
    """Final bundle, scores of its folds -> calibrated bundle.

    A network that was trained on all rows has seen every label. Calibration, operating points, mask rule and scores
    therefore come from models of the same recipe, each on the fold that it had not seen. One fold's scores will do. The
    mask rule is set only if `evaluate --across-folds` chose one. The weights do not change.
    """
    from thyrosight.export.calibrate_by_folds import recalibrate

    typer.echo(recalibrate(bundle, per_case, out, scores=scores, stress=stress))


def compare(
    first: Annotated[Path, typer.Argument(help="per_case.csv of one evaluation, or its folder.", exists=True)],
    second: Annotated[Path, typer.Argument(help="The same of another evaluation.", exists=True)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File for the comparison as JSON.")] = None,
    as_json: Json = False,
) -> None:
    """Two evaluations -> paired differences.

    Gives first - second over the cases that are in both. The intervals come from a grouped bootstrap of the paired
    differences.
    """
    from thyrosight.evaluation.compare import compare as compare_cases

    with stdout_kept_for_json(as_json):
        comparison = compare_cases(first, second, out=out)
    if as_json:
        print_json(comparison)
        return
    print_comparison(comparison, stdout_console())


def _print_evaluation(evaluation: Evaluation, out: Path, as_json: bool) -> None:
    """Print all scores, the path of the report as the last line; exit code 1 if a case could not be scored."""
    if as_json:
        print_json(evaluation)
    else:
        print_evaluation(evaluation, stdout_console())
        typer.echo(out / "report.html")
    raise typer.Exit(1 if evaluation.failures else 0)


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Evaluation -> what was evaluated, all scores, the subgroups and the cases without a score."""
    from rich.text import Text

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
    """Comparison -> one row per score: both models, first - second with its paired interval."""
    from rich.table import Table
    from rich.text import Text

    from thyrosight.evaluation.report import number_text

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
    for note in comparison.notes:
        console.print(Text(f"note: {note}", style="yellow"))
    if comparison.num_left_out:
        console.print(Text(f"{comparison.num_left_out} cases are in one of the two only and are left out"))


def selective_text(selective: Selective) -> str:
    """Selective -> one line: the first score of all images, of the surest 80 % and 50 %, and the AURC."""
    from thyrosight.evaluation.report import interval_text, number_text

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
    from rich.table import Table

    from thyrosight.evaluation.report import interval_text, number_text

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
    from rich.table import Table

    from thyrosight.evaluation.report import interval_text, number_text

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
