"""Labelled cases, or their scores -> scores: evaluate, pool, calibrate, compare, stress, pool-stress. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thyrosight.commands.results import Json, Threads, Tta
from thyrosight.commands.show import print_json, stdout_console, stdout_kept_for_json
from thyrosight.errors import ConfigError

if TYPE_CHECKING:
    from thyrosight.evaluation import Evaluation
    from thyrosight.stress_scores import StressTest


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="A model bundle, or a folder with one a fold.", exists=True)],
    cases: Annotated[Path, typer.Option("--cases", help="cases.csv with masks or labels.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for report.html, per_case.csv, evaluation.json.")],
    split: Annotated[str | None, typer.Option("--split", help="Only the rows of this split, e.g. test.")] = None,
    fold: Annotated[int | None, typer.Option("--fold", min=0, help="Only the rows of this fold.")] = None,
    across_folds: Annotated[
        bool, typer.Option("--across-folds", help="Mask rule and calibration of each fold by the others' images.")
    ] = False,
    threads: Threads = None,
    tta: Tta = False,
    as_json: Json = False,
) -> None:
    """Labelled cases -> scores with intervals.

    Grouped bootstrap 95 % intervals, subgroups, and report.html with curves and galleries. Of a folder with one bundle
    a fold each is scored on the fold that it has not seen, and all are pooled. Exit code 1 where a case has no score.
    """
    from thyrosight.bundle import fold_bundles
    from thyrosight.evaluate import evaluate as evaluate_bundle
    from thyrosight.fold_scores import evaluate_folds

    with stdout_kept_for_json(as_json):
        if split is None and fold is None and fold_bundles(bundle):
            evaluation = evaluate_folds(bundle, cases, out, threads=threads, tta=tta, across_folds=across_folds)
            out = out / "pooled"
        elif across_folds:
            raise ConfigError(f"{bundle}: --across-folds takes all folds of a folder of `cross-validate` or `ensemble`")
        else:
            evaluation = evaluate_bundle(bundle, cases, out, split=split, fold=fold, threads=threads, tta=tta)
    _print_evaluation(evaluation, out, as_json)


def pool(
    parts: Annotated[
        list[Path], typer.Argument(help="per_case.csv of each fold, or one kept table.", exists=True, dir_okay=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pooled evaluation.")],
    across_folds: Annotated[
        bool, typer.Option("--across-folds", help="Calibrate each fold's risk on the logits of the others first.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--export", help="CSV of all rows, compact, from which to pool again.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Folds' evaluations -> one of all cases.

    Each fold has to be evaluated by the model that has not seen it; a case that is in two of them is refused. What
    --export writes holds case names, groups and numbers alone, and gives the same evaluation when it is pooled.
    """
    from thyrosight.evaluate import pool as pool_folds

    with stdout_kept_for_json(as_json):
        evaluation = pool_folds(parts, out, across_folds=across_folds, keep=export)
    _print_evaluation(evaluation, out, as_json)


def calibrate(
    bundle: Annotated[Path, typer.Argument(help="The bundle of `train --fold all`.", exists=True)],
    per_case: Annotated[
        Path,
        typer.Option("--from", help="Pooled per_case.csv of `evaluate --across-folds`.", exists=True),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The bundle to write: a folder, or a .zip.")],
    scores: Annotated[
        Path | None, typer.Option("--scores", help="evaluation.json to declare; that beside --from if left out.")
    ] = None,
    stress: Annotated[
        Path | None, typer.Option("--stress", help="stress.json of `pool-stress`, to quote in the card.", exists=True)
    ] = None,
) -> None:
    """Final bundle, its folds' scores -> calibrated bundle.

    A network trained on all rows has seen every label. Its calibration, operating points, mask rule and scores are
    therefore taken from models by the same recipe, each on the fold that it had not seen; the mask rule only where
    --across-folds has chosen one. The weights stay as they are.
    """
    from thyrosight.recalibrate import recalibrate

    typer.echo(recalibrate(bundle, per_case, out, scores=scores, stress=stress))


def compare(
    first: Annotated[Path, typer.Argument(help="per_case.csv of one evaluation.", exists=True, dir_okay=False)],
    second: Annotated[Path, typer.Argument(help="per_case.csv of another.", exists=True, dir_okay=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File for the comparison as JSON.")] = None,
    as_json: Json = False,
) -> None:
    """Two evaluations -> paired differences.

    First less second, over the cases that both hold; the intervals are those of a grouped bootstrap of the paired
    differences.
    """
    from thyrosight.comparison import compare as compare_cases

    with stdout_kept_for_json(as_json):
        comparison = compare_cases(first, second, out=out)
    if as_json:
        print_json(comparison)
        return
    from thyrosight.evaluation_tables import print_comparison

    print_comparison(comparison, stdout_console())


def stress(
    bundle: Annotated[Path, typer.Argument(help="A model bundle.", exists=True)],
    cases: Annotated[Path, typer.Option("--cases", help="cases.csv with masks or labels.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for stress.csv, stress.json, per_case.")],
    split: Annotated[str | None, typer.Option("--split", help="Only the rows of this split, e.g. test.")] = None,
    fold: Annotated[int | None, typer.Option("--fold", min=0, help="Only the rows of this fold.")] = None,
    perturbations: Annotated[
        list[str] | None, typer.Option("--perturbation", help="Only this perturbation; repeat for more.")
    ] = None,
    strengths: Annotated[str, typer.Option("--strengths", metavar="1,2,..", help="Which strengths.")] = "1,2,3,4,5",
    threads: Threads = None,
    tta: Tta = False,
    as_json: Json = False,
) -> None:
    """What disturbed images cost the scores.

    Predicts every case as it is and with other gain, gamma, speckle, blur, JPEG, depth, a shadow, calipers and text
    drawn on, each at strengths 1 to 5; 1 and 2 are met daily. Exit code 1 where a case could not be scored.
    """
    from thyrosight.commands.show import progress_bar
    from thyrosight.stress import disturbances
    from thyrosight.stress import stress as stress_bundle

    chosen = disturbances(perturbations or (), strength_numbers(strengths))
    with stdout_kept_for_json(as_json), progress_bar("stressing") as progress:
        test = stress_bundle(
            bundle, cases, out, split=split, fold=fold, chosen=chosen, threads=threads, tta=tta, progress=progress
        )
    _print_stress(test, out, as_json)


def pool_stress(
    parts: Annotated[list[Path], typer.Argument(help="Folder of each fold's stress test.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pooled stress test.")],
    as_json: Json = False,
) -> None:
    """Folds' stress tests -> one of all cases.

    Each fold has to be stressed with the model that has not seen it; a case that is in two of them is refused.
    """
    from thyrosight.stress import pool_stress as pool_folds

    with stdout_kept_for_json(as_json):
        test = pool_folds(parts, out)
    _print_stress(test, out, as_json)


def strength_numbers(text: str) -> tuple[int, ...]:
    """--strengths as given -> its numbers; ConfigError where one is none."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--strengths {text}: give numbers with commas between, e.g. 1,2") from None


def _print_evaluation(evaluation: Evaluation, out: Path, as_json: bool) -> None:
    """All scores, and the report's path as the last line; exit code 1 where a case could not be scored."""
    if as_json:
        print_json(evaluation)
    else:
        from thyrosight.evaluation_tables import print_evaluation

        print_evaluation(evaluation, stdout_console())
        typer.echo(out / "report.html")
    raise typer.Exit(1 if evaluation.failures else 0)


def _print_stress(test: StressTest, out: Path, as_json: bool) -> None:
    """A row a disturbance and the headlines; exit code 1 where a case could not be scored."""
    if as_json:
        print_json(test)
    else:
        from thyrosight.stress_tables import print_stress

        print_stress(test, stdout_console())
        typer.echo(out / "stress.csv")
    raise typer.Exit(1 if test.failures else 0)
